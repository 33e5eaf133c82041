//! A request that can be read in one way only, on its way through the gate.

use std::sync::Arc;
use std::time::Instant;

use pingora::protocols::Stream;

use crate::clock::UnixTime;
use crate::gate::permit::Permit;
use crate::gate::{self, Decision, Ruling, throttle};
use crate::policy::Policy;
use crate::policy::route::Route;
use crate::proxy::answer_head::AnswerLines;
use crate::proxy::arrival;
use crate::proxy::buffer::Leftover;
use crate::proxy::connection::{After, Connection};
use crate::proxy::preflight;
use crate::proxy::record::{Record, Who};
use crate::request::Request;
use crate::wire::body::Framing;

/// One request, and everything that is known about it before it is judged.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) connection: &'a Connection<'a>,
    pub(super) policy: &'a Arc<Policy>,
    pub(super) request: Request<'a>,
    pub(super) framing: Framing,
    pub(super) expects_continue: bool,
    /// The client allows another request on this connection, and so does the gate.
    pub(super) keep_alive: bool,
    /// Headers that `Connection` names: they end here.
    pub(super) nominated: &'a [&'a str],
    /// The peer is a proxy whose forwarding headers are believed.
    pub(super) trusted: bool,
    pub(super) who: Who,
    /// The moment by which it is judged.
    pub(super) now: UnixTime,
    pub(super) head_read: Instant,
    /// The head's bytes, and what was read behind them.
    pub(super) head_bytes: &'a [u8],
    pub(super) behind: &'a [u8],
}

impl Asked<'_> {
    /// Has the request judged, and forwards or refuses it.
    pub(super) async fn judge(&self, stream: &mut Stream) -> After {
        if let Some(answer) = preflight::answer(
            self.policy,
            &self.request,
            &self.who.request_id,
            self.keep_alive,
        ) {
            return self.preflight(stream, &answer).await;
        }
        let handshake = arrival::handshake(self.request.head);
        let decision = gate::decide(self.policy, &self.request, handshake, self.now).await;
        let client = self.request.client;
        let Decision {
            route,
            lookups,
            failed: _,
            outcome,
        } = throttle::count(self.policy, client, decision, self.now);
        let record = self.record(route.as_deref());
        record.series().auth_duration(self.head_read.elapsed());
        match outcome {
            Ok(Ruling::FirstMessage(awaited)) => {
                if let Err(denial) = self.count_opening(&awaited) {
                    let record = record.denied(self.policy, &denial, &lookups);
                    return self.deny(stream, route.as_deref(), &denial, record).await;
                }
                self.await_first_message(stream, awaited, record).await
            }
            Ok(Ruling::Permit(permit)) => match &permit.route.limit {
                None => {
                    let record = record.admitted(self.policy, &permit, &lookups);
                    self.forward(stream, &permit, record).await
                }
                Some(limiter) => {
                    let judged = (limiter, &lookups);
                    Box::pin(self.forward_within(judged, stream, &permit, record)).await
                }
            },
            Err(denial) => {
                let record = record.denied(self.policy, &denial, &lookups);
                self.deny(stream, route.as_deref(), &denial, record).await
            }
        }
    }

    /// Does what the permit allows.
    pub(super) async fn forward(
        &self,
        stream: &mut Stream,
        permit: &Permit<'_>,
        record: Record<'_>,
    ) -> After {
        if let Some(route) = &permit.route.renews {
            self.renew(stream, route, permit, record).await
        } else if permit.route.websocket {
            self.upgrade(stream, permit, record).await
        } else {
            self.exchange(stream, permit, record).await
        }
    }

    pub(super) fn record(&self, route: Option<&Route>) -> Record<'_> {
        let shared = &self.connection.worker.shared;
        Record::begin(shared, self.request.head.method, route, self.who)
    }

    /// The header lines that every answer of the upstream gets.
    pub(super) fn answer_headers(&self) -> AnswerLines {
        let cors = preflight::cors_headers(self.policy, self.request.head);
        AnswerLines {
            lines: [
                "X-Request-Id: ",
                self.who.request_id.as_str(),
                "\r\n",
                &cors,
            ]
            .concat(),
            owns_cors: self.policy.cors.is_some(),
            allows_origin: preflight::allows_origin(self.policy, self.request.head),
        }
    }

    /// What comes after this request, if its whole body is here already; else `None`.
    pub(super) fn unread_rest(&self) -> Option<Leftover> {
        let body = match self.framing {
            Framing::None => 0,
            Framing::Length(length) => usize::try_from(length).ok()?,
            Framing::Chunked | Framing::UntilClose => return None,
        };
        let rest = self.behind.get(body..)?;
        Some(Leftover::copy_of(rest))
    }
}

//! Forwards what is permitted: as an HTTP exchange, or into a tunnel.

use std::io::IoSlice;
use std::time::Instant;

use pingora::protocols::Stream;

use crate::clock;
use crate::gate::permit::Permit;
use crate::gate::standing::Standing;
use crate::proxy::answer::denial_headers;
use crate::proxy::carrier;
use crate::proxy::connection::After;
use crate::proxy::connection::asked::Asked;
use crate::proxy::connection::first_message::renewal_inspection;
use crate::proxy::connection::refuse::Refusal;
use crate::proxy::exchange::{self, Carried, Exchange, Failure, Next};
use crate::proxy::io::{WRITE_STALL, write_all};
use crate::proxy::learning::{self, Pupil};
use crate::proxy::outgoing::{self, Facts};
use crate::proxy::pieces::Pieces;
use crate::proxy::record::{Outcome, Record};
use crate::proxy::tether::{Govern, Governed};
use crate::proxy::upgrade::{self, Handshaken, Offer, Switched};
use crate::proxy::websocket::{self, Behind, Opened};
use crate::request_id;
use crate::session::claims::{NoPlace, Reservation};
use crate::session::registry::Session;
use crate::session::{Kind, SessionId};
use crate::wire::body::Framing;

impl Asked<'_> {
    pub(super) async fn exchange(
        &self,
        stream: &mut Stream,
        permit: &Permit<'_>,
        record: Record<'_>,
    ) -> After {
        let worker = self.connection.worker;
        if let (Framing::Length(length), Some(most)) = (self.framing, permit.route.sizes.request)
            && length > most
        {
            let failure = Failure::RequestTooLarge;
            return self.fail(stream, &permit.route, failure, record).await;
        }
        let pieces = self.outgoing(permit, None);
        let answer_headers = self.answer_headers();
        let started = Instant::now();
        let overhead = started.saturating_duration_since(self.head_read);
        record.series().overhead(overhead);
        let governor = Governor {
            asked: self,
            permit,
        };
        let exchange = Exchange {
            connector: &worker.connector,
            client: stream,
            permit,
            method: self.request.head.method,
            version: self.request.head.version,
            framing: self.framing,
            expects_continue: self.expects_continue,
            keep_alive: self.keep_alive,
            drain: &worker.shared.drain,
            pieces: &pieces,
            head: self.head_bytes,
            behind: self.behind,
            answer_headers: &answer_headers,
            govern: &governor,
            listener: Pupil::of(
                &worker.shared,
                self.policy,
                &permit.route,
                &self.request,
                self.now,
            ),
            started,
        };
        let carried = match &worker.shared.carrier {
            None => exchange::run(exchange).await,
            Some(carrier) => carrier::carry(&**carrier, exchange).await,
        };
        self.finish(stream, permit, carried, record).await
    }

    pub(super) async fn upgrade(
        &self,
        stream: &mut Stream,
        permit: &Permit<'_>,
        record: Record<'_>,
    ) -> After {
        let worker = self.connection.worker;
        let offered = match self.may_open() {
            Ok(offered) => offered,
            Err(refusal) => {
                return self.fail_with(stream, &permit.route, refusal, record).await;
            }
        };
        let session_id = request_id::session_id();
        let reserved = websocket::reserve_place(&worker.shared, permit, session_id);
        let place = match reserved.await {
            Ok(place) => place,
            Err(no_place) => {
                let refusal = no_place_left(no_place);
                return self.fail_with(stream, &permit.route, refusal, record).await;
            }
        };
        let pieces = self.outgoing(permit, Some(session_id));
        let answer_headers = self.answer_headers();
        let handshaken = upgrade::handshake(
            &worker.connector,
            permit,
            &self.request,
            Offer {
                subprotocols: &offered,
                extensions: !permit.route.is_read(),
            },
            &pieces,
            self.head_bytes,
            &answer_headers,
        )
        .await;
        match handshaken {
            Ok(Handshaken::Switched(switched)) => {
                let opening = (session_id, place);
                self.open(stream, permit, opening, switched, record).await
            }
            Ok(Handshaken::Declined(declined)) => {
                let carried = declined.relay(stream, &answer_headers).await;
                self.finish(stream, permit, carried, record).await
            }
            Err(failure) => self.fail(stream, &permit.route, failure, record).await,
        }
    }

    /// Registers the session and then tells the client.
    async fn open(
        &self,
        stream: &mut Stream,
        permit: &Permit<'_>,
        (id, place): (SessionId, Option<Reservation>),
        switched: Switched,
        record: Record<'_>,
    ) -> After {
        let Switched {
            line: upstream,
            early,
            answer,
        } = switched;
        let opened = Opened::register(
            self.connection.worker,
            permit,
            Standing::of(permit, self.policy, &self.request),
            id,
            Behind {
                upstream,
                from_client: self.behind.to_vec(),
                from_upstream: early,
            },
            self.who,
        );
        // The session is known from here on: a reload, a revocation or the end of the gate either
        // finds it, or is found here.
        let leaving = self.connection.worker.shared.drain.is_leaving();
        let leaving = leaving.then(Refusal::leaving);
        if let Some(refusal) = leaving.or_else(|| self.overtaken(permit, opened.session())) {
            return self.fail_with(stream, &permit.route, refusal, record).await;
        }
        if let Some(place) = place {
            let registry = &self.connection.worker.shared.registry;
            let taken = registry.take_place(opened.session(), place, clock::steady());
            if let Err(no_place) = taken.await {
                let refusal = no_place_left(no_place);
                return self.fail_with(stream, &permit.route, refusal, record).await;
            }
        }
        if let Ok(()) = write_all(stream, &mut [IoSlice::new(&answer)], WRITE_STALL).await {
            record.finish(Outcome::Upgraded);
            let opened = match renewal_inspection(self, permit, opened.session()) {
                Some(inspection) => opened.inspected(inspection),
                None => opened,
            };
            After::Upgraded(Box::new(opened))
        } else {
            record.finish(Outcome::ClientGone);
            After::Close
        }
    }

    /// Whether the policy or the revocations have changed since the verdict.
    pub(super) fn is_overtaken(&self, permit: &Permit<'_>) -> bool {
        websocket::is_overtaken(&self.connection.worker.shared, permit)
    }

    /// The refusal, if a policy or a revocation that came since the verdict would not let the
    /// session in.
    fn overtaken(&self, permit: &Permit<'_>, session: &Session) -> Option<Refusal<'static>> {
        let shared = &self.connection.worker.shared;
        let denial = websocket::overtaken(shared, permit, session)?;
        Some(Refusal {
            status: denial.status(),
            reason: denial.reason(),
            message: "a change since the credential was checked does not let this in",
            headers: denial_headers(&denial, &shared.policy()),
        })
    }

    /// Whether a socket may open now, and with which of the offered subprotocols: all without those
    /// that carry credentials.
    pub(super) fn may_open(&self) -> Result<Vec<&str>, Refusal<'static>> {
        if self.connection.worker.shared.drain.is_leaving() {
            return Err(Refusal::leaving());
        }
        let offered: Vec<&str> = self.offered().collect();
        let offers = self.request.head.tokens("sec-websocket-protocol").flatten();
        if offered.is_empty() && offers.count() > 0 {
            // A browser would fail on a 101 that chooses nothing, and the token is never echoed.
            return Err(Refusal {
                status: 400,
                reason: "upgrade",
                message: "offer a subprotocol beside the one that carries the token",
                headers: String::new(),
            });
        }
        Ok(offered)
    }

    /// The subprotocols that the client offers, without those that carry credentials.
    pub(super) fn offered(&self) -> impl Iterator<Item = &str> {
        let headers = &self.policy.headers;
        let offers = self.request.head.tokens("sec-websocket-protocol").flatten();
        offers.filter(|entry| !headers.is_credential_subprotocol(entry.as_bytes()))
    }

    /// The head as the upstream gets it.
    pub(super) fn outgoing(&self, permit: &Permit<'_>, session: Option<SessionId>) -> Pieces {
        let facts = Facts {
            peer: &self.connection.peer_text,
            trusted: self.trusted,
            nominated: self.nominated,
            request_id: self.who.request_id.as_str(),
            now: self.now,
            session,
        };
        outgoing::request_head(self.policy, permit, &self.request, facts)
    }

    async fn finish(
        &self,
        stream: &mut Stream,
        permit: &Permit<'_>,
        carried: Result<Carried, Failure>,
        record: Record<'_>,
    ) -> After {
        match carried {
            Ok(Carried {
                status,
                next,
                upstream_time,
            }) => {
                if status == 401 {
                    let shared = &self.connection.worker.shared;
                    learning::doubt(shared, self.policy, permit, self.now).await;
                }
                record.finish(Outcome::Carried {
                    status,
                    upstream: upstream_time,
                });
                match next {
                    Next::Continue(leftover) => After::Continue(leftover),
                    Next::Linger => After::Linger,
                }
            }
            Err(failure) => self.fail(stream, &permit.route, failure, record).await,
        }
    }
}

/// Makes a session of a request whose answer stays open.
struct Governor<'a, 'p> {
    asked: &'a Asked<'a>,
    permit: &'a Permit<'p>,
}

impl Govern for Governor<'_, '_> {
    fn begin(&self, kind: Kind) -> Option<Governed> {
        let worker = self.asked.connection.worker;
        let standing = Standing::of(self.permit, self.asked.policy, &self.asked.request);
        let governed = websocket::register(
            worker,
            self.permit,
            kind,
            standing,
            request_id::session_id(),
        );
        // Known from here on, as a WebSocket is.
        match self.asked.overtaken(self.permit, &governed.session) {
            None => Some(governed),
            Some(_) => None,
        }
    }
}

fn no_place_left(no_place: NoPlace) -> Refusal<'static> {
    match no_place {
        NoPlace::Taken => Refusal {
            status: 429,
            reason: "limited",
            message: "this device type is connected already",
            headers: String::new(),
        },
        NoPlace::TooOften { retry_after } => Refusal {
            status: 429,
            reason: "limited",
            message: "connections of this device type replace each other too often",
            headers: format!("Retry-After: {}\r\n", retry_after.as_secs() + 1),
        },
    }
}

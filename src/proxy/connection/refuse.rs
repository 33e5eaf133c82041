//! Refuses: what is malformed, what is denied, and what the upstream does not answer.

use std::io::IoSlice;
use std::time::Instant;

use pingora::protocols::Stream;

use crate::clock;
use crate::config::document::ErrorFormat;
use crate::gate::denial::Denial;
use crate::policy::Policy;
use crate::policy::route::Route;
use crate::proxy::answer::{Answer, Blamed, denial_headers};
use crate::proxy::connection::asked::Asked;
use crate::proxy::connection::{After, Connection};
use crate::proxy::exchange::Failure;
use crate::proxy::io::{WRITE_STALL, write_all};
use crate::proxy::preflight;
use crate::proxy::record::{Outcome, Record};
use crate::request_id::RequestId;

/// A refusal before it takes the form of an answer.
pub(super) struct Refusal<'a> {
    pub(super) status: u16,
    pub(super) reason: &'static str,
    /// A sentence without anything that the client sent.
    pub(super) message: &'a str,
    /// Further header lines, each with its CRLF.
    pub(super) headers: String,
}

impl<'a> Refusal<'a> {
    /// A malformed request.
    pub(super) const fn syntax(message: &'a str) -> Self {
        Self {
            status: 400,
            reason: "syntax",
            message,
            headers: String::new(),
        }
    }

    /// Another gate will take it.
    pub(super) fn leaving() -> Self {
        Self {
            status: 503,
            reason: "unavailable",
            message: "the gate is shutting down",
            headers: "Retry-After: 1\r\n".to_owned(),
        }
    }

    /// An upstream that does not do its part.
    const fn upstream(status: u16, message: &'a str) -> Self {
        Self {
            status,
            reason: "upstream",
            message,
            headers: String::new(),
        }
    }

    fn answer(self, format: ErrorFormat, request_id: &'a str) -> Answer<'a> {
        Answer {
            status: self.status,
            reason: self.reason,
            message: self.message,
            format,
            blamed: None,
            path: None,
            now: clock::now(),
            request_id,
            headers: self.headers,
            close: true,
            head_only: false,
        }
    }
}

impl Connection<'_> {
    /// Answers what never became a request. Where the next one would begin is unknown.
    pub(super) async fn refuse(
        &self,
        stream: &mut Stream,
        policy: &Policy,
        refusal: Refusal<'_>,
        started: Instant,
    ) -> After {
        let request_id = RequestId::fresh();
        let (status, reason) = (refusal.status, refusal.reason);
        let answer = refusal.answer(policy.errors, request_id.as_str());
        send(stream, &answer).await;
        let shared = &self.worker.shared;
        shared.record_syntax(self.peer, &request_id, status, reason, started.elapsed());
        After::Linger
    }
}

impl Asked<'_> {
    /// Answers a denial. The connection goes on if nothing of the request is left unread.
    pub(super) async fn deny(
        &self,
        stream: &mut Stream,
        route: Option<&Route>,
        denial: &Denial,
        record: Record<'_>,
    ) -> After {
        let message = denial.message();
        let refusal = Refusal {
            status: denial.status(),
            reason: denial.reason(),
            message: &message,
            headers: denial_headers(denial, self.policy),
        };
        let rest = self.unread_rest();
        let close = rest.is_none()
            || !self.keep_alive
            // Whoever names an unknown place is not to try on and on over one connection, and one
            // in plain text is of no use where TLS is asked for.
            || matches!(denial, Denial::NoRoute | Denial::TlsRequired);
        let blamed = Blamed::of(denial, self.policy);
        let sent = self.answer(stream, route, refusal, (blamed, close)).await;
        record.finish(Outcome::Answered {
            status: denial.status(),
        });
        match (sent, rest) {
            (true, Some(rest)) if !close => After::Continue(rest),
            (true, _) => After::Linger,
            (false, _) => After::Close,
        }
    }

    /// Answers a failure of the exchange, if the client has not been answered yet.
    pub(super) async fn fail(
        &self,
        stream: &mut Stream,
        route: &Route,
        failure: Failure,
        record: Record<'_>,
    ) -> After {
        record.note_failure(&route.upstream.name, &failure);
        let refusal = match failure {
            Failure::Connect(_) => Refusal::upstream(502, "the upstream cannot be reached"),
            Failure::Upstream(_) => Refusal::upstream(502, "the upstream did not answer properly"),
            Failure::UpstreamTimeout => {
                Refusal::upstream(504, "the upstream did not answer in time")
            }
            Failure::ResponseTooLarge => {
                Refusal::upstream(502, "the upstream's answer is too large for this route")
            }
            Failure::ClientBody => Refusal::syntax("the request's body is malformed"),
            Failure::RequestTooLarge => Refusal {
                status: 413,
                ..Refusal::syntax("the body is too large for this route")
            },
            Failure::ClientTimeout => Refusal {
                status: 408,
                ..Refusal::syntax("the request's body did not arrive")
            },
            Failure::Leaving => Refusal::leaving(),
            Failure::ClientGone => {
                record.finish(Outcome::ClientGone);
                return After::Close;
            }
            Failure::Cut { status } | Failure::Outgrown { status, .. } => {
                record.finish(Outcome::Cut { status });
                return After::Close;
            }
        };
        self.fail_with(stream, route, refusal, record).await
    }

    /// Answers in the upstream's stead and ends the connection.
    pub(super) async fn fail_with(
        &self,
        stream: &mut Stream,
        route: &Route,
        refusal: Refusal<'_>,
        record: Record<'_>,
    ) -> After {
        let (status, reason) = (refusal.status, refusal.reason);
        self.answer(stream, Some(route), refusal, (None, true))
            .await;
        record.finish(Outcome::Failed { status, reason });
        After::Linger
    }

    /// Sends an answer to a preflight.
    pub(super) async fn preflight(&self, stream: &mut Stream, answer: &[u8]) -> After {
        let sent = write_all(stream, &mut [IoSlice::new(answer)], WRITE_STALL).await;
        self.record(None).finish(Outcome::Answered { status: 204 });
        match (sent, self.unread_rest()) {
            (Ok(()), Some(rest)) if self.keep_alive => After::Continue(rest),
            _ => After::Linger,
        }
    }

    /// Writes an answer of our own. Tells whether it went out.
    async fn answer(
        &self,
        stream: &mut Stream,
        route: Option<&Route>,
        mut refusal: Refusal<'_>,
        (blamed, close): (Option<Blamed>, bool),
    ) -> bool {
        let format = route.and_then(|route| route.errors);
        refusal
            .headers
            .push_str(&preflight::cors_headers(self.policy, self.request.head));
        let answer = Answer {
            blamed,
            path: Some(self.request.path),
            close,
            head_only: self.request.head.method == "HEAD",
            ..refusal.answer(
                format.unwrap_or(self.policy.errors),
                self.who.request_id.as_str(),
            )
        };
        send(stream, &answer).await
    }
}

async fn send(stream: &mut Stream, answer: &Answer<'_>) -> bool {
    let bytes = answer.bytes();
    write_all(stream, &mut [IoSlice::new(&bytes)], WRITE_STALL)
        .await
        .is_ok()
}

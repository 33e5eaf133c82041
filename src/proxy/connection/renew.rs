//! Prolongs living sessions by a credential that is posted to the gate itself.

use std::io::IoSlice;

use pingora::protocols::Stream;
use serde_json::json;

use crate::clock::{self, UnixTime};
use crate::gate::permit::Permit;
use crate::gate::standing::Standing;
use crate::proxy::connection::After;
use crate::proxy::connection::asked::Asked;
use crate::proxy::connection::refuse::Refusal;
use crate::proxy::io::{WRITE_STALL, write_all};
use crate::proxy::preflight;
use crate::proxy::record::{Outcome, Record};
use crate::replicas::{self, Prolonged};
use crate::session::live::Renewal;
use crate::wire::body::Framing;

impl Asked<'_> {
    /// Gives the sessions of this user and device type on `route` the proof of this request.
    pub(super) async fn renew(
        &self,
        stream: &mut Stream,
        route: &str,
        permit: &Permit<'_>,
        record: Record<'_>,
    ) -> After {
        if !matches!(self.framing, Framing::None | Framing::Length(0)) {
            let refusal = Refusal::syntax("a renewal has no body");
            return self.fail_with(stream, &permit.route, refusal, record).await;
        }
        let shared = &self.connection.worker.shared;
        let admission = permit.admission.as_ref();
        let renewal = Renewal::new(
            Standing::of(permit, self.policy, &self.request),
            admission.and_then(|admission| admission.not_after),
        );
        let Prolonged {
            renewed,
            is_certain,
        } = match permit.claim_key() {
            Some(key) => replicas::renew(shared, key, route, &renewal).await,
            None => Prolonged::NOTHING,
        };
        if self.is_overtaken(permit) {
            // The sessions have the new proof by now, so whatever came meanwhile is asked of it.
            shared
                .registry
                .judge_again(&shared.policy(), clock::now(), clock::steady());
        }
        if renewed.sessions == 0 {
            let refusal = if is_certain {
                Refusal {
                    status: 404,
                    reason: "no_route",
                    message: "no session fits this credential",
                    headers: String::new(),
                }
            } else {
                Refusal {
                    status: 503,
                    reason: "unavailable",
                    message: "not every replica of the gate could be asked for the session",
                    headers: "Retry-After: 1\r\n".to_owned(),
                }
            };
            return self.fail_with(stream, &permit.route, refusal, record).await;
        }
        let expires_at = renewed.expires_at.map(UnixTime::as_secs);
        let body = json!({ "renewed": renewed.sessions, "expires_at": expires_at }).to_string();
        let connection = if self.keep_alive {
            ""
        } else {
            "Connection: close\r\n"
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nX-Request-Id: {}\r\n{connection}{}\r\n",
            body.len(),
            self.who.request_id.as_str(),
            preflight::cors_headers(self.policy, self.request.head),
        );
        let mut slices = [IoSlice::new(head.as_bytes()), IoSlice::new(body.as_bytes())];
        let sent = write_all(stream, &mut slices, WRITE_STALL).await;
        record.finish(Outcome::Answered { status: 200 });
        match (sent, self.unread_rest()) {
            (Ok(()), Some(rest)) if self.keep_alive => After::Continue(rest),
            (Ok(()), _) => After::Linger,
            (Err(_), _) => After::Close,
        }
    }
}

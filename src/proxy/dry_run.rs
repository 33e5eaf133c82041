//! What would become of a request, by the code that serves requests, without a socket.
//!
//! Nothing is forwarded, counted or remembered; whoever proves a credential remotely is asked. What
//! is told holds no credential: of what the gate would add, only the values that are about who asks.

use crate::clock::{Steady, UnixTime};
use crate::gate::denial::{Denial, UnfitBody};
use crate::gate::first_message::Awaited;
use crate::gate::permit::Permit;
use crate::gate::{self, Decision, Ruling, limit};
use crate::policy::Policy;
use crate::policy::requirement::Judged;
use crate::policy::route::Route;
use crate::proxy::arrival;
use crate::proxy::connection::{Reading, Unread};
use crate::proxy::outgoing::{self, Facts};
use crate::proxy::preflight;
use crate::proxy::syntax::{self, Checked, SyntaxError};
use crate::request::Request;
use crate::request_id::{self, RequestId};
use crate::wire::head::{self, HeadLimits, RequestHead};

mod outcome;
mod rewriting;
#[cfg(test)]
mod tests;

pub use crate::proxy::arrival::Entry;
pub use outcome::{Attempt, Explanation, LimitSeen, RouteSeen, Standpoint, Verdict, Who};
pub use rewriting::{Change, Rewriting};

/// What the gate would make of these bytes: a head, and perhaps a body.
pub async fn explain(policy: &Policy, bytes: &[u8], entry: Entry, now: UnixTime) -> Explanation {
    let limits = HeadLimits {
        head_bytes: policy.limits.head_bytes,
        headers: policy.limits.headers,
        target_bytes: policy.limits.target_bytes,
    };
    let head = match head::request(bytes, &limits) {
        Ok(Some(head)) => head,
        Ok(None) => {
            let message = "the head has no end: an empty line is missing";
            return Explanation::unread(408, "syntax", message);
        }
        Err(error) => return Explanation::unread(error.status(), "syntax", &error.to_string()),
    };
    match syntax::check(&head) {
        Ok(checked) => explain_checked(policy, (&head, &checked), bytes, entry, now).await,
        Err(error) => {
            let reason = if error == SyntaxError::Method {
                "method"
            } else {
                "syntax"
            };
            Explanation::unread(error.status(), reason, &error.to_string())
        }
    }
}

async fn explain_checked<'b>(
    policy: &Policy,
    (head, checked): (&RequestHead<'b>, &Checked<'b>),
    bytes: &[u8],
    entry: Entry,
    now: UnixTime,
) -> Explanation {
    let (request, trusted) = arrival::request(policy, head, checked, entry);
    let request_id = RequestId::fresh();
    if preflight::answer(policy, &request, &request_id, true).is_some() {
        return Explanation::of(Verdict::preflight(), &request);
    }
    let handshake = arrival::handshake(head);
    let (decision, judged) = gate::explain(policy, &request, handshake, now).await;
    let Decision {
        route,
        lookups: _,
        failed: _,
        outcome,
    } = decision;
    let mut explanation = Explanation::of(Verdict::forwarded(), &request);
    if let Some(route) = &route {
        explanation.route = Some(RouteSeen::of(route));
        explanation.authenticators = attempts(policy, route, &request, &judged);
        explanation.limit = route.limit.as_deref().map(LimitSeen::of);
    }
    let (head_bytes, body) = bytes.split_at_checked(head.len).unwrap_or_default();
    match outcome {
        Ok(Ruling::FirstMessage(Awaited { deadline, .. })) => {
            explanation.verdict = Verdict::first_message(deadline);
        }
        Ok(Ruling::Permit(permit)) => {
            match &permit.observed {
                None => explanation.standpoint = Some(Standpoint::of(&permit)),
                Some(observed) => explanation.verdict = Verdict::observed(observed),
            }
            match count(policy, &request, checked, &permit, body) {
                Err(denial) => explanation.verdict = Verdict::of(&denial),
                Ok(()) if permit.route.renews.is_some() => {
                    explanation.verdict = Verdict::renewal();
                }
                Ok(()) => {
                    let facts = Facts {
                        peer: &entry.peer.to_string(),
                        trusted,
                        nominated: &checked.nominated,
                        request_id: request_id.as_str(),
                        now,
                        session: permit.route.websocket.then(request_id::session_id),
                    };
                    let pieces = outgoing::request_head(policy, &permit, &request, facts);
                    let slices = pieces.slices(head_bytes, b"");
                    let outgoing = slices.iter().flat_map(|slice| slice.iter().copied());
                    let outgoing: Vec<u8> = outgoing.collect();
                    explanation.forwarded = Some(rewriting::between(policy, head, &outgoing));
                }
            }
        }
        Err(denial) => explanation.verdict = Verdict::of(&denial),
    }
    explanation
}

/// Whether the request says by whom it is counted. Of the limit itself nobody has used anything: the
/// policy is not the one of a running gate.
fn count(
    policy: &Policy,
    request: &Request<'_>,
    checked: &Checked<'_>,
    permit: &Permit<'_>,
    body: &[u8],
) -> Result<(), Denial> {
    let unfit = |unread| {
        Denial::UnfitBody(match unread {
            Unread::TooLarge => UnfitBody::TooLarge,
            Unread::Failed(_) => UnfitBody::Malformed,
        })
    };
    let mut payload = Vec::new();
    if permit.route.limit.as_deref().is_some_and(limit::reads_body) {
        let mut reading = Reading::new(checked.framing).map_err(unfit)?;
        reading.take(body).map_err(unfit)?;
        payload = reading.into_payload();
    }
    limit::admit(policy, request, permit, &payload, Steady::from_millis(0))
}

/// What each authenticator of the route made of the request, in file order.
fn attempts(
    policy: &Policy,
    route: &Route,
    request: &Request<'_>,
    judged: &[Judged],
) -> Vec<Attempt> {
    let ids = route.require.authenticators().iter();
    let known = ids.filter_map(|id| Some((id, policy.authenticator(*id)?)));
    known
        .map(|(id, authenticator)| {
            let one = judged.iter().find(|one| one.authenticator == *id);
            Attempt::new(authenticator, request, one.map(|one| &one.outcome))
        })
        .collect()
}

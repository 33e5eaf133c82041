//! A Socket.IO connection that begins with the event `auth2`: the upstream greets first.

use std::time::Duration;

use pingora::protocols::Stream;
use serde_json::{Value, json};

use crate::gate::denial::{Denial, Refusal};
use crate::gate::first_message::Presented;
use crate::policy::Policy;
use crate::policy::first_message::Member;
use crate::proxy::connect::Line;
use crate::proxy::connection::first_message::{Ended, Seat, Stranger, later, within};
use crate::proxy::record::Outcome;
use crate::proxy::websocket::{Behind, Opened};
use crate::session::{CloseReason, SessionId};
use crate::tunnel::first_message::{End, Introduction, Unmet, end_both, say};
use crate::wire::socketio::{DISCONNECT, refusal};

/// Supervises the talk until the client says who it is, and has that judged.
pub(super) async fn introduce(
    mut seat: Seat,
    stranger: &Stranger,
    (id, behind): (SessionId, Behind),
    deadline: Duration,
    client: Stream,
) -> Option<(Stream, Opened)> {
    let shared = &stranger.worker.shared;
    let mut client = End::client(client, &behind.from_client);
    let Line { stream, load } = behind.upstream;
    let mut upstream = End::upstream(stream, &behind.from_upstream);
    let mut introduction = Introduction::default();
    let auth2 = introduction.auth2(&mut client, &mut upstream);
    let event = match within(deadline, &mut seat, auth2).await {
        Ok(event) => event,
        Err(ended) => {
            let reason = stranger.unmet(ended);
            let upstream_gets = reason.filter(|_| ended != Ended::Unmet(Unmet::UpstreamGone));
            end_both((&mut client, reason), (&mut upstream, upstream_gets)).await;
            return None;
        }
    };
    let policy = shared.policy();
    let judged = match &event.credentials {
        Ok(auth2) => stranger.judge(&policy, Presented::Auth2(auth2)).await,
        Err(_) => Err(stranger.deny(stranger.malformed())),
    };
    let (permit, record) = match judged {
        Ok(admitted) => admitted,
        Err(denial) => {
            let answer = match event.ack {
                Some(ack) => {
                    let answer = answer(&denial, &policy);
                    refusal(ack, introduction.wants_base64(), &answer)
                }
                None => DISCONNECT.to_owned(),
            };
            say(&mut client, &answer).await;
            let reason = Some(CloseReason::of_message(&denial));
            end_both((&mut client, reason), (&mut upstream, reason)).await;
            return None;
        }
    };
    drop(seat);
    let _busy = shared.in_flight();
    let place = match stranger.may_open(&permit, id).await {
        Ok(place) => place,
        Err((reason, word)) => {
            record.finish(Outcome::Closed { reason: word });
            end_both((&mut client, Some(reason)), (&mut upstream, Some(reason))).await;
            return None;
        }
    };
    let (client, rest) = client.into_parts();
    let (stream, unread) = upstream.into_parts();
    let behind = Behind {
        upstream: Line { stream, load },
        from_client: [event.raw, rest].concat(),
        from_upstream: [introduction.into_held(), unread].concat(),
    };
    let opened = stranger.register(&policy, &permit, id, behind);
    let inspection = later::inspection(stranger, &permit, opened.session());
    let opened = opened.inspected(inspection);
    stranger
        .open(client, opened, (&permit, place), record)
        .await
}

/// What the server itself would answer. Its clients know 401 only: they stop and do not try again. So
/// whoever may come again is told something else.
fn answer(denial: &Denial, policy: &Policy) -> Value {
    let (rc, rm) = match denial.status() {
        429 => (429, "Too Many Requests"),
        503 => (503, "Service Unavailable"),
        _ => (401, "Unauthorized"),
    };
    let blamed = denial
        .authenticator()
        .and_then(|id| policy.authenticator(id));
    let blamed = blamed.and_then(|authenticator| Member::taken_by(&authenticator.carriers));
    let code = if *denial == Denial::Forbidden(Refusal::Domain) {
        "CLIENT_KEY_MISMATCH"
    } else if blamed == Some(Member::ClientKey) {
        "INVALID_CLIENT_KEY"
    } else {
        "INVALID_TOKEN"
    };
    json!({ "RC": rc, "RM": rm, "error": { "code": code, "message": denial.message() } })
}

//! A first message in JSON: nothing reaches the upstream before it is judged.

use std::sync::Arc;
use std::time::Duration;

use pingora::protocols::Stream;

use crate::config::document::CredentialForm;
use crate::gate::first_message::Presented;
use crate::gate::permit::Permit;
use crate::policy::Policy;
use crate::proxy::connection::Connection;
use crate::proxy::connection::first_message::{DECLINED, Kept, Seat, Stranger, within};
use crate::proxy::exchange::Failure;
use crate::proxy::record::{Outcome, Record};
use crate::proxy::syntax;
use crate::proxy::upgrade::{self, Handshaken, Offer, Switched};
use crate::proxy::websocket::{Behind, Opened};
use crate::request_id;
use crate::session::{CloseReason, SessionId};
use crate::tunnel::first_message::{End, end, text};
use crate::wire::head::{self, HeadLimits, MOST_HEADERS};
use crate::wire::json;
use crate::wire::message::Message;

/// Waits for the message, has it judged, and makes the handshake with the upstream.
pub(super) async fn introduce(
    mut seat: Seat,
    stranger: &Stranger,
    kept: Kept,
    deadline: Duration,
    client: Stream,
) -> Option<(Stream, Opened)> {
    let mut client = End::client(client, &kept.from_client);
    let message = match within(deadline, &mut seat, text(&mut client)).await {
        Ok(message) => message,
        Err(ended) => {
            Box::pin(end(&mut client, stranger.unmet(ended))).await;
            return None;
        }
    };
    // Boxed, as the end is: a socket that waits does not carry the state of what comes afterwards.
    Box::pin(admit(seat, stranger, kept, client, message)).await
}

async fn admit(
    seat: Seat,
    stranger: &Stranger,
    kept: Kept,
    mut client: End<Stream>,
    message: Message,
) -> Option<(Stream, Opened)> {
    let shared = &stranger.worker.shared;
    let policy = shared.policy();
    let rule = stranger.route.require.first_message();
    let whole = &*message.payload;
    let value = json::value(rule.map_or(whole, |rule| rule.form.text_in(whole)));
    let judged = match &value {
        Ok(value) => stranger.judge(&policy, Presented::Json(value)).await,
        Err(json::NotStrict) => Err(stranger.deny(stranger.malformed())),
    };
    let (permit, record) = match judged {
        Ok(admitted) => admitted,
        Err(denial) => {
            end(&mut client, Some(CloseReason::of_message(&denial))).await;
            return None;
        }
    };
    // Whoever has proven something no longer takes a stranger's place.
    drop(seat);
    let _busy = shared.in_flight();
    let id = request_id::session_id();
    let place = match stranger.may_open(&permit, id).await {
        Ok(place) => place,
        Err((reason, word)) => {
            record.finish(Outcome::Closed { reason: word });
            end(&mut client, Some(reason)).await;
            return None;
        }
    };
    let made = handshake(stranger, &kept, &policy, (&permit, id), &record);
    let Some(switched) = made.await else {
        record.finish(Outcome::Closed { reason: "upstream" });
        end(&mut client, Some(CloseReason::TryAgain)).await;
        return None;
    };
    let (client, rest) = client.into_parts();
    let behind = Behind {
        upstream: switched.line,
        from_client: for_the_upstream(&permit, message, rest),
        from_upstream: switched.early,
    };
    let opened = stranger.register(&policy, &permit, id, behind);
    stranger
        .open(client, opened, (&permit, place), record)
        .await
}

/// The message as it came, unless the credential has gone into the handshake, or goes nowhere.
fn for_the_upstream(permit: &Permit<'_>, message: Message, rest: Vec<u8>) -> Vec<u8> {
    let rule = &permit.route.credential;
    if rule.form == CredentialForm::Strip || rule.carried_as.is_some() {
        return rest;
    }
    [message.raw, rest].concat()
}

async fn handshake(
    stranger: &Stranger,
    kept: &Kept,
    policy: &Arc<Policy>,
    (permit, id): (&Permit<'_>, SessionId),
    record: &Record<'_>,
) -> Option<Switched> {
    let worker = &stranger.worker;
    let connection = Connection {
        worker,
        peer: kept.peer,
        peer_text: kept.peer.to_string(),
        secure: kept.secure,
    };
    // It has been within its limits already, and its syntax has been checked.
    let limits = HeadLimits {
        head_bytes: kept.head.len(),
        headers: MOST_HEADERS,
        target_bytes: kept.head.len(),
    };
    let head = head::request(&kept.head, &limits).ok()??;
    let checked = syntax::check(&head).ok()?;
    let arrived = (stranger.who.request_id, stranger.who.started);
    let asked = connection.asked(policy, &head, &checked, &kept.head, arrived);
    // The client has been told of this protocol already.
    let chosen = asked.offered().next();
    let handshaken = upgrade::handshake(
        &worker.connector,
        permit,
        &asked.request,
        Offer {
            subprotocols: chosen.as_slice(),
            extensions: false,
        },
        &asked.outgoing(permit, Some(id)),
        &kept.head,
        &asked.answer_headers(),
    )
    .await;
    let failure = match handshaken {
        Ok(Handshaken::Switched(switched)) => return Some(switched),
        Ok(Handshaken::Declined(_)) => Failure::Upstream(DECLINED),
        Err(failure) => failure,
    };
    record.note_failure(&permit.route.upstream.name, &failure);
    None
}

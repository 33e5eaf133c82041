//! `GET /sessions`, `DELETE /sessions/{id}` and `DELETE /sessions?user=`.

use http::StatusCode;
use serde_json::{Value, json};

use crate::admin::{Asked, Desk, Reply};
use crate::clock::{self, Steady, UnixTime};
use crate::session::live::Live;
use crate::session::{CloseReason, Kind, SessionId};

/// What sessions are chosen by.
pub(super) const FILTERS: &[&str] = &["device_type", "route", "user", "user_type"];

/// More than this are counted, not shown.
const MOST_SHOWN: usize = 1000;

/// Shows living sessions, the oldest first.
pub(super) fn show(desk: &Desk, asked: &Asked) -> Reply {
    let mut sessions = desk.shared.registry.all();
    sessions.retain(|live| is_meant(live, asked));
    sessions.sort_by_key(|live| (live.since, live.id));
    let steady = clock::steady();
    let shown: Vec<Value> = sessions
        .iter()
        .take(MOST_SHOWN)
        .map(|live| one(live, steady))
        .collect();
    let answer = json!({ "total": sessions.len(), "sessions": shown });
    Reply::new(StatusCode::OK, answer)
}

/// Ends the session of an id.
pub(super) fn end_one(desk: &Desk, asked: &Asked) -> Reply {
    let id = asked.segments.first();
    let Some(id) = id.and_then(|text| SessionId::parse(text)) else {
        return Reply::syntax("expected the id of a session");
    };
    let registry = &desk.shared.registry;
    let Some(live) = registry.get(id) else {
        let message = "there is no such session";
        return Reply::refused(StatusCode::NOT_FOUND, "no_route", message);
    };
    closed(usize::from(registry.end(&live, CloseReason::Revoked)))
}

/// Ends every session of a user. The credential stays good: whoever has it may come again.
pub(super) fn end_many(desk: &Desk, asked: &Asked) -> Reply {
    if asked.parameter("user").is_none() {
        return Reply::syntax("expected `?user=`, so that nobody ends them all by mistake");
    }
    let registry = &desk.shared.registry;
    closed(registry.end_all(CloseReason::Revoked, |live| is_meant(live, asked)))
}

fn closed(count: usize) -> Reply {
    Reply::new(StatusCode::OK, json!({ "sessions_closed": count }))
}

fn is_meant(live: &Live, asked: &Asked) -> bool {
    let opening = &live.opening;
    let principal = opening.principal.as_deref();
    let values = [
        ("user", principal.and_then(|one| one.subject.as_deref())),
        (
            "user_type",
            principal.and_then(|one| one.user_type.as_deref()),
        ),
        ("device_type", opening.device_type.as_deref()),
        ("route", Some(&*opening.route)),
    ];
    values.iter().all(|(name, value)| {
        asked
            .parameter(name)
            .is_none_or(|wanted| *value == Some(wanted))
    })
}

/// What an operator may know of a session; nothing of its credential.
fn one(live: &Live, steady: Steady) -> Value {
    let opening = &live.opening;
    let principal = opening.principal.as_deref();
    let (received, sent) = live.bytes();
    json!({
        "id": live.id.to_string(),
        "kind": match opening.kind {
            Kind::Answer => "answer",
            Kind::Stream => "stream",
            Kind::WebSocket => "websocket",
        },
        "route": &*opening.route,
        "authenticator": opening.authenticator.as_deref(),
        "app": principal.and_then(|one| one.app.as_deref()),
        "user": principal.and_then(|one| one.subject.as_deref()),
        "user_type": principal.and_then(|one| one.user_type.as_deref()),
        "device_type": opening.device_type.as_deref(),
        "since": live.since.as_secs(),
        "expires_at": live.end().map(UnixTime::as_secs),
        "received": received,
        "sent": sent,
        "silent_seconds": steady.since(live.last_received()).as_secs_f64(),
    })
}

//! `GET /sessions`, `DELETE /sessions/{id}` and `DELETE /sessions?user=`: those of all replicas.

use http::StatusCode;
use serde_json::json;

use crate::admin::{Asked, Desk, Reply};
use crate::replicas::{self, Ended};
use crate::session::chosen::Chosen;
use crate::session::{CloseReason, SessionId};

/// What sessions are chosen by.
pub(super) const FILTERS: &[&str] = &["device_type", "route", "user", "user_type"];

/// Shows living sessions, the oldest first.
pub(super) async fn show(desk: &Desk, asked: &Asked) -> Reply {
    let listing = replicas::list(&desk.shared, &chosen(asked)).await;
    let answer = json!({
        "total": listing.total,
        "complete": listing.is_whole,
        "sessions": listing.sessions,
    });
    Reply::new(StatusCode::OK, answer)
}

/// Ends the session of an id.
pub(super) async fn end_one(desk: &Desk, asked: &Asked) -> Reply {
    let id = asked.segments.first();
    let Some(id) = id.and_then(|text| SessionId::parse(text)) else {
        return Reply::syntax("expected the id of a session");
    };
    if let Some(live) = desk.shared.registry.get(id) {
        // Ids are never given twice: nobody else has it.
        let sessions = usize::from(desk.shared.registry.end(&live, CloseReason::Revoked));
        return closed(Ended {
            sessions,
            is_whole: true,
        });
    }
    let ended = replicas::end(&desk.shared, &Chosen::one(id)).await;
    if ended.sessions == 0 && ended.is_whole {
        let message = "there is no such session";
        return Reply::refused(StatusCode::NOT_FOUND, "no_route", message);
    }
    if ended.sessions == 0 {
        let message = "not every replica of the gate could be asked for the session";
        return Reply::refused(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message);
    }
    closed(ended)
}

/// Ends every session of a user. The credential stays good: whoever has it may come again.
pub(super) async fn end_many(desk: &Desk, asked: &Asked) -> Reply {
    if asked.parameter("user").is_none() {
        return Reply::syntax("expected `?user=`, so that nobody ends them all by mistake");
    }
    closed(replicas::end(&desk.shared, &chosen(asked)).await)
}

fn closed(ended: Ended) -> Reply {
    let answer = json!({ "sessions_closed": ended.sessions, "complete": ended.is_whole });
    Reply::new(StatusCode::OK, answer)
}

fn chosen(asked: &Asked) -> Chosen {
    let parameter = |name| asked.parameter(name).map(str::to_owned);
    Chosen {
        id: None,
        user: parameter("user"),
        user_type: parameter("user_type"),
        device_type: parameter("device_type"),
        route: parameter("route"),
    }
}

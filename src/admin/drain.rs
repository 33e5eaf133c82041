//! `POST /drain`: the same as SIGTERM, for whoever cannot send one.

use http::StatusCode;
use serde_json::json;

use crate::admin::{Desk, Reply};
use crate::clock;
use crate::shutdown::GOODBYE;
use crate::signals::End;

/// Begins the drain and says what it will do. Asked again, it says how far it is.
pub(super) fn start(desk: &Desk) -> Reply {
    let shared = &desk.shared;
    // Here already, so that `/readyz` has turned when the answer arrives.
    let plan = shared.start_draining();
    // Nobody listens any more when the process is about to end anyway.
    let _ = desk.asker.send(End::Asked);
    let left = plan.until(plan.rule.deadline + GOODBYE, clock::steady());
    let answer = json!({
        "stage": shared.drain.stage().as_str(),
        "sessions": shared.registry.len(),
        "lame_duck_seconds": plan.rule.lame_duck.as_secs_f64(),
        "drain_seconds": plan.rule.drain.as_secs_f64(),
        "deadline_seconds": plan.rule.deadline.as_secs_f64(),
        "gone_within_seconds": left.as_secs_f64(),
    });
    Reply::new(StatusCode::ACCEPTED, answer)
}

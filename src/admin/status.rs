//! `GET /status`: how the gate is, in one document.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Value, json};

use crate::admin::{Desk, Reply, caveats};

/// Shows it all; no credential, and nothing of one.
pub(super) fn show(desk: &Desk) -> Reply {
    let shared = &desk.shared;
    let policy = shared.policy();
    let sessions = shared.registry.all();
    let mut groups: BTreeMap<(&str, Option<&str>), usize> = BTreeMap::new();
    for live in &sessions {
        let opening = &live.opening;
        let group = (&*opening.route, opening.device_type.as_deref());
        *groups.entry(group).or_default() += 1;
    }
    let groups: Vec<Value> = groups
        .into_iter()
        .map(|((route, device_type), open)| {
            json!({ "route": route, "device_type": device_type, "open": open })
        })
        .collect();
    let answer = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "revision": env!("IMGATE_REVISION"),
        "uptime_seconds": shared.uptime().as_secs_f64(),
        "ready": shared.is_ready(),
        "draining": shared.is_draining(),
        "stage": shared.drain.stage().as_str(),
        "generation": policy.generation,
        "reload_problem": shared.reload_problem(),
        "store": policy.store.as_str(),
        "store_up": shared.is_store_up(),
        "connections": shared.metrics.connections(),
        "sessions": sessions.len(),
        "sessions_by": groups,
        "caveats": caveats::of(shared),
        "warnings": caveats::warnings(&policy),
    });
    Reply::new(StatusCode::OK, answer)
}

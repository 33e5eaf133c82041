//! How long the platform waits for a pod to end: long enough for the gate, never shorter than it
//! was.

use std::time::Duration;

use serde_json::Value;

use super::patch::Patch;
use super::pod::Pod;
use super::settings::Settings;

/// What the platform waits where nobody says otherwise.
const DEFAULT: u64 = 30;
/// The gate's `lame_duck`, its own reserve behind `drain`, and ours for the process to end.
const AROUND_DRAIN: u64 = 5 + 5 + 5;
/// What a backend has left behind its own sleep, if nothing else.
const BEHIND_SLEEP: u64 = 5;

pub(super) fn raise(pod: &Pod<'_>, settings: &Settings<'_>, patch: &mut Patch<'_>) {
    let is_at = pod
        .spec
        .get("terminationGracePeriodSeconds")
        .and_then(Value::as_u64)
        .unwrap_or(DEFAULT);
    let sleep = settings
        .backend_prestop_sleep
        .map_or(0, |seconds| seconds + BEHIND_SLEEP);
    let needed = sleep.max(whole_seconds(settings.drain) + AROUND_DRAIN);
    if needed > is_at {
        patch.put("/spec", "terminationGracePeriodSeconds", needed.into());
    }
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

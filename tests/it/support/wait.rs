//! Waiting for a condition, with as much patience as the machine needs.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up: `IMGATE_TEST_PATIENCE` seconds, 20 unless
/// set.
pub(crate) fn patience() -> Duration {
    let seconds = std::env::var("IMGATE_TEST_PATIENCE")
        .ok()
        .and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(20))
}

/// Asks again and again until `probe` gives something.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    eventually_within(patience(), what, probe)
}

/// The same, for what takes its time on any machine.
#[track_caller]
pub(crate) fn eventually_within<T>(
    patience: Duration,
    what: &str,
    mut probe: impl FnMut() -> Option<T>,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(
            start.elapsed() < patience,
            "not within {patience:?}: {what}"
        );
        pause(Duration::from_millis(10));
    }
}

/// Lets time pass where time itself is the subject: a slow backend, a silent client.
#[expect(
    clippy::disallowed_methods,
    reason = "test threads are nobody's workers"
)]
pub(crate) fn pause(duration: Duration) {
    thread::sleep(duration);
}

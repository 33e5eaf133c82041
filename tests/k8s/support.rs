//! What these tests stand on.

#[path = "../it/support/process.rs"]
#[expect(dead_code, reason = "not every signal is sent here")]
pub(crate) mod process;
#[path = "../it/support/volume.rs"]
pub(crate) mod volume;
#[path = "../it/support/wait.rs"]
pub(crate) mod wait;

pub(crate) mod cluster;
pub(crate) mod pods;
pub(crate) mod ports;
pub(crate) mod release;
pub(crate) mod tools;

use std::time::{Duration, Instant};

pub(crate) use cluster::Cluster;
pub(crate) use release::Release;
pub(crate) use wait::eventually;

/// How long a cluster may take on a busy machine before a test gives up.
const PATIENCE: Duration = Duration::from_mins(4);

/// Asks again and again until `probe` gives something, or says at last what was in the way.
#[track_caller]
pub(crate) fn patiently<T>(what: &str, mut probe: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match probe() {
            Ok(found) => return found,
            Err(obstacle) => assert!(
                start.elapsed() < PATIENCE,
                "not within {PATIENCE:?}: {what}\n{obstacle}"
            ),
        }
        wait::pause(Duration::from_millis(50));
    }
}

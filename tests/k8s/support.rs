//! What these tests stand on.

#[expect(dead_code, reason = "the black-box tests use all of it")]
#[path = "../it/support/frames.rs"]
pub(crate) mod frames;
#[expect(dead_code, reason = "the black-box tests use all of it")]
#[path = "../it/support/gate.rs"]
pub(crate) mod gate;
#[expect(dead_code, reason = "the black-box tests use all of it")]
#[path = "../it/support/metrics.rs"]
pub(crate) mod metrics;
#[expect(dead_code, reason = "the black-box tests use all of it")]
#[path = "../it/support/net.rs"]
pub(crate) mod net;
#[expect(dead_code, reason = "the black-box tests use all of it")]
#[path = "../it/support/process.rs"]
pub(crate) mod process;
#[expect(dead_code, reason = "the black-box tests use all of it")]
#[path = "../it/support/raw.rs"]
pub(crate) mod raw;
#[expect(dead_code, reason = "the black-box tests use all of it")]
#[path = "../it/support/recorder.rs"]
pub(crate) mod recorder;
#[path = "../it/support/server.rs"]
pub(crate) mod server;
#[expect(dead_code, reason = "the black-box tests use all of it")]
#[path = "../it/support/tls.rs"]
pub(crate) mod tls;
#[path = "../it/support/volume.rs"]
pub(crate) mod volume;
#[path = "../it/support/wait.rs"]
pub(crate) mod wait;
#[expect(dead_code, reason = "the black-box tests use all of it")]
#[path = "../it/support/wire.rs"]
pub(crate) mod wire;
#[expect(dead_code, reason = "the black-box tests use all of it")]
#[path = "../it/support/ws_backend.rs"]
pub(crate) mod ws_backend;
#[expect(dead_code, reason = "the black-box tests use all of it")]
#[path = "../it/support/ws_client.rs"]
pub(crate) mod ws_client;

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

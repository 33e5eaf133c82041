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

pub(crate) mod tools;

pub(crate) use wait::eventually;

//! What these tests stand on.

#[path = "../it/support/process.rs"]
#[expect(dead_code, reason = "not every signal is sent here")]
pub(crate) mod process;
pub(crate) mod tools;
#[path = "../it/support/volume.rs"]
pub(crate) mod volume;
#[path = "../it/support/wait.rs"]
pub(crate) mod wait;

pub(crate) use wait::eventually;

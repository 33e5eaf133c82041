//! What these tests stand on.

#[path = "../it/support/wait.rs"]
pub(crate) mod wait;

pub(crate) mod tools;

//! Keeps what is in the memory of the process to itself: secrets, and credentials on their way.
//!
//! A core dump would write all of it to a disk, and a process of the same user could read it through
//! `ptrace` or `/proc/<pid>/mem`. Whoever may do everything (`CAP_SYS_PTRACE`) still can.

use std::env;
use std::io;

/// Whoever wants to debug the gate sets it to `1`, and nothing else.
const WAY_OUT: &str = "IMGATE_ALLOW_DUMP";

/// What is not as it should be, for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Open {
    #[error(
        "`{WAY_OUT}` leaves the memory of the process, secrets included, to core dumps and debuggers"
    )]
    Allowed,
    #[error("cannot switch core dumps off")]
    Core(#[source] io::Error),
    #[error("cannot keep the memory of the process from debuggers")]
    Debuggers(#[source] io::Error),
}

/// Closes it, before anything secret is read.
pub(crate) fn close() -> Result<(), Open> {
    if env::var_os(WAY_OUT).is_some_and(|value| value == "1") {
        return Err(Open::Allowed);
    }
    rlimit::setrlimit(rlimit::Resource::CORE, 0, 0).map_err(Open::Core)?;
    hide()
}

/// This also holds where dumps are piped to a program, which the limit does not stop.
#[cfg(target_os = "linux")]
fn hide() -> Result<(), Open> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    let hidden = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    hidden.map_err(|error| Open::Debuggers(error.into()))
}

#[cfg(not(target_os = "linux"))]
fn hide() -> Result<(), Open> {
    Err(Open::Debuggers(io::ErrorKind::Unsupported.into()))
}

//! Another time than that of the system, for tests that send a gate what holds at a time of its own.
//!
//! This module is not compiled into a release build, so no environment can set the clock of one. It is
//! obeyed by `imgate run` alone, which says so in the log, and `/readyz?verbose` says it as well.

use std::env::{self, VarError};
use std::sync::atomic::{AtomicI64, Ordering};

use super::{UnixTime, system_time};

/// Seconds since 1970 at the start; the clock runs on from there.
pub const VARIABLE: &str = "IMGATE_TEST_CLOCK";

/// Milliseconds from the system's time to ours.
static SHIFT: AtomicI64 = AtomicI64::new(0);

/// The variable holds something else than a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected whole seconds since 1970 in `{VARIABLE}`")]
pub struct NoTime;

/// Sets the clock as the environment says. The answer is whether it says anything.
pub fn set_from_environment() -> Result<bool, NoTime> {
    let seconds = match env::var(VARIABLE) {
        Ok(text) => text.parse().map_err(|_| NoTime)?,
        Err(VarError::NotPresent) => return Ok(false),
        Err(VarError::NotUnicode(_)) => return Err(NoTime),
    };
    let shift = UnixTime::from_secs(seconds)
        .0
        .saturating_sub(system_time().0);
    SHIFT.store(shift, Ordering::Relaxed);
    Ok(true)
}

/// What an operator has to know while the clock is another one.
pub fn caveat() -> Option<&'static str> {
    (SHIFT.load(Ordering::Relaxed) != 0).then_some(
        "the clock is not the system's, for tests alone: credentials are judged at a time that somebody \
         has made up",
    )
}

pub(super) fn shifted(time: UnixTime) -> UnixTime {
    UnixTime(time.0.saturating_add(SHIFT.load(Ordering::Relaxed)))
}

//! Another time than that of the system, for tests that send a gate what holds at a time of its own.
//!
//! This module is not compiled into a release build, so no environment can set the clock of one. It is
//! obeyed by `imgate run` alone, which says so in the log, and `/readyz?verbose` says it as well.

use std::env::{self, VarError};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

use super::{UnixTime, system_time};

/// Seconds since 1970 at the start, and the clock runs on from there; or `@` and a file with seconds
/// that are added to the system's time, as it stands there at every moment.
pub const VARIABLE: &str = "IMGATE_TEST_CLOCK";

/// Milliseconds from the system's time to ours.
static SHIFT: AtomicI64 = AtomicI64::new(0);

/// Where the clock is stepped while the gate runs.
static STEPS: OnceLock<PathBuf> = OnceLock::new();

/// The variable holds something else than a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected whole seconds since 1970 in `{VARIABLE}`, or `@` and a file with seconds")]
pub struct NoTime;

/// Sets the clock as the environment says. The answer is whether it says anything.
pub fn set_from_environment() -> Result<bool, NoTime> {
    let text = match env::var(VARIABLE) {
        Ok(text) => text,
        Err(VarError::NotPresent) => return Ok(false),
        Err(VarError::NotUnicode(_)) => return Err(NoTime),
    };
    if let Some(path) = text.strip_prefix('@') {
        let path = PathBuf::from(path);
        seconds_in(&path).ok_or(NoTime)?;
        let _ = STEPS.set(path);
        return Ok(true);
    }
    let seconds = text.parse().map_err(|_| NoTime)?;
    let shift = UnixTime::from_secs(seconds)
        .0
        .saturating_sub(system_time().0);
    SHIFT.store(shift, Ordering::Relaxed);
    Ok(true)
}

/// What an operator has to know while the clock is another one.
pub fn caveat() -> Option<&'static str> {
    let is_set = SHIFT.load(Ordering::Relaxed) != 0 || STEPS.get().is_some();
    is_set.then_some(
        "the clock is not the system's, for tests alone: credentials are judged at a time that somebody \
         has made up",
    )
}

pub(super) fn shifted(time: UnixTime) -> UnixTime {
    // Read each time, so that a test knows from when on its step counts.
    if let Some(seconds) = STEPS.get().and_then(|path| seconds_in(path)) {
        SHIFT.store(seconds.saturating_mul(1000), Ordering::Relaxed);
    }
    UnixTime(time.0.saturating_add(SHIFT.load(Ordering::Relaxed)))
}

fn seconds_in(path: &Path) -> Option<i64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

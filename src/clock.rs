//! Time as the gate sees it: milliseconds since the Unix epoch.
//!
//! Every decision takes `now` as an argument; this is the only module that reads the system clock.
//! What merely lasts is measured on a clock that nobody can set ([`Steady`]).
//!
//! A build with debug assertions can be told another time (`test_clock`), so that a token of the past
//! can be sent through a running gate. A release build holds no trace of that.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z.
///
/// Tokens speak in seconds (`exp`), in milliseconds (Sa-Token's `eff`) or in a remaining time
/// (Redis `PTTL`); one unit inside keeps them comparable. Arithmetic saturates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(i64);

impl UnixTime {
    /// A time so late that nothing reaches it.
    pub const NEVER: Self = Self(i64::MAX);

    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Saturates instead of overflowing, so that a huge `exp` is far away and not in the past.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    pub const fn as_millis(self) -> i64 {
        self.0
    }

    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// The time from `earlier` to `self`, zero when `self` is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// The last second that RFC 3339 can write.
const LAST_SECOND: i64 = 253_402_300_799;

/// As RFC 3339 has it, to the second; what it cannot write as its nearest.
impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.as_secs().clamp(0, LAST_SECOND);
        let time = UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs());
        humantime::format_rfc3339_seconds(time).fmt(f)
    }
}

/// A point in time that no change of the system's clock moves: for how long something lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Steady(u64);

impl Steady {
    /// Milliseconds since some fixed moment.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    pub const fn as_millis(self) -> u64 {
        self.0
    }

    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
        )
    }

    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
        )
    }

    /// The time from `earlier` to `self`, zero when `self` is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Reads the clock that only goes forward.
pub fn steady() -> Steady {
    static START: OnceLock<Instant> = OnceLock::new();
    let since_start = START.get_or_init(Instant::now).elapsed();
    Steady(u64::try_from(since_start.as_millis()).unwrap_or(u64::MAX))
}

/// Reads the system clock; in a build with debug assertions shifted as [`test_clock`] says.
pub fn now() -> UnixTime {
    #[cfg(debug_assertions)]
    let now = test_clock::shifted(system_time());
    #[cfg(not(debug_assertions))]
    let now = system_time();
    now
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one lawful reader of the system clock"
)]
fn system_time() -> UnixTime {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixTime(millis(since_epoch))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(debug_assertions)]
pub mod test_clock;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_configurations_have_it() {
        for (seconds, expected) in [
            (1_801_353_600, "2027-01-31T00:00:00Z"),
            (-1, "1970-01-01T00:00:00Z"),
            (i64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(UnixTime::from_secs(seconds).to_string(), expected);
        }
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(UnixTime::from_secs(i64::MAX), UnixTime::NEVER);
        assert_eq!(
            UnixTime::NEVER.plus(Duration::from_secs(1)),
            UnixTime::NEVER
        );
        assert_eq!(
            UnixTime::from_secs(5).since(UnixTime::from_secs(9)),
            Duration::ZERO
        );
    }
}

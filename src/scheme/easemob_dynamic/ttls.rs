//! The ttls that are accepted: all of one count of digits, or tokens could be divided anew.

use std::time::Duration;

/// 60 days in seconds, the longest that Easemob gives.
pub const MAX_TTL: u32 = 60 * 24 * 60 * 60;

/// Accepted values of `ttl`, in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ttls(Vec<u32>);

/// A list of ttls with which tokens could be forged, or that accepts none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitTtls {
    #[error(
        "expected values of one count of digits: nothing divides the signed fields, so with several \
         a token of one user would also be one of another user and time"
    )]
    Digits,
    #[error("expected at least one element")]
    Empty,
    #[error("expected seconds from 1 to {MAX_TTL}")]
    Range,
}

impl Ttls {
    pub fn new(seconds: Vec<u32>) -> Result<Self, UnfitTtls> {
        let first = *seconds.first().ok_or(UnfitTtls::Empty)?;
        if seconds.iter().any(|ttl| !(1..=MAX_TTL).contains(ttl)) {
            return Err(UnfitTtls::Range);
        }
        if seconds.iter().any(|ttl| ttl.ilog10() != first.ilog10()) {
            return Err(UnfitTtls::Digits);
        }
        Ok(Self(seconds))
    }

    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.iter().copied()
    }

    /// The time that a token is good for, if it may be.
    pub(super) fn accept(&self, ttl: i64) -> Option<Duration> {
        let seconds = u32::try_from(ttl).ok()?;
        let is_accepted = self.0.contains(&seconds);
        is_accepted.then(|| Duration::from_secs(seconds.into()))
    }
}

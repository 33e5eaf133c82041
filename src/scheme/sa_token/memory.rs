//! What is remembered about tokens where there is no store: digests and times, bounded in number.

use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::clock::UnixTime;
use crate::scheme::grace::{CAPACITY, until};
use crate::scheme::{Rejection, Verified};
use crate::secret::Digest;

/// Without a store: when each token was first seen, which is the only beginning that it has.
///
/// Entries leave by number alone, the longest unused first: one that left by age would make its
/// token young again. For the same reason it outlives a change of the configuration.
#[derive(Debug)]
pub struct FirstSeen {
    seen: Cache<Digest, UnixTime>,
}

impl FirstSeen {
    pub(super) fn new() -> Self {
        Self::bounded(CAPACITY)
    }

    fn bounded(most: u64) -> Self {
        // Least recently used, since the default policy may decline to keep a newcomer at all.
        let seen = Cache::builder()
            .max_capacity(most)
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self { seen }
    }

    /// How many tokens are known; an estimate.
    pub fn len(&self) -> u64 {
        self.seen.entry_count()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends the proof `max_age` after the token was first seen.
    pub(super) fn admit(
        &self,
        token: &[u8],
        max_age: Duration,
        proof: Verified,
        now: UnixTime,
    ) -> Result<Verified, Rejection> {
        let first = self
            .seen
            .entry(Digest::of(token))
            .or_insert(now)
            .into_value();
        let end = first.plus(max_age);
        if now >= end {
            return Err(Rejection::Expired);
        }
        Ok(until(proof, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_than_have_room_and_a_newcomer_is_one_of_them() {
        let seen = FirstSeen::bounded(100);
        let now = UnixTime::from_secs(1000);
        for number in 0..5000_u32 {
            let token = Digest::of(&number.to_be_bytes());
            seen.seen.entry(token).or_insert(now);
        }
        seen.seen.run_pending_tasks();
        assert_eq!(seen.len(), 100);
        assert!(seen.seen.contains_key(&Digest::of(&4999_u32.to_be_bytes())));
    }
}

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
        // Least recently used, since the default policy may decline to keep a newcomer at all.
        let seen = Cache::builder()
            .max_capacity(CAPACITY)
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self { seen }
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

//! Verdicts that were reached before, so that a credential is proven once and not per request.
//!
//! Good and bad verdicts live apart: a flood of junk fills the small, short-lived negative cache
//! and cannot evict a good one. Whether an entry still holds is asked at every hit; eviction by
//! the cache's own clock is only hygiene.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::future::Cache;

use crate::clock::UnixTime;
use crate::config::document::CacheLimits;
use crate::scheme::{Rejection, Reuse, Verified, VerifyError};
use crate::secret::Digest;

/// Refusals that are remembered at most, and for how long.
const NEGATIVE_ENTRIES: u64 = 10_000;
const NEGATIVE_AGE: Duration = Duration::from_secs(10);

/// The verdicts of one authenticator.
#[derive(Debug)]
pub struct VerdictCache {
    good: Cache<Digest, Arc<Verdict>>,
    bad: Cache<Digest, Rejection>,
    max_age: Duration,
}

/// A proof and the time span in which it may be reused.
#[derive(Debug)]
struct Verdict {
    verified: Arc<Verified>,
    /// A clock that was set back before this voids the verdict instead of prolonging it.
    made: UnixTime,
    fresh_until: UnixTime,
}

/// What the cache knows about a credential.
#[derive(Debug)]
pub enum Known {
    Good(Arc<Verified>),
    Bad(Rejection),
    Nothing,
}

impl VerdictCache {
    pub fn new(limits: &CacheLimits) -> Self {
        Self {
            good: Cache::builder()
                .max_capacity(limits.max_entries)
                .expire_after(UntilStale)
                .build(),
            bad: Cache::builder()
                .max_capacity(NEGATIVE_ENTRIES.min(limits.max_entries))
                .time_to_live(NEGATIVE_AGE)
                .build(),
            max_age: limits.max_age,
        }
    }

    pub async fn look_up(&self, key: &Digest, now: UnixTime) -> Known {
        if let Some(verdict) = self.good.get(key).await {
            if verdict.holds(now) {
                return Known::Good(Arc::clone(&verdict.verified));
            }
            self.good.invalidate(key).await;
        }
        self.bad.get(key).await.map_or(Known::Nothing, Known::Bad)
    }

    /// Keeps a proof for as long as it allows.
    pub async fn keep(&self, key: Digest, verified: &Arc<Verified>, now: UnixTime) {
        let verdict = self.verdict(Arc::clone(verified), now);
        if verdict.holds(now) {
            self.good.insert(key, Arc::new(verdict)).await;
        }
    }

    /// Keeps a refusal, if nothing can ever turn it into a success.
    pub async fn keep_rejection(&self, key: Digest, rejection: Rejection) {
        if rejection.is_final() {
            self.bad.insert(key, rejection).await;
        }
    }

    /// Puts a newer proof in the place of one that is kept. Nobody else has asked for it, so
    /// otherwise it is not worth a place.
    pub async fn refresh(&self, key: Digest, verified: &Arc<Verified>, now: UnixTime) {
        if self.good.contains_key(&key) {
            self.keep(key, verified, now).await;
        }
    }

    /// Forgets a proof that counts no more.
    pub async fn forget(&self, key: &Digest) {
        self.good.invalidate(key).await;
    }

    /// Forgets a proof that has turned out to hold no more.
    pub async fn void(&self, key: Digest, rejection: Rejection) {
        self.good.invalidate(&key).await;
        self.keep_rejection(key, rejection).await;
    }

    /// Asks the remote side once for all requests that wait for the same credential.
    ///
    /// An error is given to everyone who waited and then forgotten: an outage is never cached.
    pub async fn single_flight(
        &self,
        key: Digest,
        now: UnixTime,
        ask: impl Future<Output = Result<Verified, VerifyError>>,
    ) -> Result<Arc<Verified>, VerifyError> {
        self.good
            .try_get_with(key, async {
                Ok(Arc::new(self.verdict(Arc::new(ask.await?), now)))
            })
            .await
            .map(|verdict| Arc::clone(&verdict.verified))
            .map_err(|error: Arc<VerifyError>| VerifyError::clone(&error))
    }

    /// Forgets the good verdicts that are meant. Returns how many there were.
    pub async fn evict(&self, is_meant: impl Fn(&Verified) -> bool) -> usize {
        let meant: Vec<Digest> = self
            .good
            .iter()
            .filter(|(_, verdict)| is_meant(&verdict.verified))
            .map(|(key, _)| *key)
            .collect();
        for key in &meant {
            self.good.invalidate(key).await;
        }
        meant.len()
    }

    /// How many good verdicts are kept; an estimate.
    pub fn len(&self) -> u64 {
        self.good.entry_count()
    }

    /// How many refusals are kept; an estimate.
    pub fn refused(&self) -> u64 {
        self.bad.entry_count()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn verdict(&self, verified: Arc<Verified>, now: UnixTime) -> Verdict {
        let age = match verified.reuse {
            Reuse::Cacheable => self.max_age,
            Reuse::For(stale) => self.max_age.min(stale),
            Reuse::Once => Duration::ZERO,
        };
        let until = now.plus(age);
        let fresh_until = verified.not_after.map_or(until, |end| end.min(until));
        Verdict {
            verified,
            made: now,
            fresh_until,
        }
    }
}

impl Verdict {
    fn holds(&self, now: UnixTime) -> bool {
        self.made <= now && now < self.fresh_until
    }
}

/// Lets the cache drop an entry soon after it has gone stale.
struct UntilStale;

impl Expiry<Digest, Arc<Verdict>> for UntilStale {
    fn expire_after_create(
        &self,
        _: &Digest,
        verdict: &Arc<Verdict>,
        _: Instant,
    ) -> Option<Duration> {
        Some(verdict.fresh_until.since(verdict.made))
    }

    fn expire_after_update(
        &self,
        key: &Digest,
        verdict: &Arc<Verdict>,
        at: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(key, verdict, at)
    }
}

#[cfg(test)]
mod tests;

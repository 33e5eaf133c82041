//! What is remembered of answers for the time of an outage: digests and times, bounded in number.

use std::time::Duration;

use moka::ops::compute::Op;
use moka::sync::Cache;

use crate::clock::UnixTime;
use crate::scheme::fingerprint::Fingerprint;
use crate::scheme::{Reuse, Verified};
use crate::secret::Digest;

/// Credentials remembered per authenticator; about 100 bytes each.
pub(super) const CAPACITY: u64 = 100_000;

/// No answer is kept longer, whatever the configuration says: moka panics beyond 1000 years.
const LONGEST: Duration = Duration::from_hours(24 * 365);

/// What to do with a credential while whoever knows about it cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnOutage {
    /// 503.
    Deny,
    /// Admit for this long after the last positive answer.
    Grace(Duration),
}

impl OnOutage {
    /// What remembers for it. An answer arrives `delay` after its question at most.
    pub(super) fn memory(self, delay: Duration) -> Option<Grace> {
        match self {
            Self::Deny => None,
            Self::Grace(period) => Some(Grace::new(period, delay)),
        }
    }

    pub(super) fn print(self, print: Fingerprint) -> Fingerprint {
        match self {
            Self::Deny => print.text("deny"),
            Self::Grace(grace) => print.text("grace").duration(grace),
        }
    }
}

/// The last good answer for each credential, for the time of an outage.
///
/// An answer against a credential is kept as well: of two questions under way at once, the good answer
/// may arrive last, and must not bring the credential back.
#[derive(Debug)]
pub(super) struct Grace {
    period: Duration,
    /// How late an answer can arrive after its question.
    delay: Duration,
    answers: Cache<Digest, Answer>,
}

#[derive(Clone, Debug)]
enum Answer {
    Good {
        proof: Verified,
        at: UnixTime,
    },
    /// The question was asked at that time.
    Ended {
        at: UnixTime,
    },
}

impl Grace {
    pub(super) fn new(period: Duration, delay: Duration) -> Self {
        Self::bounded(period, delay, CAPACITY)
    }

    fn bounded(period: Duration, delay: Duration, most: u64) -> Self {
        let answers = Cache::builder()
            .max_capacity(most)
            .time_to_live(period.saturating_add(delay).min(LONGEST))
            .build();
        Self {
            period,
            delay,
            answers,
        }
    }

    /// How many answers are remembered; an estimate.
    pub(super) fn len(&self) -> u64 {
        self.answers.entry_count()
    }

    /// Remembers a good answer to a question of the time `at`.
    ///
    /// It counts against an earlier bad one only if it was asked when that one had long arrived:
    /// the backend has opened the session again.
    pub(super) fn remember(&self, credential: Digest, proof: &Verified, at: UnixTime) {
        let good = || Answer::Good {
            proof: proof.clone(),
            at,
        };
        self.answers.entry(credential).and_compute_with(|present| {
            match present.map(moka::Entry::into_value) {
                Some(Answer::Ended { at: ended }) if at <= ended.plus(self.delay) => Op::Nop,
                Some(Answer::Ended { .. } | Answer::Good { .. }) | None => Op::Put(good()),
            }
        });
    }

    /// Remembers that the session was over when it was asked for at the time `at`.
    pub(super) fn forget(&self, credential: Digest, at: UnixTime) {
        self.answers.insert(credential, Answer::Ended { at });
    }

    /// The proof that may be used while the store cannot be asked, ended with the grace. A clock
    /// that was set back prolongs nothing.
    pub(super) fn admit(&self, credential: &Digest, now: UnixTime) -> Option<Verified> {
        match self.answers.get(credential)? {
            Answer::Ended { .. } => None,
            Answer::Good { proof, at } => {
                let proof = until(proof, at.plus(self.period));
                let is_in_time = now >= at && proof.not_after.is_none_or(|end| now < end);
                is_in_time.then_some(proof)
            }
        }
    }
}

/// A proof that ends at `end`, or earlier if it did already.
pub(super) fn until(proof: Verified, end: UnixTime) -> Verified {
    let not_after = Some(proof.not_after.map_or(end, |own| own.min(end)));
    Verified { not_after, ..proof }
}

/// A proof that may be reused for so long.
pub(super) fn reusable_for(proof: Verified, max_stale: Duration) -> Verified {
    Verified {
        reuse: Reuse::For(max_stale),
        ..proof
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_than_have_room() {
        let grace = Grace::bounded(Duration::from_mins(1), Duration::from_secs(1), 100);
        for number in 0..5000_u32 {
            let credential = Digest::of(&number.to_be_bytes());
            grace.forget(credential, UnixTime::from_secs(1000));
        }
        grace.answers.run_pending_tasks();
        assert_eq!(grace.len(), 100);
    }
}

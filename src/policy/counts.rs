//! How much each has used of what there is for all alike, by the generic cell rate algorithm (as in
//! ATM's I.371).
//!
//! Whoever is counted has one number: the moment until which what was used counts. So much may be
//! used at once, and one more each `per / count`; nobody gains by waiting for the turn of a window.
//! What is refused costs nothing.
//!
//! Memory has an end, whatever clients make up. Whoever has used nothing for `per` is as good as
//! new and forgotten: the table has two halves that take turns. What becomes of a full one is for
//! the owner to say ([`WhenFull`]).

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Steady;
use crate::config::document::Rate;

/// In each half of a table.
const MOST_KEYS: usize = 32 * 1024;
/// What those share for whom there is no place of their own.
const SHARED_PLACES: usize = 256;

/// A rate, and who has used how much of it.
pub struct Counts {
    rate: Rate,
    when_full: WhenFull,
    /// Nobody outside can tell who would share a number with whom.
    hasher: RandomState,
    table: Mutex<Table>,
}

/// What becomes of those for whom there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Those who were here longest ago are forgotten, a half at once. For what is good to count, but
    /// must not be turned against those who have done nothing.
    Forget,
    /// Those who are new share a fixed number of places. So nobody is let through uncounted, and
    /// nobody's count is forgotten to make room.
    Share,
}

/// Who is counted, as a number: what clients send is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(u64);

/// There is nothing left now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    pub retry_after: Duration,
}

/// Moments in parts of a millisecond, of which each has as many as the rate's `count`. So nothing is
/// ever rounded.
type Moment = u64;

#[derive(Default)]
struct Table {
    current: Half,
    previous: Half,
    /// When the halves have changed places, in milliseconds.
    turned: u64,
    shared: Vec<Moment>,
}

/// The keys are hashes already, of a hash that nobody can predict.
type Half = HashMap<u64, Moment, foldhash::fast::RandomState>;

impl Counts {
    pub fn new(rate: Rate, when_full: WhenFull) -> Self {
        Self {
            rate,
            when_full,
            hasher: RandomState::new(),
            table: Mutex::default(),
        }
    }

    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// The key of whoever is named by this.
    pub fn key(&self, name: impl Hash) -> Key {
        Key(self.hasher.hash_one(name))
    }

    /// Uses one, or tells when there will be one again.
    ///
    /// # Errors
    ///
    /// What there is has been used up.
    pub fn admit(&self, key: Key, now: Steady) -> Result<(), Exhausted> {
        let mut table = self.table.lock();
        table.turn(now.as_millis(), millis(self.rate.per));
        let (used_until, place) = table.find(key, self.when_full, now.as_millis());
        let next = self.after(used_until, now)?;
        table.put(place, next);
        Ok(())
    }

    /// Tells what [`Self::admit`] would, and uses nothing.
    ///
    /// # Errors
    ///
    /// What there is has been used up.
    pub fn check(&self, key: Key, now: Steady) -> Result<(), Exhausted> {
        let mut table = self.table.lock();
        table.turn(now.as_millis(), millis(self.rate.per));
        let Some(used_until) = table.known(key) else {
            return Ok(());
        };
        self.after(used_until, now).map(|_| ())
    }

    /// Gives one back that was used needlessly.
    pub fn refund(&self, key: Key) {
        let per = millis(self.rate.per);
        let Key(key) = key;
        let Table {
            current, previous, ..
        } = &mut *self.table.lock();
        if let Some(used_until) = current.get_mut(&key).or_else(|| previous.get_mut(&key)) {
            *used_until = used_until.saturating_sub(per);
        }
    }

    /// How many have a place of their own.
    pub fn len(&self) -> usize {
        let table = self.table.lock();
        table.current.len() + table.previous.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The moment after one more than what counts until `used_until`.
    fn after(&self, used_until: Moment, now: Steady) -> Result<Moment, Exhausted> {
        let count = u64::from(self.rate.count);
        let per = millis(self.rate.per);
        let moment = now.as_millis().saturating_mul(count);
        let everything = per.saturating_mul(count);
        let latest = moment.saturating_add(everything);
        // One takes the `count`th part of `per`, which in these units is `per` itself. More than
        // everything is used by nobody, unless the clock was set back: by less than `per`, and it is
        // everything; by more, and it is of a time that never was.
        let used_until = if used_until > latest.saturating_add(everything) {
            moment
        } else {
            used_until.clamp(moment, latest)
        };
        let next = used_until.saturating_add(per);
        if next > latest {
            let wait = (next - latest).div_ceil(count);
            return Err(Exhausted {
                retry_after: Duration::from_millis(wait),
            });
        }
        Ok(next)
    }
}

/// Where a key is counted.
#[derive(Clone, Copy)]
enum Place {
    Own(u64),
    Shared(usize),
}

impl Table {
    /// Forgets those who have used nothing for `per`: what they had used then is theirs again.
    fn turn(&mut self, now: u64, per: u64) {
        if now < self.turned {
            // The clock was set back.
            self.turned = now;
        }
        let age = now - self.turned;
        if age < per {
            return;
        }
        // Whoever is in the older half was last here before the last turn.
        self.previous.clear();
        if age < per.saturating_mul(2) {
            std::mem::swap(&mut self.current, &mut self.previous);
        } else {
            self.current.clear();
        }
        self.turned = now;
    }

    /// Until when this key has used what there is, if it has a place of its own.
    fn known(&self, Key(key): Key) -> Option<Moment> {
        let used_until = self.current.get(&key).or_else(|| self.previous.get(&key));
        used_until.copied()
    }

    /// Until when this key has used what there is, and where that is to be written down.
    fn find(&mut self, key: Key, when_full: WhenFull, now: u64) -> (Moment, Place) {
        let used_until = self.known(key).unwrap_or_default();
        let own = Place::Own(key.0);
        if self.current.contains_key(&key.0) || self.current.len() < MOST_KEYS {
            return (used_until, own);
        }
        match when_full {
            WhenFull::Forget => {
                // The older half makes room, as if its time were up.
                self.previous.clear();
                std::mem::swap(&mut self.current, &mut self.previous);
                self.turned = now;
                (used_until, own)
            }
            WhenFull::Share => {
                let place = usize::try_from(key.0 % SHARED_PLACES as u64).unwrap_or_default();
                let shared = self.shared.get(place).copied().unwrap_or_default();
                (used_until.max(shared), Place::Shared(place))
            }
        }
    }

    fn put(&mut self, place: Place, used_until: Moment) {
        match place {
            Place::Own(key) => {
                self.current.insert(key, used_until);
            }
            Place::Shared(place) => {
                self.shared.resize(SHARED_PLACES, 0);
                if let Some(shared) = self.shared.get_mut(place) {
                    *shared = used_until;
                }
            }
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Shows nobody.
impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counts")
            .field("rate", &self.rate)
            .field("when_full", &self.when_full)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

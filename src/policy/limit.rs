//! How many requests may pass on a route, by the generic cell rate algorithm (as in ATM's I.371).
//!
//! Each who shares a limit has one number: the moment until which what has passed counts. So many
//! may pass at once, and one more each `per / requests`; nobody gains by waiting for the turn of a
//! window. A request that is refused costs nothing.
//!
//! Memory has an end, whatever clients make up. Whoever has not been here for `per` is as good as
//! new and forgotten: the table has two halves that take turns. When it is full, those who are new
//! share a fixed number of places, so nobody is let through uncounted, and nobody's count is
//! forgotten to make room.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Steady;
use crate::config::document::{LimitBy, Rate};

/// In each half of a table.
const MOST_KEYS: usize = 32 * 1024;
/// What those share for whom there is no place of their own.
const SHARED_PLACES: usize = 256;

/// The limit of one route, and who has used how much of it.
pub struct Limiter {
    rate: Rate,
    by: LimitBy,
    /// Nobody outside can tell who would share a number with whom.
    hasher: RandomState,
    table: Mutex<Table>,
}

/// Who shares a limit, as a number: what clients send is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(u64);

/// Nothing passes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    pub retry_after: Duration,
}

/// Moments in parts of a millisecond, of which each has as many as there are requests. So nothing is
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

impl Limiter {
    pub fn new(rate: Rate, by: LimitBy) -> Self {
        Self {
            rate,
            by,
            hasher: RandomState::new(),
            table: Mutex::default(),
        }
    }

    /// Whether both say the same, so that one may go on in the place of the other.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.rate == other.rate && self.by == other.by
    }

    pub fn rate(&self) -> Rate {
        self.rate
    }

    pub fn by(&self) -> &LimitBy {
        &self.by
    }

    /// The key of whoever is named by this.
    pub fn key(&self, name: impl Hash) -> Key {
        Key(self.hasher.hash_one(name))
    }

    /// Lets a request pass and counts it, or tells when the next one may.
    ///
    /// # Errors
    ///
    /// What there is has been used up.
    pub fn admit(&self, key: Key, now: Steady) -> Result<(), Exhausted> {
        let requests = u64::from(self.rate.count);
        let per = millis(self.rate.per);
        let now = now.as_millis();
        let moment = now.saturating_mul(requests);
        let mut table = self.table.lock();
        table.turn(now, per);
        let (used_until, place) = table.find(key);
        // One request takes the `requests`th part of `per`, which in these units is `per` itself.
        let next = used_until.max(moment).saturating_add(per);
        let latest = moment.saturating_add(per.saturating_mul(requests));
        if next > latest {
            let wait = (next - latest).div_ceil(requests);
            return Err(Exhausted {
                retry_after: Duration::from_millis(wait),
            });
        }
        table.put(place, next);
        Ok(())
    }

    /// How many have a place of their own.
    pub fn len(&self) -> usize {
        let table = self.table.lock();
        table.current.len() + table.previous.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
        let age = now.saturating_sub(self.turned);
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

    /// Until when this key has used what there is, and where that is to be written down.
    fn find(&self, Key(key): Key) -> (Moment, Place) {
        if let Some(used_until) = self.current.get(&key) {
            return (*used_until, Place::Own(key));
        }
        let used_until = self.previous.get(&key).copied().unwrap_or_default();
        if self.current.len() < MOST_KEYS {
            return (used_until, Place::Own(key));
        }
        let place = usize::try_from(key % SHARED_PLACES as u64).unwrap_or_default();
        let shared = self.shared.get(place).copied().unwrap_or_default();
        (used_until.max(shared), Place::Shared(place))
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
impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter")
            .field("rate", &self.rate)
            .field("by", &self.by)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

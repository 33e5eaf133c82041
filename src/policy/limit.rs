//! How many requests may pass on a route, and who shares them.

use std::hash::Hash;

use crate::clock::Steady;
use crate::config::document::{LimitBy, Rate};
use crate::policy::counts::{Counts, WhenFull};

pub use crate::policy::counts::{Exhausted, Key};

/// The limit of one route, and who has used how much of it.
#[derive(Debug)]
pub struct Limiter {
    by: LimitBy,
    counts: Counts,
}

impl Limiter {
    pub fn new(rate: Rate, by: LimitBy) -> Self {
        let counts = Counts::new(rate, WhenFull::Share);
        Self { by, counts }
    }

    /// Whether both say the same, so that one may go on in the place of the other.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.rate() == other.rate() && self.by == other.by
    }

    pub fn rate(&self) -> Rate {
        self.counts.rate()
    }

    pub fn by(&self) -> &LimitBy {
        &self.by
    }

    /// The key of whoever is named by this.
    pub fn key(&self, name: impl Hash) -> Key {
        self.counts.key(name)
    }

    /// Lets a request pass and counts it, or tells when the next one may.
    ///
    /// # Errors
    ///
    /// What there is has been used up.
    pub fn admit(&self, key: Key, now: Steady) -> Result<(), Exhausted> {
        self.counts.admit(key, now)
    }

    /// How many have a place of their own.
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}

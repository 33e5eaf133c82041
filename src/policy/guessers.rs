//! Clients that have unknown credentials asked about, and how many each may.
//!
//! Whoever makes up tokens has a remote side asked about each of them. So each client has an
//! allowance that fills up evenly, and only what turns out to be a guess is charged to it: many users
//! behind one address do not stand in each other's way, except in the moment in which all their
//! tokens are asked about at once.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use parking_lot::Mutex;

use crate::clock::UnixTime;
use crate::request::Network;
use crate::scheme::Guesses;

/// Clients that are kept in mind; about 150 bytes each. The one that was seen longest ago is
/// forgotten first; how many questions are under way at all is limited elsewhere.
const MOST: u64 = 50_000;

#[derive(Debug)]
pub(super) struct Guessers {
    guesses: Guesses,
    clients: Cache<Network, Arc<Mutex<Allowance>>>,
}

/// What a client has left.
#[derive(Debug)]
struct Allowance {
    left: u32,
    /// Since when the next one fills up.
    since: UnixTime,
}

impl Guessers {
    pub(super) fn new(guesses: Guesses) -> Self {
        Self::bounded(guesses, MOST)
    }

    fn bounded(guesses: Guesses, most: u64) -> Self {
        let clients = Cache::builder()
            .max_capacity(most)
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self { guesses, clients }
    }

    /// Takes one from a client's allowance.
    ///
    /// # Errors
    ///
    /// After how long there is one again.
    pub(super) fn charge(&self, client: IpAddr, now: UnixTime) -> Result<(), Duration> {
        let allowance = self
            .clients
            .entry(Network::of(client))
            .or_insert_with(|| {
                Arc::new(Mutex::new(Allowance {
                    left: self.guesses.count,
                    since: now,
                }))
            })
            .into_value();
        let mut allowance = allowance.lock();
        let each = self.each();
        if now < allowance.since {
            // The clock was set back.
            allowance.since = now;
        }
        let filled = now.since(allowance.since).as_millis() / each.as_millis().max(1);
        let filled = u32::try_from(filled).unwrap_or(u32::MAX);
        allowance.left = allowance.left.saturating_add(filled);
        if allowance.left >= self.guesses.count {
            allowance.left = self.guesses.count;
            allowance.since = now;
        } else {
            allowance.since = allowance.since.plus(each.saturating_mul(filled));
        }
        match allowance.left.checked_sub(1) {
            Some(left) => {
                allowance.left = left;
                Ok(())
            }
            None => Err(allowance.since.plus(each).since(now)),
        }
    }

    /// How many clients are kept in mind; an estimate.
    pub(super) fn len(&self) -> u64 {
        self.clients.entry_count()
    }

    /// Gives one back.
    pub(super) fn refund(&self, client: IpAddr) {
        if let Some(allowance) = self.clients.get(&Network::of(client)) {
            let mut allowance = allowance.lock();
            allowance.left = allowance.left.saturating_add(1).min(self.guesses.count);
        }
    }

    /// The time in which one fills up; whole milliseconds, as the clock has them.
    fn each(&self) -> Duration {
        (self.guesses.per / self.guesses.count.max(1)).max(Duration::from_millis(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PER: Duration = Duration::from_secs(1);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_allowance_is_used_up_and_fills_evenly() {
        let guessers = Guessers::new(Guesses {
            count: 10,
            per: PER,
        });
        let (one, other) = (ip("192.0.2.1"), ip("192.0.2.2"));
        let start = UnixTime::from_secs(1_000);
        let at = |millis| start.plus(Duration::from_millis(millis));
        for _ in 0..10 {
            assert_eq!(guessers.charge(one, start), Ok(()));
        }
        assert_eq!(guessers.charge(one, start), Err(PER / 10));
        assert_eq!(guessers.charge(one, at(40)), Err(Duration::from_millis(60)));
        assert_eq!(guessers.charge(other, start), Ok(()), "another client");
        assert_eq!(guessers.charge(one, at(100)), Ok(()));
        assert!(guessers.charge(one, at(101)).is_err());
        let all = (0..30).filter(|_| guessers.charge(one, at(60_000)).is_ok());
        assert_eq!(all.count(), 10, "never more than at the start");
        assert!(
            guessers.charge(one, start).is_err(),
            "a clock that was set back gives nothing"
        );
    }

    #[test]
    fn there_are_never_more_than_have_room_and_the_one_seen_longest_ago_goes() {
        let guessers = Guessers::bounded(Guesses { count: 2, per: PER }, 100);
        let now = UnixTime::from_secs(1_000);
        let client = |last: u32| IpAddr::from((0x0a00_0000 + last).to_be_bytes());
        for last in 0..5000 {
            assert_eq!(guessers.charge(client(last), now), Ok(()));
        }
        guessers.clients.run_pending_tasks();
        assert_eq!(guessers.len(), 100);
        assert!(guessers.charge(client(4999), now).is_ok());
        assert!(guessers.charge(client(4999), now).is_err(), "not forgotten");
        assert!(guessers.charge(client(0), now).is_ok());
        assert!(guessers.charge(client(0), now).is_ok(), "forgotten");
    }

    #[test]
    fn what_proves_good_is_not_charged() {
        let guessers = Guessers::new(Guesses { count: 2, per: PER });
        let (client, now) = (ip("192.0.2.1"), UnixTime::from_secs(1_000));
        for _ in 0..100 {
            assert_eq!(guessers.charge(client, now), Ok(()));
            guessers.refund(client);
        }
        guessers.refund(client);
        let left = (0..9)
            .filter(|_| guessers.charge(client, now).is_ok())
            .count();
        assert_eq!(left, 2);
    }
}

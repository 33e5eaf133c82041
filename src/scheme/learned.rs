//! What a backend has said about the tokens that it gave out: which are good, whose they are, and
//! how long.
//!
//! Tokens that only the backend can judge are learned from its own answers. Only digests of them
//! are kept. The number is bounded, and so is every client's share of it: where room is needed,
//! whoever has most gives up the oldest, so nobody's logins push out those of somebody who has
//! fewer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use parking_lot::Mutex;
use tracing::warn;

use crate::clock::UnixTime;
use crate::request::Network;
use crate::scheme::Rejection;
use crate::scheme::learner::Told;
use crate::scheme::sa_token::StoreError;
use crate::secret::Digest;

mod shared;
#[cfg(test)]
mod tests;

pub use shared::{Pool, Shared};

/// Tokens that are remembered per authenticator; about 400 bytes each with everything.
const CAPACITY: usize = 100_000;
/// Of these, how many one client can have brought: it may be the server that logs everybody in.
const PER_CLIENT: usize = CAPACITY / 2;
/// Refusals that are remembered, and for how long.
const REFUSALS: u64 = 10_000;
const REFUSAL_AGE: Duration = Duration::from_secs(5);
/// What the backend itself has confirmed so recently is not doubted because of another answer.
const BEYOND_DOUBT: Duration = Duration::from_secs(5);
/// A question that seems to be so much later than another one was asked before the clock was set back:
/// no answer takes so long.
const STEP_BACK: Duration = Duration::from_mins(1);
/// Tokens that may be forgotten because of such answers, a second.
const DOUBTS: u32 = 16;

/// What is known of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    pub app: Option<Arc<str>>,
    pub subject: Option<Arc<str>>,
    /// `None` for a permanent one.
    pub not_after: Option<UnixTime>,
    /// When the backend was asked that said so.
    pub at: UnixTime,
    /// It was asked about this very token, and not for a new one.
    pub confirmed: bool,
}

impl Fact {
    /// Whether it came from a question that was asked after `at`.
    fn is_newer_than(&self, at: UnixTime) -> bool {
        self.at > at && self.at.since(at) <= STEP_BACK
    }
}

/// Whoever brings tokens. `None` is the gate itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Client(Option<Network>);

impl Client {
    pub const GATE: Self = Self(None);

    pub fn of(address: IpAddr) -> Self {
        Self(Some(Network::of(address)))
    }
}

/// The tokens that one authenticator knows of.
#[derive(Debug)]
pub struct Learned {
    /// Stands for the rules by which answers are read.
    rules: Digest,
    /// Where other replicas learn of it.
    shared: Option<Shared>,
    facts: Mutex<Facts>,
    refusals: Cache<Digest, (Rejection, UnixTime)>,
    doubts: Mutex<Doubts>,
}

#[derive(Debug)]
struct Facts {
    by_token: HashMap<Digest, Held>,
    /// What each client has brought, the oldest first.
    by_client: HashMap<Client, BTreeMap<u64, Digest>>,
    /// Clients by how much they have brought.
    shares: BTreeSet<(usize, Client)>,
    next: u64,
    capacity: usize,
    per_client: usize,
}

#[derive(Debug)]
struct Held {
    fact: Fact,
    client: Client,
    serial: u64,
}

/// How many may still be forgotten in the second that began then.
#[derive(Debug)]
struct Doubts {
    since: UnixTime,
    left: u32,
}

/// What an authenticator begins with.
#[derive(Debug, Default)]
pub struct Beginning {
    /// What an earlier one of the same name has learned.
    pub earlier: Option<Arc<Learned>>,
    /// Where replicas share what they learn.
    pub shared: Option<Shared>,
}

impl Beginning {
    /// What was learned by the same rules of reading is known from the beginning.
    pub fn read_by(self, rules: Digest) -> Arc<Learned> {
        self.earlier
            .filter(|earlier| earlier.rules == rules)
            .unwrap_or_else(|| Arc::new(Learned::bounded(rules, self.shared, CAPACITY, PER_CLIENT)))
    }
}

impl Learned {
    fn bounded(rules: Digest, shared: Option<Shared>, capacity: usize, per_client: usize) -> Self {
        Self {
            rules,
            shared,
            facts: Mutex::new(Facts {
                by_token: HashMap::new(),
                by_client: HashMap::new(),
                shares: BTreeSet::new(),
                next: 0,
                capacity,
                per_client,
            }),
            refusals: Cache::builder()
                .max_capacity(REFUSALS)
                .time_to_live(REFUSAL_AGE)
                .build(),
            doubts: Mutex::new(Doubts {
                since: UnixTime::from_millis(0),
                left: 0,
            }),
        }
    }

    /// What is known of a token and still holds.
    pub fn get(&self, token: &Digest, now: UnixTime) -> Option<Fact> {
        let mut facts = self.facts.lock();
        let fact = facts.by_token.get(token)?.fact.clone();
        if fact.not_after.is_some_and(|end| end <= now) {
            facts.remove(token);
            return None;
        }
        Some(fact)
    }

    /// Remembers a token. An earlier refusal of it counts no more.
    pub fn learn(&self, token: Digest, fact: Fact, client: Client) {
        let mut facts = self.facts.lock();
        let known = facts.by_token.get(&token);
        // Of two answers under way at once, the one to the later question counts.
        if known.is_some_and(|known| known.fact.is_newer_than(fact.at)) {
            return;
        }
        // Who brought it first has it on his account.
        let client = known.map_or(client, |known| known.client);
        facts.remove(&token);
        facts.insert(token, fact, client);
        drop(facts);
        self.refusals.invalidate(&token);
    }

    /// Forgets a token that was refused when the backend was asked at the time `at`, unless it was
    /// given out since.
    pub fn refuse(&self, token: Digest, rejection: Rejection, at: UnixTime) {
        let mut facts = self.facts.lock();
        if let Some(known) = facts.by_token.get(&token) {
            if known.fact.is_newer_than(at) {
                return;
            }
            facts.remove(&token);
        }
        // While nobody can learn it.
        self.refusals.insert(token, (rejection, at));
    }

    /// Why a token was refused a moment ago.
    pub fn refusal(&self, token: &Digest, now: UnixTime) -> Option<Rejection> {
        let (rejection, at) = self.refusals.get(token)?;
        let is_recent = at <= now && now.since(at) < REFUSAL_AGE;
        is_recent.then_some(rejection)
    }

    /// Forgets a token after somebody behind the gate has refused it. Tells whether it did: not
    /// right after it was asked about, and not too many a second, lest a backend that refuses
    /// everybody for a moment have everybody log in again.
    pub fn doubt(&self, token: &Digest, now: UnixTime) -> bool {
        let mut facts = self.facts.lock();
        let Some(held) = facts.by_token.get(token) else {
            return false;
        };
        if held.fact.confirmed && now.since(held.fact.at) < BEYOND_DOUBT {
            return false;
        }
        if !self.doubts.lock().take(now) {
            return false;
        }
        facts.remove(token);
        true
    }

    /// Whether others may know what is not known here.
    pub fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// What is known of a token here or by others, which is known here from then on.
    pub async fn find(&self, token: &Digest, now: UnixTime) -> Result<Option<Fact>, StoreError> {
        if let Some(fact) = self.get(token, now) {
            return Ok(Some(fact));
        }
        let Some(shared) = &self.shared else {
            return Ok(None);
        };
        let fact = shared.get(&self.key(token), now).await?;
        if let Some(fact) = &fact {
            self.learn(*token, fact.clone(), Client::GATE);
        }
        Ok(fact)
    }

    /// Tells others what was learned.
    pub fn tell(self: &Arc<Self>, token: &Digest, fact: Fact, now: UnixTime) -> Told {
        let (learned, key) = (Arc::clone(self), self.key(token));
        Box::pin(async move {
            if let Some(shared) = &learned.shared
                && let Err(error) = shared.put(&key, &fact, now).await
            {
                warn!(%error, "other replicas do not hear of a token");
            }
        })
    }

    /// Has others forget a token as well.
    pub fn tell_end(self: &Arc<Self>, token: &Digest) -> Told {
        let (learned, key) = (Arc::clone(self), self.key(token));
        Box::pin(async move {
            if let Some(shared) = &learned.shared
                && let Err(error) = shared.remove(&key).await
            {
                warn!(%error, "other replicas do not hear that a token is forgotten");
            }
        })
    }

    /// What is read by other rules is another matter.
    fn key(&self, token: &Digest) -> String {
        let parts = [&self.rules, token].map(|digest| digest.as_bytes().as_slice());
        format!("learned:{}", Digest::of_parts(parts).to_hex())
    }

    /// How many tokens are known.
    pub fn len(&self) -> usize {
        self.facts.lock().by_token.len()
    }

    /// How many refusals are remembered; an estimate.
    pub fn refused(&self) -> u64 {
        self.refusals.entry_count()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Doubts {
    fn take(&mut self, now: UnixTime) -> bool {
        // A clock that was set back begins a new second as well.
        if now < self.since || now.since(self.since) >= Duration::from_secs(1) {
            *self = Self {
                since: now,
                left: DOUBTS,
            };
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

impl Facts {
    fn insert(&mut self, token: Digest, fact: Fact, client: Client) {
        let share = self.by_client.get(&client).map_or(0, BTreeMap::len);
        if share >= self.per_client {
            self.remove_oldest_of(client);
        } else if self.by_token.len() >= self.capacity
            && let Some((_, largest)) = self.shares.last().copied()
        {
            self.remove_oldest_of(largest);
        }
        let serial = self.next;
        self.next += 1;
        let held = Held {
            fact,
            client,
            serial,
        };
        self.by_token.insert(token, held);
        self.change_share(client, |brought| {
            brought.insert(serial, token);
        });
    }

    fn remove_oldest_of(&mut self, client: Client) {
        let oldest = self
            .by_client
            .get(&client)
            .and_then(|brought| brought.first_key_value())
            .map(|(_, token)| *token);
        if let Some(oldest) = oldest {
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, token: &Digest) {
        if let Some(Held { client, serial, .. }) = self.by_token.remove(token) {
            self.change_share(client, |brought| {
                brought.remove(&serial);
            });
        }
    }

    fn change_share(&mut self, client: Client, change: impl FnOnce(&mut BTreeMap<u64, Digest>)) {
        let brought = self.by_client.entry(client).or_default();
        self.shares.remove(&(brought.len(), client));
        change(brought);
        if brought.is_empty() {
            self.by_client.remove(&client);
        } else {
            self.shares.insert((brought.len(), client));
        }
    }
}

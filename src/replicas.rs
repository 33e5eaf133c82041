//! The replicas of the gate, as far as they share a store: what one learns the others must know.
//!
//! - **Revocations** are a set that only grows, with an end for each entry. Every replica has all
//!   of it in memory, follows the stream for what is new ([`follow`]), and writes back what the
//!   store has lost. A revocation holds where it was made, store or no store.
//! - **Places** (one connection per device) are given away by the store ([`places`]). A process
//!   shows that it lives ([`pulse`]); the places of one that does not are free. While the store is
//!   away each process counts its own; when it is back, living sessions are written down again.
//! - **Questions** ([`ask`]) go to all replicas by the stream, and so do the answers, within a
//!   bounded time.
//!
//! No request waits for the store longer than its time limit, and none at all while it is known to
//! be away.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use ::redis::{Pipeline, Value};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::clock::Steady;
use crate::config::document::RedisStore;
use crate::metrics::StoreMetrics;
use crate::principal::ClaimKey;
use crate::remote::redis::Redis;
use crate::revocation::RevocationId;
use crate::revocation::entry::Entry;
use crate::scheme::sa_token::{RedisAddress, StoreError};
use crate::session::SessionId;

mod answer;
mod ask;
mod event;
mod follow;
mod id;
mod keeper;
mod keys;
mod places;
mod probe;
mod pulse;
mod renew;
mod revoke;
mod script;
mod sessions;

use ask::Questions;
pub use id::ProcessId;
pub use keeper::Keeper;
use keys::Keys;
pub use probe::probe;
pub use renew::{Prolonged, renew};
pub use revoke::{Lifted, Revoked, lift, revoke};
pub use sessions::{Ended, Listing, end, list};

/// What this process knows of the others, and what it still has to tell them.
#[derive(Debug)]
pub struct Replicas {
    process: ProcessId,
    keys: Keys,
    /// Asked while somebody waits.
    requests: Redis,
    /// Asked about many things at once; nobody waits behind it.
    background: Redis,
    /// Hangs on the stream.
    following: Redis,
    /// The store answers in time, so requests ask it.
    is_up: AtomicBool,
    /// News of others arrive.
    follows: AtomicBool,
    /// The process is about to end and shows no more signs of life.
    has_left: AtomicBool,
    /// Whatever the store knew of living sessions may be lost.
    is_lost: AtomicBool,
    /// Sessions of which the store may not know.
    unsure: Mutex<HashSet<SessionId>>,
    /// Sessions that are asking for a place at this moment.
    asking: Mutex<HashSet<SessionId>>,
    /// Places to be given back.
    released: Mutex<Vec<(ClaimKey, SessionId)>>,
    release: Notify,
    /// Entries that did not come back by the stream yet, and when they were last sent.
    outbox: Mutex<HashMap<RevocationId, (Entry, Option<Steady>)>>,
    questions: Questions,
    /// Something went wrong that only the pulse can put right.
    wanted: Notify,
    metrics: StoreMetrics,
}

/// What is asked of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Ask,
    Beat,
    Bury,
    Follow,
    Publish,
    Read,
    Release,
    Reserve,
    Restore,
    Take,
}

impl Operation {
    pub const ALL: [Self; 10] = [
        Self::Ask,
        Self::Beat,
        Self::Bury,
        Self::Follow,
        Self::Publish,
        Self::Read,
        Self::Release,
        Self::Reserve,
        Self::Restore,
        Self::Take,
    ];

    /// The word for metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Beat => "beat",
            Self::Bury => "bury",
            Self::Follow => "follow",
            Self::Publish => "publish",
            Self::Read => "read",
            Self::Release => "release",
            Self::Reserve => "reserve",
            Self::Restore => "restore",
            Self::Take => "take",
        }
    }
}

/// What was heard of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    Answer,
    End,
    /// Nothing that a replica of this version writes.
    Garbled,
    Joined,
    Lifted,
    List,
    Renewal,
    Replaced,
    /// Everything was read again, since something may have been missed.
    Reread,
    Revoked,
}

impl Heard {
    pub const ALL: [Self; 10] = [
        Self::Answer,
        Self::End,
        Self::Garbled,
        Self::Joined,
        Self::Lifted,
        Self::List,
        Self::Renewal,
        Self::Replaced,
        Self::Reread,
        Self::Revoked,
    ];

    /// The word for metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::End => "end",
            Self::Garbled => "garbled",
            Self::Joined => "joined",
            Self::Lifted => "lifted",
            Self::List => "list",
            Self::Renewal => "renewal",
            Self::Replaced => "replaced",
            Self::Reread => "reread",
            Self::Revoked => "revoked",
        }
    }
}

/// The store is known to be away, or did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unshared {
    #[error("the shared store is away")]
    Away,
    #[error("the shared store gave an answer that was not understood")]
    Garbled,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Replicas {
    /// Does not connect.
    pub fn new(store: &RedisStore, metrics: StoreMetrics) -> Self {
        let process = ProcessId::fresh();
        let address = &store.address;
        let patient = RedisAddress {
            timeout: follow::patience(address.timeout),
            ..address.clone()
        };
        metrics.store_is_up(false);
        Self {
            process,
            keys: Keys::new(&store.prefix, process),
            requests: Redis::new(address),
            background: Redis::new(address),
            following: Redis::new(&patient),
            is_up: AtomicBool::new(false),
            follows: AtomicBool::new(false),
            has_left: AtomicBool::new(false),
            is_lost: AtomicBool::new(true),
            unsure: Mutex::default(),
            asking: Mutex::default(),
            released: Mutex::default(),
            release: Notify::new(),
            outbox: Mutex::default(),
            questions: Questions::default(),
            wanted: Notify::new(),
            metrics,
        }
    }

    pub fn process(&self) -> ProcessId {
        self.process
    }

    /// Whether what is learned here is known everywhere, and the other way round.
    pub fn is_whole(&self) -> bool {
        self.is_up() && self.follows.load(Ordering::Relaxed)
    }

    fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }

    /// Sends commands, if the store is not known to be away, and notes how that went.
    async fn request(
        &self,
        operation: Operation,
        commands: &Pipeline,
    ) -> Result<Vec<Value>, Unshared> {
        if !self.is_up() {
            return Err(Unshared::Away);
        }
        self.call(&self.requests, operation, commands).await
    }

    async fn call(
        &self,
        redis: &Redis,
        operation: Operation,
        commands: &Pipeline,
    ) -> Result<Vec<Value>, Unshared> {
        let answer = redis.call(commands).await;
        self.metrics.operation(operation, answer.as_ref().err());
        answer.map_err(|error| {
            self.set_up(false, Some(&error));
            Unshared::Store(error)
        })
    }

    /// Notes whether requests may ask the store.
    fn set_up(&self, is_up: bool, error: Option<&StoreError>) {
        let was_up = self.is_up.swap(is_up, Ordering::Relaxed);
        if was_up && !is_up {
            let error = error.map(tracing::field::display);
            warn!(
                error,
                "the shared store is away; places are counted per process until it is back"
            );
            self.wanted.notify_one();
        } else if is_up && !was_up {
            info!(process = %self.process, "the shared store is there");
        }
        self.show();
    }

    /// Notes whether news arrive.
    fn set_follows(&self, follows: bool) {
        self.follows.store(follows, Ordering::Relaxed);
        self.show();
    }

    fn show(&self) {
        self.metrics.store_is_up(self.is_whole());
    }
}

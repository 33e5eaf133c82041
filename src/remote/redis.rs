//! One multiplexed connection to a Redis server, made when it is first needed.
//!
//! Every call ends within its configured time, whatever the server does: the command, the one retry
//! on a fresh connection, and the connecting. While the server is down there is one attempt at a
//! time; who comes during the first attempt shares its outcome, who comes later fails at once.
//!
//! It may be used from several runtimes. The task that drives a connection lives on the runtime
//! that connected; when that runtime ends, the connection ends with it, and the next caller makes a
//! new one on its own. No error holds a text of the server, which may repeat key and token.

use std::fmt;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Client};
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};

use crate::remote::redis::address::client;
use crate::remote::redis::answer::{reason, understand};
use crate::scheme::sa_token::{Answer, RedisAddress, SessionStore, StoreError};

mod address;
mod answer;
mod call;
mod pool;

pub use pool::RedisPool;

/// After a failed attempt to connect nobody tries again for this long.
const PAUSE: Duration = Duration::from_millis(100);

/// Keys in one round trip at most, so that a handshake's question is not kept waiting behind those
/// about thousands of living sessions.
const PIPELINE: usize = 256;

/// No time limit is longer, so that adding it to a moment cannot overflow.
const LONGEST: Duration = Duration::from_hours(24);

/// A client that connects when it is first asked.
pub struct Redis {
    /// `None` when the address cannot be understood; every question then fails.
    client: Option<Client>,
    timeout: Duration,
    link: Mutex<Link>,
    /// Held while connecting.
    connecting: tokio::sync::Mutex<()>,
}

/// What is known about the connection.
#[derive(Default)]
struct Link {
    live: Option<Live>,
    /// Since the last attempt failed.
    down: Option<Down>,
    /// Attempts that came to an end, to see whether one did while waiting.
    attempts: u64,
}

#[derive(Clone)]
struct Live {
    connection: MultiplexedConnection,
    /// The attempt that made it.
    attempt: u64,
    /// Until it has answered once; one that has may have died since.
    is_fresh: bool,
}

struct Down {
    error: StoreError,
    until: Instant,
}

impl Redis {
    /// Does not connect.
    pub fn new(address: &RedisAddress) -> Self {
        Self {
            client: client(address),
            timeout: address.timeout.min(LONGEST),
            link: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        }
    }

    /// One round trip, and as many answers as keys.
    async fn ask<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Answer>, StoreError> {
        let deadline = Instant::now() + self.timeout;
        let live = self.connection(deadline).await?;
        if live.is_fresh {
            return self.get(&live, keys, deadline).await;
        }
        // An old connection may be dead without knowing it: leave half of the time for a new one.
        let half = Instant::now() + self.timeout / 2;
        match self.get(&live, keys, half).await {
            Err(StoreError::Unreachable { .. } | StoreError::Timeout) => {
                let live = self.connection(deadline).await?;
                self.get(&live, keys, deadline).await
            }
            outcome => outcome,
        }
    }

    /// All commands in one round trip, and not in a transaction: whatever happens between the two
    /// for a key, value and time are each true at their moment, a key that went away answers -2, and
    /// a read-only account needs no right to `MULTI`.
    async fn get<K: AsRef<[u8]>>(
        &self,
        live: &Live,
        keys: &[K],
        deadline: Instant,
    ) -> Result<Vec<Answer>, StoreError> {
        let mut connection = live.connection.clone();
        let mut pipeline = ::redis::pipe();
        for key in keys.iter().map(AsRef::as_ref) {
            pipeline.cmd("GET").arg(key).cmd("PTTL").arg(key);
        }
        // What is wrong with one key is said of that key alone.
        pipeline.ignore_errors();
        let answer = timeout_at(deadline, pipeline.query_async(&mut connection))
            .await
            .map_err(|_| StoreError::Timeout)
            .and_then(|answer| answer.map_err(reason));
        match answer {
            Ok(replies) => {
                self.keep(live.attempt);
                Ok(understand(replies, keys.len()))
            }
            Err(error) => {
                if matches!(error, StoreError::Unreachable { .. } | StoreError::Timeout) {
                    self.discard(live.attempt);
                }
                Err(error)
            }
        }
    }

    /// The present connection, or a new one.
    async fn connection(&self, deadline: Instant) -> Result<Live, StoreError> {
        let (seen, is_down) = {
            let link = self.link.lock();
            if let Some(live) = &link.live {
                return Ok(live.clone());
            }
            if let Some(down) = link
                .down
                .as_ref()
                .filter(|down| Instant::now() < down.until)
            {
                return Err(down.error.clone());
            }
            (
                link.attempts,
                link.down.as_ref().map(|down| down.error.clone()),
            )
        };
        let _turn = match is_down {
            Some(error) => self.connecting.try_lock().map_err(|_| error)?,
            None => timeout_at(deadline, self.connecting.lock())
                .await
                .map_err(|_| StoreError::Timeout)?,
        };
        if let Some(outcome) = self.outcome_since(seen) {
            return outcome;
        }
        let outcome = timeout_at(deadline, self.connect())
            .await
            .unwrap_or(Err(StoreError::Timeout));
        self.record(outcome)
    }

    /// What came of an attempt that somebody else made in the meantime.
    fn outcome_since(&self, seen: u64) -> Option<Result<Live, StoreError>> {
        let link = self.link.lock();
        if link.attempts == seen {
            return None;
        }
        match (&link.live, &link.down) {
            (Some(live), _) => Some(Ok(live.clone())),
            (None, Some(down)) => Some(Err(down.error.clone())),
            // Made, and lost again already.
            (None, None) => None,
        }
    }

    /// The name is resolved here, so a server that moved is found again.
    async fn connect(&self) -> Result<MultiplexedConnection, StoreError> {
        let client = self.client.as_ref().ok_or(StoreError::Address)?;
        // The time limits are ours.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(reason)
    }

    fn record(
        &self,
        outcome: Result<MultiplexedConnection, StoreError>,
    ) -> Result<Live, StoreError> {
        let mut link = self.link.lock();
        link.attempts += 1;
        match outcome {
            Ok(connection) => {
                let live = Live {
                    connection,
                    attempt: link.attempts,
                    is_fresh: true,
                };
                link.live = Some(live.clone());
                link.down = None;
                Ok(live)
            }
            Err(error) => {
                link.down = Some(Down {
                    error: error.clone(),
                    until: Instant::now() + PAUSE,
                });
                Err(error)
            }
        }
    }

    /// A connection has answered.
    fn keep(&self, attempt: u64) {
        let mut link = self.link.lock();
        if let Some(live) = link.live.as_mut().filter(|live| live.attempt == attempt) {
            live.is_fresh = false;
        }
    }

    /// A connection is of no use any more, unless a newer one has taken its place.
    fn discard(&self, attempt: u64) {
        let mut link = self.link.lock();
        link.live.take_if(|live| live.attempt == attempt);
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl SessionStore for Redis {
    async fn value_and_ttl(&self, key: &[u8]) -> Answer {
        let mut answers = self.ask(&[key]).await?;
        answers.pop().unwrap_or(Err(StoreError::Garbled))
    }

    async fn values_and_ttls(&self, keys: &[Vec<u8>]) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(keys.len());
        for some in keys.chunks(PIPELINE) {
            match self.ask(some).await {
                Ok(these) => answers.extend(these),
                // The rest would only wait as long again.
                Err(error) => {
                    answers.resize(keys.len(), Err(error));
                    break;
                }
            }
        }
        answers
    }
}

#[cfg(test)]
mod tests;

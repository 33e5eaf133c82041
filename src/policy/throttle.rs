//! Who has failed too often, and is not to have anybody asked on their behalf for a while.
//!
//! Failures are counted per client, which stops whoever guesses, and per credential, which stops one
//! bad token that comes from everywhere. A credential is named by all of its bytes: were a forged
//! signature counted like the token that it is forged for, anybody could have that one throttled.
//!
//! A flood makes the counts of others be forgotten, and never makes others count as throttled.

use std::net::IpAddr;
use std::time::Duration;

use crate::clock::{Steady, UnixTime};
use crate::config::document::Rate;
use crate::policy::counts::{Counts, Exhausted, Key, WhenFull};
use crate::request::Network;

/// The failures of everybody.
#[derive(Debug)]
pub struct Throttle {
    rate: Rate,
    clients: Counts,
    credentials: Counts,
}

/// Not now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttled {
    pub by: ThrottledBy,
    pub retry_after: Duration,
}

/// By what somebody is throttled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThrottledBy {
    Client,
    Credential,
    /// The client, by the rule of an authenticator for tokens that nobody knows.
    Guesses,
}

impl ThrottledBy {
    pub const ALL: [Self; 3] = [Self::Client, Self::Credential, Self::Guesses];

    /// The word for metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Credential => "credential",
            Self::Guesses => "guesses",
        }
    }
}

impl Throttle {
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            clients: Counts::new(rate, WhenFull::Forget),
            credentials: Counts::new(rate, WhenFull::Forget),
        }
    }

    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// By what the failures of a credential are counted.
    pub fn credential(&self, token: &[u8]) -> Key {
        self.credentials.key(token)
    }

    /// Whether one more failure would be too many.
    ///
    /// # Errors
    ///
    /// It would.
    pub fn check(
        &self,
        client: IpAddr,
        credentials: &[Key],
        now: UnixTime,
    ) -> Result<(), Throttled> {
        let now = steady(now);
        let client = self.clients.check(self.client(client), now);
        let client = client.map_err(|exhausted| ThrottledBy::Client.until(exhausted));
        let credentials = credentials.iter().map(|&credential| {
            let credential = self.credentials.check(credential, now);
            credential.map_err(|exhausted| ThrottledBy::Credential.until(exhausted))
        });
        let throttled = std::iter::once(client)
            .chain(credentials)
            .filter_map(Result::err);
        throttled
            .max_by_key(|throttled| throttled.retry_after)
            .map_or(Ok(()), Err)
    }

    /// Counts a failure, for the client and for each credential that is to blame.
    ///
    /// # Errors
    ///
    /// It is one too many. Then it is counted for nobody.
    pub fn fail(
        &self,
        client: IpAddr,
        credentials: &[Key],
        now: UnixTime,
    ) -> Result<(), Throttled> {
        self.check(client, credentials, now)?;
        // Somebody else may have come in between; then it is the last one.
        let _ = self.clients.admit(self.client(client), steady(now));
        for &credential in credentials {
            let _ = self.credentials.admit(credential, steady(now));
        }
        Ok(())
    }

    /// For how many of a kind it counts.
    pub fn kept(&self, by: ThrottledBy) -> usize {
        match by {
            ThrottledBy::Client => self.clients.len(),
            ThrottledBy::Credential => self.credentials.len(),
            ThrottledBy::Guesses => 0,
        }
    }

    fn client(&self, client: IpAddr) -> Key {
        self.clients.key(Network::of(client))
    }
}

impl ThrottledBy {
    const fn until(self, Exhausted { retry_after }: Exhausted) -> Throttled {
        Throttled {
            by: self,
            retry_after,
        }
    }
}

/// Judgements go by the time of day. If that is set back, nobody waits for longer than from anew.
pub(super) fn steady(now: UnixTime) -> Steady {
    Steady::from_millis(u64::try_from(now.as_millis()).unwrap_or_default())
}

/// On whose behalf a credential is judged.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'p> {
    pub client: IpAddr,
    pub throttle: Option<&'p Throttle>,
}

impl Asker<'_> {
    /// Whether a remote side may be asked about this credential.
    ///
    /// # Errors
    ///
    /// The client or the credential has failed too often.
    pub(super) fn may_ask(&self, token: &[u8], now: UnixTime) -> Result<(), Throttled> {
        self.throttle.map_or(Ok(()), |throttle| {
            throttle.check(self.client, &[throttle.credential(token)], now)
        })
    }
}

#[cfg(test)]
mod tests;

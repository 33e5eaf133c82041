//! The session behind a token: one question to the backend's store, and what its answer means.
//!
//! The store has `<key prefix><token>` → the login id, for as long as the session lives. Logout
//! deletes the key; replacement and kick-out overwrite the value and keep its time (`StpLogic`).

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::UnixTime;
use crate::scheme::sa_token::memory::{Grace, reusable_for, until};
use crate::scheme::sa_token::{Login, OnOutage, RedisSessions};
use crate::scheme::{Rejection, Verified, VerifyError};
use crate::secret::Digest;

/// Where sessions are kept. Implementations answer within their own time limit.
#[async_trait]
pub trait SessionStore: fmt::Debug + Send + Sync {
    /// The value of a key and the time that it still has; `None` when there is no such key.
    async fn value_and_ttl(&self, key: &[u8]) -> Result<Option<(Vec<u8>, Ttl)>, StoreError>;
}

/// How long a key will live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    Forever,
    For(Duration),
}

/// Why a store gave no answer. It holds nothing that the other side wrote, since an error message
/// of Redis may repeat the key, and with it the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("the session store's address is not `host:port`")]
    Address,
    #[error("the session store gave an answer that was not understood")]
    Garbled,
    #[error("the session store refused the credentials")]
    LoginRefused,
    /// An error code such as `NOPERM` or `LOADING`.
    #[error("the session store refused with `{code}`")]
    Refused { code: Box<str> },
    #[error("the session store did not answer in time")]
    Timeout,
    #[error("the session store cannot be reached: {kind}")]
    Unreachable { kind: io::ErrorKind },
}

/// Asks a store about sessions.
#[derive(Debug)]
pub(super) struct SessionCheck {
    store: Arc<dyn SessionStore>,
    key: String,
    max_stale: Duration,
    grace: Option<Grace>,
}

impl SessionCheck {
    pub(super) fn new(store: Arc<dyn SessionStore>, config: RedisSessions) -> Self {
        let RedisSessions {
            redis,
            key,
            max_stale,
            on_outage,
        } = config;
        let grace = match on_outage {
            OnOutage::Deny => None,
            OnOutage::Grace(period) => Some(Grace::new(period, redis.timeout)),
        };
        Self {
            store,
            key,
            max_stale,
            grace,
        }
    }

    /// Completes a proof with the answer of the store.
    ///
    /// The end counts from `now`, the time of the question, so it is never late.
    pub(super) async fn ask(
        &self,
        credential: Digest,
        token: &[u8],
        login: Login,
        now: UnixTime,
    ) -> Result<Verified, VerifyError> {
        let answer = match self.store.value_and_ttl(&self.key_of(token)).await {
            Ok(answer) => answer,
            Err(error) => return self.outage(&credential, &error, now),
        };
        match judge(answer, login, now) {
            Ok(proof) => {
                let proof = reusable_for(proof, self.max_stale);
                if let Some(grace) = &self.grace {
                    grace.remember(credential, &proof, now);
                }
                Ok(proof)
            }
            Err(rejection) => {
                if let Some(grace) = &self.grace {
                    grace.forget(credential, now);
                }
                Err(VerifyError::Rejected(rejection))
            }
        }
    }

    /// Asks about a session that nobody has; any answer will do.
    pub(super) async fn probe(&self) -> Result<(), VerifyError> {
        let answer = self
            .store
            .value_and_ttl(&self.key_of(b"imgate-check"))
            .await;
        answer
            .map(|_| ())
            .map_err(|error| VerifyError::Unavailable {
                source: error.to_string().into(),
            })
    }

    fn outage(
        &self,
        credential: &Digest,
        error: &StoreError,
        now: UnixTime,
    ) -> Result<Verified, VerifyError> {
        let graced = self
            .grace
            .as_ref()
            .and_then(|grace| grace.admit(credential, now));
        graced.ok_or_else(|| VerifyError::Unavailable {
            source: error.to_string().into(),
        })
    }

    /// The token takes the first place only: whatever it contains, nothing is replaced in it.
    fn key_of(&self, token: &[u8]) -> Vec<u8> {
        match self.key.split_once("{token}") {
            Some((before, after)) => [before.as_bytes(), token, after.as_bytes()].concat(),
            None => self.key.clone().into_bytes(),
        }
    }
}

/// What an answer says about a login.
fn judge(
    answer: Option<(Vec<u8>, Ttl)>,
    login: Login,
    now: UnixTime,
) -> Result<Verified, Rejection> {
    // Expired, logged out and never issued look alike from here.
    let (value, ttl) = answer.ok_or(Rejection::Expired)?;
    let value = text(&value).ok_or(Rejection::WrongPrincipal)?;
    if let Some(rejection) = marker(&value) {
        return Err(rejection);
    }
    // The session belongs to somebody else than the token says: never seen from an honest backend.
    if value != login.login_id {
        return Err(Rejection::WrongPrincipal);
    }
    let proof = match ttl {
        Ttl::Forever => login.proof,
        Ttl::For(left) => until(login.proof, now.plus(left)),
    };
    if proof.not_after.is_some_and(|end| now >= end) {
        return Err(Rejection::Expired);
    }
    Ok(proof)
}

/// The value is bare with Sa-Token's own DAOs, and a JSON string with its quotes with redisson's
/// Jackson codec, which RuoYi uses.
fn text(value: &[u8]) -> Option<String> {
    if value.starts_with(b"\"") {
        serde_json::from_slice(value).ok()
    } else {
        String::from_utf8(value.to_vec()).ok()
    }
}

/// The values that stand for "not logged in" (`NotLoginException`). Only -4 and -5 are known to be
/// written to this key.
fn marker(value: &str) -> Option<Rejection> {
    match value {
        // TOKEN_TIMEOUT and TOKEN_FREEZE, which is a time limit, too: that of inactivity.
        "-3" | "-6" => Some(Rejection::Expired),
        "-4" => Some(Rejection::Replaced),
        "-5" => Some(Rejection::KickedOut),
        // NOT_TOKEN, INVALID_TOKEN, NO_PREFIX, and whatever is invented later.
        other => {
            let digits = other.strip_prefix('-')?;
            let is_negative = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            is_negative.then_some(Rejection::Revoked)
        }
    }
}

#[cfg(test)]
pub(super) mod tests;

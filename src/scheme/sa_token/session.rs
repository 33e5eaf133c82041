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
use crate::scheme::grace::{Grace, reusable_for, until};
use crate::scheme::sa_token::{Login, RedisSessions};
use crate::scheme::{Asked, Recheck, Rejection, Verified, VerifyError};
use crate::secret::Digest;

/// Where sessions are kept. Implementations answer within their own time limit.
#[async_trait]
pub trait SessionStore: fmt::Debug + Send + Sync {
    /// The value of a key and the time that it still has; `None` when there is no such key.
    async fn value_and_ttl(&self, key: &[u8]) -> Answer;

    /// The same for many keys in few round trips: as many answers as keys, in the same order.
    async fn values_and_ttls(&self, keys: &[Vec<u8>]) -> Vec<Answer>;
}

/// What a store says about one key.
pub type Answer = Result<Option<(Vec<u8>, Ttl)>, StoreError>;

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
    recheck: Option<Recheck>,
}

/// A token that is good in itself, and what it says.
pub(super) struct Question<'c> {
    /// Names it where answers are remembered.
    pub(super) credential: Digest,
    pub(super) token: &'c [u8],
    pub(super) login: Login,
}

impl SessionCheck {
    pub(super) fn new(store: Arc<dyn SessionStore>, config: RedisSessions) -> Self {
        let RedisSessions {
            redis,
            key,
            max_stale,
            on_outage,
            recheck,
        } = config;
        let grace = on_outage.memory(redis.timeout);
        Self {
            store,
            key,
            max_stale,
            grace,
            recheck,
        }
    }

    pub(super) fn recheck_rule(&self) -> Option<Recheck> {
        self.recheck
    }

    /// How many answers are remembered for an outage, where they are.
    pub(super) fn graced(&self) -> Option<u64> {
        self.grace.as_ref().map(Grace::len)
    }

    /// Completes a proof with the answer of the store, or with the grace of an outage.
    pub(super) async fn ask(
        &self,
        question: Question<'_>,
        now: UnixTime,
    ) -> Result<Verified, VerifyError> {
        let credential = question.credential;
        let answer = self.store.value_and_ttl(&self.key_of(question.token)).await;
        let understood = self.understand(question, answer, now);
        if let Err(VerifyError::Unavailable { .. }) = understood
            && let Some(grace) = &self.grace
            && let Some(graced) = grace.admit(&credential, now)
        {
            return Ok(graced);
        }
        understood
    }

    /// Asks about the tokens of living sessions. They have a grace of their own in an outage, so
    /// none is given here.
    pub(super) async fn ask_all(
        &self,
        questions: Vec<Result<Question<'_>, Rejection>>,
        now: UnixTime,
    ) -> Vec<Result<Verified, VerifyError>> {
        let keys: Vec<_> = questions
            .iter()
            .flatten()
            .map(|question| self.key_of(question.token))
            .collect();
        let mut answers = self.store.values_and_ttls(&keys).await.into_iter();
        questions
            .into_iter()
            .map(|question| {
                let question = question.map_err(VerifyError::Rejected)?;
                let answer = answers.next().unwrap_or(Err(StoreError::Garbled));
                self.understand(question, answer, now)
            })
            .collect()
    }

    /// What an answer makes of a token; it is remembered for the next outage.
    ///
    /// The end counts from `now`, the time of the question, so it is never late.
    fn understand(
        &self,
        question: Question<'_>,
        answer: Answer,
        now: UnixTime,
    ) -> Result<Verified, VerifyError> {
        let answer = answer.map_err(|error| VerifyError::Unavailable {
            source: error.to_string().into(),
        })?;
        let Question {
            credential, login, ..
        } = question;
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
    let asked = Asked {
        at: now,
        not_after: proof.not_after,
    };
    Ok(Verified {
        asked: Some(asked),
        ..proof
    })
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

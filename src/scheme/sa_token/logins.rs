//! Logins that are known from the answers of the backend, for gates that cannot reach its Redis.
//!
//! ```text
//! {"code":200,"msg":"…","data":{"imUserVo":{…},"token":"Bearer eyJ…"}}
//! ```
//!
//! The answer does not say for how long the login holds; the configuration does.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::clock::UnixTime;
use crate::scheme::fingerprint::Fingerprint;
use crate::scheme::grace::until;
use crate::scheme::learned::{Beginning, Client, Fact, Learned};
use crate::scheme::learner::{Lesson, Lost, Told};
use crate::scheme::sa_token::LoginAnswers;
use crate::scheme::{Judgement, Rejection, Reuse, Verified, VerifyError, compact, json};
use crate::secret::Digest;

/// What one authenticator knows of logins.
#[derive(Debug)]
pub(super) struct Logins {
    route: Arc<str>,
    lifetime: Duration,
    learned: Arc<Learned>,
}

impl Logins {
    pub(super) fn new(answers: LoginAnswers, beginning: Beginning) -> Self {
        let LoginAnswers { route, lifetime } = answers;
        let rules = Fingerprint::of("sa_token").text(&route).finish();
        Self {
            route,
            lifetime,
            learned: beginning.read_by(rules),
        }
    }

    pub(super) fn route(&self) -> &Arc<str> {
        &self.route
    }

    pub(super) fn memory(&self) -> Arc<Learned> {
        Arc::clone(&self.learned)
    }

    /// Remembers a token that the backend has given out.
    pub(super) fn remember(&self, token: &[u8], proof: Verified, lesson: &Lesson<'_>) -> Told {
        let proof = until(proof, lesson.at.plus(self.lifetime));
        let fact = Fact {
            app: None,
            subject: None,
            not_after: proof.not_after,
            at: lesson.at,
            confirmed: false,
        };
        let (token, client) = (Digest::of(token), Client::of(lesson.client));
        self.learned.learn(token, fact.clone(), client);
        self.learned.tell(&token, fact, lesson.at)
    }

    /// What is known of a login here.
    pub(super) fn judge(&self, token: &[u8], proof: Verified, now: UnixTime) -> Judgement {
        let fact = self.learned.get(&Digest::of(token), now);
        if fact.is_none() && self.learned.is_shared() {
            return Judgement::AskRemote;
        }
        Judgement::Settled(self.admit(fact, proof, now))
    }

    /// What is known of a login anywhere.
    pub(super) async fn ask(
        &self,
        token: &[u8],
        proof: Verified,
        now: UnixTime,
    ) -> Result<Verified, VerifyError> {
        let found = self.learned.find(&Digest::of(token), now).await;
        let fact = found.map_err(|error| VerifyError::Unavailable {
            source: error.to_string().into(),
        })?;
        self.admit(fact, proof, now).map_err(VerifyError::Rejected)
    }

    /// Ends a proof with the login behind it; one that nobody has seen is no proof.
    fn admit(
        &self,
        fact: Option<Fact>,
        proof: Verified,
        now: UnixTime,
    ) -> Result<Verified, Rejection> {
        // Expired, logged out and never issued look alike from here, as in a store.
        let fact = fact.ok_or(Rejection::Expired)?;
        // The configuration of now may be stricter than that of the login.
        let end = fact.at.plus(self.lifetime);
        if now >= end {
            return Err(Rejection::Expired);
        }
        let proof = until(proof, fact.not_after.map_or(end, |own| own.min(end)));
        Ok(Verified {
            // It is remembered here already, and may be forgotten here.
            reuse: Reuse::Once,
            ..proof
        })
    }

    pub(super) fn doubt(&self, token: &[u8], now: UnixTime) -> Option<Told> {
        let token = Digest::of(token);
        let is_forgotten = self.learned.doubt(&token, now);
        is_forgotten.then(|| self.learned.tell_end(&token))
    }
}

/// The token in the body of an answer to a login.
pub fn token(body: &[u8]) -> Result<String, Lost> {
    let answer = json::object(body).map_err(|_| Lost::Unlike)?;
    if answer.get("code").and_then(Value::as_u64) != Some(200) {
        return Err(Lost::Unlike);
    }
    let data = answer.get("data").and_then(Value::as_object);
    let token = data.and_then(|data| data.get("token")?.as_str());
    let token = token.ok_or(Lost::Unlike)?;
    // As `token-prefix` has it; a backend may leave it out.
    let token = token.strip_prefix("Bearer ").unwrap_or(token);
    if compact::recognises(token.as_bytes()) {
        Ok(token.to_owned())
    } else {
        Err(Lost::Unlike)
    }
}

#[cfg(test)]
mod tests;

//! What replicas tell each other about tokens, in a store that others can reach as well.
//!
//! Whoever can write there could otherwise make up tokens, so every record is sealed: it counts for
//! the token under whose digest it stands, and only if it was made with the replicas' common secret.
//! Nothing in it is a credential.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

use crate::clock::UnixTime;
use crate::scheme::learned::Fact;
use crate::scheme::sa_token::StoreError;
use crate::secret::{Digest, Secret};

/// A store that all replicas reach. Implementations answer within their own time limit.
#[async_trait]
pub trait Pool: fmt::Debug + Send + Sync {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    async fn put(&self, key: &str, value: Vec<u8>, lifetime: Duration) -> Result<(), StoreError>;

    async fn remove(&self, key: &str) -> Result<(), StoreError>;
}

/// No record lives longer, permanent tokens included: nobody else would ever take it away.
const LONGEST: Duration = Duration::from_hours(24 * 60);
/// What the seal is made with where there is no secret: it shows damage, and nothing else.
const NO_SECRET: &[u8] = b"imgate: learned tokens without a secret";
/// Characters of a seal.
const SEAL: usize = 64;

/// A pool, and the secret of those who write there.
#[derive(Clone)]
pub struct Shared {
    pool: Arc<dyn Pool>,
    seal: Arc<hmac::Key>,
}

/// A fact as others read it. Times are in milliseconds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    app: Option<String>,
    subject: Option<String>,
    not_after: Option<i64>,
    at: i64,
}

impl Shared {
    pub fn new(pool: Arc<dyn Pool>, secret: Option<&Secret>) -> Self {
        let secret = secret.map_or(NO_SECRET, Secret::expose);
        Self {
            pool,
            seal: Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret)),
        }
    }

    /// What others know of a token.
    pub(super) async fn get(&self, key: &str, now: UnixTime) -> Result<Option<Fact>, StoreError> {
        let record = self.pool.get(key).await?;
        let fact = record.and_then(|record| self.opened(key, &record));
        Ok(fact.filter(|fact| fact.not_after.is_none_or(|end| now < end)))
    }

    pub(super) async fn put(
        &self,
        key: &str,
        fact: &Fact,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let lifetime = fact.not_after.map_or(LONGEST, |end| end.since(now));
        let lifetime = lifetime.min(LONGEST);
        if lifetime.is_zero() {
            return Ok(());
        }
        self.pool.put(key, self.sealed(key, fact), lifetime).await
    }

    pub(super) async fn remove(&self, key: &str) -> Result<(), StoreError> {
        self.pool.remove(key).await
    }

    fn sealed(&self, key: &str, fact: &Fact) -> Vec<u8> {
        let written = Written {
            app: fact.app.as_deref().map(str::to_owned),
            subject: fact.subject.as_deref().map(str::to_owned),
            not_after: fact.not_after.map(UnixTime::as_millis),
            at: fact.at.as_millis(),
        };
        // There is nothing in it that could not be written.
        let json = serde_json::to_vec(&written).unwrap_or_default();
        let mut record = self.mark(key, &json).into_bytes();
        record.extend(json);
        record
    }

    fn opened(&self, key: &str, record: &[u8]) -> Option<Fact> {
        let (seal, json) = record.split_at_checked(SEAL)?;
        let own = Digest::from_hex(&self.mark(key, json))?;
        let theirs = Digest::from_hex(str::from_utf8(seal).ok()?)?;
        if !own.matches(&theirs) {
            return None;
        }
        let written: Written = serde_json::from_slice(json).ok()?;
        Some(Fact {
            app: written.app.map(Arc::from),
            subject: written.subject.map(Arc::from),
            not_after: written.not_after.map(UnixTime::from_millis),
            at: UnixTime::from_millis(written.at),
            confirmed: false,
        })
    }

    fn mark(&self, key: &str, json: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.seal);
        // The key has no line end.
        context.update(key.as_bytes());
        context.update(b"\n");
        context.update(json);
        let mut text = String::with_capacity(SEAL);
        for byte in context.sign().as_ref() {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

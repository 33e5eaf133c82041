//! Application keys: a shared secret that names a partner.
//!
//! Only digests are kept. A proof is never cached, since looking the key up is as cheap as looking
//! up a verdict, and so a key that left the configuration is gone at once.

use std::collections::HashMap;
use std::sync::Arc;

use crate::clock::UnixTime;
use crate::credential::Credential;
use crate::principal::Principal;
use crate::scheme::fingerprint::Fingerprint;
use crate::scheme::{
    Constraints, Judgement, KeyProblem, Rejection, Reuse, SchemeName, Verified, Verifier, WhichKey,
};
use crate::secret::Digest;

/// The keys of one authenticator, inline or from a `keys_file`.
#[derive(Debug)]
pub struct Config {
    pub keys: Vec<Key>,
}

/// One key. Only its SHA-256 digest is kept, however it was configured.
#[derive(Debug)]
pub struct Key {
    pub id: Arc<str>,
    pub digest: Digest,
    pub not_before: Option<UnixTime>,
    pub not_after: Option<UnixTime>,
    /// The routes on which it may be used; `None` means all of them.
    pub routes: Option<Arc<[Arc<str>]>>,
}

/// Verifies application keys.
///
/// A presented key is hashed first, so nothing that an attacker can steer byte by byte is ever
/// compared, and a hundred thousand keys cost what ten do.
#[derive(Debug)]
pub struct AppKey {
    /// By digests, which nobody can choose.
    keys: HashMap<Digest, Compiled, foldhash::fast::RandomState>,
    fingerprint: Digest,
}

#[derive(Debug)]
struct Compiled {
    digest: Digest,
    not_before: Option<UnixTime>,
    not_after: Option<UnixTime>,
    principal: Arc<Principal>,
    constraints: Constraints,
}

impl AppKey {
    /// Refuses the digest of the empty string, and a key that stands twice: it could not be told
    /// which of the two ids it is.
    pub fn new(config: Config) -> Result<Self, KeyProblem> {
        let fingerprint = fingerprint(&config);
        let mut keys = HashMap::with_capacity_and_hasher(
            config.keys.len(),
            foldhash::fast::RandomState::default(),
        );
        for (index, key) in config.keys.into_iter().enumerate() {
            let problem = |expected| {
                let which = WhichKey::Listed {
                    index,
                    name: Some(Arc::clone(&key.id)),
                };
                KeyProblem { which, expected }
            };
            if key.digest.matches(&Digest::of(b"")) {
                return Err(problem("expected a key that is not empty"));
            }
            if keys.contains_key(&key.digest) {
                return Err(problem("expected a key that no other entry has"));
            }
            let principal = Principal {
                app: Some(key.id),
                ..Principal::default()
            };
            let compiled = Compiled {
                digest: key.digest,
                not_before: key.not_before,
                not_after: key.not_after,
                principal: Arc::new(principal),
                constraints: Constraints {
                    routes: key.routes,
                    ..Constraints::default()
                },
            };
            keys.insert(key.digest, compiled);
        }
        Ok(Self { keys, fingerprint })
    }

    /// Judges a presented key.
    pub fn check(&self, presented: &[u8], now: UnixTime) -> Result<Verified, Rejection> {
        self.check_digest(&Digest::of(presented), now)
    }

    fn check_digest(&self, digest: &Digest, now: UnixTime) -> Result<Verified, Rejection> {
        let key = self
            .keys
            .get(digest)
            .filter(|key| key.digest.matches(digest))
            .ok_or(Rejection::UnknownKey)?;
        if key.not_before.is_some_and(|start| now < start) {
            return Err(Rejection::NotYetValid);
        }
        if key.not_after.is_some_and(|end| now >= end) {
            return Err(Rejection::Expired);
        }
        Ok(Verified {
            principal: Arc::clone(&key.principal),
            constraints: key.constraints.clone(),
            not_after: key.not_after,
            key: key.digest,
            grounds: None,
            token: None,
            asked: None,
            reuse: Reuse::Once,
        })
    }
}

impl Verifier for AppKey {
    fn is_worth_caching(&self) -> bool {
        false
    }

    fn limits_routes(&self) -> bool {
        self.keys
            .values()
            .any(|key| key.constraints.routes.is_some())
    }

    /// A key names an app.
    fn names_subjects(&self) -> bool {
        false
    }

    fn scheme(&self) -> SchemeName {
        SchemeName::AppKey
    }

    fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    /// A key has no form of its own: anything may be one.
    fn recognises(&self, credential: &Credential<'_>) -> bool {
        !credential.bytes().is_empty()
    }

    fn judge(&self, credential: &Credential<'_>, now: UnixTime) -> Judgement {
        Judgement::Settled(self.check(credential.bytes(), now))
    }

    /// The digest is all that a key is looked up by. Under another id it is somebody else's.
    fn uphold(&self, proof: &Verified, now: UnixTime) -> Result<Verified, Rejection> {
        let current = self.check_digest(&proof.key, now)?;
        if current.principal == proof.principal {
            Ok(current)
        } else {
            Err(Rejection::WrongApp)
        }
    }
}

fn fingerprint(config: &Config) -> Digest {
    Fingerprint::of(SchemeName::AppKey.as_str())
        .list(
            &config.keys,
            |print,
             Key {
                 id,
                 digest,
                 not_before,
                 not_after,
                 routes,
             }| {
                print
                    .text(id)
                    .digest(digest)
                    .time(*not_before)
                    .time(*not_after)
                    .option(routes.as_deref(), |print, routes| {
                        print.list(routes, |print, route| print.text(route))
                    })
            },
        )
        .finish()
}

#[cfg(test)]
mod tests;

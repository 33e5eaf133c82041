//! Client keys of IMKIT: a key that every client of an app carries, and that opens nothing alone.
//!
//! Two ways to know one. *Listed* keys are compared as a whole: only digests are kept, and what is
//! presented is looked up by its digest, so nothing that an attacker can steer byte by byte is ever
//! compared. *Signed* keys are JWTs (HS256) for whoever knows the secret that IMKIT signs them with;
//! what they say is read only after their signature is good.
//!
//! ```text
//! {"apiKey":"<base64 of 32 bytes>","createAt":1591972576414,"clientId":"<uuid>"}
//! ```
//!
//! The payload names an API key, which may be the app's own: nothing of a client key is ever shown.
//! A key belongs to an app and may be bound to the names under which the app is served.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::clock::UnixTime;
use crate::credential::Credential;
use crate::principal::Principal;
use crate::scheme::compact::{self, Compact};
use crate::scheme::fingerprint::Fingerprint;
use crate::scheme::jwt::{Algorithm, Key, KeyMaterial, VerifyingKey};
use crate::scheme::{
    Constraints, Judgement, KeyProblem, Rejection, Reuse, SchemeName, TokenFacts, Verified,
    Verifier, WhichKey, claims, json, latest_end,
};
use crate::secret::{Digest, Secret};

mod mint;

pub use mint::{Mint, mint};

#[derive(Debug)]
pub struct Config {
    pub apps: Vec<App>,
}

/// An app and its client keys.
#[derive(Debug)]
pub struct App {
    pub id: Arc<str>,
    pub keys: Keys,
    /// The names under which the app is served, in lower case and without a port; `None` means any.
    pub domains: Option<Arc<[Arc<str>]>>,
}

/// How the client keys of an app are known; each key or secret has an end of its own, or none.
#[derive(Debug)]
pub enum Keys {
    /// By their digests.
    Listed(Vec<(Digest, Option<UnixTime>)>),
    /// By what they are signed with.
    Signed {
        secrets: Vec<(Secret, Option<UnixTime>)>,
        /// The `clientId` that they must have; `None` takes any.
        client_id: Option<Arc<str>>,
    },
}

/// Verifies client keys.
#[derive(Debug)]
pub struct ImkitClientKey {
    /// By digests, which nobody can choose.
    listed: HashMap<Digest, Entry, foldhash::fast::RandomState>,
    signed: Vec<Signer>,
    fingerprint: Digest,
}

/// What makes a client key good.
#[derive(Debug)]
struct Entry {
    /// Of the key itself, or of the secret.
    digest: Digest,
    not_after: Option<UnixTime>,
    principal: Arc<Principal>,
    constraints: Constraints,
}

#[derive(Debug)]
struct Signer {
    entry: Entry,
    key: VerifyingKey,
    client_id: Option<Arc<str>>,
}

impl ImkitClientKey {
    /// Refuses a key that stands twice, and a secret of two apps that nothing tells apart: it would
    /// be left open which app comes in.
    pub fn new(config: Config) -> Result<Self, KeyProblem> {
        let fingerprint = fingerprint(&config);
        let mut compiled = Self {
            listed: HashMap::default(),
            signed: Vec::new(),
            fingerprint,
        };
        for (index, app) in config.apps.into_iter().enumerate() {
            let id = Arc::clone(&app.id);
            compiled.take(app).map_err(|expected| KeyProblem {
                which: WhichKey::App {
                    index,
                    name: Some(id),
                },
                expected,
            })?;
        }
        Ok(compiled)
    }

    fn take(&mut self, app: App) -> Result<(), &'static str> {
        let App { id, keys, domains } = app;
        let principal = Arc::new(Principal {
            app: Some(id),
            ..Principal::default()
        });
        let entry = |digest, not_after| Entry {
            digest,
            not_after,
            principal: Arc::clone(&principal),
            constraints: Constraints {
                domains: domains.clone(),
                ..Constraints::default()
            },
        };
        match keys {
            Keys::Listed(keys) => {
                for (digest, not_after) in keys {
                    if digest.matches(&Digest::of(b"")) {
                        return Err("expected a client key that is not empty");
                    }
                    let entry = entry(digest, not_after);
                    if self.listed.insert(digest, entry).is_some() {
                        return Err("expected a client key that no other entry has");
                    }
                }
            }
            Keys::Signed { secrets, client_id } => {
                for (secret, not_after) in secrets {
                    let digest = Digest::of(secret.expose());
                    let key = VerifyingKey::new(Key {
                        kid: None,
                        algorithm: Algorithm::HS256,
                        material: KeyMaterial::Hmac(secret),
                        not_after: None,
                    })?;
                    let mut same = self.signed.iter().filter(|old| old.entry.digest == digest);
                    if same.any(|old| old.client_id.is_none() || old.client_id == client_id)
                        || (client_id.is_none()
                            && self.signed.iter().any(|old| old.entry.digest == digest))
                    {
                        return Err(
                            "expected a secret that no other entry has, or a `client_id` of its \
                             own beside each",
                        );
                    }
                    self.signed.push(Signer {
                        entry: entry(digest, not_after),
                        key,
                        client_id: client_id.clone(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Judges a presented client key.
    pub fn check(&self, presented: &[u8], now: UnixTime) -> Result<Verified, Rejection> {
        let digest = Digest::of(presented);
        let listed = self.listed.get(&digest);
        if let Some(entry) = listed.filter(|entry| entry.digest.matches(&digest)) {
            return entry.verified(None, None, now);
        }
        if self.signed.is_empty() || !compact::recognises(presented) {
            return Err(Rejection::UnknownKey);
        }
        self.check_signed(presented, now)
    }

    fn check_signed(&self, presented: &[u8], now: UnixTime) -> Result<Verified, Rejection> {
        let token = Compact::parse(presented)?;
        if token.header.alg != Algorithm::HS256.as_str() {
            return Err(Rejection::WrongAlgorithm);
        }
        let mut signers = self.signed.iter().filter(|one| one.key.signed(&token));
        let first = signers.next().ok_or(Rejection::BadSignature)?;
        let claims = json::object(&token.payload)?;
        let client_id = claims::name(&claims, "clientId")?;
        let is_of = |signer: &&Signer| {
            let expected = signer.client_id.as_ref();
            expected.is_none_or(|expected| client_id.as_ref() == Some(expected))
        };
        let mut signers = std::iter::once(first).chain(signers);
        let signer = signers.find(is_of).ok_or(Rejection::WrongApp)?;
        let end = claims::validity(&claims, Duration::ZERO, now)?;
        let facts = TokenFacts {
            issued_at: created_at(&claims)?,
            ..token.facts(&claims)?
        };
        signer.entry.verified(end, Some(facts), now)
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        let signed = self.signed.iter().map(|signer| &signer.entry);
        self.listed.values().chain(signed)
    }
}

/// `createAt` is in milliseconds.
fn created_at(claims: &json::Object) -> Result<Option<UnixTime>, Rejection> {
    match claims.get("createAt") {
        None => Ok(None),
        Some(Value::Number(millis)) => {
            let millis = millis.as_i64().ok_or(Rejection::Malformed)?;
            Ok(Some(UnixTime::from_millis(millis)))
        }
        Some(_) => Err(Rejection::Malformed),
    }
}

impl Entry {
    fn verified(
        &self,
        end: Option<UnixTime>,
        token: Option<TokenFacts>,
        now: UnixTime,
    ) -> Result<Verified, Rejection> {
        if self.not_after.is_some_and(|end| now >= end) {
            return Err(Rejection::Expired);
        }
        Ok(Verified {
            principal: Arc::clone(&self.principal),
            constraints: self.constraints.clone(),
            not_after: self.not_after.into_iter().chain(end).min(),
            key: self.digest,
            grounds: None,
            token: token.map(Arc::new),
            asked: None,
            reuse: Reuse::Once,
        })
    }
}

impl Verifier for ImkitClientKey {
    /// Comparing is as cheap as looking a verdict up.
    fn is_worth_caching(&self) -> bool {
        false
    }

    /// A client key names an app.
    fn names_subjects(&self) -> bool {
        false
    }

    fn scheme(&self) -> SchemeName {
        SchemeName::ImkitClientKey
    }

    fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    /// Listed keys have no form of their own: some are JWTs, some base64, some words.
    fn recognises(&self, credential: &Credential<'_>) -> bool {
        if self.listed.is_empty() {
            compact::recognises(credential.bytes())
        } else {
            !credential.bytes().is_empty()
        }
    }

    fn judge(&self, credential: &Credential<'_>, now: UnixTime) -> Judgement {
        Judgement::Settled(self.check(credential.bytes(), now))
    }

    /// The key or secret must still be that app's. Where it counts is what the app says now.
    fn uphold(&self, proof: &Verified, now: UnixTime) -> Result<Verified, Rejection> {
        let mut same = self.entries().filter(|entry| entry.digest == proof.key);
        let Some(first) = same.next() else {
            return Err(Rejection::UnknownKey);
        };
        let ours: Vec<&Entry> = std::iter::once(first)
            .chain(same)
            .filter(|entry| entry.principal == proof.principal)
            .collect();
        let entry = ours.first().ok_or(Rejection::WrongApp)?;
        let end = latest_end(ours.iter().map(|entry| entry.not_after), now)?;
        Ok(Verified {
            constraints: entry.constraints.clone(),
            ..proof.bounded(end)
        })
    }
}

fn fingerprint(config: &Config) -> Digest {
    Fingerprint::of(SchemeName::ImkitClientKey.as_str())
        .list(&config.apps, |print, App { id, keys, domains }| {
            let print = match keys {
                Keys::Listed(keys) => print
                    .text("listed")
                    .list(keys, |print, (digest, not_after)| {
                        print.digest(digest).time(*not_after)
                    }),
                Keys::Signed { secrets, client_id } => print
                    .text("signed")
                    .list(secrets, |print, (secret, not_after)| {
                        print.secret(secret).time(*not_after)
                    })
                    .option(client_id.as_deref(), Fingerprint::text),
            };
            print.text(id).option(domains.as_deref(), |print, domains| {
                print.list(domains, |print, domain| print.text(domain))
            })
        })
        .finish()
}

#[cfg(test)]
mod tests;

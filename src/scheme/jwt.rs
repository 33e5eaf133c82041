//! JSON Web Tokens (RFC 7519) with keys that fix the algorithm.
//!
//! The form is taken apart strictly (`compact`), then the signature is judged
//! (`keys`), and only then is a claim looked at (`expect`): what an unsigned token says is
//! nobody's business. `exp` is required; issuer and audience are compared unless waived. The keys
//! are those of the configuration, or those of a server that is asked for them (`remote`).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::UnixTime;
use crate::credential::Credential;
use crate::scheme::compact::{self, Compact};
use crate::scheme::fingerprint::Fingerprint;
use crate::scheme::http::{HttpClient, HttpRules};
use crate::scheme::jwt::expect::Expectations;
use crate::scheme::jwt::keys::KeyRing;
use crate::scheme::{
    Constraints, Judgement, KeyProblem, Rejection, Reuse, SchemeName, Verified, Verifier,
    VerifyError, json,
};
use crate::secret::{Digest, Secret};

mod algorithm;
mod expect;
mod jwks;
mod keys;
mod mint;
mod remote;

pub use jwks::exercise as exercise_jwks;
pub(crate) use keys::VerifyingKey;
pub use mint::{Mint, MintError, SigningKey, mint};
pub use remote::{Jwks, MAX_JWKS_BYTES, RemoteKeys, Turn};

#[derive(Debug)]
pub struct Config {
    pub keys: Keys,
    pub issuer: Expected,
    pub audience: Expected,
    pub leeway: Duration,
    pub claims: Claims,
}

/// Where the keys come from.
#[derive(Debug)]
pub enum Keys {
    /// From `keys`, or from a JWKS file; never empty.
    Listed(Vec<Key>),
    /// From a server, for as long as it names them.
    Remote(Jwks),
}

/// A claim that is compared, or waived with the word `any`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    Any,
    Value(String),
}

#[derive(Debug)]
pub struct Key {
    pub kid: Option<String>,
    pub algorithm: Algorithm,
    pub material: KeyMaterial,
    pub not_after: Option<UnixTime>,
}

/// What an algorithm verifies with. The decoder has checked that it fits the algorithm.
#[derive(Debug)]
pub enum KeyMaterial {
    /// For HS256, HS384, HS512.
    Hmac(Secret),
    /// A PEM public key (`PUBLIC KEY`, SPKI, or `RSA PUBLIC KEY`).
    Pem(Vec<u8>),
    /// A public JWK of kind RSA, EC or OKP, as its JSON text.
    Jwk(String),
}

/// The algorithms that jsonwebtoken can verify; ES512 is not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    EdDSA,
    ES256,
    ES384,
    HS256,
    HS384,
    HS512,
    PS256,
    PS384,
    PS512,
    RS256,
    RS384,
    RS512,
}

/// Which claim (a top-level name) feeds which field of the principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    pub subject: String,
    pub user_type: Option<String>,
    pub device_type: Option<String>,
    pub app: Option<String>,
}

/// Verifies JSON Web Tokens.
#[derive(Debug)]
pub struct Jwt {
    source: Source,
    expectations: Expectations,
    fingerprint: Digest,
}

#[derive(Debug)]
enum Source {
    Listed(KeyRing),
    Remote(Arc<RemoteKeys>),
}

impl Jwt {
    /// `previous` is the key set of an earlier verifier of the same authenticator; it is taken over
    /// where it comes from the same place. `open` makes the client for another; it is not called
    /// otherwise, and it should not connect before it is asked.
    pub fn new(
        config: Config,
        previous: Option<Arc<RemoteKeys>>,
        open: impl FnOnce(&HttpRules) -> Arc<dyn HttpClient>,
    ) -> Result<Self, KeyProblem> {
        let Config {
            keys,
            issuer,
            audience,
            leeway,
            claims,
        } = config;
        let source = match keys {
            Keys::Listed(keys) => Source::Listed(KeyRing::new(keys)?),
            Keys::Remote(jwks) => Source::Remote(
                previous
                    .filter(|known| known.is_of(&jwks))
                    .unwrap_or_else(|| {
                        let client = open(&jwks.http);
                        Arc::new(RemoteKeys::new(jwks, client))
                    }),
            ),
        };
        let expectations = Expectations::new(issuer, audience, leeway, claims);
        let fingerprint = fingerprint(&source, &expectations);
        Ok(Self {
            source,
            expectations,
            fingerprint,
        })
    }

    /// Judges a token by the keys that are known.
    pub fn check(&self, token: &[u8], now: UnixTime) -> Result<Verified, Rejection> {
        let token = Compact::parse(token)?;
        match &self.source {
            Source::Listed(ring) => self.prove(ring, &token, now),
            Source::Remote(keys) => {
                let known = keys.current(now).ok_or(Rejection::UnknownKey)?;
                self.prove(&known.ring, &token, now)
            }
        }
    }

    fn prove(
        &self,
        ring: &KeyRing,
        token: &Compact<'_>,
        now: UnixTime,
    ) -> Result<Verified, Rejection> {
        let key = ring.verify(token, now)?;
        let claims = json::object(&token.payload)?;
        let facts = token.facts(&claims)?;
        let (principal, expires) = self.expectations.judge(&claims, now)?;
        Ok(Verified {
            principal,
            constraints: Constraints::default(),
            not_after: Some(key.not_after.map_or(expires, |end| end.min(expires))),
            key: key.digest,
            grounds: Some(Arc::new(self.expectations.grounds(&claims))),
            token: Some(Arc::new(facts)),
            asked: None,
            reuse: Reuse::Cacheable,
        })
    }

    /// Judges by the set of a server as it is known; a key that may be new has it fetched.
    fn judge_by(&self, keys: &RemoteKeys, token: &[u8], now: UnixTime) -> Judgement {
        let token = match Compact::parse(token) {
            Ok(token) => token,
            Err(rejection) => return Judgement::Settled(Err(rejection)),
        };
        let Some(known) = keys.current(now) else {
            let is_one_of_ours = Algorithm::from_name(&token.header.alg)
                .is_some_and(|algorithm| !algorithm.is_hmac());
            return if is_one_of_ours {
                Judgement::AskRemote
            } else {
                Judgement::Settled(Err(Rejection::WrongAlgorithm))
            };
        };
        if known.ring.may_lack_the_key_of(&token.header) {
            return Judgement::AskRemote;
        }
        Judgement::Settled(self.prove(&known.ring, &token, now))
    }
}

#[async_trait]
impl Verifier for Jwt {
    fn scheme(&self) -> SchemeName {
        SchemeName::Jwt
    }

    fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    fn recognises(&self, credential: &Credential<'_>) -> bool {
        compact::recognises(credential.bytes())
    }

    fn judge(&self, credential: &Credential<'_>, now: UnixTime) -> Judgement {
        match &self.source {
            Source::Listed(_) => Judgement::Settled(self.check(credential.bytes(), now)),
            Source::Remote(keys) => self.judge_by(keys, credential.bytes(), now),
        }
    }

    async fn ask(
        &self,
        credential: &Credential<'_>,
        now: UnixTime,
    ) -> Result<Verified, VerifyError> {
        let outcome = match &self.source {
            Source::Listed(_) => self.check(credential.bytes(), now),
            Source::Remote(keys) => {
                let token = Compact::parse(credential.bytes()).map_err(VerifyError::Rejected)?;
                let known = keys.look_again(now).await?;
                self.prove(&known.ring, &token, now)
            }
        };
        outcome.map_err(VerifyError::Rejected)
    }

    fn holds(&self, proof: &Verified, now: UnixTime) -> bool {
        match &self.source {
            Source::Listed(_) => true,
            Source::Remote(keys) => keys.holds(proof, now),
        }
    }

    /// Another set may have the key that is missing from this one.
    fn is_final(&self, rejection: Rejection) -> bool {
        match &self.source {
            Source::Listed(_) => rejection.is_final(),
            Source::Remote(_) => rejection == Rejection::Malformed,
        }
    }

    fn uphold(&self, proof: &Verified, now: UnixTime) -> Result<Verified, Rejection> {
        let end = match &self.source {
            Source::Listed(ring) => ring.uphold(&proof.key, now)?,
            Source::Remote(keys) => keys.uphold(&proof.key, now)?,
        };
        self.expectations.uphold(proof.grounds.as_deref())?;
        Ok(proof.bounded(end))
    }

    fn remote_keys(&self) -> Option<Arc<RemoteKeys>> {
        match &self.source {
            Source::Listed(_) => None,
            Source::Remote(keys) => Some(Arc::clone(keys)),
        }
    }

    fn http(&self) -> Option<&dyn HttpClient> {
        match &self.source {
            Source::Listed(_) => None,
            Source::Remote(keys) => Some(keys.client()),
        }
    }

    async fn probe(&self) -> Result<(), VerifyError> {
        match &self.source {
            Source::Listed(_) => Ok(()),
            Source::Remote(keys) => keys.probe().await,
        }
    }
}

fn fingerprint(source: &Source, expectations: &Expectations) -> Digest {
    let Expectations {
        issuer,
        audience,
        leeway,
        claims: _,
        reading,
    } = expectations;
    let expected = |print: Fingerprint, expected: &Expected| match expected {
        Expected::Any => print.text("any"),
        Expected::Value(value) => print.text("value").text(value),
    };
    let print = Fingerprint::of(SchemeName::Jwt.as_str());
    let print = match source {
        Source::Listed(keys) => print.list(keys.as_slice(), |print, key| {
            print
                .digest(&key.digest)
                .time(key.not_after)
                .option(key.kid.as_deref(), Fingerprint::text)
        }),
        Source::Remote(keys) => print.text("remote").digest(&keys.print()),
    };
    expected(expected(print, issuer), audience)
        .duration(*leeway)
        .digest(reading)
        .finish()
}

#[cfg(test)]
mod tests;

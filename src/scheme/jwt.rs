//! JSON Web Tokens (RFC 7519) with keys that fix the algorithm.
//!
//! The form is taken apart strictly (`compact`), then the signature is judged
//! (`keys`), and only then is a claim looked at (`expect`): what an unsigned token says is
//! nobody's business. `exp` is required; issuer and audience are compared unless waived.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::UnixTime;
use crate::credential::Credential;
use crate::scheme::compact::{self, Compact};
use crate::scheme::fingerprint::Fingerprint;
use crate::scheme::jwt::expect::Expectations;
use crate::scheme::jwt::keys::KeyRing;
use crate::scheme::{
    Constraints, Judgement, KeyProblem, Rejection, Reuse, SchemeName, Verified, Verifier, json,
};
use crate::secret::{Digest, Secret};

mod algorithm;
mod expect;
mod keys;
mod mint;

pub(crate) use keys::VerifyingKey;
pub use mint::{Mint, MintError, SigningKey, mint};

#[derive(Debug)]
pub struct Config {
    /// From `keys`, or from a JWKS file; never empty.
    pub keys: Vec<Key>,
    pub issuer: Expected,
    pub audience: Expected,
    pub leeway: Duration,
    pub claims: Claims,
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
    keys: KeyRing,
    expectations: Expectations,
    fingerprint: Digest,
}

impl Jwt {
    pub fn new(config: Config) -> Result<Self, KeyProblem> {
        let Config {
            keys,
            issuer,
            audience,
            leeway,
            claims,
        } = config;
        let keys = KeyRing::new(keys)?;
        let expectations = Expectations::new(issuer, audience, leeway, claims);
        let fingerprint = fingerprint(&keys, &expectations);
        Ok(Self {
            keys,
            expectations,
            fingerprint,
        })
    }

    /// Judges a token.
    pub fn check(&self, token: &[u8], now: UnixTime) -> Result<Verified, Rejection> {
        let token = Compact::parse(token)?;
        let key = self.keys.verify(&token, now)?;
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
}

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
        Judgement::Settled(self.check(credential.bytes(), now))
    }

    fn uphold(&self, proof: &Verified, now: UnixTime) -> Result<Verified, Rejection> {
        let end = self.keys.uphold(&proof.key, now)?;
        self.expectations.uphold(proof.grounds.as_deref())?;
        Ok(proof.bounded(end))
    }
}

fn fingerprint(keys: &KeyRing, expectations: &Expectations) -> Digest {
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
    let print = Fingerprint::of(SchemeName::Jwt.as_str()).list(keys.as_slice(), |print, key| {
        print
            .digest(&key.digest)
            .time(key.not_after)
            .option(key.kid.as_deref(), Fingerprint::text)
    });
    expected(expected(print, issuer), audience)
        .duration(*leeway)
        .digest(reading)
        .finish()
}

#[cfg(test)]
mod tests;

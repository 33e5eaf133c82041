//! The keys of one authenticator, each bound to its algorithm.
//!
//! The token names a key and an algorithm; the key says which algorithm it is for, and the two
//! must agree. So there is no way to make an RSA public key verify an HMAC, nor any other mixture
//! (RFC 8725 §2.1). Every key is parsed once here: one that the cryptography would refuse later is
//! found when the configuration is compiled.

use std::sync::Arc;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    VerificationAlgorithm,
};
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::{DecodingKey, DecodingKeyKind, jwk};
use serde_json::Value;

use crate::clock::UnixTime;
use crate::scheme::compact::{Compact, Header};
use crate::scheme::jwt::algorithm::Family;
use crate::scheme::jwt::{Algorithm, Key, KeyMaterial};
use crate::scheme::{KeyProblem, Rejection, WhichKey, json, latest_end};
use crate::secret::Digest;

/// Bits of an RSA modulus; below is weak, above costs an attacker less than us.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The keys in file order.
#[derive(Debug)]
pub(super) struct KeyRing {
    keys: Vec<VerifyingKey>,
}

impl KeyRing {
    pub(super) fn new(keys: Vec<Key>) -> Result<Self, KeyProblem> {
        let compile = |(index, key): (usize, Key)| {
            let name = key.kid.as_deref().map(Arc::from);
            VerifyingKey::new(key).map_err(|expected| {
                let which = WhichKey::Listed { index, name };
                KeyProblem { which, expected }
            })
        };
        let keys = keys
            .into_iter()
            .enumerate()
            .map(compile)
            .collect::<Result<_, _>>()?;
        Ok(Self { keys })
    }

    pub(super) const fn of(keys: Vec<VerifyingKey>) -> Self {
        Self { keys }
    }

    /// Whether the same keys have the same names, in whatever order.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        let is_in = |ring: &Self, key: &VerifyingKey| {
            let mut keys = ring.keys.iter();
            keys.any(|one| one.digest == key.digest && one.kid == key.kid)
        };
        self.keys.iter().all(|key| is_in(other, key))
            && other.keys.iter().all(|key| is_in(self, key))
    }

    /// Whether a token could be signed by a key of which nothing is known here: it names one, and
    /// an algorithm with public keys.
    pub(super) fn may_lack_the_key_of(&self, header: &Header) -> bool {
        let is_public = |algorithm: Algorithm| !algorithm.is_hmac();
        Algorithm::from_name(&header.alg).is_some_and(is_public)
            && header.kid.is_some()
            && self.keys.iter().all(|key| key.kid != header.kid)
    }

    pub(super) fn as_slice(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// The end of a key that verified something earlier, if it is still here and in date.
    pub(super) fn uphold(
        &self,
        digest: &Digest,
        now: UnixTime,
    ) -> Result<Option<UnixTime>, Rejection> {
        let same = self.keys.iter().filter(|key| key.digest == *digest);
        latest_end(same.map(|key| key.not_after), now)
    }

    /// The key that signed the token. A token with a `kid` is tried with the keys of that name, one
    /// without with every key of its algorithm.
    pub(super) fn verify(
        &self,
        token: &Compact<'_>,
        now: UnixTime,
    ) -> Result<&VerifyingKey, Rejection> {
        let algorithm = Algorithm::from_name(&token.header.alg).ok_or(Rejection::WrongAlgorithm)?;
        if !self.keys.iter().any(|key| key.algorithm == algorithm) {
            return Err(Rejection::WrongAlgorithm);
        }
        let kid = token.header.kid.as_deref();
        let mut named = self
            .keys
            .iter()
            .filter(|key| key.is_in_date(now) && (kid.is_none() || key.kid.as_deref() == kid))
            .peekable();
        if named.peek().is_none() {
            return Err(Rejection::UnknownKey);
        }
        let mut fitting = named.filter(|key| key.algorithm == algorithm).peekable();
        if fitting.peek().is_none() {
            // With a `kid` the named key is for another algorithm; without one, the keys of this
            // algorithm are all past their end.
            let cause = if kid.is_some() {
                Rejection::WrongAlgorithm
            } else {
                Rejection::UnknownKey
            };
            return Err(cause);
        }
        fitting
            .find(|key| key.signed(token))
            .ok_or(Rejection::BadSignature)
    }
}

/// A public key or a shared secret, ready to verify.
#[derive(Debug)]
pub(crate) struct VerifyingKey {
    pub(super) kid: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) not_after: Option<UnixTime>,
    /// Stands for algorithm and material, however they were written down.
    pub(super) digest: Digest,
    decoding: DecodingKey,
}

impl VerifyingKey {
    /// The error says what was expected.
    pub(crate) fn new(key: Key) -> Result<Self, &'static str> {
        let Key {
            kid,
            algorithm,
            material,
            not_after,
        } = key;
        let (decoding, digest) = decode(algorithm, &material)?;
        Ok(Self {
            kid,
            algorithm,
            not_after,
            digest,
            decoding,
        })
    }

    /// Whether this key made the token's signature.
    pub(crate) fn signed(&self, token: &Compact<'_>) -> bool {
        let algorithm = self.algorithm.into();
        jsonwebtoken::crypto::verify(
            token.encoded_signature,
            token.signing_input,
            &self.decoding,
            algorithm,
        )
        .unwrap_or(false)
    }

    fn is_in_date(&self, now: UnixTime) -> bool {
        self.not_after.is_none_or(|end| now < end)
    }
}

fn decode(
    algorithm: Algorithm,
    material: &KeyMaterial,
) -> Result<(DecodingKey, Digest), &'static str> {
    let key = match (algorithm.family(), material) {
        (Family::Hmac, KeyMaterial::Hmac(secret)) if secret.is_empty() => {
            return Err("expected a secret that is not empty");
        }
        (Family::Hmac, KeyMaterial::Hmac(secret)) => DecodingKey::from_secret(secret.expose()),
        (Family::Hmac, KeyMaterial::Pem(_) | KeyMaterial::Jwk(_)) => {
            return Err("expected a secret, as the algorithm is an HMAC");
        }
        (Family::Ec | Family::Ed | Family::Rsa, KeyMaterial::Hmac(_)) => {
            return Err("expected a public key, as the algorithm is none of the HMACs");
        }
        (family, KeyMaterial::Pem(pem)) => from_pem(family, pem)?,
        (family, KeyMaterial::Jwk(text)) => from_jwk(family, algorithm, text)?,
    };
    let parts = material_parts(algorithm, key.kind())?;
    let name = algorithm.as_str().as_bytes();
    let digest = Digest::of_parts(std::iter::once(name).chain(parts.iter().map(Vec::as_slice)));
    Ok((key, digest))
}

/// One `PUBLIC KEY` or `RSA PUBLIC KEY` block. Certificates and private keys are refused: what a
/// parser takes for the key in them is a matter of luck, and a private key should not be here.
fn from_pem(family: Family, pem: &[u8]) -> Result<DecodingKey, &'static str> {
    const EXPECTED: &str = "expected one PEM block `PUBLIC KEY`, of the algorithm's kind";
    let text = std::str::from_utf8(pem).map_err(|_| EXPECTED)?;
    let mut labels = text.split("-----BEGIN ").skip(1);
    let label = labels.next().and_then(|block| block.split("-----").next());
    let is_public = matches!(label, Some("PUBLIC KEY" | "RSA PUBLIC KEY"));
    if !is_public || labels.next().is_some() {
        return Err(EXPECTED);
    }
    match family {
        Family::Ec => DecodingKey::from_ec_pem(pem),
        Family::Ed => DecodingKey::from_ed_pem(pem),
        Family::Hmac | Family::Rsa => DecodingKey::from_rsa_pem(pem),
    }
    .map_err(|_| EXPECTED)
}

/// A public JWK (RFC 7517 §4) whose `kty`, `crv`, `use`, `key_ops` and `alg` allow what it is for.
fn from_jwk(family: Family, algorithm: Algorithm, text: &str) -> Result<DecodingKey, &'static str> {
    const EXPECTED: &str = "expected a public JWK of the algorithm's kind, for signatures";
    let fields = json::object(text.as_bytes()).map_err(|_| EXPECTED)?;
    let says = |name: &str, value: &str| fields.get(name).is_none_or(|found| found == value);
    let may_verify = match fields.get("key_ops") {
        None => true,
        Some(Value::Array(operations)) => operations.iter().any(|one| one == "verify"),
        Some(_) => false,
    };
    let is_private = ["d", "k", "p", "q"]
        .iter()
        .any(|name| fields.contains_key(*name));
    if is_private
        || !may_verify
        || !says("use", "sig")
        || !says("alg", algorithm.as_str())
        || !says("crv", algorithm.curve().unwrap_or_default())
    {
        return Err(EXPECTED);
    }
    let key: jwk::Jwk = serde_json::from_str(text).map_err(|_| EXPECTED)?;
    let decoded = DecodingKey::from_jwk(&key).map_err(|_| EXPECTED)?;
    if decoded.family() == family.into() {
        Ok(decoded)
    } else {
        Err(EXPECTED)
    }
}

/// The numbers that make up a key, which say the same however the key was encoded; refuses those
/// that the cryptography would refuse when it verifies.
fn material_parts(
    algorithm: Algorithm,
    kind: &DecodingKeyKind,
) -> Result<Vec<Vec<u8>>, &'static str> {
    const RSA: &str = "expected an RSA public key of 2048 to 8192 bits";
    match (algorithm.family(), kind) {
        (Family::Hmac, DecodingKeyKind::SecretOrDer(secret)) => {
            Ok(vec![Digest::of(secret).as_bytes().to_vec()])
        }
        (Family::Rsa, DecodingKeyKind::RsaModulusExponent { n, e }) => {
            rsa_parts(n.clone(), e.clone()).ok_or(RSA)
        }
        (Family::Rsa, DecodingKeyKind::SecretOrDer(der)) => {
            let components = DEFAULT_PROVIDER
                .key_utils
                .rsa_pub_components_from_public_key;
            let (n, e) = components(der).map_err(|_| RSA)?;
            rsa_parts(n, e).ok_or(RSA)
        }
        (Family::Ec, DecodingKeyKind::SecretOrDer(point)) => {
            let curve: &'static dyn VerificationAlgorithm = if algorithm == Algorithm::ES384 {
                &ECDSA_P384_SHA384_FIXED
            } else {
                &ECDSA_P256_SHA256_FIXED
            };
            // The uncompressed point and nothing else: aws-lc would take DER here as well.
            if point.first() != Some(&4) {
                return Err("expected an uncompressed point of the algorithm's curve");
            }
            ParsedPublicKey::new(curve, point.as_slice())
                .map_err(|_| "expected a point of the algorithm's curve")?;
            Ok(vec![point.clone()])
        }
        (Family::Ed, DecodingKeyKind::SecretOrDer(point)) => {
            if point.len() != 32 {
                return Err("expected an Ed25519 public key of 32 bytes");
            }
            ParsedPublicKey::new(&ED25519, point.as_slice())
                .map_err(|_| "expected an Ed25519 public key")?;
            Ok(vec![point.clone()])
        }
        (Family::Ec | Family::Ed | Family::Hmac, DecodingKeyKind::RsaModulusExponent { .. }) => {
            Err("expected a key of the algorithm's kind")
        }
    }
}

fn rsa_parts(modulus: Vec<u8>, exponent: Vec<u8>) -> Option<Vec<Vec<u8>>> {
    let idle = modulus.first()?.leading_zeros() as usize;
    let bits = modulus.len().checked_mul(8)?.checked_sub(idle)?;
    // `idle` of a full byte means a leading zero, which aws-lc refuses in every verification.
    (idle < 8 && RSA_BITS.contains(&bits) && is_rsa_exponent(&exponent))
        .then(|| vec![modulus, exponent])
}

/// Odd, at least 3, and of at most 32 bits (aws-lc allows 33).
fn is_rsa_exponent(exponent: &[u8]) -> bool {
    let is_odd = exponent.last().is_some_and(|last| last % 2 == 1);
    let is_short = (1..=4).contains(&exponent.len()) && exponent.first() != Some(&0);
    is_odd && is_short && exponent != [1]
}

#[cfg(test)]
mod tests;

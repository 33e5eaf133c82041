//! JSON Web Key Sets (RFC 7517) as a server sends them.
//!
//! A set is somebody else's, and may hold keys for other purposes: those that cannot be used are
//! passed over (§5), not a mistake of the set. What is used is the public half of an RSA, EC or
//! Ed25519 key that is for signatures and strong enough; an HMAC's key in a set that everybody can
//! fetch is no secret. A set without one usable key is taken for a mistake of the server's: nobody
//! means to withdraw every key.

use serde_json::Value;

use crate::scheme::json::{self, Object};
use crate::scheme::jwt::keys::VerifyingKey;
use crate::scheme::jwt::{Algorithm, Key, KeyMaterial};

/// Bytes of a set. Large providers have some 20 KiB.
pub(super) const MAX_BYTES: usize = 256 * 1024;
/// Keys of a set. A token that names none is tried with each.
const MAX_KEYS: usize = 64;
/// A token's `kid` is no longer.
const MAX_KID: usize = 256;

/// Why an answer is no key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum JwksProblem {
    #[error("the answer is no JSON Web Key Set")]
    NotASet,
    #[error("the key set has too many keys")]
    TooMany,
    #[error("the key set has no key that can be used")]
    NoUsableKey,
}

/// A key set, as far as it is of use.
#[derive(Debug)]
pub(super) struct KeySet {
    pub(super) keys: Vec<VerifyingKey>,
    /// How many keys were passed over.
    pub(super) unusable: usize,
}

/// Reads a key set.
pub(super) fn decode(bytes: &[u8]) -> Result<KeySet, JwksProblem> {
    let set = json::object(bytes).map_err(|_| JwksProblem::NotASet)?;
    let Some(Value::Array(listed)) = set.get("keys") else {
        return Err(JwksProblem::NotASet);
    };
    if listed.len() > MAX_KEYS {
        return Err(JwksProblem::TooMany);
    }
    let keys: Vec<_> = listed.iter().filter_map(key).collect();
    if keys.is_empty() {
        return Err(JwksProblem::NoUsableKey);
    }
    Ok(KeySet {
        unusable: listed.len() - keys.len(),
        keys,
    })
}

/// One key of a set; `None` if it cannot be used. Purpose, kind and strength are judged where every
/// key is.
fn key(jwk: &Value) -> Option<VerifyingKey> {
    let fields = jwk.as_object()?;
    let kid = match fields.get("kid") {
        None => None,
        Some(Value::String(kid)) if kid.len() <= MAX_KID => Some(kid.clone()),
        Some(_) => return None,
    };
    let algorithm = algorithm(fields)?;
    VerifyingKey::new(Key {
        kid,
        algorithm,
        material: KeyMaterial::Jwk(jwk.to_string()),
        not_after: None,
    })
    .ok()
}

/// The algorithm that the key names, or else the usual one of its kind.
fn algorithm(fields: &Object) -> Option<Algorithm> {
    if let Some(named) = fields.get("alg") {
        return Algorithm::from_name(named.as_str()?).filter(|algorithm| !algorithm.is_hmac());
    }
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    match (text("kty")?, text("crv")) {
        ("RSA", None) => Some(Algorithm::RS256),
        ("EC", Some("P-256")) => Some(Algorithm::ES256),
        ("EC", Some("P-384")) => Some(Algorithm::ES384),
        ("OKP", Some("Ed25519")) => Some(Algorithm::EdDSA),
        _ => None,
    }
}

/// For the fuzz target: whatever the bytes are, what is read can only verify.
#[doc(hidden)]
pub fn exercise(bytes: &[u8]) {
    if let Ok(set) = decode(bytes) {
        assert!(!set.keys.is_empty() && set.keys.len() + set.unusable <= MAX_KEYS);
        assert!(set.keys.iter().all(|key| !key.algorithm.is_hmac()));
    }
}

#[cfg(test)]
mod tests;

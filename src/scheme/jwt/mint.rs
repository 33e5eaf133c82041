//! Makes tokens, for trying a gate out: the other half of the verifier, not used by the gate.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use serde_json::{Map, Value};

use crate::clock::UnixTime;
use crate::scheme::jwt::Algorithm;
use crate::scheme::jwt::algorithm::Family;
use crate::secret::Secret;

/// What a token is to say. Claims given by name win over those that the other fields make.
#[derive(Clone, Debug, Default)]
pub struct Mint {
    pub kid: Option<String>,
    pub subject: Option<String>,
    pub issuer: Option<String>,
    pub audience: Option<String>,
    pub claims: Vec<(String, Value)>,
    /// From now on; `None` leaves `exp` out, which the gate refuses.
    pub expires_in: Option<Duration>,
}

/// A secret or a private key, bound to an algorithm.
pub struct SigningKey {
    algorithm: Algorithm,
    key: EncodingKey,
}

/// Why a token could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    #[error("expected a PKCS#8 PEM private key of the algorithm's kind (`PRIVATE KEY`)")]
    UnfitKey,
    #[error("expected a secret that is not empty")]
    EmptySecret,
}

impl SigningKey {
    /// The secret of an HMAC as it is, or a private key in PEM: PKCS#8, for RSA also PKCS#1.
    pub fn new(algorithm: Algorithm, material: &Secret) -> Result<Self, MintError> {
        let pem = material.expose();
        let key = match algorithm.family() {
            Family::Hmac if material.is_empty() => return Err(MintError::EmptySecret),
            Family::Hmac => Ok(EncodingKey::from_secret(pem)),
            Family::Ec => EncodingKey::from_ec_pem(pem),
            Family::Ed => EncodingKey::from_ed_pem(pem),
            Family::Rsa => EncodingKey::from_rsa_pem(pem),
        };
        Ok(Self {
            algorithm,
            key: key.map_err(|_| MintError::UnfitKey)?,
        })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// Makes one token.
pub fn mint(key: &SigningKey, mint: &Mint, now: UnixTime) -> Result<String, MintError> {
    let mut header = Map::new();
    header.insert("alg".to_owned(), key.algorithm.as_str().into());
    header.insert("typ".to_owned(), "JWT".into());
    if let Some(kid) = &mint.kid {
        header.insert("kid".to_owned(), kid.as_str().into());
    }
    let encode =
        |object: Map<String, Value>| URL_SAFE_NO_PAD.encode(Value::Object(object).to_string());
    let signing_input = format!("{}.{}", encode(header), encode(claims(mint, now)));
    let signature =
        jsonwebtoken::crypto::sign(signing_input.as_bytes(), &key.key, key.algorithm.into())
            .map_err(|_| MintError::UnfitKey)?;
    Ok(format!("{signing_input}.{signature}"))
}

fn claims(mint: &Mint, now: UnixTime) -> Map<String, Value> {
    let Mint {
        kid: _,
        subject,
        issuer,
        audience,
        claims,
        expires_in,
    } = mint;
    let mut object = Map::new();
    for (name, value) in [("iss", issuer), ("sub", subject), ("aud", audience)] {
        if let Some(value) = value {
            object.insert(name.to_owned(), value.as_str().into());
        }
    }
    object.insert("iat".to_owned(), now.as_secs().into());
    if let Some(expires_in) = expires_in {
        object.insert("exp".to_owned(), now.plus(*expires_in).as_secs().into());
    }
    object.extend(claims.iter().cloned());
    object
}

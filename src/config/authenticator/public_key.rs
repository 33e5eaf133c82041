//! Public keys in PEM: which algorithm they are for, and whether they are strong enough.
//!
//! Only the outer structure is read here (RFC 5280 `SubjectPublicKeyInfo`, RFC 8017
//! `RSAPublicKey`); whether the point lies on its curve is found out by the verifying library.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What a public key can verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PublicKey {
    Ed25519,
    P256,
    P384,
    Rsa,
}

/// Why a PEM text is no usable public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    Certificate,
    ModulusSize,
    NotPem,
    OtherKind,
    PrivateKey,
    Several,
}

impl Unusable {
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Certificate => "a certificate, expected its public key",
            Self::ModulusSize => MODULUS_SIZE,
            Self::NotPem => "expected a public key in PEM",
            Self::OtherKind => "expected a key for RSA, P-256, P-384 or Ed25519",
            Self::PrivateKey => "a private key, expected the public one",
            Self::Several => "expected exactly one key",
        }
    }
}

/// The RSA keys that aws-lc verifies with.
pub(super) const MODULUS_SIZE: &str = "expected an RSA key of 2048 to 8192 bits";

/// Finds out what a PEM public key is for.
pub(super) fn classify(pem: &[u8]) -> Result<PublicKey, Unusable> {
    let text = std::str::from_utf8(pem).map_err(|_| Unusable::NotPem)?;
    let (_, rest) = text.split_once("-----BEGIN ").ok_or(Unusable::NotPem)?;
    let (label, rest) = rest.split_once("-----").ok_or(Unusable::NotPem)?;
    if label.ends_with("PRIVATE KEY") {
        return Err(Unusable::PrivateKey);
    }
    if label == "CERTIFICATE" {
        return Err(Unusable::Certificate);
    }
    let end = format!("-----END {label}-----");
    let (body, rest) = rest.split_once(&end).ok_or(Unusable::NotPem)?;
    if rest.contains("-----BEGIN ") {
        return Err(Unusable::Several);
    }
    let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let der = STANDARD.decode(body).map_err(|_| Unusable::NotPem)?;
    match label {
        "PUBLIC KEY" => subject_public_key_info(&der),
        "RSA PUBLIC KEY" => rsa_public_key(&der),
        _ => Err(Unusable::OtherKind),
    }
}

/// Whether a modulus, as big-endian bytes, has a size that can be verified with.
pub(super) fn is_modulus_size(modulus: &[u8]) -> bool {
    let start = modulus
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(modulus.len());
    let digits = modulus.get(start..).unwrap_or_default();
    let unused = digits
        .first()
        .map_or(0, |byte| byte.leading_zeros() as usize);
    (2048..=8192).contains(&(digits.len() * 8 - unused))
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_IDENTIFIER: u8 = 0x06;

/// 1.2.840.113549.1.1.1
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.2.840.10045.2.1
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// 1.2.840.10045.3.1.7
const SECP256R1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// 1.3.132.0.34
const SECP384R1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
/// 1.3.101.112
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

fn subject_public_key_info(der: &[u8]) -> Result<PublicKey, Unusable> {
    let parsed = || {
        let (info, b"") = element(SEQUENCE, der)? else {
            return None;
        };
        let (algorithm, rest) = element(SEQUENCE, info)?;
        let (identifier, parameters) = element(OBJECT_IDENTIFIER, algorithm)?;
        let (key, b"") = element(BIT_STRING, rest)? else {
            return None;
        };
        // The first byte counts unused bits, of which a key has none.
        Some((identifier, parameters, key.strip_prefix(&[0])?))
    };
    let (identifier, parameters, key) = parsed().ok_or(Unusable::NotPem)?;
    if identifier == RSA_ENCRYPTION {
        return rsa_public_key(key);
    }
    if identifier == ED25519 {
        return Ok(PublicKey::Ed25519);
    }
    if identifier == EC_PUBLIC_KEY {
        let curve = element(OBJECT_IDENTIFIER, parameters).map(|(curve, _)| curve);
        if curve == Some(SECP256R1) {
            return Ok(PublicKey::P256);
        }
        if curve == Some(SECP384R1) {
            return Ok(PublicKey::P384);
        }
    }
    Err(Unusable::OtherKind)
}

fn rsa_public_key(der: &[u8]) -> Result<PublicKey, Unusable> {
    let modulus = element(SEQUENCE, der)
        .and_then(|(key, _)| element(INTEGER, key))
        .map(|(modulus, _)| modulus)
        .ok_or(Unusable::NotPem)?;
    if is_modulus_size(modulus) {
        Ok(PublicKey::Rsa)
    } else {
        Err(Unusable::ModulusSize)
    }
}

/// Takes one DER element with this tag: its content, and what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = der.split_first_chunk::<2>()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // The length itself takes one or two bytes; no key is longer.
        0x81 => {
            let (&[a], rest) = rest.split_first_chunk::<1>()?;
            (usize::from(a), rest)
        }
        0x82 => {
            let (&bytes, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(bytes)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests;

//! Tokens as an attacker makes them: every byte of header, payload and signature is chosen.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};

use super::arena::{Attack, attack};
use crate::support::member::bearer;
use crate::support::mint::{Pair, claims, signed};
use crate::support::raw::request;

pub(super) const SECRET: &[u8] = b"an hmac secret of the attacks, made up for them";

/// Key pairs that all tests share, since each takes openssl a moment.
pub(super) static RSA: LazyLock<Pair> =
    LazyLock::new(|| Pair::generate(&["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]));
pub(super) static EC: LazyLock<Pair> = LazyLock::new(ec_pair);
pub(super) static ED: LazyLock<Pair> = LazyLock::new(|| Pair::generate(&["-algorithm", "ED25519"]));

/// A new pair of P-256.
pub(super) fn ec_pair() -> Pair {
    Pair::generate(&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"])
}

/// Claims that would let their bearer in.
pub(super) fn good_claims() -> String {
    claims("7", 3600).to_string()
}

pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token of exactly these parts.
pub(super) fn token(header: &str, payload: &str, signature: &[u8]) -> String {
    let [header, payload] = [header, payload].map(encode);
    format!("{header}.{payload}.{}", encode(signature))
}

/// Signed with this secret, whatever the header says.
pub(super) fn by_secret(
    algorithm: Algorithm,
    secret: &[u8],
    header: &str,
    payload: &str,
) -> String {
    let key = EncodingKey::from_secret(secret);
    signed(header, payload, &key, algorithm)
}

/// Signed with [`SECRET`], whatever the header says.
pub(super) fn by_ours(header: &str, payload: &str) -> String {
    by_secret(Algorithm::HS256, SECRET, header, payload)
}

/// Signed with a private key, whatever the header says.
pub(super) fn by_pair(algorithm: Algorithm, pair: &Pair, header: &str, payload: &str) -> String {
    let pem = pair.private.as_bytes();
    let key = if [Algorithm::ES256, Algorithm::ES384].contains(&algorithm) {
        EncodingKey::from_ec_pem(pem)
    } else if algorithm == Algorithm::EdDSA {
        EncodingKey::from_ed_pem(pem)
    } else {
        EncodingKey::from_rsa_pem(pem)
    };
    signed(header, payload, &key.unwrap(), algorithm)
}

/// A token with another signature.
pub(super) fn resigned(token: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> String {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = change(URL_SAFE_NO_PAD.decode(signature).unwrap());
    format!("{message}.{}", encode(signature))
}

/// A request with this token for what no token may open; 401.
pub(super) fn refused(case: impl Into<String>, token: &str) -> Attack {
    attack(case, request("GET", "/api/smuggled", &bearer(token)), 401)
}

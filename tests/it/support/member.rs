//! Members: JWTs in HS256 by [`SA_TOKEN_SECRET`], and the handshakes that bring them.

use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::Value;

use super::gate::Gate;
use super::mint::{SA_TOKEN_SECRET, claims, jwt};
use super::ws_client::{Handshake, WsClient};

/// A token whose claims are changed before it is signed.
pub(crate) fn token_of(subject: &str, seconds: i64, change: impl FnOnce(&mut Value)) -> String {
    let key = EncodingKey::from_secret(SA_TOKEN_SECRET.as_bytes());
    let mut claims = claims(subject, seconds);
    change(&mut claims);
    jwt("h", Algorithm::HS256, &key, &claims)
}

/// A token with further claims.
pub(crate) fn token_with(subject: &str, seconds: i64, more: &[(&str, &str)]) -> String {
    token_of(subject, seconds, |claims| {
        for (name, value) in more {
            claims[*name] = Value::from(*value);
        }
    })
}

/// The header line that brings a token.
pub(crate) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// A handshake that brings a token.
pub(crate) fn client(gate: &Gate, path: &str, token: &str) -> Handshake {
    WsClient::to(gate.address(), path).header("Authorization", &format!("Bearer {token}"))
}

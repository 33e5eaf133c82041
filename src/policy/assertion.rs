//! A signed statement for the upstream: who was admitted to which request.
//!
//! An upstream that checks it needs not trust the network between the gate and itself, and cannot
//! be reached around the gate unnoticed.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;

use crate::clock::UnixTime;
use crate::config::document::Sign;
use crate::secret::Digest;

/// Signs assertions: JWTs with HS256.
pub struct Assertions {
    key: EncodingKey,
    ttl: Duration,
}

/// What is asserted about one request. The names are those of RFC 7519 where it has one.
#[derive(Debug)]
pub struct Asserted<'a> {
    /// The upstream's name in the configuration.
    pub audience: &'a str,
    pub request_id: &'a str,
    pub method: &'a str,
    /// As sent, without the query.
    pub path: &'a str,
    pub subject: Option<&'a str>,
    pub user_type: Option<&'a str>,
    pub device_type: Option<&'a str>,
    pub app: Option<&'a str>,
    pub authenticator: Option<&'a str>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'static str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    jti: &'a str,
    method: &'a str,
    /// The unpadded base64url of the path's SHA-256.
    path_sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authenticator: Option<&'a str>,
}

impl Assertions {
    pub fn new(document: &Sign) -> Self {
        Self {
            key: EncodingKey::from_secret(document.secret.expose()),
            ttl: document.ttl,
        }
    }

    /// The assertion as a header value; `None` if it cannot be signed, and then the upstream sees
    /// that it is missing.
    pub fn sign(&self, asserted: &Asserted<'_>, now: UnixTime) -> Option<String> {
        let claims = Claims {
            iss: "imgate",
            aud: asserted.audience,
            iat: now.as_secs(),
            exp: now.plus(self.ttl).as_secs(),
            jti: asserted.request_id,
            method: asserted.method,
            path_sha256: URL_SAFE_NO_PAD.encode(Digest::of(asserted.path.as_bytes()).as_bytes()),
            sub: asserted.subject,
            user_type: asserted.user_type,
            device_type: asserted.device_type,
            app: asserted.app,
            authenticator: asserted.authenticator,
        };
        encode(&Header::new(Algorithm::HS256), &claims, &self.key).ok()
    }
}

/// Not derived: the key would show.
impl fmt::Debug for Assertions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assertions")
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation, decode};
    use serde_json::Value;

    use super::*;
    use crate::secret::Secret;

    #[test]
    fn an_assertion_names_who_what_where_and_until_when() {
        let secret = Secret::new("0123456789abcdef0123456789abcdef");
        let assertions = Assertions::new(&Sign {
            secret: secret.clone(),
            ttl: Duration::from_secs(30),
        });
        let asserted = Asserted {
            audience: "im",
            request_id: "0123",
            method: "GET",
            path: "/ws",
            subject: Some("7"),
            user_type: Some("im_user"),
            device_type: None,
            app: None,
            authenticator: Some("users"),
        };
        let token = assertions
            .sign(&asserted, UnixTime::from_secs(1000))
            .unwrap();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&["im"]);
        validation.set_issuer(&["imgate"]);
        validation.validate_exp = false;
        let key = DecodingKey::from_secret(secret.expose());
        let claims = decode::<Value>(&token, &key, &validation).unwrap().claims;
        assert_eq!(
            claims,
            serde_json::json!({
                "iss": "imgate", "aud": "im", "iat": 1000, "exp": 1030, "jti": "0123",
                "method": "GET", "path_sha256": "DGWoErB422eVSGET2wpApg6Cs25rzJ7Lr_msAOQE9f8",
                "sub": "7", "user_type": "im_user", "authenticator": "users",
            })
        );
        assert!(!format!("{assertions:?}").contains("0123456789"));
    }
}

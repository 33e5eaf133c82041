//! Makes client keys in the form of IMKIT's, for trying a gate out; not used by the gate.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::clock::UnixTime;
use crate::secret::Secret;

/// What a client key is to say.
#[derive(Clone, Debug)]
pub struct Mint {
    /// A UUID, as a rule.
    pub client_id: String,
    /// What stands in the place of the API key. Nobody needs a real one there.
    pub random: [u8; 32],
}

/// Makes one client key, its members in IMKIT's own order.
pub fn mint(secret: &Secret, mint: &Mint, now: UnixTime) -> String {
    let payload = format!(
        r#"{{"apiKey":"{}","createAt":{},"clientId":{}}}"#,
        STANDARD.encode(mint.random),
        now.as_millis(),
        Value::from(mint.client_id.as_str()),
    );
    let parts = [r#"{"typ":"JWT","alg":"HS256"}"#, &payload];
    let message = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()));
    format!("{message}.{signature}")
}

//! Makes tokens as Easemob's documentation does, byte for byte, for trying a gate out.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;

use crate::clock::UnixTime;
use crate::scheme::easemob_dynamic::token::Token;
use crate::secret::{Digest, Secret};

/// What a token is to say.
#[derive(Clone, Debug)]
pub struct Mint {
    /// `org#app`.
    pub app_key: String,
    pub client_id: String,
    pub user: String,
    /// In seconds.
    pub ttl: u32,
}

/// Makes one token, in the documentation's order of keys and in URL-safe base64 with padding.
pub fn mint(client_secret: &Secret, mint: &Mint, now: UnixTime) -> String {
    let Mint {
        app_key,
        client_id,
        user,
        ttl,
    } = mint;
    let token = Token {
        signature: Digest::of(b""),
        app_key: app_key.clone(),
        user: user.clone(),
        cur_time: now.as_secs(),
        ttl: (*ttl).into(),
    };
    let signature = token.sign(client_id, client_secret.expose()).to_hex();
    let text = |text: &str| serde_json::Value::from(text).to_string();
    URL_SAFE.encode(format!(
        r#"dt-{{"signature":"{signature}","appkey":{},"userId":{},"curTime":{},"ttl":{ttl}}}"#,
        text(app_key),
        text(user),
        token.cur_time,
    ))
}

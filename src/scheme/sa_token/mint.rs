//! Makes tokens as Sa-Token does, byte for byte, for trying a gate out.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::clock::UnixTime;
use crate::secret::Secret;

/// `{"typ":"JWT","alg":"HS256"}` in hutool's order.
const HEADER: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9";

/// What a token is to say.
#[derive(Clone, Debug)]
pub struct Mint {
    /// `login` unless the account system has another name.
    pub login_type: String,
    /// Before the separator in `loginId`.
    pub user_type: String,
    pub separator: char,
    /// After the separator; also in `userId`, as a number where it is one.
    pub user: String,
    /// `rnStr`, 32 random letters and digits that make each token another.
    pub random: String,
    /// `None` is simple mode, where device and expiry are known to Redis alone.
    pub mixin: Option<Mixin>,
}

/// What a token of mixin or stateless mode says besides.
#[derive(Clone, Debug)]
pub struct Mixin {
    pub device: Option<String>,
    /// `eff`; `None` is for ever.
    pub expires: Option<UnixTime>,
}

impl Mixin {
    /// Expires so long after `now`.
    pub fn new(device: Option<String>, expires_in: Option<Duration>, now: UnixTime) -> Self {
        Self {
            device,
            expires: expires_in.map(|lifetime| now.plus(lifetime)),
        }
    }
}

impl Mint {
    /// The claims in the order of `SaJwtTemplate.createToken`.
    fn claims(&self) -> Vec<(&'static str, Value)> {
        let login_id = format!("{}{}{}", self.user_type, self.separator, self.user);
        let mut claims = vec![
            ("loginType", self.login_type.as_str().into()),
            ("loginId", login_id.into()),
        ];
        if let Some(Mixin { device, expires }) = &self.mixin {
            if let Some(device) = device {
                claims.push(("deviceType", device.as_str().into()));
            }
            claims.push(("eff", expires.map_or(-1, UnixTime::as_millis).into()));
        }
        claims.push(("rnStr", self.random.as_str().into()));
        let number = self
            .user
            .parse::<i64>()
            .ok()
            .filter(|id| id.to_string() == self.user);
        claims.push((
            "userId",
            number.map_or_else(|| self.user.as_str().into(), Value::from),
        ));
        claims
    }
}

/// Makes one token.
pub fn mint(secret: &Secret, mint: &Mint) -> String {
    let members: Vec<String> = mint
        .claims()
        .into_iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    let payload = URL_SAFE_NO_PAD.encode(format!("{{{}}}", members.join(",")));
    let message = format!("{HEADER}.{payload}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()));
    format!("{message}.{signature}")
}

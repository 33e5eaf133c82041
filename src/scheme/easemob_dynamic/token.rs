//! A dynamic token taken apart: what it says, in whichever way it is written.
//!
//! Easemob's own generators differ in the order of the keys and in base64 (standard and padded,
//! URL-safe and padded, URL-safe and not padded), so a token is parsed and never compared as text.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::scheme::json::{self, Object};
use crate::scheme::{Rejection, SchemeName};
use crate::secret::Digest;

/// The longest app key and user id need a third of it.
const MAX_TOKEN: usize = 2048;
/// `dt-` in base64; each of its characters holds whole bits of it.
const START: &[u8] = b"ZHQt";
/// The kind of token; it stands inside the base64.
const KIND: &[u8] = b"dt-";
/// Nothing else is in a token. A reader that ignores case, as some of Java do, could take another key
/// for one of these.
const KEYS: [&str; 5] = ["signature", "appkey", "userId", "curTime", "ttl"];

/// What a token says. Nothing of it is believed yet, and it may hold a secret: one of Easemob's
/// generators has written the client secret where the app key belongs.
pub(crate) struct Token {
    pub(crate) signature: Digest,
    pub(crate) app_key: String,
    pub(crate) user: String,
    pub(crate) cur_time: i64,
    pub(crate) ttl: i64,
}

impl Token {
    /// Takes a token apart. The only error is [`Rejection::Malformed`].
    pub(crate) fn parse(token: &[u8]) -> Result<Self, Rejection> {
        if token.len() > MAX_TOKEN {
            return Err(Rejection::Malformed);
        }
        let bytes = decode(token).ok_or(Rejection::Malformed)?;
        let text = bytes.strip_prefix(KIND).ok_or(Rejection::Malformed)?;
        let object = json::object(text)?;
        // No key stands twice, so five that are known are these five.
        if object.len() != KEYS.len() {
            return Err(Rejection::Malformed);
        }
        Ok(Self {
            signature: Digest::from_hex(self::text(&object, "signature")?)
                .ok_or(Rejection::Malformed)?,
            app_key: self::text(&object, "appkey")?.to_owned(),
            user: self::text(&object, "userId")?.to_owned(),
            cur_time: whole(&object, "curTime")?,
            ttl: whole(&object, "ttl")?,
        })
    }

    /// The signature that these fields have with a secret.
    pub(crate) fn sign(&self, client_id: &str, client_secret: &[u8]) -> Digest {
        let (cur_time, ttl) = (self.cur_time.to_string(), self.ttl.to_string());
        Digest::of_joined([
            client_id.as_bytes(),
            self.app_key.as_bytes(),
            self.user.as_bytes(),
            cur_time.as_bytes(),
            ttl.as_bytes(),
            client_secret,
        ])
    }

    /// Names the token, however it is written.
    pub(crate) fn digest(&self) -> Digest {
        let (cur_time, ttl) = (self.cur_time.to_string(), self.ttl.to_string());
        Digest::of_parts([
            SchemeName::EasemobDynamic.as_str().as_bytes(),
            self.app_key.as_bytes(),
            self.user.as_bytes(),
            cur_time.as_bytes(),
            ttl.as_bytes(),
        ])
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("cur_time", &self.cur_time)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

/// Whether bytes have the shape of such a token: base64 of something that begins with `dt-`.
pub(crate) fn recognises(token: &[u8]) -> bool {
    let is_encoded = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=')
    };
    token.starts_with(START) && token.iter().all(is_encoded)
}

/// Decodes any of the dialects. Padding is whole or absent, the two alphabets are not mixed, and bits
/// behind the last byte are zero, as every encoder leaves it.
pub(crate) fn decode(token: &[u8]) -> Option<Vec<u8>> {
    let bare = token.strip_suffix(b"=").unwrap_or(token);
    let bare = bare.strip_suffix(b"=").unwrap_or(bare);
    if bare.len() < token.len() && !token.len().is_multiple_of(4) {
        return None;
    }
    let is_url_safe = bare.iter().any(|byte| matches!(byte, b'-' | b'_'));
    let engine = if is_url_safe {
        &URL_SAFE_NO_PAD
    } else {
        &STANDARD_NO_PAD
    };
    engine.decode(bare).ok()
}

fn text<'o>(object: &'o Object, key: &str) -> Result<&'o str, Rejection> {
    let value = object.get(key).and_then(Value::as_str);
    value.ok_or(Rejection::Malformed)
}

/// An integer, written as one: `600.0` and `6e2` would be signed as another text.
fn whole(object: &Object, key: &str) -> Result<i64, Rejection> {
    let value = object.get(key).and_then(Value::as_i64);
    value
        .filter(|number| *number >= 0)
        .ok_or(Rejection::Malformed)
}

//! Makes tokens as ZEGO's newer generators do (GCM), for trying a gate out.

use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::clock::UnixTime;
use crate::scheme::zego_token04::envelope::{GCM, NONCE};
use crate::secret::Secret;

/// What a token is to say.
#[derive(Clone, Debug)]
pub struct Mint {
    pub app_id: u32,
    pub user: String,
    pub expires_in: Duration,
    /// A text with JSON in it, or empty.
    pub payload: String,
    /// `nonce`; makes each token another.
    pub number: i32,
    /// What the cipher begins with; never the same twice under one secret.
    pub iv: [u8; NONCE],
}

/// Why a token could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    #[error("expected a server secret of 32 characters, as ZEGO's console shows it")]
    UnfitSecret,
    #[error("the payload is too long")]
    TooLong,
}

/// Makes one token.
pub fn mint(secret: &Secret, mint: &Mint, now: UnixTime) -> Result<String, MintError> {
    let Mint {
        app_id,
        user,
        expires_in,
        payload,
        number,
        iv,
    } = mint;
    let key = UnboundKey::new(&AES_256_GCM, secret.expose()).map_err(|_| MintError::UnfitSecret)?;
    let expire = now.plus(*expires_in).as_secs();
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut text = format!(
        r#"{{"app_id":{app_id},"user_id":{},"nonce":{number},"ctime":{},"expire":{expire},"payload":{}}}"#,
        quoted(user),
        now.as_secs(),
        quoted(payload),
    )
    .into_bytes();
    LessSafeKey::new(key)
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(*iv), Aad::empty(), &mut text)
        .map_err(|_| MintError::TooLong)?;
    let length = u16::try_from(text.len()).map_err(|_| MintError::TooLong)?;
    let blob = [
        expire.to_be_bytes().as_slice(),
        &[0, 12],
        iv,
        &length.to_be_bytes(),
        &text,
        &[GCM],
    ]
    .concat();
    Ok(format!("04{}", STANDARD.encode(blob)))
}

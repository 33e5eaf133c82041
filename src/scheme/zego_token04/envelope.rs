//! The container of a Token04: what can be told without the secret.
//!
//! ```text
//! "04" base64( expire: i64 | length: u16 | iv | length: u16 | ciphertext [ | mode: u8 ] )
//!      big-endian    CBC: iv of 16 bytes, no mode           GCM: iv of 12 bytes, tag last, mode 1
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::scheme::SchemeName;
use crate::secret::Digest;

const VERSION: &[u8] = b"04";
/// No generator makes longer ones; `payload` may hold a list of streams.
const MAX_TOKEN: usize = 8 * 1024;
pub(super) const BLOCK: usize = 16;
pub(super) const NONCE: usize = 12;
/// What stands behind the ciphertext of each mode. The older one says nothing, or a zero.
pub(super) const GCM: u8 = 1;
const CBC: u8 = 0;

/// How a token is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// AES-256-CBC with PKCS#7 padding, without authentication.
    Cbc,
    /// AES-256-GCM without further data.
    Gcm,
}

/// A token taken apart, still closed. `expire` is not authenticated.
pub(crate) struct Envelope {
    pub(crate) mode: Mode,
    pub(crate) expire: i64,
    /// As long as the mode wants it.
    pub(super) iv: Vec<u8>,
    /// With the tag at its end, or of whole blocks; never empty.
    pub(super) ciphertext: Vec<u8>,
}

impl Envelope {
    pub(crate) fn parse(token: &[u8]) -> Option<Self> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        // This engine wants the padding, and refuses bits that are not zero behind the last byte.
        let blob = STANDARD.decode(token.strip_prefix(VERSION)?).ok()?;
        let (expire, rest) = blob.split_first_chunk()?;
        let (iv, rest) = counted(rest)?;
        let (ciphertext, rest) = counted(rest)?;
        let mode = match rest {
            [] | [CBC] => Mode::Cbc,
            [GCM] => Mode::Gcm,
            _ => return None,
        };
        let fits = match mode {
            Mode::Cbc => {
                iv.len() == BLOCK
                    && !ciphertext.is_empty()
                    && ciphertext.len().is_multiple_of(BLOCK)
            }
            Mode::Gcm => iv.len() == NONCE && ciphertext.len() > BLOCK,
        };
        fits.then(|| Self {
            mode,
            expire: i64::from_be_bytes(*expire),
            iv: iv.to_vec(),
            ciphertext: ciphertext.to_vec(),
        })
    }

    /// Names the token: of the older mode there are two ways to write it.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of_parts([
            SchemeName::ZegoToken04.as_str().as_bytes(),
            match self.mode {
                Mode::Cbc => &[CBC],
                Mode::Gcm => &[GCM],
            },
            &self.expire.to_be_bytes(),
            &self.iv,
            &self.ciphertext,
        ])
    }
}

/// Whether bytes have the shape of such a token.
pub(crate) fn recognises(token: &[u8]) -> bool {
    let is_encoded = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    token
        .strip_prefix(VERSION)
        .is_some_and(|rest| !rest.is_empty() && rest.iter().all(is_encoded))
}

/// Bytes with their count before them, and what follows.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (count, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u16::from_be_bytes(*count).into())
}

//! The outer form of a signed token: JWS compact serialisation (RFC 7515 §7.1), strictly.
//!
//! ```text
//! eyJhbGciOiJIUzI1NiJ9 . eyJzdWIiOiI3In0 . lX7Mm8AbmbHUEu8eyypMkuzf42PB71whbrMOpwjx5Ow
//! header: which key      payload: claims   signature over the two, with their dot
//! ```
//!
//! One token has exactly one spelling: the base64url is unpadded and canonical (RFC 4648 §3.5),
//! else a verdict, or a revocation, could be dodged by re-spelling. Header parameters that change
//! the meaning of the rest (`crit`, `b64`, `zip`, `enc`) are refused; those that offer a key
//! (`jwk`, `jku`, `x5c`, `x5u`) are ignored: keys come from the configuration alone. Nothing here
//! is believed yet; the signature is judged by the scheme.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::scheme::{Rejection, TokenFacts, claims, json};
use crate::secret::Digest;

/// Encoded sizes beyond these are no tokens. A header may carry a certificate chain; no signature
/// is longer than that of an 8192-bit RSA key (1366 characters).
const MAX_HEADER: usize = 8 * 1024;
const MAX_PAYLOAD: usize = 64 * 1024;
const MAX_SIGNATURE: usize = 1366;
/// In bytes; a `kid` is an index and never a text to keep.
const MAX_KID: usize = 256;

/// Parameters whose meaning we would have to understand (RFC 7515 §4.1.11, RFC 7797 §3, RFC 7516
/// §4.1).
const NOT_UNDERSTOOD: [&str; 4] = ["b64", "crit", "enc", "zip"];

/// A token taken apart.
pub(crate) struct Compact<'t> {
    pub(crate) header: Header,
    /// What was signed: the encoded header and payload with the dot between them.
    pub(crate) signing_input: &'t [u8],
    /// Decoded.
    pub(crate) payload: Vec<u8>,
    /// Decoded.
    pub(crate) signature: Vec<u8>,
    /// As encoded: canonical base64url.
    pub(crate) encoded_signature: &'t str,
}

/// The parameters that choose a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) alg: String,
    pub(crate) kid: Option<String>,
}

impl<'t> Compact<'t> {
    /// Takes a token apart. The only error is [`Rejection::Malformed`].
    pub(crate) fn parse(token: &'t [u8]) -> Result<Self, Rejection> {
        let parts = Parts::split(token).ok_or(Rejection::Malformed)?;
        if parts.header.len() > MAX_HEADER
            || parts.payload.len() > MAX_PAYLOAD
            || parts.signature.len() > MAX_SIGNATURE
        {
            return Err(Rejection::Malformed);
        }
        let header = Header::parse(&decode(parts.header)?)?;
        let payload = decode(parts.payload)?;
        let signature = decode(parts.signature)?;
        let encoded_signature =
            std::str::from_utf8(parts.signature).map_err(|_| Rejection::Malformed)?;
        let signing_input = parts.signing_input;
        Ok(Self {
            header,
            signing_input,
            payload,
            signature,
            encoded_signature,
        })
    }

    /// What names this token. An id that is no text, or a time that is no number, is
    /// [`Rejection::Malformed`].
    pub(crate) fn facts(&self, claims: &json::Object) -> Result<TokenFacts, Rejection> {
        Ok(TokenFacts {
            digest: Digest::of(self.signing_input),
            id: claims::name(claims, "jti")?,
            issued_at: claims::numeric_date(claims, "iat")?,
        })
    }
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self, Rejection> {
        let mut header = json::object(bytes)?;
        if NOT_UNDERSTOOD.iter().any(|name| header.contains_key(*name)) {
            return Err(Rejection::Malformed);
        }
        let Some(Value::String(alg)) = header.remove("alg") else {
            return Err(Rejection::Malformed);
        };
        let kid = match header.remove("kid") {
            None => None,
            Some(Value::String(kid)) if kid.len() <= MAX_KID => Some(kid),
            Some(_) => return Err(Rejection::Malformed),
        };
        Ok(Self { alg, kid })
    }
}

/// Whether bytes have the shape of such a token: three parts of base64url characters, of which
/// the first decodes to a JSON object. An empty signature has the shape, too, so that `alg: none`
/// is refused as what it is.
pub(crate) fn recognises(token: &[u8]) -> bool {
    let Some(parts) = Parts::split(token) else {
        return false;
    };
    let is_encoded = |part: &[u8]| {
        part.iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if parts.header.is_empty() || parts.header.len() > MAX_HEADER || parts.payload.is_empty() {
        return false;
    }
    is_encoded(parts.header)
        && is_encoded(parts.payload)
        && is_encoded(parts.signature)
        && decode(parts.header).is_ok_and(|header| is_object(&header))
}

fn is_object(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().first() == Some(&b'{')
        && serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

struct Parts<'t> {
    header: &'t [u8],
    payload: &'t [u8],
    signature: &'t [u8],
    signing_input: &'t [u8],
}

impl<'t> Parts<'t> {
    fn split(token: &'t [u8]) -> Option<Self> {
        let first = token.iter().position(|b| *b == b'.')?;
        let last = token.iter().rposition(|b| *b == b'.')?;
        let (signing_input, signature) = token.split_at_checked(last)?;
        let (header, payload) = signing_input.split_at_checked(first)?;
        // Each second half begins with its dot; with a single dot there is no payload at all.
        let payload = payload.strip_prefix(b".")?;
        let signature = signature.strip_prefix(b".")?;
        (!payload.contains(&b'.')).then_some(Self {
            header,
            payload,
            signature,
            signing_input,
        })
    }
}

/// Decodes canonical, unpadded base64url: this engine refuses padding, foreign characters and
/// trailing bits that are not zero.
fn decode(encoded: &[u8]) -> Result<Vec<u8>, Rejection> {
    URL_SAFE_NO_PAD
        .decode(encoded)
        .map_err(|_| Rejection::Malformed)
}

#[cfg(test)]
mod tests;

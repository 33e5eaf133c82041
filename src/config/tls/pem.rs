//! PEM (RFC 7468) with several blocks, as certificate files have them.
//!
//! Read here and not by a library, so that no copy of a private key is left in memory.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// One `-----BEGIN label-----`.
pub(super) struct Block<'t> {
    pub(super) label: &'t str,
    /// Empty for an encrypted one.
    pub(super) der: Zeroizing<Vec<u8>>,
    pub(super) is_encrypted: bool,
}

impl Block<'_> {
    pub(super) fn is_private_key(&self) -> bool {
        self.label.ends_with("PRIVATE KEY")
    }
}

/// All blocks of a text, in order; what stands between them is commentary. `None` when a block is
/// broken or there is none.
pub(super) fn blocks(pem: &[u8]) -> Option<Vec<Block<'_>>> {
    let mut rest = std::str::from_utf8(pem).ok()?;
    let mut blocks = Vec::new();
    while let Some((_, begun)) = rest.split_once("-----BEGIN ") {
        let (label, begun) = begun.split_once("-----")?;
        let (body, behind) = begun.split_once("-----END ")?;
        rest = behind.strip_prefix(label)?.strip_prefix("-----")?;
        // PKCS #8 says so in the label, the older form in a header line.
        let is_encrypted = label.starts_with("ENCRYPTED ") || body.contains("ENCRYPTED");
        let der = if is_encrypted {
            Zeroizing::default()
        } else {
            decode(body)?
        };
        blocks.push(Block {
            label,
            der,
            is_encrypted,
        });
    }
    (!blocks.is_empty()).then_some(blocks)
}

fn decode(body: &str) -> Option<Zeroizing<Vec<u8>>> {
    // Room for all of it at once: a buffer that grows leaves copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(body.len()));
    text.extend(body.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    let mut der = Zeroizing::new(vec![0; base64::decoded_len_estimate(text.len())]);
    let length = STANDARD.decode_slice(text.as_slice(), &mut der).ok()?;
    der.truncate(length);
    (length > 0).then_some(der)
}

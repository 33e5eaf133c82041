//! Values that must not be seen: secrets, and the digests that stand for them.
//!
//! Neither type shows itself when printed; a secret is wiped when dropped. Only a digest can be written
//! out, for records that other replicas read.

use std::fmt::{self, Write as _};

use aws_lc_rs::digest;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Bytes that never reach a log, an error or a dump.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes themselves: the one way in, easy to search for.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares in time that depends on the lengths only.
    pub fn matches(&self, other: &[u8]) -> bool {
        self.0.ct_eq(other).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A SHA-256 digest that stands for a credential or a key in caches and registries.
///
/// `Eq` and `Hash` are for looking it up: an attacker who does not know the preimage of a stored
/// digest cannot steer the digest of what is presented, so the look-up's timing tells nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest of one byte string.
    pub fn of(bytes: &[u8]) -> Self {
        Self::finish(digest::digest(&digest::SHA256, bytes))
    }

    /// The digest of several byte strings, each preceded by its length, so that no two different
    /// lists share a digest.
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        Self::finish(context.finish())
    }

    /// The digest of several byte strings as if they were one, as formats of others have it. What
    /// stands between them is for the caller to know.
    pub fn of_joined<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in parts {
            context.update(part);
        }
        Self::finish(context.finish())
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 digits in lower case, for records that other replicas read.
    pub fn to_hex(&self) -> String {
        let mut text = String::with_capacity(64);
        for byte in self.0 {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    /// Reads what [`Self::to_hex`] writes.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digit = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; 32];
        if text.len() != 2 * bytes.len() {
            return None;
        }
        let (pairs, _) = text.as_bytes().as_chunks::<2>();
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(bytes))
    }

    /// Compares in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    fn finish(digest: digest::Digest) -> Self {
        let mut bytes = [0; 32];
        // SHA-256 is 32 bytes by definition; zip cannot fall short.
        for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Self(bytes)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[digest]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        let secret = Secret::new("keyAbcd123");
        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert_eq!(format!("{:?}", Digest::of(b"keyAbcd123")), "[digest]");
    }

    /// Whoever makes one of these without its wipe does not compile.
    #[test]
    fn what_holds_keys_is_wiped_when_dropped() {
        fn is_wiped<T: zeroize::ZeroizeOnDrop>(_: &T) {}
        is_wiped(&Secret::new("keyAbcd123").0);
        is_wiped(&jsonwebtoken::DecodingKey::from_secret(b"keyAbcd123"));
        is_wiped(&jsonwebtoken::EncodingKey::from_secret(b"keyAbcd123"));
    }

    #[test]
    fn parts_are_told_apart_by_their_lengths() {
        let one = Digest::of_parts([b"ab".as_slice(), b"c"]);
        let other = Digest::of_parts([b"a".as_slice(), b"bc"]);
        assert_ne!(one, other);
        let joined = Digest::of_joined([b"a".as_slice(), b"bc"]);
        assert_eq!(joined, Digest::of(b"abc"));
    }

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        let digest = Digest::of(b"ab");
        let hex = digest.to_hex();
        assert!(hex.starts_with("fb8e20fc2e4c3f248c60c39bd652f3c1"), "{hex}");
        assert_eq!(Digest::from_hex(&hex), Some(digest));
        for other in [
            "",
            &hex[1..],
            &hex.to_uppercase(),
            &format!("g{}", &hex[1..]),
        ] {
            assert_eq!(Digest::from_hex(other), None, "{other}");
        }
    }

    #[test]
    fn a_secret_matches_only_itself() {
        let secret = Secret::new("keyAbcd123");
        assert!(secret.matches(b"keyAbcd123"));
        assert!(!secret.matches(b"keyAbcd12"));
        assert!(!secret.matches(b""));
    }
}

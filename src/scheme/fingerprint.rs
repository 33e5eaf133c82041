//! Collects what a verdict depends on into one digest.
//!
//! Every entry keeps its own length and every list its count, so two configurations share a
//! fingerprint only when they are equal. Secrets enter as digests.

use std::time::Duration;

use crate::clock::UnixTime;
use crate::secret::{Digest, Secret};

/// A digest in the making.
#[derive(Default)]
pub(super) struct Fingerprint {
    parts: Vec<Vec<u8>>,
}

impl Fingerprint {
    /// Begins with the name of the scheme.
    pub(super) fn of(scheme: &str) -> Self {
        Self::default().text(scheme)
    }

    #[must_use]
    pub(super) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    #[must_use]
    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.parts.push(bytes.to_vec());
        self
    }

    #[must_use]
    pub(super) fn secret(self, secret: &Secret) -> Self {
        self.digest(&Digest::of(secret.expose()))
    }

    #[must_use]
    pub(super) fn digest(self, digest: &Digest) -> Self {
        self.bytes(digest.as_bytes())
    }

    #[must_use]
    pub(super) fn number(self, number: i64) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    #[must_use]
    pub(super) fn duration(self, duration: Duration) -> Self {
        self.bytes(&duration.as_nanos().to_be_bytes())
    }

    #[must_use]
    pub(super) fn time(self, time: Option<UnixTime>) -> Self {
        self.option(time, |print, time| print.number(time.as_millis()))
    }

    #[must_use]
    pub(super) fn option<T>(self, value: Option<T>, add: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            None => self.text("none"),
            Some(value) => add(self.text("some"), value),
        }
    }

    #[must_use]
    pub(super) fn list<T>(self, items: &[T], add: impl Fn(Self, &T) -> Self) -> Self {
        let counted = self.bytes(&items.len().to_be_bytes());
        items.iter().fold(counted, add)
    }

    pub(super) fn finish(self) -> Digest {
        Digest::of_parts(self.parts.iter().map(Vec::as_slice))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_options_are_told_apart() {
        let print = |one: &[&str], two: &[&str]| {
            Fingerprint::of("x")
                .list(one, |p, t| p.text(t))
                .list(two, |p, t| p.text(t))
                .finish()
        };
        assert_ne!(print(&["a"], &["b"]), print(&["a", "b"], &[]));
        assert_ne!(
            Fingerprint::of("x")
                .option(None::<&str>, Fingerprint::text)
                .finish(),
            Fingerprint::of("x")
                .option(Some(""), Fingerprint::text)
                .finish()
        );
    }
}

//! Identifiers of requests, sessions and revocations: unique across restarts, and no series to be
//! guessed.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::revocation::RevocationId;
use crate::session::SessionId;

/// Names one request in answers, logs and towards the upstream: 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId([u8; DIGITS]);

const DIGITS: usize = 32;

impl RequestId {
    pub fn fresh() -> Self {
        let id = next().to_be_bytes();
        let mut text = [b'0'; DIGITS];
        for (digits, byte) in text.chunks_exact_mut(2).zip(id) {
            for (digit, value) in digits.iter_mut().zip([byte >> 4, byte & 15]) {
                *digit = if value < 10 {
                    b'0' + value
                } else {
                    b'a' + value - 10
                };
            }
        }
        Self(text)
    }

    /// It is written several times per request, so it is a text from the start.
    pub fn as_str(&self) -> &str {
        // Digits are ASCII.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Names one session.
pub fn session_id() -> SessionId {
    SessionId(next())
}

/// Names one revocation.
pub fn revocation_id() -> RevocationId {
    RevocationId(next())
}

/// Names anything else that replicas must not confuse: a process, a question.
pub fn unique() -> u128 {
    next()
}

/// A counter under a keyed hash (std's `SipHash` with a key of the system's randomness): nobody who
/// knows some of them can tell the next, or how many there were.
fn next() -> u128 {
    static KEY: OnceLock<RandomState> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let key = KEY.get_or_init(RandomState::new);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let half = |half: u8| u128::from(key.hash_one((count, half)));
    half(0) << 64 | half(1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_are_equal() {
        let ids: HashSet<String> = (0..1000).map(|_| RequestId::fresh().to_string()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 32));
    }
}

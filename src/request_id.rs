//! Identifiers of requests and sessions: unique across restarts, and no series to be guessed.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::secret::Digest;
use crate::session::SessionId;

/// Names one request in answers, logs and towards the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId(u128);

impl RequestId {
    pub fn fresh() -> Self {
        Self(next())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Names one session.
pub fn session_id() -> SessionId {
    SessionId(next())
}

/// A counter under a secret of the process: no two equal, and nobody who knows some of them can
/// tell the next, or how many there were.
fn next() -> u128 {
    static KEY: OnceLock<[u8; 32]> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let key = KEY.get_or_init(|| {
        let mut key = [0; 32];
        // Without randomness ids are still unique within the process; they are names, not secrets.
        let _ = getrandom::fill(&mut key);
        key
    });
    let count = COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let digest = Digest::of_parts([key.as_slice(), &count]);
    let mut id = [0; 16];
    for (to, from) in id.iter_mut().zip(digest.as_bytes()) {
        *to = *from;
    }
    u128::from_be_bytes(id)
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

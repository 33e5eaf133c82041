//! What the server said, without a word of its own in it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ::redis::{ErrorKind, RedisError};

use crate::scheme::sa_token::{StoreError, Ttl};

/// The answers to `GET` and `PTTL` together.
pub(super) fn understand(
    value: Option<Vec<u8>>,
    millis: i64,
) -> Result<Option<(Vec<u8>, Ttl)>, StoreError> {
    match (value, millis) {
        (None, _) | (_, -2) => Ok(None),
        (Some(value), -1) => Ok(Some((value, Ttl::Forever))),
        (Some(value), millis) => {
            let millis = u64::try_from(millis).map_err(|_| StoreError::Garbled)?;
            Ok(Some((value, Ttl::For(Duration::from_millis(millis)))))
        }
    }
}

/// Why there is no answer.
pub(super) fn reason(error: RedisError) -> StoreError {
    if error.kind() == ErrorKind::Io {
        return StoreError::Unreachable {
            kind: io_kind(&error),
        };
    }
    if error.kind() == ErrorKind::AuthenticationFailed {
        return StoreError::LoginRefused;
    }
    let errors = error.into_server_errors();
    let first = errors.as_deref().and_then(|errors| errors.first());
    match first
        .map(|(_, error)| error.code())
        .filter(|code| is_code(code))
    {
        Some(code) => StoreError::Refused { code: code.into() },
        None => StoreError::Garbled,
    }
}

/// A connection that was closed has no error of the system in it.
fn io_kind(error: &RedisError) -> io::ErrorKind {
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>())
        .and_then(|source| source.downcast_ref())
        .map_or(io::ErrorKind::ConnectionReset, io::Error::kind)
}

/// Whether this is a code, and not some text that the server put in its place.
fn is_code(code: &str) -> bool {
    code.len() <= 32 && code.bytes().all(|b| b.is_ascii_uppercase())
}

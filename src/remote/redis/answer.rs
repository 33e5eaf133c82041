//! What the server said, without a word of its own in it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ::redis::{ErrorKind, FromRedisValue, RedisError, RedisResult, Value, from_redis_value};

use crate::scheme::sa_token::{Answer, StoreError, Ttl};

/// The replies to `GET` and `PTTL` for each of so many keys.
pub(super) fn understand(replies: Vec<RedisResult<Value>>, keys: usize) -> Vec<Answer> {
    if replies.len() != 2 * keys {
        return vec![Err(StoreError::Garbled); keys];
    }
    let mut replies = replies.into_iter();
    let mut answers = Vec::with_capacity(keys);
    while let (Some(value), Some(millis)) = (replies.next(), replies.next()) {
        answers.push(pair(value, millis));
    }
    answers
}

fn pair(value: RedisResult<Value>, millis: RedisResult<Value>) -> Answer {
    life(read(value)?, read(millis)?)
}

fn read<T: FromRedisValue>(reply: RedisResult<Value>) -> Result<T, StoreError> {
    from_redis_value(reply.map_err(reason)?).map_err(|_| StoreError::Garbled)
}

/// What value and remaining time say together.
pub(super) fn life(value: Option<Vec<u8>>, millis: i64) -> Answer {
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

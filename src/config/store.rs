//! `store`: where the state is that the replicas of the gate share.

use super::cursor::{Cursor, Keys};
use super::document::{RedisStore, Store};
use super::{redis, source};

const STORE: Keys = Keys {
    known: &["redis"],
    later: &[],
};

const REDIS: Keys = Keys {
    known: &[
        "address", "database", "password", "prefix", "secret", "timeout", "username",
    ],
    later: &["sentinel", "tls"],
};

/// Of keys in Redis; every key of the gate's own begins with it.
const DEFAULT_PREFIX: &str = "imgate:";

/// Of the secret that seals what replicas tell each other.
const SHORTEST_SECRET: usize = 32;

const LONGEST_PREFIX: usize = 64;

pub(super) fn store(cursor: &Cursor<'_>) -> Option<Store> {
    if cursor.is_word("memory") {
        return Some(Store::Memory);
    }
    let Some(mut fields) = cursor.as_map() else {
        cursor.problem("expected `memory` or `{ redis: {…} }`");
        return None;
    };
    fields.refuse_unknown(&STORE);
    let fields = fields.required("redis")?.map(&REDIS)?;
    let prefix = fields.or_default("prefix", DEFAULT_PREFIX, |prefix| {
        prefix.parsed(
            "a beginning of keys: at most 64 visible ASCII characters",
            |text| {
                let is_sensible = (1..=LONGEST_PREFIX).contains(&text.len())
                    && text.bytes().all(|byte| byte.is_ascii_graphic());
                is_sensible.then_some(text)
            },
        )
    });
    let secret = fields.optional("secret", source::secret);
    if let (Some(place), Some(secret)) = (fields.get("secret"), &secret)
        && secret.expose().len() < SHORTEST_SECRET
    {
        place.problem("expected a secret of at least 32 bytes");
    }
    Some(Store::Redis(RedisStore {
        address: redis::address(&fields)?,
        prefix: prefix.to_owned(),
        secret,
    }))
}

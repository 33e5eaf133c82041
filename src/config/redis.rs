//! Where a Redis server is, and as whom to log in: the keys that every section with one has.

use std::time::Duration;

use super::cursor::{Cursor, Fields};
use super::source;
use crate::scheme::sa_token::RedisAddress;

const SECOND: Duration = Duration::from_secs(1);

/// Reads `address`, `username`, `password`, `database` and `timeout`.
pub(super) fn address(fields: &Fields<'_>) -> Option<RedisAddress> {
    let username = fields
        .optional("username", Cursor::non_empty_text)
        .map(str::to_owned);
    if username.is_some() && !fields.has("password") {
        fields.problem("`username` needs a `password` beside it");
    }
    let password = fields.optional("password", source::secret);
    let database = fields.or_default("database", 0, |number| number.integer(0..=65_535));
    let timeout = fields.or_default("timeout", SECOND / 2, |timeout| {
        timeout.duration(Duration::from_millis(1)..=SECOND * 10)
    });
    let address = fields
        .required("address")
        .and_then(|address| address.host_port());
    Some(RedisAddress {
        address: address?,
        username,
        password,
        database,
        timeout,
    })
}

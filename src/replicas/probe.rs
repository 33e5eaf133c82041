//! Whether the store is there and takes what is written, asked before the gate runs.

use ::redis::pipe;

use crate::config::document::RedisStore;
use crate::remote::redis::Redis;
use crate::scheme::sa_token::StoreError;

/// Writes a key under the gate's own prefix that goes away by itself: a server that only reads, or
/// an account that may not write, would be no store.
///
/// # Errors
///
/// If there is no answer in time, or the write was refused.
pub async fn probe(store: &RedisStore) -> Result<(), StoreError> {
    let mut commands = pipe();
    commands
        .cmd("SET")
        .arg(format!("{}check", store.prefix))
        .arg(1)
        .arg("PX")
        .arg(1000);
    Redis::new(&store.address).call(&commands).await.map(drop)
}

//! What replicas have learned about tokens, each under a key of its own that leaves with its token.

use std::time::Duration;

use ::redis::{Pipeline, Value, from_redis_value};
use async_trait::async_trait;

use super::Redis;
use crate::scheme::learned::Pool;
use crate::scheme::sa_token::{RedisAddress, StoreError};

/// Keys with a prefix in a Redis that all replicas reach.
#[derive(Debug)]
pub struct RedisPool {
    redis: Redis,
    prefix: String,
}

impl RedisPool {
    /// Does not connect.
    pub fn new(address: &RedisAddress, prefix: &str) -> Self {
        Self {
            redis: Redis::new(address),
            prefix: prefix.to_owned(),
        }
    }

    /// One command, and its answer.
    async fn one(&self, name: &str, key: &str, rest: &[&[u8]]) -> Result<Value, StoreError> {
        let mut commands = Pipeline::new();
        let command = commands.cmd(name).arg(format!("{}{key}", self.prefix));
        for argument in rest {
            command.arg(*argument);
        }
        let answer = self.redis.call(&commands).await?.pop();
        answer.ok_or(StoreError::Garbled)
    }
}

#[async_trait]
impl Pool for RedisPool {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let answer = self.one("GET", key, &[]).await?;
        from_redis_value(answer).map_err(|_| StoreError::Garbled)
    }

    async fn put(&self, key: &str, value: Vec<u8>, lifetime: Duration) -> Result<(), StoreError> {
        let millis = lifetime.as_millis().max(1).to_string();
        let rest = [value.as_slice(), b"PX", millis.as_bytes()];
        self.one("SET", key, &rest).await.map(|_| ())
    }

    async fn remove(&self, key: &str) -> Result<(), StoreError> {
        self.one("DEL", key, &[]).await.map(|_| ())
    }
}

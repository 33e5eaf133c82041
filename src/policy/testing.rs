//! Policies for tests, compiled from YAML as users write it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::config;
use crate::config::document::RedisStore;
use crate::policy::{OpenRemote, Policy};
use crate::scheme::http::{HttpClient, HttpError, HttpRules, Question, Reply};
use crate::scheme::learned::Pool;
use crate::scheme::sa_token::{Answer, RedisAddress, SessionStore, StoreError};

/// Compiles a configuration text; the listener and the upstream `im` need not be written.
pub(crate) fn policy(yaml: &str) -> Policy {
    try_policy(yaml).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The same, with all problems as one text.
pub(crate) fn try_policy(yaml: &str) -> Result<Policy, String> {
    try_policy_after(None, yaml)
}

/// The same as a reload makes it, after `previous`.
pub(crate) fn try_policy_after(previous: Option<&Policy>, yaml: &str) -> Result<Policy, String> {
    try_policy_with(previous, yaml, &|_| Arc::new(Down))
}

/// The same with stores of the test's own.
pub(crate) fn try_policy_with(
    previous: Option<&Policy>,
    yaml: &str,
    open_store: &dyn Fn(&RedisAddress) -> Arc<dyn SessionStore>,
) -> Result<Policy, String> {
    try_policy_asking(previous, yaml, &Stores(open_store))
}

/// The same with remote sides of the test's own.
pub(crate) fn try_policy_asking(
    previous: Option<&Policy>,
    yaml: &str,
    remote: &dyn OpenRemote,
) -> Result<Policy, String> {
    let frame = "listeners: [{ address: 127.0.0.1:9688 }]\n\
                 upstreams: { im: { address: 127.0.0.1:19688 } }\n";
    compile(previous, &format!("{frame}{yaml}"), remote)
}

/// Compiles a text in which everything is written.
pub(crate) fn try_whole(yaml: &str) -> Result<Policy, String> {
    compile(None, yaml, &Stores(&|_| Arc::new(Down)))
}

fn compile(
    previous: Option<&Policy>,
    yaml: &str,
    remote: &dyn OpenRemote,
) -> Result<Policy, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("imgate.yaml");
    std::fs::write(&path, yaml).unwrap();
    let loaded = config::load(&path).unwrap();
    Policy::compile(loaded, previous, remote).map_err(|problems| {
        let lines: Vec<_> = problems
            .iter()
            .map(|p| format!("{}: {}", p.place.path, p.message))
            .collect();
        lines.join("\n")
    })
}

/// A session store that is never there.
#[derive(Debug)]
struct Down;

#[async_trait]
impl SessionStore for Down {
    async fn value_and_ttl(&self, _: &[u8]) -> Answer {
        Err(StoreError::Timeout)
    }

    async fn values_and_ttls(&self, keys: &[Vec<u8>]) -> Vec<Answer> {
        vec![Err(StoreError::Timeout); keys.len()]
    }
}

/// Stores of the test's own, and nobody who answers over HTTP.
struct Stores<'a>(&'a dyn Fn(&RedisAddress) -> Arc<dyn SessionStore>);

impl OpenRemote for Stores<'_> {
    fn store(&self, address: &RedisAddress) -> Arc<dyn SessionStore> {
        (self.0)(address)
    }

    fn http(&self, _: &HttpRules) -> Arc<dyn HttpClient> {
        Arc::new(Down)
    }

    fn pool(&self, _: &RedisStore) -> Arc<dyn Pool> {
        Arc::new(Down)
    }
}

#[async_trait]
impl Pool for Down {
    async fn get(&self, _: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Err(StoreError::Timeout)
    }

    async fn put(&self, _: &str, _: Vec<u8>, _: Duration) -> Result<(), StoreError> {
        Err(StoreError::Timeout)
    }

    async fn remove(&self, _: &str) -> Result<(), StoreError> {
        Err(StoreError::Timeout)
    }
}

#[async_trait]
impl HttpClient for Down {
    async fn ask(&self, _: Question) -> Result<Reply, HttpError> {
        Err(HttpError::Timeout)
    }
}

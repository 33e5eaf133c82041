//! Policies for tests, compiled from YAML as users write it.

use std::sync::Arc;

use async_trait::async_trait;

use crate::config;
use crate::policy::{OpenStore, Policy};
use crate::scheme::sa_token::{Answer, SessionStore, StoreError};

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
    open_store: OpenStore<'_>,
) -> Result<Policy, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("imgate.yaml");
    let frame = "listeners: [{ address: 127.0.0.1:9688 }]\n\
                 upstreams: { im: { address: 127.0.0.1:19688 } }\n";
    std::fs::write(&path, format!("{frame}{yaml}")).unwrap();
    let loaded = config::load(&path).unwrap();
    Policy::compile(loaded, previous, open_store).map_err(|problems| {
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

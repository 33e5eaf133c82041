//! Loads a configuration into a policy, at the start and again while traffic flows.
//!
//! A new policy takes force whole or not at all: whatever is wrong with a file, the policy in
//! force stays, and the log, a metric and `/readyz?verbose` say why. [`keeper::keep`] decides when.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::{error, info, warn};

use crate::clock;
use crate::config::document::RedisStore;
use crate::config::overrides::Overrides;
use crate::policy::{OpenRemote, Policy, observe};
use crate::problem::{LoadError, Place, Problem};
use crate::proxy::Shared;
use crate::remote::http::Http;
use crate::remote::redis::{Redis, RedisPool};
use crate::scheme::http::{HttpClient, HttpRules};
use crate::scheme::learned::Pool;
use crate::scheme::sa_token::{RedisAddress, SessionStore};

pub mod keeper;
mod places;
pub mod snapshot;
#[cfg(test)]
#[path = "../tests/it/support/volume.rs"]
mod volume;
mod watch;

use snapshot::Snapshot;

/// Why the configuration is loaded again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// Somebody wants it, even if nothing has changed.
    Asked,
    /// Files may have changed.
    Noticed,
}

/// Knows where the configuration is, and what was found there last.
#[derive(Debug)]
pub struct Reloader {
    path: PathBuf,
    /// The command line's, at every reload.
    overrides: Overrides,
    /// Of the last attempt, also if it failed: equal content would fail again.
    snapshot: Snapshot,
}

impl Reloader {
    pub fn new(path: PathBuf, overrides: Overrides, snapshot: Snapshot) -> Self {
        Self {
            path,
            overrides,
            snapshot,
        }
    }

    /// Reads, compiles and swaps; or keeps what is in force and says why.
    fn reload(&mut self, shared: &Shared, cause: Cause) {
        if cause == Cause::Noticed && self.snapshot.is_current() {
            return;
        }
        let current = shared.policy();
        let (snapshot, loaded) = attempt(&self.path, &self.overrides, Some(&current));
        if cause == Cause::Noticed && self.snapshot == snapshot {
            // Changed, and changed back before it was read.
            return;
        }
        self.snapshot = snapshot;
        let loaded = loaded.and_then(|loaded| {
            check_fixed(&self.path, &current, &loaded.policy)?;
            Ok(loaded)
        });
        shared.metrics.reload_attempt(loaded.is_ok());
        match loaded {
            Ok(Compiled { policy, warnings }) => {
                for warning in warnings {
                    warn!(%warning, "configuration");
                }
                let generation = policy.generation;
                shared.metrics.prepare(&policy);
                shared.replace_policy(policy);
                let closed =
                    shared
                        .registry
                        .judge_again(&shared.policy(), clock::now(), clock::steady());
                shared.metrics.reloaded(clock::now());
                shared.set_reload_problem(None);
                info!(
                    generation,
                    sessions_closed = closed,
                    "configuration reloaded"
                );
            }
            Err(problem) => {
                let cause = std::error::Error::source(&problem)
                    .map_or_else(String::new, |cause| format!(": {cause}"));
                let problem = format!("{problem}{cause}");
                error!(
                    error = problem,
                    "configuration not reloaded; the old one stays in force"
                );
                shared.set_reload_problem(Some(problem));
            }
        }
    }
}

/// A policy, what is worth a warning about it, and the files that it came from.
#[derive(Debug)]
pub struct Loaded {
    pub policy: Policy,
    pub warnings: Vec<Problem>,
    pub snapshot: Snapshot,
}

/// Reads and compiles a configuration.
///
/// # Errors
///
/// Every problem that was found.
pub fn load(path: &Path, previous: Option<&Policy>) -> Result<Loaded, LoadError> {
    load_with(path, &Overrides::default(), previous)
}

/// As [`load`], with what the command line says in the place of the configuration.
///
/// # Errors
///
/// Every problem that was found.
pub fn load_with(
    path: &Path,
    overrides: &Overrides,
    previous: Option<&Policy>,
) -> Result<Loaded, LoadError> {
    let (snapshot, compiled) = attempt(path, overrides, previous);
    let Compiled { policy, warnings } = compiled?;
    Ok(Loaded {
        policy,
        warnings,
        snapshot,
    })
}

struct Compiled {
    policy: Policy,
    warnings: Vec<Problem>,
}

/// Reads and compiles, and tells from which files, also if that failed.
fn attempt(
    path: &Path,
    overrides: &Overrides,
    previous: Option<&Policy>,
) -> (Snapshot, Result<Compiled, LoadError>) {
    let (snapshot, loaded) = Snapshot::read(path);
    let compiled = loaded.and_then(|mut loaded| {
        overrides.apply(&mut loaded);
        let policy = Policy::compile(loaded, previous, &Network)
            .map_err(|problems| LoadError::Problems { problems })?;
        let mut warnings = policy.warnings.clone();
        let now = clock::now();
        let tls = policy.listeners.iter().filter_map(|one| one.tls.as_ref());
        warnings.extend(tls.filter_map(|tls| tls.warning(now)));
        let routes = policy.routes().all().iter();
        warnings.extend(observe::warnings(routes.map(|route| &**route), now));
        Ok(Compiled { policy, warnings })
    });
    (snapshot, compiled)
}

/// What verifiers ask is asked over the network.
struct Network;

impl OpenRemote for Network {
    fn store(&self, address: &RedisAddress) -> Arc<dyn SessionStore> {
        Arc::new(Redis::new(address))
    }

    fn pool(&self, store: &RedisStore) -> Arc<dyn Pool> {
        Arc::new(RedisPool::new(&store.address, &store.prefix))
    }

    fn http(&self, rules: &HttpRules) -> Arc<dyn HttpClient> {
        Arc::new(Http::new(rules))
    }
}

/// Listening sockets and threads are made once; a change of theirs is not silently ignored.
fn check_fixed(path: &Path, current: &Policy, new: &Policy) -> Result<(), LoadError> {
    let addresses = |policy: &Policy| -> Vec<_> {
        policy
            .listeners
            .iter()
            .map(|listener| listener.address)
            .collect()
    };
    let admin = |policy: &Policy| policy.admin.as_ref().map(|admin| admin.place.clone());
    let fixed = [
        ("listeners", addresses(current) == addresses(new)),
        ("metrics", current.metrics == new.metrics),
        // The token is read anew for each request.
        ("admin", admin(current) == admin(new)),
        ("store", current.store.is_same_as(&new.store)),
        ("workers", current.workers == new.workers),
    ];
    let problems: Vec<Problem> = fixed
        .iter()
        .filter(|(_, same)| !same)
        .map(|(key, _)| {
            let place = Place {
                file: Arc::from(path),
                path: (*key).to_owned(),
                line: None,
            };
            Problem::new(
                place,
                "cannot change while the gate runs; it needs a restart",
            )
        })
        .collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(LoadError::Problems { problems })
    }
}

//! The compiled policy: everything that a request is judged by, immutable once made.
//!
//! A [`Policy`] is compiled from a document as a whole or not at all. A request takes one
//! `Arc<Policy>` and sees no other; a reload makes a new one beside it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::clock::UnixTime;
use crate::config::Loaded;
use crate::config::document::{Admin, Document, ErrorFormat, Limits, Reload, ShutdownRule, Store};
use crate::problem::Problem;
use crate::revocation::{Revocation, RevocationId, RevocationSet, Revocations, Suspect};
use crate::scheme::TokenFacts;
use crate::scheme::sa_token::{RedisAddress, SessionStore};

pub mod assertion;
pub mod authenticator;
pub mod cache;
mod compile;
pub mod cors;
pub mod first_message;
pub mod limit;
pub mod requirement;
pub mod rewrite;
pub mod route;
#[cfg(test)]
pub(crate) mod testing;
pub mod tls;
pub mod upstream;

use assertion::Assertions;
use authenticator::{Authenticator, AuthenticatorId};
use compile::Compiler;
use cors::Cors;
use rewrite::HeaderRules;
use route::{Route, RouteTable};
use tls::Tls;
use upstream::Upstream;

/// Opens the session store behind an address. The network side provides it, so that policies can
/// be compiled and tested without a network.
pub type OpenStore<'a> = &'a dyn Fn(&RedisAddress) -> Arc<dyn SessionStore>;

/// What the configuration names. Clients look names up but never add one, so the map need not be
/// made against chosen collisions.
type Names<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// A compiled configuration.
#[derive(Debug)]
pub struct Policy {
    /// Counts the policies of this process, from 1.
    pub generation: u64,
    pub listeners: Vec<Listener>,
    pub metrics: Option<SocketAddr>,
    pub admin: Option<Admin>,
    pub workers: Option<usize>,
    pub store: Store,
    pub limits: Limits,
    pub reload: Reload,
    pub shutdown: ShutdownRule,
    pub errors: ErrorFormat,
    pub headers: HeaderRules,
    pub cors: Option<Cors>,
    pub assertions: Option<Assertions>,
    /// What the configuration itself revokes.
    revoked: RevocationSet,
    /// What was revoked while the gate ran; the same in every policy of the process.
    pub revocations: Arc<Revocations>,
    authenticators: Vec<Arc<Authenticator>>,
    routes: RouteTable,
}

/// Where the gate listens, and whose forwarding headers it believes there.
#[derive(Clone, Debug)]
pub struct Listener {
    pub address: SocketAddr,
    /// `None` is plain text.
    pub tls: Option<Tls>,
    pub trusted_proxies: Vec<ipnet::IpNet>,
}

impl Policy {
    /// Compiles a loaded document. Authenticators that are unchanged since `previous` keep their
    /// warm verdicts.
    ///
    /// # Errors
    ///
    /// Every problem of the document and of its compilation, in file order.
    pub fn compile(
        loaded: Loaded,
        previous: Option<&Self>,
        open_store: OpenStore<'_>,
    ) -> Result<Self, Vec<Problem>> {
        let Loaded {
            document,
            mut problems,
        } = loaded;
        let Document {
            listeners,
            upstreams,
            authenticators,
            routes,
            errors,
            identity,
            cors,
            metrics,
            admin,
            limits,
            cache,
            workers,
            reload,
            revocations,
            shutdown,
            store,
            warnings: _,
        } = document;

        let mut compiler = Compiler {
            ours: HeaderRules::ours(&identity),
            removed: HeaderRules::new(&identity, &[], &[]),
            problems: &mut problems,
        };
        let authenticators = compiler.authenticators(authenticators, &cache, previous, open_store);
        let upstreams: HashMap<Arc<str>, Arc<Upstream>> = upstreams
            .into_iter()
            .map(|upstream| {
                (
                    Arc::clone(&upstream.name.value),
                    Arc::new(Upstream::new(upstream)),
                )
            })
            .collect();

        let listeners = compiler.listeners(listeners, previous);
        let headers = HeaderRules::new(&identity, &authenticators, &routes);
        let mut table = RouteTable::default();
        for route in routes {
            let place = route.place.clone();
            let Some(route) = compiler.route(route, &authenticators, &upstreams, previous) else {
                continue;
            };
            let renewal = Route::renewing(&route);
            for (route, place) in [(route, place)].into_iter().chain(renewal) {
                if let Err(other) = table.insert(Arc::new(route)) {
                    compiler.problems.push(Problem::new(
                        place,
                        format!(
                            "has the same host, path and a method in common with route `{other}`"
                        ),
                    ));
                }
            }
        }

        if !problems.is_empty() {
            // One file at a time, in its own order.
            problems
                .sort_by(|a, b| (&a.place.file, a.place.line).cmp(&(&b.place.file, b.place.line)));
            return Err(problems);
        }
        let known = previous.map_or_else(
            || Arc::new(store.revocations()),
            |old| Arc::clone(&old.revocations),
        );
        Ok(Self {
            generation: previous.map_or(1, |policy| policy.generation + 1),
            listeners,
            metrics,
            admin,
            workers,
            store,
            limits,
            reload,
            shutdown,
            errors,
            headers,
            cors: cors.map(Cors::new),
            assertions: identity.sign.as_ref().map(Assertions::new),
            revoked: revoked(revocations),
            revocations: known,
            authenticators,
            routes: table,
        })
    }

    /// Whether this address is a proxy whose forwarding headers count on the listener at this
    /// position.
    pub fn trusts(&self, listener: usize, address: IpAddr) -> bool {
        self.listeners.get(listener).is_some_and(|listener| {
            let mut trusted = listener.trusted_proxies.iter();
            trusted.any(|net| net.contains(&address))
        })
    }

    pub fn routes(&self) -> &RouteTable {
        &self.routes
    }

    pub fn authenticators(&self) -> &[Arc<Authenticator>] {
        &self.authenticators
    }

    /// Whether a credential that is good by itself was revoked.
    pub fn is_revoked(&self, suspect: &Suspect<'_>, now: UnixTime) -> bool {
        self.revocations.covers(suspect, now) || self.revoked.covers(suspect, now)
    }

    /// Whether a token that was good once was revoked by name.
    pub fn is_token_revoked(&self, token: &TokenFacts, now: UnixTime) -> bool {
        self.revocations.covers_token(token, now) || self.revoked.covers_token(token, now)
    }

    /// The authenticator behind an id of this policy.
    pub fn authenticator(&self, id: AuthenticatorId) -> Option<&Arc<Authenticator>> {
        self.authenticators.get(id.0)
    }
}

fn revoked(revocations: Vec<Revocation>) -> RevocationSet {
    let mut set = RevocationSet::default();
    for (id, revocation) in (0..).map(RevocationId).zip(revocations) {
        set.insert(id, revocation);
    }
    set
}

#[cfg(test)]
mod tests;

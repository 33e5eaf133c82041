//! The compiled policy: everything that a request is judged by, immutable once made.
//!
//! A [`Policy`] is compiled from a document as a whole or not at all. A request takes one
//! `Arc<Policy>` and sees no other; a reload makes a new one beside it.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::clock::UnixTime;
use crate::config::Loaded;
use crate::config::document::{
    Admin, Document, ErrorFormat, Limits, RedisStore, Reload, ShutdownRule, Store,
};
use crate::problem::Problem;
use crate::revocation::{Revocation, RevocationId, RevocationSet, Revocations, Suspect};
use crate::scheme::TokenFacts;
use crate::scheme::http::{HttpClient, HttpRules};
use crate::scheme::learned::{Pool, Shared};
use crate::scheme::sa_token::{RedisAddress, SessionStore};

pub mod assertion;
pub mod authenticator;
pub mod cache;
mod compile;
pub mod cors;
pub mod counts;
pub mod first_message;
pub mod limit;
pub mod observe;
pub mod requirement;
pub mod rewrite;
pub mod route;
#[cfg(test)]
pub(crate) mod testing;
pub mod throttle;
pub mod tls;
pub mod upstream;

use assertion::Assertions;
use authenticator::{Authenticator, AuthenticatorId};
use compile::Compiler;
use cors::Cors;
use rewrite::HeaderRules;
use route::{Route, RouteTable};
use throttle::{Asker, Throttle};
use tls::Tls;
use upstream::Upstream;

/// Opens what verifiers ask. The network side provides it, so that policies can be compiled and
/// tested without a network. Nothing connects before it is asked.
pub trait OpenRemote {
    /// The session store behind an address.
    fn store(&self, address: &RedisAddress) -> Arc<dyn SessionStore>;

    /// Where replicas share what they learn about tokens.
    fn pool(&self, store: &RedisStore) -> Arc<dyn Pool>;

    /// A client for questions over HTTP.
    fn http(&self, rules: &HttpRules) -> Arc<dyn HttpClient>;
}

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
    pub throttle: Option<Arc<Throttle>>,
    /// What is allowed by the configuration and should not be.
    pub warnings: Vec<Problem>,
    /// What the configuration itself revokes.
    revoked: RevocationSet,
    /// What was revoked while the gate ran; the same in every policy of the process.
    pub revocations: Arc<Revocations>,
    authenticators: Vec<Arc<Authenticator>>,
    /// The app keys of all authenticators.
    apps: HashSet<Arc<str>>,
    /// In file order.
    upstreams: Vec<Arc<Upstream>>,
    routes: RouteTable,
}

/// Where the gate listens, and whose forwarding headers it believes there.
#[derive(Clone, Debug)]
pub struct Listener {
    pub address: SocketAddr,
    /// `None` is plain text.
    pub tls: Option<Tls>,
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// They name the client in a header before everything else.
    pub proxy_protocol: bool,
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
        remote: &dyn OpenRemote,
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
            mode,
            cache,
            workers,
            reload,
            revocations,
            shutdown,
            store,
            throttle,
            warnings,
        } = document;

        let mut compiler = Compiler {
            ours: HeaderRules::ours(&identity),
            removed: HeaderRules::new(&identity, &[], &[]),
            mode,
            problems: &mut problems,
        };
        let places: HashMap<_, _> = authenticators
            .iter()
            .map(|one| (Arc::clone(&one.name.value), one.scheme_place.clone()))
            .collect();
        let shared = match &store {
            Store::Memory => None,
            Store::Redis(redis) => Some(Shared::new(remote.pool(redis), redis.secret.as_ref())),
        };
        let authenticators =
            compiler.authenticators(authenticators, &cache, previous, remote, shared.as_ref());
        compiler.check_lessons(&authenticators, &places, &routes);
        let all_upstreams = compiler.upstreams(upstreams);
        let upstreams: HashMap<_, _> = all_upstreams
            .iter()
            .map(|one| (Arc::clone(&one.name), Arc::clone(one)))
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
            throttle: throttle.map(|rate| compile::throttle(rate, previous)),
            warnings,
            revoked: revoked(revocations),
            revocations: known,
            apps: apps_of(&authenticators),
            authenticators,
            upstreams: all_upstreams,
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

    /// On behalf of whom a credential is judged that this client presents.
    pub fn asker(&self, client: IpAddr) -> Asker<'_> {
        Asker {
            client,
            throttle: self.throttle.as_deref(),
        }
    }

    pub fn routes(&self) -> &RouteTable {
        &self.routes
    }

    /// The routes on which nobody is refused now, and until when, in file order.
    pub fn observing(&self, now: UnixTime) -> impl Iterator<Item = (&Arc<Route>, UnixTime)> {
        let routes = self.routes.all().iter();
        routes.filter_map(move |route| Some((route, route.observing(now)?)))
    }

    pub fn upstreams(&self) -> &[Arc<Upstream>] {
        &self.upstreams
    }

    pub fn authenticators(&self) -> &[Arc<Authenticator>] {
        &self.authenticators
    }

    /// Whether some tokens are believed because they stand in a store where others may write as well.
    pub fn believes_the_store(&self) -> bool {
        let is_open = matches!(&self.store, Store::Redis(redis) if redis.secret.is_none());
        let mut authenticators = self.authenticators.iter();
        is_open && authenticators.any(|authenticator| authenticator.learner().is_some())
    }

    /// Whether the app that a path names is one of those that are configured. Where none is, every
    /// app may be there.
    pub fn knows_app(&self, app_key: &str) -> bool {
        self.apps.is_empty() || self.apps.contains(app_key)
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

/// The app keys that authenticators are configured for.
fn apps_of(authenticators: &[Arc<Authenticator>]) -> HashSet<Arc<str>> {
    let known = authenticators.iter().filter_map(|one| one.apps());
    known.flatten().cloned().collect()
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

//! The crust: connections, the requests on them, and what is forwarded.
//!
//! Every socket is pingora's; what is said on it is ours. One connection is one task on one worker
//! thread: it reads a head, has it judged, forwards, and starts again.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::apps::ServerApp;
use pingora::connectors::TransportConnector;
use pingora::protocols::Stream;
use pingora::server::ShutdownWatch;
use rustls::ServerConfig;
use tracing::info;

use crate::app_health::AppHealth;
use crate::clock::{self, Steady};
use crate::config::document::Store;
use crate::exposure::Exposure;
use crate::metrics::{Metrics, NO_ROUTE};
use crate::policy::Policy;
use crate::proxy::carrier::Carrier;
use crate::proxy::crowd::Crowd;
use crate::proxy::drain::{Drain, Plan};
use crate::replicas::Replicas;
use crate::request_id::RequestId;
use crate::session::registry::Registry;
use crate::session::unauthenticated::Unauthenticated;

mod answer;
pub mod answer_head;
mod arrival;
mod buffer;
#[doc(hidden)]
pub mod carrier;
mod connection;
mod crowd;
pub mod drain;
pub mod dry_run;
mod exchange;
mod forwarded;
pub(crate) mod io;
pub(crate) mod keepalive;
mod learning;
mod outgoing;
mod pieces;
pub mod pool;
mod preface;
mod preflight;
mod pump;
mod received;
mod record;
pub mod syntax;
mod tap;
mod tether;
mod tls;
mod upgrade;
mod watch;
mod websocket;

pub use preface::PrefaceFailure;
pub use tls::HandshakeFailure;

/// What all workers of the process share.
#[derive(Debug)]
pub struct Shared {
    policy: ArcSwap<Policy>,
    pub registry: Arc<Registry>,
    pub unauthenticated: Arc<Unauthenticated>,
    pub(crate) crowd: Arc<Crowd>,
    pub metrics: Metrics,
    /// Where several replicas share a store.
    pub replicas: Option<Arc<Replicas>>,
    since: Steady,
    started: AtomicBool,
    pub drain: Drain,
    /// Where backends listen.
    pub exposure: Exposure,
    /// How the applications are that others ask the gate about.
    pub app_health: AppHealth,
    in_flight: AtomicUsize,
    reload_problem: Mutex<Option<String>>,
    /// Only in tests; see [`carrier`].
    carrier: Option<Arc<dyn Carrier>>,
}

impl Shared {
    pub fn new(policy: Policy, metrics: Metrics) -> Self {
        let registry = Arc::<Registry>::default();
        let replicas = match &policy.store {
            Store::Memory => None,
            Store::Redis(store) => Some(Arc::new(Replicas::new(store, metrics.store.clone()))),
        };
        if let Some(replicas) = &replicas {
            registry.claims.share(Arc::<Replicas>::clone(replicas));
        }
        Self {
            policy: ArcSwap::from_pointee(policy),
            registry,
            unauthenticated: Arc::default(),
            crowd: Arc::default(),
            metrics,
            replicas,
            since: clock::steady(),
            started: AtomicBool::new(false),
            drain: Drain::default(),
            exposure: Exposure::default(),
            app_health: AppHealth::default(),
            in_flight: AtomicUsize::new(0),
            reload_problem: Mutex::new(None),
            carrier: None,
        }
    }

    /// Puts a carrier in the place of the gate's own exchange.
    #[doc(hidden)]
    #[must_use]
    pub fn carried_by(mut self, carrier: Option<Arc<dyn Carrier>>) -> Self {
        self.carrier = carrier;
        self
    }

    /// Answers for these applications.
    #[must_use]
    pub fn answering_for(mut self, app_health: AppHealth) -> Self {
        self.app_health = app_health;
        self
    }

    /// Sessions are watched from now on.
    pub fn set_ready(&self) {
        self.started.store(true, Ordering::Relaxed);
    }

    pub fn is_ready(&self) -> bool {
        let policy = self.policy.load();
        self.started.load(Ordering::Relaxed)
            && !self.is_draining()
            && policy.revocations.is_complete()
            && self.exposure.permits(&policy)
    }

    /// Whether what replicas share is shared now; `None` where they share nothing.
    pub fn is_store_up(&self) -> Option<bool> {
        Some(self.replicas.as_ref()?.is_whole())
    }

    /// Why the last reload failed; `None` if it did not.
    pub fn reload_problem(&self) -> Option<String> {
        self.reload_problem.lock().clone()
    }

    pub fn set_reload_problem(&self, problem: Option<String>) {
        *self.reload_problem.lock() = problem;
    }

    /// The policy of this moment. A request takes it once.
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }

    /// Puts a new policy in force for every request that comes.
    pub fn replace_policy(&self, policy: Policy) {
        self.policy.store(Arc::new(policy));
    }

    /// How long the process has been there.
    pub fn uptime(&self) -> Duration {
        clock::steady().since(self.since)
    }

    pub fn is_draining(&self) -> bool {
        self.drain.plan().is_some()
    }

    /// From now on nobody more should come; whoever comes all the same is served.
    pub fn start_draining(&self) -> Plan {
        self.metrics.draining();
        self.drain.start(Plan {
            began: clock::steady(),
            rule: self.policy().shutdown,
        })
    }

    /// From now on connections end with their current request, and no WebSocket opens.
    pub fn leave(&self) {
        self.drain.leave();
    }

    /// Counts a request for as long as the guard lives.
    pub(crate) fn in_flight(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(&self.in_flight)
    }

    /// Whether some request has come and its answer has not gone out.
    pub fn is_busy(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) > 0
    }

    /// Tells of a request that never became one.
    fn record_syntax(
        &self,
        client: IpAddr,
        request_id: &RequestId,
        status: u16,
        reason: &str,
        took: Duration,
    ) {
        let series = self.metrics.of_route(NO_ROUTE);
        series.decision("deny", reason);
        series.request("-", status);
        info!(
            target: "imgate::access",
            %request_id,
            %client,
            route = NO_ROUTE,
            status,
            reason,
            seconds = took.as_secs_f64(),
            "request"
        );
    }
}

/// A request between its first byte and the last of its answer.
pub(crate) struct InFlight<'a>(&'a AtomicUsize);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One worker's view of one listener.
pub struct Worker {
    shared: Arc<Shared>,
    /// Where the connections come in: the listener's position in every policy. A reload may change
    /// everything about a listener but its address, and no addresses may come or go.
    listener: usize,
    connector: Arc<TransportConnector>,
}

impl Worker {
    pub fn new(shared: Arc<Shared>, listener: usize, connector: Arc<TransportConnector>) -> Self {
        Self {
            shared,
            listener,
            connector,
        }
    }

    /// Whether connections begin with a header of the PROXY protocol.
    fn speaks_proxy_protocol(&self) -> bool {
        let policy = self.shared.policy();
        let listener = policy.listeners.get(self.listener);
        listener.is_some_and(|listener| listener.proxy_protocol)
    }

    /// How TLS is spoken on this listener, as of this moment; `None` where it is not.
    fn tls(&self) -> Option<Arc<ServerConfig>> {
        let policy = self.shared.policy();
        let tls = policy.listeners.get(self.listener)?.tls.as_ref()?;
        Some(Arc::clone(tls.config()))
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl ServerApp for Worker {
    async fn process_new(self: &Arc<Self>, stream: Stream, _: &ShutdownWatch) -> Option<Stream> {
        // In a task of its own: pingora's has room for a TLS handshake as long as it lives, which is
        // most of what an idle connection would cost.
        tokio::spawn(connection::serve(Arc::clone(self), stream));
        None
    }
}

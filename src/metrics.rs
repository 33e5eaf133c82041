//! What Prometheus sees. Labels are configured names and closed words, never a request's own text.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::RwLock;
use prometheus::{
    Encoder as _, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::admin::Trespass;
use crate::clock::{self, UnixTime};
use crate::config::document::LimitBy;
use crate::exposure::Exposure;
use crate::gate::Lookups;
use crate::policy::Policy;
use crate::policy::authenticator::Lookup;
use crate::policy::throttle::ThrottledBy;
use crate::proxy::{HandshakeFailure, PrefaceFailure};
use crate::session::recheck::Settled;
use crate::session::registry::Registry as SessionRegistry;
use crate::tunnel::Ending;

mod arrivals;
mod expiring;
mod exposure;
mod families;
mod guards;
pub(crate) mod learning;
mod limits;
mod lines;
mod observing;
mod operator;
mod rechecks;
mod reloads;
mod remote;
mod series;
pub(crate) mod sizes;
mod store;
mod tables;
mod tls;

use families::Families;
pub use guards::{Gauged, OpenSession};
use operator::Operator;
pub use series::RouteSeries;
pub use store::StoreMetrics;

/// The label of what belongs to no route.
pub const NO_ROUTE: &str = "-";

/// Request and upstream times: from a local backend's fastest answer to a stuck one.
const SECONDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0,
];
/// What the gate itself does takes microseconds, or as long as whoever is asked takes.
const SMALL_SECONDS: &[f64] = &[
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.01, 0.05, 0.25, 1.0,
];
/// Sessions last from a moment to more than a day.
const SESSION_SECONDS: &[f64] = &[
    1.0,
    10.0,
    60.0,
    300.0,
    900.0,
    3600.0,
    4.0 * 3600.0,
    12.0 * 3600.0,
    86_400.0,
];

/// The label of what belongs to no authenticator.
const NO_AUTHENTICATOR: &str = "-";

/// The label of sessions on routes that ask for no device type.
const NO_DEVICE: &str = "-";

/// All metrics of the process, in a registry of their own.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    upstream_times: HistogramVec,
    overheads: HistogramVec,
    auth_durations: HistogramVec,
    decisions: IntCounterVec,
    cache_hits: IntCounterVec,
    cache_misses: IntCounterVec,
    cache_entries: IntGaugeVec,
    connections: IntGauge,
    tls: tls::Tls,
    arrivals: arrivals::Arrivals,
    sessions_open: IntGaugeVec,
    sessions_closed: IntCounterVec,
    session_seconds: HistogramVec,
    session_bytes: IntCounterVec,
    expiring: expiring::Expiring,
    exposed: exposure::Exposed,
    learning: learning::Learning,
    limits: limits::Limits,
    lines: lines::Lines,
    observing: observing::Observing,
    rechecks: rechecks::Counts,
    reloads: reloads::Reloads,
    remote: remote::Remote,
    sizes: sizes::Sizes,
    tables: tables::Tables,
    pub store: StoreMetrics,
    operator: Operator,
    unauthenticated: IntGauge,
    /// Series that a request finds by one look-up.
    known: ArcSwap<HashMap<Arc<str>, Arc<RouteSeries>>>,
}

impl Metrics {
    /// Registers everything.
    ///
    /// # Errors
    ///
    /// Only if two metrics have the same name, which the tests would show.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let new = Families::of(&registry);
        let metrics = Self {
            requests: new.counters(
                "http_requests_total",
                "Requests by method, status and route.",
                &["method", "code", "route"],
            )?,
            durations: new.histograms(
                "http_request_duration_seconds",
                "Time from a request's first byte to its answer's last.",
                &["route"],
                SECONDS,
            )?,
            upstream_times: new.histograms(
                "upstream_response_seconds",
                "Time from forwarding a request to its answer's head.",
                &["route"],
                SECONDS,
            )?,
            overheads: new.histograms(
                "proxy_overhead_seconds",
                "Time that the gate itself adds before a request is forwarded.",
                &["route"],
                SMALL_SECONDS,
            )?,
            auth_durations: new.histograms(
                "auth_duration_seconds",
                "Time that judging a request takes, look-ups elsewhere included.",
                &["route"],
                SMALL_SECONDS,
            )?,
            decisions: new.counters(
                "auth_decisions_total",
                "Decisions by route, result (allow, deny, error, observed) and reason.",
                &["route", "result", "reason"],
            )?,
            cache_hits: new.counters(
                "verdict_cache_hits_total",
                "Credentials whose verdict was known.",
                &["authenticator"],
            )?,
            cache_misses: new.counters(
                "verdict_cache_misses_total",
                "Credentials that had to be verified.",
                &["authenticator"],
            )?,
            cache_entries: new.gauges(
                "verdict_cache_entries",
                "Verdicts that are kept.",
                &["authenticator"],
            )?,
            connections: new.gauge("connections_active", "Client connections, idle ones too.")?,
            tls: tls::Tls::new(&new)?,
            arrivals: arrivals::Arrivals::new(&new)?,
            sessions_open: new.gauges(
                "sessions_open",
                "Living sessions: WebSockets, and answers that stay open.",
                &["route", "device_type"],
            )?,
            sessions_closed: new.counters(
                "sessions_closed_total",
                "Ended sessions by what ended them.",
                &["route", "reason"],
            )?,
            session_seconds: new.histograms(
                "session_duration_seconds",
                "How long sessions lasted.",
                &["route"],
                SESSION_SECONDS,
            )?,
            session_bytes: new.counters(
                "session_bytes_total",
                "Bytes of ended sessions, from (in) and to (out) clients.",
                &["route", "direction"],
            )?,
            expiring: expiring::Expiring::new(&new)?,
            exposed: exposure::Exposed::new(&new)?,
            learning: learning::Learning::new(&new)?,
            limits: limits::Limits::new(&new)?,
            lines: lines::Lines::new(&new)?,
            observing: observing::Observing::new(&new)?,
            rechecks: rechecks::Counts::new(&new)?,
            reloads: reloads::Reloads::new(&new)?,
            remote: remote::Remote::new(&new)?,
            sizes: sizes::Sizes::new(&new)?,
            tables: tables::Tables::new(&new)?,
            store: StoreMetrics::new(&new)?,
            operator: Operator::new(&new)?,
            unauthenticated: new.gauge(
                "unauthenticated_sockets",
                "WebSockets that wait for the message with their credential.",
            )?,
            known: ArcSwap::default(),
            registry,
        };
        metrics.register_process()?;
        Ok(metrics)
    }

    /// The text exposition of everything, with how many clients are connected and what is known of
    /// where backends listen.
    ///
    /// # Errors
    ///
    /// If a metric cannot be encoded.
    pub fn text(
        &self,
        policy: &Policy,
        registry: &SessionRegistry,
        clients: usize,
        exposure: &Exposure,
    ) -> Result<Vec<u8>, prometheus::Error> {
        self.cache_entries.reset();
        for authenticator in policy.authenticators() {
            let entries = i64::try_from(authenticator.cached()).unwrap_or(i64::MAX);
            self.cache_entries
                .with_label_values(&[&*authenticator.name])
                .set(entries);
        }
        self.tls.show_certificates(policy);
        self.learning.show(policy);
        self.rechecks.show_graces(policy, &registry.rechecks);
        self.remote.show(policy, clock::now());
        self.expiring.show(policy, registry, clock::now());
        self.exposed.show(policy, exposure);
        self.limits.show(policy);
        self.lines.show();
        self.observing.show(policy, clock::now());
        self.sizes.show(clients);
        self.tables.show(policy, registry);
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }

    /// Lets the series of a policy exist from the start, so that a first event is an increase.
    pub fn prepare(&self, policy: &Policy) {
        let routes = policy.routes().all().iter();
        let names = routes.map(|route| Arc::clone(&route.name));
        let known = names.chain([Arc::from(NO_ROUTE)]);
        let known = known.map(|name| (Arc::clone(&name), self.of_route(&name)));
        self.known.store(Arc::new(known.collect()));
        for authenticator in policy.authenticators() {
            let _ = self.cache_hits.with_label_values(&[&*authenticator.name]);
            let _ = self.cache_misses.with_label_values(&[&*authenticator.name]);
        }
        self.tls.prepare(policy);
        self.arrivals.prepare(policy);
        self.operator.prepare(policy);
        self.learning.prepare(policy);
        self.limits.prepare(policy);
        self.observing.prepare(policy);
        self.rechecks.prepare(policy);
        self.sizes.prepare(policy);
        self.store.prepare(policy);
        for route in policy.routes().all().iter().filter(|route| route.websocket) {
            for ending in Ending::ALL {
                let _ = self
                    .sessions_closed
                    .with_label_values(&[&*route.name, ending.as_str()]);
            }
            let mut device_types = route.require.device_types().peekable();
            if device_types.peek().is_none() {
                let _ = self
                    .sessions_open
                    .with_label_values(&[&*route.name, NO_DEVICE]);
            }
            for device_type in device_types {
                let _ = self
                    .sessions_open
                    .with_label_values(&[&*route.name, device_type]);
            }
        }
    }

    pub fn handshake_failed(&self, failure: HandshakeFailure) {
        self.tls.failed(failure);
    }

    pub fn preface_failed(&self, failure: PrefaceFailure) {
        self.arrivals.preface_failed(failure);
    }

    /// The series of a route, or of [`NO_ROUTE`].
    pub fn of_route(&self, route: &str) -> Arc<RouteSeries> {
        self.known
            .load()
            .get(route)
            .map_or_else(|| Arc::new(self.series(Arc::from(route))), Arc::clone)
    }

    fn series(&self, route: Arc<str>) -> RouteSeries {
        let name = [&*route];
        RouteSeries {
            requests: self.requests.clone(),
            decisions: self.decisions.clone(),
            observed_denials: self.observing.denials.clone(),
            allowed: self.decisions.with_label_values(&[&*route, "allow", "ok"]),
            durations: self.durations.with_label_values(&name),
            upstream_times: self.upstream_times.with_label_values(&name),
            overheads: self.overheads.with_label_values(&name),
            auth_durations: self.auth_durations.with_label_values(&name),
            answers: RwLock::default(),
            route,
        }
    }

    pub fn lookups(&self, policy: &Policy, lookups: &Lookups) {
        for (id, lookup) in lookups {
            let Some(authenticator) = policy.authenticator(*id) else {
                continue;
            };
            let counter = match lookup {
                Lookup::Hit => &self.cache_hits,
                Lookup::Miss => &self.cache_misses,
            };
            counter.with_label_values(&[&*authenticator.name]).inc();
        }
    }

    /// Counts what became of an answer, or of a token, that an authenticator learns from.
    pub fn learned(&self, authenticator: &str, result: &'static str) {
        self.learning.add(authenticator, result);
    }

    /// Counts an answer 429 `throttled`.
    pub fn throttled(&self, by: ThrottledBy) {
        self.limits.throttled(by);
    }

    /// Counts header lines about the client that nobody believes.
    pub fn untrusted_forwarded(&self, lines: usize) {
        self.arrivals.untrusted_forwarded(lines);
    }

    /// Counts a request that was one too many.
    pub fn limited(&self, route: &str, by: &LimitBy) {
        self.limits.limited(route, by);
    }

    /// Corrects the number of upstream connections that wait to be used again.
    pub fn idle_upstreams_changed(&self, before: usize, now: usize) {
        let signed = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.tables
            .idle_upstreams
            .add(signed(now).saturating_sub(signed(before)));
    }

    /// Counts a connection of a client that had as many as it may.
    pub fn connection_refused(&self) {
        self.sizes.connection_refused();
    }

    /// Counts a body over what its route allows.
    pub(crate) fn too_large(&self, route: &str, message: &'static str) {
        self.sizes.too_large(route, message);
    }

    /// Counts what was said about living sessions.
    pub fn rechecked(&self, settled: &Settled) {
        self.rechecks.add(settled);
    }

    /// Counts a connection for as long as the guard lives.
    pub fn connection(&self) -> Gauged {
        Gauged::up(self.connections.clone())
    }

    /// Counts a socket for as long as the guard lives.
    pub fn unauthenticated_socket(&self) -> Gauged {
        Gauged::up(self.unauthenticated.clone())
    }

    /// Counts a session for as long as the guard lives.
    pub fn session_opened(&self, route: &str, device_type: Option<&str>) -> OpenSession {
        let device_type = device_type.unwrap_or(NO_DEVICE);
        OpenSession {
            _open: Gauged::up(self.sessions_open.with_label_values(&[route, device_type])),
            closed: self.sessions_closed.clone(),
            seconds: self.session_seconds.with_label_values(&[route]),
            received: self.session_bytes.with_label_values(&[route, "in"]),
            sent: self.session_bytes.with_label_values(&[route, "out"]),
            route: route.to_owned(),
        }
    }

    /// Notes that a configuration took force.
    pub fn reloaded(&self, now: UnixTime) {
        self.reloads.took_force(now);
    }

    /// Counts an attempt to reload.
    pub fn reload_attempt(&self, succeeded: bool) {
        self.reloads.attempt(succeeded);
    }

    /// Whether the configuration's files are watched.
    pub fn watching(&self, is_active: bool) {
        self.reloads.watching(is_active);
    }

    pub fn draining(&self) {
        self.operator.draining();
    }

    /// Counts a request that a protection of the admin listener refused.
    pub fn admin_refused(&self, trespass: Trespass) {
        self.operator.refused(trespass);
    }

    /// Client connections of this moment, idle ones too.
    pub fn connections(&self) -> i64 {
        self.connections.get()
    }

    fn register_process(&self) -> Result<(), prometheus::Error> {
        let build = IntGaugeVec::new(
            Opts::new("build_info", "The version that runs.").namespace("imgate"),
            &["version", "revision", "rustc"],
        )?;
        let labels = [
            env!("CARGO_PKG_VERSION"),
            env!("IMGATE_REVISION"),
            env!("IMGATE_RUSTC"),
        ];
        build.with_label_values(&labels).set(1);
        self.registry.register(Box::new(build))?;
        let process = prometheus::process_collector::ProcessCollector::for_self();
        self.registry.register(Box::new(process))
    }
}

/// Not derived: the registry cannot be shown.
impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_family_registers_once() {
        let metrics = Metrics::new().unwrap();
        metrics.of_route("ws").request("GET", 200);
        let open = metrics.session_opened("ws", Some("im_web"));
        assert_eq!(
            metrics
                .sessions_open
                .with_label_values(&["ws", "im_web"])
                .get(),
            1
        );
        open.closed("expired", Duration::from_secs(20), 1, 2);
        assert_eq!(
            metrics
                .sessions_open
                .with_label_values(&["ws", "im_web"])
                .get(),
            0
        );
        assert_eq!(
            metrics
                .sessions_closed
                .with_label_values(&["ws", "expired"])
                .get(),
            1
        );
    }
}

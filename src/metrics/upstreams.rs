//! What is known of the addresses of upstreams.

use prometheus::{IntCounterVec, IntGaugeVec};

use crate::metrics::families::Families;
use crate::policy::Policy;

/// Whose failure it was: a request's, or that of a question about the address's health.
const CONNECT: &str = "connect";
const CHECK: &str = "check";

pub(super) struct Upstreams {
    up: IntGaugeVec,
    failures: IntCounterVec,
    in_flight: IntGaugeVec,
}

impl Upstreams {
    pub(super) fn new(new: &Families<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            up: new.gauges(
                "upstream_up",
                "Whether an address gets requests while others of its upstream are there.",
                &["upstream", "address"],
            )?,
            failures: new.counters(
                "upstream_failures_total",
                "Connections that requests could not have, and questions about health that failed.",
                &["upstream", "address", "kind"],
            )?,
            in_flight: new.gauges(
                "upstream_in_flight",
                "Requests and WebSockets at an address.",
                &["upstream", "address"],
            )?,
        })
    }

    /// Shows the addresses of this policy, and no others. Each counts for itself, also through reloads.
    pub(super) fn show(&self, policy: &Policy) {
        self.up.reset();
        self.failures.reset();
        self.in_flight.reset();
        for upstream in policy.upstreams() {
            for target in upstream.targets() {
                let labels = [&*upstream.name, &*target.address];
                let [name, address] = labels;
                self.up
                    .with_label_values(&labels)
                    .set(target.is_up().into());
                let in_flight = i64::try_from(target.in_flight()).unwrap_or(i64::MAX);
                self.in_flight.with_label_values(&labels).set(in_flight);
                let (connect, check) = target.failures();
                for (kind, count) in [(CONNECT, connect), (CHECK, check)] {
                    let labels = [name, address, kind];
                    self.failures.with_label_values(&labels).inc_by(count);
                }
            }
        }
    }
}

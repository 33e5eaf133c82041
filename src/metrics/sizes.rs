//! What is counted of connections and of bodies that are more than may be.

use prometheus::{IntCounterVec, IntGauge};

use crate::metrics::families::Families;
use crate::policy::Policy;

/// Whose body it was.
pub(crate) const REQUEST: &str = "request";
pub(crate) const RESPONSE: &str = "response";

/// Why a connection was refused.
const TOO_MANY: &str = "too_many";

pub(super) struct Sizes {
    refused: IntCounterVec,
    clients: IntGauge,
    too_large: IntCounterVec,
}

impl Sizes {
    pub(super) fn new(new: &Families<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            refused: new.counters(
                "connections_refused_total",
                "Connections that were closed at once.",
                &["reason"],
            )?,
            clients: new.gauge(
                "connected_clients",
                "Clients with open connections; an IPv6 network of 64 bits is one.",
            )?,
            too_large: new.counters(
                "bodies_too_large_total",
                "Bodies over `max_request` or `max_response` of their route.",
                &["route", "message"],
            )?,
        })
    }

    /// Lets the series exist from the start.
    pub(super) fn prepare(&self, policy: &Policy) {
        let _ = self.refused.with_label_values(&[TOO_MANY]);
        for route in policy.routes().all() {
            let bounds = [
                (route.sizes.request, REQUEST),
                (route.sizes.response, RESPONSE),
            ];
            for (_, message) in bounds.iter().filter(|(bound, _)| bound.is_some()) {
                let _ = self.too_large.with_label_values(&[&*route.name, message]);
            }
        }
    }

    pub(super) fn connection_refused(&self) {
        self.refused.with_label_values(&[TOO_MANY]).inc();
    }

    pub(super) fn too_large(&self, route: &str, message: &str) {
        self.too_large.with_label_values(&[route, message]).inc();
    }

    pub(super) fn show(&self, clients: usize) {
        self.clients.set(i64::try_from(clients).unwrap_or(i64::MAX));
    }
}

//! What is counted of `limit`: who was one too many, and for how many the gate counts.

use prometheus::{IntCounterVec, IntGaugeVec};

use crate::config::document::LimitBy;
use crate::metrics::families::Families;
use crate::policy::Policy;

pub(super) struct Limits {
    limited: IntCounterVec,
    keys: IntGaugeVec,
}

impl Limits {
    pub(super) fn new(new: &Families<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            limited: new.counters(
                "limited_requests_total",
                "Requests over the limit of their route, by what that counts.",
                &["route", "by"],
            )?,
            keys: new.gauges(
                "limit_keys",
                "For how many clients, keys, users or values the limit of a route counts now.",
                &["route"],
            )?,
        })
    }

    /// Lets the series exist from the start.
    pub(super) fn prepare(&self, policy: &Policy) {
        for route in policy.routes().all() {
            if let Some(limiter) = &route.limit {
                let _ = self
                    .limited
                    .with_label_values(&[&*route.name, limiter.by().as_str()]);
            }
        }
    }

    pub(super) fn limited(&self, route: &str, by: &LimitBy) {
        self.limited.with_label_values(&[route, by.as_str()]).inc();
    }

    pub(super) fn show(&self, policy: &Policy) {
        self.keys.reset();
        for route in policy.routes().all() {
            if let Some(limiter) = &route.limit {
                let keys = i64::try_from(limiter.len()).unwrap_or(i64::MAX);
                self.keys.with_label_values(&[&*route.name]).set(keys);
            }
        }
    }
}

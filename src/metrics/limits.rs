//! What is counted of `limit` and `throttle`: who was one too many, and for how many the gate counts.

use prometheus::{IntCounterVec, IntGaugeVec};

use crate::config::document::LimitBy;
use crate::metrics::families::Families;
use crate::policy::Policy;
use crate::policy::throttle::ThrottledBy;

pub(super) struct Limits {
    limited: IntCounterVec,
    keys: IntGaugeVec,
    throttled: IntCounterVec,
    failed: IntGaugeVec,
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
            throttled: new.counters(
                "throttled_answers_total",
                "Answers 429 `throttled`, by what there was too much of.",
                &["by"],
            )?,
            failed: new.gauges(
                "throttle_keys",
                "For how many clients and credentials failures are counted now.",
                &["by"],
            )?,
        })
    }

    /// Lets the series exist from the start.
    pub(super) fn prepare(&self, policy: &Policy) {
        for by in ThrottledBy::ALL {
            let _ = self.throttled.with_label_values(&[by.as_str()]);
        }
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

    pub(super) fn throttled(&self, by: ThrottledBy) {
        self.throttled.with_label_values(&[by.as_str()]).inc();
    }

    pub(super) fn show(&self, policy: &Policy) {
        self.failed.reset();
        if let Some(throttle) = &policy.throttle {
            for by in [ThrottledBy::Client, ThrottledBy::Credential] {
                let kept = i64::try_from(throttle.kept(by)).unwrap_or(i64::MAX);
                self.failed.with_label_values(&[by.as_str()]).set(kept);
            }
        }
        self.keys.reset();
        for route in policy.routes().all() {
            if let Some(limiter) = &route.limit {
                let keys = i64::try_from(limiter.len()).unwrap_or(i64::MAX);
                self.keys.with_label_values(&[&*route.name]).set(keys);
            }
        }
    }
}

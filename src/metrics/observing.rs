//! What is counted of routes that observe: whom they would have refused, and that they do.

use prometheus::{IntCounterVec, IntGaugeVec};

use crate::clock::UnixTime;
use crate::metrics::families::Families;
use crate::policy::Policy;

pub(super) struct Observing {
    pub(super) denials: IntCounterVec,
    lasts: IntGaugeVec,
    until: IntGaugeVec,
}

impl Observing {
    pub(super) fn new(new: &Families<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            denials: new.counters(
                "observed_denials_total",
                "Requests that were forwarded and would have been refused, by the reason for that.",
                &["route", "reason"],
            )?,
            lasts: new.gauges(
                "observing",
                "1 while a route refuses nobody who is not known, 0 from its `until` on.",
                &["route"],
            )?,
            until: new.gauges(
                "observing_until_timestamp_seconds",
                "When a route that observes begins to refuse.",
                &["route"],
            )?,
        })
    }

    /// Lets what is most likely exist from the start, so that a first event is an increase.
    pub(super) fn prepare(&self, policy: &Policy) {
        let routes = policy.routes().all().iter();
        for route in routes.filter(|route| route.observe.is_some()) {
            let _ = self
                .denials
                .with_label_values(&[&*route.name, "no_credential"]);
        }
    }

    /// Shows the routes of this moment.
    pub(super) fn show(&self, policy: &Policy, now: UnixTime) {
        self.lasts.reset();
        self.until.reset();
        for route in policy.routes().all() {
            let Some(observe) = &route.observe else {
                continue;
            };
            let name = [&*route.name];
            let is_observing = i64::from(route.observing(now).is_some());
            self.lasts.with_label_values(&name).set(is_observing);
            self.until
                .with_label_values(&name)
                .set(observe.until.as_secs());
        }
    }
}

//! How many living sessions end soon: what comes back together is seen before it does.

use std::time::Duration;

use prometheus::IntGaugeVec;

use crate::clock::UnixTime;
use crate::metrics::families::Families;
use crate::policy::Policy;
use crate::session::registry::Registry;

/// Each counts those before it, too.
const SPANS: [(&str, Duration); 4] = [
    ("1m", Duration::from_mins(1)),
    ("10m", Duration::from_mins(10)),
    ("1h", Duration::from_hours(1)),
    ("1d", Duration::from_hours(24)),
];

pub(super) struct Expiring(IntGaugeVec);

impl Expiring {
    pub(super) fn new(new: &Families<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self(new.gauges(
            "sessions_expiring",
            "Living sessions that end within a span unless they are renewed.",
            &["route", "within"],
        )?))
    }

    /// Counts the sessions of this moment.
    pub(super) fn show(&self, policy: &Policy, registry: &Registry, now: UnixTime) {
        self.0.reset();
        let routes = policy.routes().all().iter().filter(|route| route.websocket);
        for route in routes {
            for (within, _) in SPANS {
                let _ = self.0.with_label_values(&[&*route.name, within]);
            }
        }
        for live in registry.all() {
            let Some(end) = live.end() else { continue };
            let left = end.since(now);
            for (within, span) in SPANS {
                if left <= span {
                    self.0
                        .with_label_values(&[&*live.opening.route, within])
                        .inc();
                }
            }
        }
    }
}

//! What is counted of those who say for whom they speak: headers of proxies, and of the PROXY protocol.

use prometheus::{IntCounter, IntCounterVec};

use crate::metrics::families::Families;
use crate::policy::Policy;
use crate::proxy::PrefaceFailure;

pub(super) struct Arrivals {
    prefaces: IntCounterVec,
    untrusted_forwarded: IntCounter,
}

impl Arrivals {
    pub(super) fn new(new: &Families<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            prefaces: new.counters(
                "proxy_protocol_failures_total",
                "Connections that ended before a whole header of the PROXY protocol.",
                &["reason"],
            )?,
            untrusted_forwarded: new.counter(
                "untrusted_forwarded_headers_total",
                "Lines of X-Forwarded-For, X-Forwarded-Proto and Forwarded from outside trusted_proxies.",
            )?,
        })
    }

    /// Lets the series exist from the start.
    pub(super) fn prepare(&self, policy: &Policy) {
        if policy.listeners.iter().any(|one| one.proxy_protocol) {
            for failure in PrefaceFailure::ALL {
                let _ = self.prefaces.with_label_values(&[failure.as_str()]);
            }
        }
    }

    pub(super) fn preface_failed(&self, failure: PrefaceFailure) {
        self.prefaces.with_label_values(&[failure.as_str()]).inc();
    }

    pub(super) fn untrusted_forwarded(&self, lines: usize) {
        let lines = u64::try_from(lines).unwrap_or(u64::MAX);
        self.untrusted_forwarded.inc_by(lines);
    }
}

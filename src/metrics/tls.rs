//! What is counted of TLS.

use prometheus::{IntCounterVec, IntGaugeVec};

use crate::metrics::families::Families;
use crate::policy::Policy;
use crate::proxy::HandshakeFailure;

/// The families of listeners with TLS.
pub(super) struct Tls {
    failures: IntCounterVec,
    certificate_ends: IntGaugeVec,
}

impl Tls {
    pub(super) fn new(new: &Families<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            failures: new.counters(
                "tls_handshake_failures_total",
                "TLS handshakes with clients that came to nothing.",
                &["reason"],
            )?,
            certificate_ends: new.gauges(
                "tls_certificate_not_after_timestamp_seconds",
                "When the certificate of a listener ends.",
                &["listener"],
            )?,
        })
    }

    /// Lets the series exist from the start.
    pub(super) fn prepare(&self, policy: &Policy) {
        if policy.listeners.iter().any(|one| one.tls.is_some()) {
            for failure in HandshakeFailure::ALL {
                let _ = self.failures.with_label_values(&[failure.as_str()]);
            }
        }
    }

    pub(super) fn failed(&self, failure: HandshakeFailure) {
        self.failures.with_label_values(&[failure.as_str()]).inc();
    }

    /// Shows the certificates of this policy, and no others.
    pub(super) fn show_certificates(&self, policy: &Policy) {
        self.certificate_ends.reset();
        for listener in &policy.listeners {
            if let Some(tls) = &listener.tls {
                self.certificate_ends
                    .with_label_values(&[&*listener.address.to_string()])
                    .set(tls.not_after().as_secs());
            }
        }
    }
}

//! What is counted of operators: who was refused, and whether the gate is on its way out.

use prometheus::{IntCounterVec, IntGauge};

use crate::admin::Trespass;
use crate::metrics::families::Families;
use crate::policy::Policy;

/// The families of the admin listener and of the end.
pub(super) struct Operator {
    refused: IntCounterVec,
    draining: IntGauge,
}

impl Operator {
    pub(super) fn new(new: &Families<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            refused: new.counters(
                "admin_refused_total",
                "Requests to the admin listener that its protections refused.",
                &["reason"],
            )?,
            draining: new.gauge("draining", "Whether the gate is shutting down.")?,
        })
    }

    /// Lets the series exist from the start.
    pub(super) fn prepare(&self, policy: &Policy) {
        if policy.admin.is_some() {
            for trespass in Trespass::ALL {
                let _ = self.refused.with_label_values(&[trespass.as_str()]);
            }
        }
    }

    pub(super) fn refused(&self, trespass: Trespass) {
        self.refused.with_label_values(&[trespass.as_str()]).inc();
    }

    pub(super) fn draining(&self) {
        self.draining.set(1);
    }
}

//! Whether backends can be reached past the gate.

use prometheus::IntGaugeVec;

use crate::exposure::{Exposure, Reach};
use crate::metrics::families::Families;
use crate::policy::Policy;

pub(super) struct Exposed(IntGaugeVec);

impl Exposed {
    pub(super) fn new(new: &Families<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self(new.gauges(
            "backend_exposed",
            "1 while something listens beyond loopback on the port of an upstream at loopback.",
            &["upstream"],
        )?))
    }

    /// Shows what is known now; what is not has no series.
    pub(super) fn show(&self, policy: &Policy, exposure: &Exposure) {
        self.0.reset();
        for (upstream, reach) in exposure.of(policy) {
            let is_exposed = match reach {
                Reach::Unknown => continue,
                Reach::Loopback => 0,
                Reach::Beyond(_) => 1,
            };
            let gauge = self.0.with_label_values(&[&*upstream.name]);
            gauge.set(is_exposed);
        }
    }
}

//! What counts for as long as it lives.

use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge};

/// A gauge that is one higher while this lives.
#[derive(Debug)]
pub struct Gauged(IntGauge);

impl Gauged {
    pub(super) fn up(gauge: IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Gauged {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The metrics of one living session.
#[derive(Debug)]
pub struct OpenSession {
    pub(super) _open: Gauged,
    pub(super) closed: IntCounterVec,
    pub(super) seconds: Histogram,
    pub(super) received: IntCounter,
    pub(super) sent: IntCounter,
    pub(super) route: String,
}

impl OpenSession {
    /// Counts the end.
    pub fn closed(self, reason: &str, age: Duration, received: u64, sent: u64) {
        self.closed.with_label_values(&[&*self.route, reason]).inc();
        self.seconds.observe(age.as_secs_f64());
        self.received.inc_by(received);
        self.sent.inc_by(sent);
    }
}

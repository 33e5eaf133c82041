//! What is counted of reloads.

use prometheus::{IntCounterVec, IntGauge};

use crate::clock::UnixTime;
use crate::metrics::families::Families;

/// The families of the configuration and its files.
pub(super) struct Reloads {
    attempts: IntCounterVec,
    last_ok: IntGauge,
    last_time: IntGauge,
    watch_active: IntGauge,
}

impl Reloads {
    pub(super) fn new(new: &Families<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            attempts: new.counters(
                "config_reloads_total",
                "Attempts to load the configuration again.",
                &["result"],
            )?,
            last_ok: new.gauge(
                "config_last_reload_successful",
                "Whether the configuration in force is the one on disk.",
            )?,
            last_time: new.gauge(
                "config_last_reload_success_timestamp_seconds",
                "When the configuration in force was loaded.",
            )?,
            watch_active: new.gauge(
                "config_watch_active",
                "Whether a change of the configuration's files is noticed at once.",
            )?,
        })
    }

    pub(super) fn took_force(&self, now: UnixTime) {
        self.last_ok.set(1);
        self.last_time.set(now.as_secs());
    }

    pub(super) fn attempted(&self, succeeded: bool) {
        let result = if succeeded { "ok" } else { "error" };
        self.attempts.with_label_values(&[result]).inc();
        if !succeeded {
            self.last_ok.set(0);
        }
    }

    pub(super) fn watching(&self, is_active: bool) {
        self.watch_active.set(is_active.into());
    }
}

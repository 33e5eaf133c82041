//! What Prometheus sees of the injector.

use std::fmt;
use std::time::Duration;

use prometheus::{
    Encoder as _, Histogram, HistogramOpts, IntCounterVec, IntGauge, Registry, TextEncoder,
};

use super::{Injection, Outcome, Reason, Skip};
use crate::clock::UnixTime;
use crate::metrics::families::Families;

/// A patch takes far less than a millisecond; the slowest answers are bodies that come slowly.
const SECONDS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0,
];

/// Why a request got no review for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The body is no review.
    Malformed,
    /// The body did not come.
    Timeout,
    TooLarge,
}

impl Failure {
    const ALL: [Self; 3] = [Self::Malformed, Self::Timeout, Self::TooLarge];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
        }
    }
}

/// How the gate was put into a pod.
const KINDS: [&str; 2] = ["native", "ordinary"];

/// All metrics of the process.
pub(super) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: Histogram,
    certificate_ends: IntGauge,
    template_ok: IntGauge,
    certificate_ok: IntGauge,
}

impl Metrics {
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let new = Families::of(&registry);
        let durations = Histogram::with_opts(
            HistogramOpts::new(
                "injector_admission_duration_seconds",
                "Time from the head of a review to its answer.",
            )
            .namespace("imgate")
            .buckets(SECONDS.to_vec()),
        )?;
        registry.register(Box::new(durations.clone()))?;
        let metrics = Self {
            requests: new.counters(
                "injector_admission_requests_total",
                "Reviews by result (injected, skipped, denied, error) and reason.",
                &["result", "reason"],
            )?,
            durations,
            certificate_ends: new.gauge(
                "injector_certificate_expiry_timestamp_seconds",
                "When the certificate that is shown ends; 0 while there is none.",
            )?,
            template_ok: new.gauge(
                "injector_template_last_reload_successful",
                "Whether the template in force is the one on disk.",
            )?,
            certificate_ok: new.gauge(
                "injector_certificate_last_check_successful",
                "Whether the last look at the certificates, and at what the API server trusts, found or made all well.",
            )?,
            registry: registry.clone(),
        };
        let build = new.gauges(
            "injector_build_info",
            "The version that runs.",
            &["version", "revision", "rustc"],
        )?;
        let labels = [
            env!("CARGO_PKG_VERSION"),
            env!("IMGATE_REVISION"),
            env!("IMGATE_RUSTC"),
        ];
        build.with_label_values(&labels).set(1);
        let process = prometheus::process_collector::ProcessCollector::for_self();
        registry.register(Box::new(process))?;
        metrics.prepare();
        Ok(metrics)
    }

    /// Lets the series exist from the start, so that a first event is an increase.
    fn prepare(&self) {
        let of = |result: &str, reason: &str| {
            let _ = self.requests.with_label_values(&[result, reason]);
        };
        for kind in KINDS {
            of("injected", kind);
        }
        for skip in Skip::ALL {
            of("skipped", skip.as_str());
        }
        for reason in Reason::ALL {
            of("denied", reason.as_str());
        }
        for failure in Failure::ALL {
            of("error", failure.as_str());
        }
    }

    pub(super) fn answered(&self, outcome: &Outcome, took: Duration) {
        let (result, reason) = words(outcome);
        self.requests.with_label_values(&[result, reason]).inc();
        self.durations.observe(took.as_secs_f64());
    }

    pub(super) fn failed(&self, failure: Failure) {
        self.requests
            .with_label_values(&["error", failure.as_str()])
            .inc();
    }

    pub(super) fn certificate(&self, not_after: UnixTime) {
        self.certificate_ends.set(not_after.as_secs());
    }

    pub(super) fn certificate_checked(&self, is_well: bool) {
        self.certificate_ok.set(is_well.into());
    }

    pub(super) fn template_read(&self, is_good: bool) {
        self.template_ok.set(is_good.into());
    }

    pub(super) fn text(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

/// The result and the reason of an outcome.
pub(super) fn words(outcome: &Outcome) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Denied(refusal) => ("denied", refusal.reason.as_str()),
        Outcome::Injected(Injection { is_native, .. }) => {
            let [native, ordinary] = KINDS;
            ("injected", if *is_native { native } else { ordinary })
        }
        Outcome::Skipped(skip) => ("skipped", skip.as_str()),
    }
}

/// Not derived: the registry cannot be shown.
impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

//! The series of one route, looked up by its label once per request.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use prometheus::{Histogram, IntCounter, IntCounterVec};

/// Answers of one method and status that are found without their labels; a backend with more
/// kinds of answer pays for a look-up.
const KNOWN_ANSWERS: usize = 16;

/// What happens on one route.
#[derive(Debug)]
pub struct RouteSeries {
    pub(super) route: Arc<str>,
    pub(super) requests: IntCounterVec,
    pub(super) decisions: IntCounterVec,
    pub(super) observed_denials: IntCounterVec,
    pub(super) allowed: IntCounter,
    pub(super) durations: Histogram,
    pub(super) upstream_times: Histogram,
    pub(super) overheads: Histogram,
    pub(super) auth_durations: Histogram,
    pub(super) answers: RwLock<Vec<Answers>>,
}

#[derive(Debug)]
pub(super) struct Answers {
    method: Box<str>,
    status: u16,
    count: IntCounter,
}

impl RouteSeries {
    /// The route's name, or `-` for what belongs to none.
    pub fn route(&self) -> &str {
        &self.route
    }

    /// Counts an answer.
    pub fn request(&self, method: &str, status: u16) {
        let is_this = |known: &&Answers| known.status == status && *known.method == *method;
        if let Some(known) = self.answers.read().iter().find(is_this) {
            known.count.inc();
            return;
        }
        let code = status.to_string();
        let count = self
            .requests
            .with_label_values(&[method, &code, &self.route]);
        count.inc();
        let mut answers = self.answers.write();
        if answers.len() < KNOWN_ANSWERS && !answers.iter().any(|known| is_this(&known)) {
            answers.push(Answers {
                method: method.into(),
                status,
                count,
            });
        }
    }

    pub fn duration(&self, took: Duration) {
        self.durations.observe(took.as_secs_f64());
    }

    pub fn upstream_time(&self, took: Duration) {
        self.upstream_times.observe(took.as_secs_f64());
    }

    pub fn overhead(&self, took: Duration) {
        self.overheads.observe(took.as_secs_f64());
    }

    pub fn auth_duration(&self, took: Duration) {
        self.auth_durations.observe(took.as_secs_f64());
    }

    /// Counts an admission.
    pub fn allowed(&self) {
        self.allowed.inc();
    }

    /// Counts a refusal that is not carried out.
    pub fn observed(&self, reason: &str) {
        self.decision("observed", reason);
        self.observed_denials
            .with_label_values(&[&*self.route, reason])
            .inc();
    }

    /// Counts a decision that is no admission.
    pub fn decision(&self, result: &str, reason: &str) {
        self.decisions
            .with_label_values(&[&*self.route, result, reason])
            .inc();
    }
}

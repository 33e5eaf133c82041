//! What is learned about tokens, and how many are known.

use prometheus::{IntCounterVec, IntGaugeVec};

use crate::metrics::families::Families;
use crate::policy::Policy;
use crate::scheme::learner::{Learner, Lost};

/// An answer has taught a token.
pub(crate) const LEARNED: &str = "learned";
/// A token was forgotten, since the upstream has refused it.
pub(crate) const DOUBTED: &str = "doubted";

/// The families of authenticators that learn.
pub(super) struct Learning {
    lessons: IntCounterVec,
    known: IntGaugeVec,
}

impl Learning {
    pub(super) fn new(new: &Families<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            lessons: new.counters(
                "token_lessons_total",
                "Answers that tokens may be learned from, and tokens that were forgotten.",
                &["authenticator", "result"],
            )?,
            known: new.gauges(
                "tokens_known",
                "Tokens that are known from answers.",
                &["authenticator"],
            )?,
        })
    }

    /// Lets the series exist from the start.
    pub(super) fn prepare(&self, policy: &Policy) {
        let lost = [Lost::Banned, Lost::Contradictory, Lost::Unlike].map(Lost::as_str);
        for authenticator in policy.authenticators() {
            if authenticator.learner().is_some() {
                for result in [LEARNED, DOUBTED].into_iter().chain(lost) {
                    let labels = [&*authenticator.name, result];
                    let _ = self.lessons.with_label_values(&labels);
                }
            }
        }
    }

    pub(super) fn add(&self, authenticator: &str, result: &str) {
        self.lessons
            .with_label_values(&[authenticator, result])
            .inc();
    }

    /// Shows the authenticators of this policy, and no others.
    pub(super) fn show(&self, policy: &Policy) {
        self.known.reset();
        for authenticator in policy.authenticators() {
            let learned = authenticator.learner().and_then(Learner::memory);
            if let Some(learned) = learned {
                let count = i64::try_from(learned.len()).unwrap_or(i64::MAX);
                self.known
                    .with_label_values(&[&*authenticator.name])
                    .set(count);
            }
        }
    }
}

//! What is counted of asking about living sessions.

use prometheus::{IntCounterVec, IntGaugeVec};

use crate::metrics::families::Families;
use crate::policy::Policy;
use crate::session::recheck::{Rechecks, Settled};

const CONFIRMED: &str = "confirmed";
const UNAVAILABLE: &str = "unavailable";
const WITHDRAWN: &str = "withdrawn";

/// The families of authenticators that ask again.
pub(super) struct Counts {
    answers: IntCounterVec,
    in_grace: IntGaugeVec,
}

impl Counts {
    pub(super) fn new(new: &Families<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            answers: new.counters(
                "session_rechecks_total",
                "Living sessions that were asked about, by what was said of them.",
                &["authenticator", "result"],
            )?,
            in_grace: new.gauges(
                "sessions_in_grace",
                "Living sessions that nobody can tell about, until `live_grace` is over.",
                &["authenticator"],
            )?,
        })
    }

    /// Lets the series exist from the start.
    pub(super) fn prepare(&self, policy: &Policy) {
        for name in those_that_ask(policy) {
            for result in [CONFIRMED, UNAVAILABLE, WITHDRAWN] {
                let _ = self.answers.with_label_values(&[name, result]);
            }
        }
    }

    pub(super) fn add(&self, settled: &Settled) {
        for (result, count) in [
            (CONFIRMED, settled.confirmed),
            (UNAVAILABLE, settled.unavailable),
            (WITHDRAWN, settled.withdrawn),
        ] {
            if count > 0 {
                let labels = [&*settled.authenticator, result];
                self.answers.with_label_values(&labels).inc_by(count as u64);
            }
        }
    }

    /// Shows the authenticators of this policy, and no others.
    pub(super) fn show_graces(&self, policy: &Policy, rechecks: &Rechecks) {
        self.in_grace.reset();
        let in_grace = rechecks.in_grace();
        for name in those_that_ask(policy) {
            let count = in_grace.iter().find(|(known, _)| **known == *name);
            let count = count.map_or(0, |(_, count)| i64::try_from(*count).unwrap_or(i64::MAX));
            self.in_grace.with_label_values(&[name]).set(count);
        }
    }
}

fn those_that_ask(policy: &Policy) -> impl Iterator<Item = &str> {
    let all = policy.authenticators().iter();
    all.filter(|one| one.recheck_rule().is_some())
        .map(|one| &*one.name)
}

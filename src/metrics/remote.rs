//! What is asked of other servers over HTTP, and how fresh their key sets are.

use prometheus::{IntCounterVec, IntGaugeVec};

use crate::clock::UnixTime;
use crate::metrics::families::Families;
use crate::policy::Policy;
use crate::scheme::http::Traffic;

/// The families of authenticators that ask over HTTP.
pub(super) struct Remote {
    requests: IntCounterVec,
    open: IntGaugeVec,
    keys: IntGaugeVec,
    key_age: IntGaugeVec,
}

impl Remote {
    pub(super) fn new(new: &Families<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            requests: new.counters(
                "remote_requests_total",
                "Questions to other servers over HTTP, by what came of them.",
                &["authenticator", "result"],
            )?,
            open: new.gauges(
                "remote_requests_open",
                "Questions to other servers over HTTP that are under way or wait for their turn.",
                &["authenticator"],
            )?,
            keys: new.gauges(
                "jwks_keys",
                "Keys of a key set, by whether they are of use.",
                &["authenticator", "state"],
            )?,
            key_age: new.gauges(
                "jwks_age_seconds",
                "Time since a key set was last fetched.",
                &["authenticator"],
            )?,
        })
    }

    /// Shows the authenticators of this policy, and no others. Each counts for itself; one that a
    /// reload has made anew begins at zero.
    pub(super) fn show(&self, policy: &Policy, now: UnixTime) {
        self.requests.reset();
        self.open.reset();
        self.keys.reset();
        self.key_age.reset();
        for authenticator in policy.authenticators() {
            let name = &*authenticator.name;
            for (fate, total) in authenticator
                .traffic()
                .into_iter()
                .flat_map(Traffic::totals)
            {
                let labels = [name, fate.as_str()];
                self.requests.with_label_values(&labels).inc_by(total);
            }
            if let Some(traffic) = authenticator.traffic() {
                let open = i64::try_from(traffic.open()).unwrap_or(i64::MAX);
                self.open.with_label_values(&[name]).set(open);
            }
            let census = authenticator
                .remote_keys()
                .and_then(|keys| keys.census(now));
            if let Some((in_use, unusable, age)) = census {
                for (state, count) in [("in_use", in_use), ("unusable", unusable)] {
                    let count = i64::try_from(count).unwrap_or(i64::MAX);
                    self.keys.with_label_values(&[name, state]).set(count);
                }
                let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
                self.key_age.with_label_values(&[name]).set(age);
            }
        }
    }
}

//! How full the tables are that have an end. What is a metric of its own is not here: verdicts, learned
//! tokens, keys of limits, keys of key sets, connections, sockets that wait for their first message.

use prometheus::{IntGauge, IntGaugeVec};

use crate::metrics::NO_AUTHENTICATOR;
use crate::metrics::families::Families;
use crate::policy::Policy;
use crate::policy::authenticator::Authenticator;
use crate::scheme::learner::Learner;
use crate::session::registry::Registry;

pub(super) struct Tables {
    entries: IntGaugeVec,
    /// Upstream connections that wait to be used again.
    pub(super) idle_upstreams: IntGauge,
}

impl Tables {
    pub(super) fn new(new: &Families<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            entries: new.gauges(
                "table_entries",
                "Entries of tables that have an end.",
                &["table", "authenticator"],
            )?,
            idle_upstreams: new.gauge(
                "upstream_connections_idle",
                "Connections to upstreams that wait to be used again, as of the last second.",
            )?,
        })
    }

    /// Shows the authenticators of this policy, and no others.
    pub(super) fn show(&self, policy: &Policy, registry: &Registry) {
        self.entries.reset();
        let set = |table: &str, authenticator: &str, count: u64| {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.entries
                .with_label_values(&[table, authenticator])
                .set(count);
        };
        for authenticator in policy.authenticators() {
            for (table, count) in of_authenticator(authenticator) {
                if let Some(count) = count {
                    set(table, &authenticator.name, count);
                }
            }
        }
        for (table, count) in [
            ("places", registry.claims.len()),
            ("replacements", registry.claims.replacements()),
            ("revocations", policy.revocations.len()),
            ("revocations_lifted", policy.revocations.lifted()),
        ] {
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            set(table, NO_AUTHENTICATOR, count);
        }
    }
}

/// `None` where there is no such table.
fn of_authenticator(authenticator: &Authenticator) -> [(&'static str, Option<u64>); 5] {
    let learned = authenticator
        .learner()
        .and_then(Learner::memory)
        .map(|memory| memory.refused());
    [
        ("refusals", Some(authenticator.refused())),
        ("guessers", authenticator.guessing()),
        ("answers_for_outages", authenticator.graced()),
        ("tokens_first_seen", authenticator.first_seen()),
        ("tokens_refused", learned),
    ]
}

//! `throttle`: how many failures there may be, and whether clients can be told apart.

use std::time::Duration;

use super::cursor::{Cursor, Keys};
use super::document::{Document, LimitBy, Rate};

const THROTTLE: Keys = Keys {
    known: &["by", "failures", "per"],
    later: &[],
};

const MOST_FAILURES: u32 = 1_000_000;
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_hours(24);

pub(super) fn throttle(cursor: &Cursor<'_>) -> Option<Rate> {
    let fields = cursor.map(&THROTTLE)?;
    let failures = fields
        .required("failures")
        .and_then(|failures| failures.integer(1..=MOST_FAILURES));
    let per = fields
        .required("per")
        .and_then(|per| per.duration(SHORTEST..=LONGEST));
    // Credentials are counted in any case.
    let by = fields
        .required("by")
        .and_then(|by| by.word(&[("client_ip", ())], &[]));
    by?;
    Some(Rate {
        count: failures?,
        per: per?,
    })
}

/// Where clients are told apart by their addresses, and nobody has said who stands before the gate.
pub(super) fn warn_of_balancers(document: &Document, root: &Cursor<'_>) {
    let by_client = document.routes.iter().any(|route| {
        let limit = route.limit.as_ref();
        limit.is_some_and(|limit| limit.by == LimitBy::ClientIp)
    });
    if document.throttle.is_none() && !by_client {
        return;
    }
    let silent = document.listeners.iter().filter(|one| !one.names_proxies);
    for listener in silent {
        root.findings.warn(
            listener.place.clone(),
            "something is counted `by: client_ip`, and without `trusted_proxies` everybody behind a \
             load balancer is one client; `trusted_proxies: []` says that there is none",
        );
    }
}

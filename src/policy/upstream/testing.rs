//! Upstreams for tests.

use std::sync::Arc;
use std::time::Duration;

use crate::config::document::{self, Balance, Located};
use crate::policy::upstream::Upstream;
use crate::problem::Place;

/// An upstream at these addresses, as if it were compiled for the first time.
pub(crate) fn upstream(addresses: &[&str], balance: Balance) -> Upstream {
    Upstream::new(document(addresses, balance), None)
}

pub(crate) fn document(addresses: &[&str], balance: Balance) -> document::Upstream {
    let addresses = addresses
        .iter()
        .map(|address| located((*address).to_owned()));
    document::Upstream {
        name: located(Arc::from("im")),
        addresses: addresses.collect(),
        balance: located(balance),
        health: None,
        connect_timeout: Duration::from_secs(1),
        response_timeout: Duration::from_secs(1),
        handshake_timeout: Duration::from_secs(1),
    }
}

fn located<T>(value: T) -> Located<T> {
    let place = Place {
        file: Arc::from(std::path::Path::new("imgate.yaml")),
        path: String::new(),
        line: None,
    };
    Located { value, place }
}

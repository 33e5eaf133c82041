//! What is counted of the store that replicas share.

use std::fmt;

use prometheus::{IntCounterVec, IntGaugeVec};

use crate::config::document::Store;
use crate::metrics::families::Families;
use crate::policy::Policy;
use crate::replicas::{Heard, Operation};
use crate::scheme::sa_token::StoreError;

const OK: &str = "ok";
const ERROR: &str = "error";
const TIMEOUT: &str = "timeout";

/// The families of a shared store. There are series only where there is one.
#[derive(Clone)]
pub struct StoreMetrics {
    up: IntGaugeVec,
    operations: IntCounterVec,
    events: IntCounterVec,
}

impl StoreMetrics {
    pub(super) fn new(new: &Families<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            up: new.gauges(
                "store_up",
                "Whether the shared store answers and news of other replicas arrive.",
                &[],
            )?,
            operations: new.counters(
                "store_operations_total",
                "Round trips to the shared store.",
                &["operation", "result"],
            )?,
            events: new.counters(
                "store_events_total",
                "What was heard of other replicas.",
                &["kind"],
            )?,
        })
    }

    /// Lets the series exist from the start.
    pub(super) fn prepare(&self, policy: &Policy) {
        if let Store::Memory = policy.store {
            return;
        }
        for operation in Operation::ALL {
            for result in [OK, ERROR, TIMEOUT] {
                let labels = [operation.as_str(), result];
                let _ = self.operations.with_label_values(&labels);
            }
        }
        for heard in Heard::ALL {
            let _ = self.events.with_label_values(&[heard.as_str()]);
        }
    }

    pub fn store_is_up(&self, is_up: bool) {
        let none: [&str; 0] = [];
        self.up.with_label_values(&none).set(is_up.into());
    }

    pub fn operation(&self, operation: Operation, error: Option<&StoreError>) {
        let result = match error {
            None => OK,
            Some(StoreError::Timeout) => TIMEOUT,
            Some(
                StoreError::Address
                | StoreError::Garbled
                | StoreError::LoginRefused
                | StoreError::Refused { .. }
                | StoreError::Unreachable { .. },
            ) => ERROR,
        };
        let labels = [operation.as_str(), result];
        self.operations.with_label_values(&labels).inc();
    }

    pub fn heard(&self, heard: Heard) {
        self.events.with_label_values(&[heard.as_str()]).inc();
    }
}

/// Not derived: what the families hold is no help.
impl fmt::Debug for StoreMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreMetrics").finish_non_exhaustive()
    }
}

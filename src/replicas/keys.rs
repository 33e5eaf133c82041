//! The keys in Redis, all under one prefix.
//!
//! | key | holds |
//! | --- | --- |
//! | `revocations` | a hash: id → entry |
//! | `events` | the stream by which replicas tell each other what has happened |
//! | `processes` | a sorted set: process → until when its last sign of life counts |
//! | `claim:<user and device>` | a sorted set: `<process>/<session>` → when it took its place |
//! | `replaced:<user and device>` | a list: when somebody was last replaced |
//! | `holdings:<process>` | a set: `<user and device>/<session>`, what a process has to give back |
//! | `check` | for a second: `imgate check --live` has tried whether it may write |
//! | `answers:<question>` | a hash, for seconds: process → its part of a long answer |
//!
//! Times are the server's own, so that the clocks of replicas need not agree.

use crate::principal::ClaimKey;
use crate::replicas::id::{ProcessId, QuestionId};

#[derive(Debug)]
pub(super) struct Keys {
    prefix: String,
    pub(super) revocations: String,
    pub(super) events: String,
    pub(super) processes: String,
    /// Those of this process.
    pub(super) holdings: String,
}

impl Keys {
    pub(super) fn new(prefix: &str, process: ProcessId) -> Self {
        Self {
            revocations: format!("{prefix}revocations"),
            events: format!("{prefix}events"),
            processes: format!("{prefix}processes"),
            holdings: format!("{prefix}holdings:{process}"),
            prefix: prefix.to_owned(),
        }
    }

    /// What the keys of all claims begin with.
    pub(super) fn claims(&self) -> String {
        format!("{}claim:", self.prefix)
    }

    pub(super) fn claim(&self, key: ClaimKey) -> String {
        format!("{}claim:{}", self.prefix, key.0.to_hex())
    }

    pub(super) fn replaced(&self, key: ClaimKey) -> String {
        format!("{}replaced:{}", self.prefix, key.0.to_hex())
    }

    pub(super) fn answers(&self, question: QuestionId) -> String {
        format!("{}answers:{question}", self.prefix)
    }

    pub(super) fn holdings_of(&self, process: ProcessId) -> String {
        format!("{}holdings:{process}", self.prefix)
    }
}

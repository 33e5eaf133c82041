//! What is counted of the log itself.

use prometheus::IntCounter;

use crate::log::sink;
use crate::metrics::families::Families;

/// The family of lines that nobody will read.
pub(super) struct Lines {
    lost: IntCounter,
}

impl Lines {
    pub(super) fn new(new: &Families<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            lost: new.counter(
                "log_lines_lost_total",
                "Log lines that the standard output did not take.",
            )?,
        })
    }

    /// Shows those of the whole process.
    pub(super) fn show(&self) {
        self.lost
            .inc_by(sink::lost().saturating_sub(self.lost.get()));
    }
}

//! `imgate run`: the gate itself.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;
use tracing_subscriber::fmt::MakeWriter;

use crate::app_health::{self, AppHealth};
use crate::cli::{Exit, complain, complain_about};
use crate::clock;
use crate::config::overrides::Overrides;
use crate::log;
use crate::log::sink::Sink;
use crate::metrics::Metrics;
use crate::proxy::Shared;
use crate::proxy::carrier::Carrier;
use crate::reload::{self, Loaded, Reloader};
use crate::server::Gateway;

mod memory;

/// How long the last lines of the log may take.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Loads, binds and serves until a signal ends it.
pub fn run(path: &Path, overrides: Overrides) -> Exit {
    start(path, overrides, None)
}

/// As [`run`], with a carrier in the place of the gate's own exchange.
#[doc(hidden)]
pub fn run_with(path: &Path, carrier: Option<Arc<dyn Carrier>>) -> Exit {
    start(path, Overrides::default(), carrier)
}

fn start(path: &Path, overrides: Overrides, carrier: Option<Arc<dyn Carrier>>) -> Exit {
    let closed = memory::close();
    let sink = match Sink::stdout() {
        Ok(sink) => sink,
        Err(error) => {
            complain(&format!("cannot write the log: {error}"));
            return Exit::Failed;
        }
    };
    let exit = match prepare(path, overrides, sink.clone(), carrier) {
        Ok(gateway) => {
            if let Err(open) = closed {
                let cause = std::error::Error::source(&open).map(ToString::to_string);
                warn!(error = %open, cause, "memory");
            }
            gateway.run();
            Exit::Done
        }
        Err(exit) => exit,
    };
    sink.close(LAST_LINES);
    exit
}

/// Loads and binds, and logs to `sink`. What goes wrong is told on standard error.
///
/// # Errors
///
/// How the command ends.
pub(super) fn prepare<W>(
    path: &Path,
    overrides: Overrides,
    sink: W,
    carrier: Option<Arc<dyn Carrier>>,
) -> Result<Gateway, Exit>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    #[cfg(debug_assertions)]
    let is_test_clock = clock::test_clock::set_from_environment().map_err(|error| {
        complain(&error.to_string());
        Exit::Usage
    })?;
    let app_health = AppHealth::from_environment().map_err(|error| {
        complain(&error.to_string());
        Exit::Usage
    })?;
    let Loaded {
        policy,
        warnings,
        snapshot,
    } = reload::load_with(path, &overrides, None).map_err(|error| {
        complain_about(&error);
        Exit::Usage
    })?;
    if policy.metrics.is_none() && !app_health.is_empty() {
        complain(&format!(
            "`{}`: expected `metrics` in the configuration, or `--metrics`: nobody could ask",
            app_health::VARIABLE
        ));
        return Err(Exit::Usage);
    }
    log::start(sink);
    #[cfg(debug_assertions)]
    if is_test_clock {
        let caveat = clock::test_clock::caveat().unwrap_or_default();
        warn!(
            variable = clock::test_clock::VARIABLE,
            caveat, "NOT FOR PRODUCTION"
        );
    }
    for warning in warnings {
        warn!(%warning, "configuration");
    }
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        warn!(%error, "cannot raise the limit of open files");
    }
    let metrics = Metrics::new().map_err(|error| {
        complain(&format!("cannot set up metrics: {error}"));
        Exit::Failed
    })?;
    metrics.reloaded(clock::now());
    metrics.prepare(&policy);
    let shared = Shared::new(policy, metrics)
        .carried_by(carrier)
        .answering_for(app_health);
    let shared = Arc::new(shared);
    Gateway::bind(shared, Reloader::new(path.to_owned(), overrides, snapshot)).map_err(|error| {
        let cause = std::error::Error::source(&error)
            .map_or_else(String::new, |source| format!(": {source}"));
        complain(&format!("{error}{cause}"));
        Exit::Failed
    })
}

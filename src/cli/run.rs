//! `imgate run`: the gate itself.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tracing::warn;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::cli::{Exit, complain, complain_about};
use crate::clock;
use crate::metrics::Metrics;
use crate::proxy::Shared;
use crate::reload::{self, Loaded, Reloader};
use crate::server::Gateway;

/// Loads, binds and serves until a signal ends it.
pub fn run(path: &Path) -> Exit {
    match prepare(path, io::stdout) {
        Ok(gateway) => {
            gateway.run();
            Exit::Done
        }
        Err(exit) => exit,
    }
}

/// Loads and binds, and logs to `log`. What goes wrong is told on standard error.
///
/// # Errors
///
/// How the command ends.
pub(super) fn prepare<W>(path: &Path, log: W) -> Result<Gateway, Exit>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let Loaded { policy, warnings } = reload::load(path, None).map_err(|error| {
        complain_about(&error);
        Exit::Usage
    })?;
    start_logging(log);
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
    let shared = Arc::new(Shared::new(policy, metrics));
    Gateway::bind(shared, Reloader::new(path.to_owned())).map_err(|error| {
        let cause = std::error::Error::source(&error)
            .map_or_else(String::new, |source| format!(": {source}"));
        complain(&format!("{error}{cause}"));
        Exit::Failed
    })
}

/// One JSON object a line. `IMGATE_LOG` takes `tracing` filter directives.
///
/// pingora's own lines below a warning say nothing about the gate's traffic.
fn start_logging<W>(writer: W)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_from_env("IMGATE_LOG").unwrap_or_else(|_| {
        EnvFilter::new("info,pingora=warn,pingora_core=warn,pingora_timeout=warn,rustls=warn")
    });
    let log = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_writer(writer)
        .finish();
    // Only a second call in the same process could fail, and then logging is on already.
    let _ = tracing::subscriber::set_global_default(log);
    let _ = tracing_log();
}

/// pingora logs through the `log` crate.
fn tracing_log() -> Result<(), tracing_log::log::SetLoggerError> {
    tracing_log::LogTracer::init()
}

//! `imgate-injector run`: the webhook itself.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use super::cluster::{self, Names};
use super::metrics::Metrics;
use super::state::State;
use super::{Version, certificate, files, server, webhook};
use crate::cli::run::memory;
use crate::cli::{Exit, complain, complain_about};
use crate::config::sidecar;
use crate::log;
use crate::log::sink::Sink;
use crate::signals::{self, End, Signals};

/// What was asked for.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) template: PathBuf,
    pub(super) listen: SocketAddr,
    pub(super) health: SocketAddr,
    pub(super) certificates: Certificates,
    pub(super) kubernetes: Option<Version>,
    pub(super) lame_duck: Duration,
}

/// Who makes the certificates.
#[derive(Debug)]
pub(super) enum Certificates {
    /// Somebody else, who puts them into this directory.
    Files(PathBuf),
    Own(Names),
}

/// Why there is no webhook.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot listen on {address}")]
    Bind {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("cannot reach the cluster")]
    Cluster(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("cannot set up metrics")]
    Metrics(#[source] prometheus::Error),
    #[error("cannot run")]
    Runtime(#[source] io::Error),
    #[error("cannot speak TLS")]
    Tls(#[source] rustls::Error),
}

/// How long the last lines of the log may take.
const LAST_LINES: Duration = Duration::from_secs(1);

pub(super) fn run(request: Request) -> Exit {
    let closed = memory::close();
    let reading = sidecar::read(&request.template);
    let template = match reading.outcome {
        Ok(template) => template,
        Err(error) => {
            complain_about(&error);
            return Exit::Usage;
        }
    };
    let sink = match Sink::stdout() {
        Ok(sink) => sink,
        Err(error) => {
            complain(&format!("cannot write the log: {error}"));
            return Exit::Failed;
        }
    };
    log::start(sink.clone());
    if let Err(open) = closed {
        let cause = std::error::Error::source(&open).map(ToString::to_string);
        warn!(error = %open, cause, "memory");
    }
    let outcome = (|| {
        let metrics = Metrics::new().map_err(Failure::Metrics)?;
        let state = Arc::new(State::new(template, metrics, request.kubernetes));
        // Before anybody can connect.
        let signals = signals::listen().map_err(Failure::Runtime)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(Failure::Runtime)?;
        runtime.block_on(serve(request, &state, reading.files, signals))
    })();
    let exit = match outcome {
        Ok(()) => Exit::Done,
        Err(failure) => {
            let cause = std::error::Error::source(&failure)
                .map_or_else(String::new, |cause| format!(": {cause}"));
            complain(&format!("{failure}{cause}"));
            Exit::Failed
        }
    };
    sink.close(LAST_LINES);
    exit
}

async fn serve(
    request: Request,
    state: &Arc<State>,
    files: Vec<crate::config::files::FileState>,
    mut signals: Signals,
) -> Result<(), Failure> {
    let tls = certificate::server(Arc::clone(&state.shown)).map_err(Failure::Tls)?;
    let listener = bind(request.listen).await?;
    let health = bind(request.health).await?;
    let mut upkeep = JoinSet::new();
    upkeep.spawn(files::follow_template(
        Arc::clone(state),
        request.template,
        files,
    ));
    match request.certificates {
        Certificates::Files(directory) => {
            upkeep.spawn(files::follow_certificate(Arc::clone(state), directory));
            if request.kubernetes.is_none() {
                match client().await {
                    Ok(client) => {
                        upkeep.spawn(cluster::follow_version(Arc::clone(state), client));
                    }
                    Err(error) => {
                        warn!(%error, "the cluster's version is not known; one of today is assumed");
                    }
                }
            }
        }
        Certificates::Own(names) => {
            let client = client().await.map_err(Failure::Cluster)?;
            if request.kubernetes.is_none() {
                upkeep.spawn(cluster::follow_version(Arc::clone(state), client.clone()));
            }
            upkeep.spawn(cluster::keep(Arc::clone(state), client, names));
        }
    }
    info!(
        version = env!("CARGO_PKG_VERSION"),
        address = %address(&listener, request.listen),
        health = %address(&health, request.health),
        "injector started"
    );
    let (leave, leaving) = watch::channel(false);
    let (end_health, health_ends) = watch::channel(false);
    let webhook = server::serve(
        listener,
        Some(TlsAcceptor::from(tls)),
        webhook::webhook(state),
        leaving,
    );
    let health = tokio::spawn(server::serve(
        health,
        None,
        webhook::health(state),
        health_ends,
    ));
    let webhook = tokio::spawn(webhook);
    let end = signals.end.recv().await;
    state.leave();
    info!(signal = end.map(End::as_str), "leaving");
    if end != Some(End::Now) {
        // The API server goes on to send here until it has heard that this one leaves.
        tokio::select! {
            () = sleep(request.lame_duck) => {}
            _ = signals.end.recv() => {}
        }
    }
    let _ = leave.send(true);
    let _ = webhook.await;
    let _ = end_health.send(true);
    let _ = health.await;
    info!("injector stopped");
    Ok(())
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address)
        .await
        .map_err(|source| Failure::Bind { address, source })
}

/// Where it listens, which is for the system to say where port 0 was asked for.
fn address(listener: &TcpListener, asked: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(asked)
}

async fn client() -> Result<Client, Box<dyn std::error::Error + Send + Sync>> {
    let config = kube::Config::infer().await?;
    Ok(Client::try_from(config)?)
}

//! The health of the applications beside the gate, on behalf of the kubelet.
//!
//! An application behind the gate listens on loopback, where the kubelet cannot reach it. So its
//! probes are asked of the gate (`/app-health/<container>/livez` and the like, on the metrics
//! listener), and the gate asks the application, by the kubelet's own rules. What is asked is
//! fixed when the gate starts ([`VARIABLE`]): nothing of a request reaches an application, and
//! nothing of its answer but a status comes back.

use std::collections::HashMap;
use std::env::{self, VarError};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use parking_lot::Mutex as SyncMutex;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tracing::info;

mod definition;
mod grpc;
mod http;
mod location;
mod tls;

pub use definition::Mistake;
use definition::{Action, Definition};

/// Probes as Kubernetes writes them, in JSON, by container.
pub const VARIABLE: &str = "IMGATE_APP_PROBES";

/// What all paths of applications begin with.
const PREFIX: &str = "/app-health/";

/// How old an answer may be. Whoever reaches the metrics listener can have an application asked
/// so often, and no more.
const FRESH: Duration = Duration::from_millis(100);

/// What is asked about a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Liveness,
    Readiness,
    Startup,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Liveness, Self::Readiness, Self::Startup];

    /// As a container names its probe.
    const fn key(self) -> &'static str {
        match self {
            Self::Liveness => "livenessProbe",
            Self::Readiness => "readinessProbe",
            Self::Startup => "startupProbe",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Liveness => "livez",
            Self::Readiness => "readyz",
            Self::Startup => "startupz",
        }
    }
}

/// Why a probe fails. It holds nothing that the application wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Failure {
    #[error("the application gives an answer that is not understood")]
    Garbled,
    #[error("the application redirects to where nobody can go, or without end")]
    Lost,
    #[error("the application says that it is not serving")]
    NotServing,
    #[error("the application answers with status {0}")]
    Status(u16),
    #[error("the application does not answer in time")]
    Timeout,
    #[error("no TLS with the application")]
    Tls,
    #[error("nobody listens on the application's port")]
    Unreachable,
}

/// Why the probes cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProbesError {
    #[error("`{VARIABLE}`: expected UTF-8 text")]
    Encoding,
    #[error("`{VARIABLE}`: {0}")]
    Definition(Mistake),
}

/// The probes of all containers.
#[derive(Debug, Default)]
pub struct AppHealth {
    probes: HashMap<(Box<str>, Kind), Probe>,
}

struct Probe {
    definition: Definition,
    /// The last answer. One asks at a time; whoever waits meanwhile has the same answer.
    last: Mutex<Option<(Instant, Result<(), Failure>)>>,
    /// What was said of it in the log.
    said: SyncMutex<Option<bool>>,
}

impl AppHealth {
    /// What the environment says; nothing where the variable is not set.
    ///
    /// # Errors
    ///
    /// If what it says is no set of probes.
    pub fn from_environment() -> Result<Self, ProbesError> {
        match env::var(VARIABLE) {
            Ok(text) => Self::parse(&text),
            Err(VarError::NotPresent) => Ok(Self::default()),
            Err(VarError::NotUnicode(_)) => Err(ProbesError::Encoding),
        }
    }

    fn parse(text: &str) -> Result<Self, ProbesError> {
        let probes = definition::parse(text).map_err(ProbesError::Definition)?;
        let probes = probes.into_iter().map(|(container, kind, definition)| {
            let probe = Probe {
                definition,
                last: Mutex::new(None),
                said: SyncMutex::new(None),
            };
            ((container, kind), probe)
        });
        Ok(Self {
            probes: probes.collect(),
        })
    }

    pub fn is_empty(&self) -> bool {
        self.probes.is_empty()
    }

    /// Asks the application that a path names, and says how it is: in the words of the gate, or
    /// why it is not well. `None` if there is no such path.
    pub async fn ask(&self, path: &str) -> Option<Result<(), String>> {
        let (container, kind) = path.strip_prefix(PREFIX)?.split_once('/')?;
        let kind = Kind::ALL.into_iter().find(|one| one.path() == kind)?;
        let probe = self.probes.get(&(container.into(), kind))?;
        let outcome = probe.ask().await;
        probe.tell(container, kind, outcome);
        Some(outcome.map_err(|failure| failure.to_string()))
    }
}

impl Probe {
    async fn ask(&self) -> Result<(), Failure> {
        let mut last = self.last.lock().await;
        if let Some((when, outcome)) = *last
            && when.elapsed() < FRESH
        {
            return outcome;
        }
        let outcome = timeout(self.definition.timeout, self.definition.action.run())
            .await
            .unwrap_or(Err(Failure::Timeout));
        *last = Some((Instant::now(), outcome));
        outcome
    }

    /// One line for each change.
    fn tell(&self, container: &str, kind: Kind, outcome: Result<(), Failure>) {
        if self.said.lock().replace(outcome.is_ok()) == Some(outcome.is_ok()) {
            return;
        }
        let probe = kind.key();
        match outcome {
            Ok(()) => info!(container, probe, "the application is well"),
            Err(reason) => info!(container, probe, %reason, "the application is not well"),
        }
    }
}

/// Shows no header.
impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").finish_non_exhaustive()
    }
}

impl Action {
    async fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Grpc { port, service } => grpc::check(*port, service).await,
            Self::Http(get) => get.run().await,
            Self::Tcp { port } => connect(*port).await.map(drop),
        }
    }
}

/// The only place where anything is asked.
async fn connect(port: u16) -> Result<TcpStream, Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect(address).await;
    stream.map_err(|_| Failure::Unreachable)
}

#[cfg(test)]
mod tests;

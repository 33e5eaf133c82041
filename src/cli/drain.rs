//! `imgate drain`: asks the running gate to drain, for a hook that cannot send a signal.
//!
//! Of the configuration only `admin` is needed; whatever else is wrong with the file, a gate that
//! runs by an older version of it can still be told to go.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{sleep, timeout};

use super::http::{Connection, HttpError, LIMITS};
use crate::cli::{Exit, complain, complain_about, say};
use crate::config;
use crate::config::document::{Admin, AdminPlace};
use crate::config::overrides;
use crate::problem::LoadError;
use crate::wire::body;
use crate::wire::head;

/// `imgate drain …`
#[derive(Debug, Args)]
pub struct DrainArgs {
    /// The socket file of a gate that was started with the same flag; no configuration is needed then
    #[arg(long, value_name = "PATH", value_parser = overrides::socket_path)]
    admin_socket: Option<PathBuf>,
    /// Return only when the gate is gone
    #[arg(long)]
    wait: bool,
}

impl DrainArgs {
    /// Where the gate is found without its configuration.
    pub(super) fn socket(&self) -> Option<&Path> {
        self.admin_socket.as_deref()
    }
}

/// For one answer.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Beyond the time that the gate itself gives.
const ALLOWANCE: Duration = Duration::from_secs(2);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("cannot connect to `{place}`: {source}")]
    Connect { place: String, source: io::Error },
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("nobody listens on `{place}`")]
    Nobody { place: String },
    #[error("the gate gives no answer")]
    Silence,
    #[error("the gate gives an answer that is none")]
    Unreadable,
}

/// Asks the gate whose configuration this is.
pub fn drain(path: &Path, args: &DrainArgs) -> Exit {
    match find_admin(path, args.socket()) {
        Ok(admin) => ask(&admin, args),
        Err(exit) => exit,
    }
}

/// Asks the gate behind a socket file.
pub(super) fn drain_at(socket: &Path, args: &DrainArgs) -> Exit {
    ask(&overrides::socket(socket.to_owned()), args)
}

fn ask(admin: &Admin, args: &DrainArgs) -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(ask_to_drain(&Gate::of(admin), args.wait)),
        Err(error) => Err(error.to_string()),
    };
    match outcome {
        Ok(()) => Exit::Done,
        Err(problem) => {
            complain(&problem);
            Exit::Failed
        }
    }
}

/// The configuration's own `admin` comes first, as it does for the gate.
fn find_admin(path: &Path, socket: Option<&Path>) -> Result<Admin, Exit> {
    let loaded = config::load(path).map_err(|error| {
        complain_about(&error);
        Exit::Usage
    })?;
    if let Some(admin) = loaded.document.admin {
        return Ok(admin);
    }
    let problems: Vec<_> = loaded
        .problems
        .into_iter()
        .filter(|problem| problem.place.path.split('.').next() == Some("admin"))
        .collect();
    if let (true, Some(socket)) = (problems.is_empty(), socket) {
        return Ok(overrides::socket(socket.to_owned()));
    }
    if problems.is_empty() {
        let file = path.display();
        complain(&format!(
            "`{file}` has no `admin`, so the gate takes no orders; send it SIGTERM instead"
        ));
    } else {
        complain_about(&LoadError::Problems { problems });
    }
    Err(Exit::Usage)
}

async fn ask_to_drain(gate: &Gate, wait: bool) -> Result<(), String> {
    let started = Instant::now();
    let (status, answer) = gate
        .ask("POST", "/drain")
        .await
        .map_err(|error| error.to_string())?;
    if status == 401 {
        return Err("the gate does not take the token of this configuration".to_owned());
    }
    if status != 202 {
        let reason = answer.get("message").and_then(Value::as_str);
        let reason = reason.unwrap_or("without a reason");
        return Err(format!("the gate refuses with {status}: {reason}"));
    }
    let promise: Promise =
        serde_json::from_value(answer).map_err(|_| AskError::Unreadable.to_string())?;
    let sessions = promise.sessions;
    let within = Duration::try_from_secs_f64(promise.gone_within_seconds).unwrap_or_default();
    say(&format!(
        "draining {sessions} session{}; the gate is gone in {} seconds at the latest",
        if sessions == 1 { "" } else { "s" },
        within.as_secs_f64().ceil()
    ));
    if !wait {
        return Ok(());
    }
    while started.elapsed() < within + ALLOWANCE {
        sleep(LOOK_AGAIN).await;
        if gate.is_gone().await {
            return Ok(());
        }
    }
    Err("the gate is still there".to_owned())
}

/// What the gate says that it will do.
#[derive(Deserialize)]
struct Promise {
    sessions: u64,
    gone_within_seconds: f64,
}

/// A running gate, as its configuration says where it is.
struct Gate {
    place: AdminPlace,
    /// Header lines of every request.
    headers: String,
}

impl Gate {
    fn of(admin: &Admin) -> Self {
        let place = match &admin.place {
            AdminPlace::Tcp(address) => AdminPlace::Tcp(reachable(*address)),
            unix @ AdminPlace::Unix(_) => unix.clone(),
        };
        let host = match &place {
            AdminPlace::Tcp(address) => address.to_string(),
            AdminPlace::Unix(_) => "localhost".to_owned(),
        };
        let mut headers = format!("Host: {host}\r\n");
        if let Some(token) = &admin.token {
            // It is visible ASCII, as the configuration has made sure.
            let token = String::from_utf8_lossy(token.current.expose());
            headers.extend(["Authorization: Bearer ", &token, "\r\n"]);
        }
        Self { place, headers }
    }

    /// Nobody is there any more, or somebody who is not draining: the next gate.
    async fn is_gone(&self) -> bool {
        match self.ask("GET", "/status").await {
            Ok((200, status)) => status.get("draining") == Some(&Value::Bool(false)),
            Err(AskError::Nobody { .. }) => true,
            // It is about to go, or too busy to answer.
            Ok(_)
            | Err(
                AskError::Connect { .. }
                | AskError::Http(_)
                | AskError::Silence
                | AskError::Unreadable,
            ) => false,
        }
    }

    async fn ask(&self, method: &str, path: &str) -> Result<(u16, Value), AskError> {
        let message = format!("{method} {path} HTTP/1.1\r\n{}\r\n", self.headers);
        let whole = async {
            match &self.place {
                AdminPlace::Tcp(address) => {
                    let stream = TcpStream::connect(address).await;
                    talk(stream.map_err(|error| self.unreachable(error))?, &message).await
                }
                AdminPlace::Unix(path) => {
                    let stream = UnixStream::connect(path).await;
                    talk(stream.map_err(|error| self.unreachable(error))?, &message).await
                }
            }
        };
        timeout(PATIENCE, whole)
            .await
            .unwrap_or(Err(AskError::Silence))
    }

    fn unreachable(&self, source: io::Error) -> AskError {
        let place = match &self.place {
            AdminPlace::Tcp(address) => address.to_string(),
            AdminPlace::Unix(path) => path.display().to_string(),
        };
        let kind = source.kind();
        if matches!(
            kind,
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
        ) {
            AskError::Nobody { place }
        } else {
            AskError::Connect { place, source }
        }
    }
}

/// Where a listener on all addresses is found on its own machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// One request and its answer.
async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    message: &str,
) -> Result<(u16, Value), AskError> {
    let mut connection = Connection::new(stream);
    connection.write(message.as_bytes()).await?;
    let parse = |bytes: &[u8]| {
        let Some(head) = head::response(bytes, &LIMITS)? else {
            return Ok(None);
        };
        let framing = body::response_framing(&head, "POST")?;
        Ok(Some((head.len, (head.status, framing))))
    };
    let (status, framing) = connection.head(parse).await?.ok_or(AskError::Silence)?;
    let body = connection.body(framing).await?;
    let answer = serde_json::from_slice(&body).map_err(|_| AskError::Unreadable)?;
    Ok((status, answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_found_on_loopback() {
        for (listener, expected) in [
            ("127.0.0.1:9691", "127.0.0.1:9691"),
            ("10.1.2.3:9691", "10.1.2.3:9691"),
            ("0.0.0.0:9691", "127.0.0.1:9691"),
            ("[::]:9691", "[::1]:9691"),
        ] {
            let address = reachable(listener.parse().unwrap());
            assert_eq!(address.to_string(), expected);
        }
    }
}

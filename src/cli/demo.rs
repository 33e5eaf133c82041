//! `imgate demo`: a small chat backend, the gate before it, and a tour of both in one process.
//!
//! Nothing else is needed: no Redis, no prepared file, no curl. The gate is the real one, started
//! as `imgate run` starts it; the tour asks it over TCP and checks every answer. Afterwards all
//! stays up for the visitor's own tries.

use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand};
use rustix::process::{Signal, getpid, kill_process};
use tokio::runtime::{Builder, Runtime};

use crate::cli::{Exit, complain, run, say};
use crate::config::overrides::Overrides;

mod backend;
pub(super) mod client;
mod command;
mod connect;
mod log;
mod login;
mod room;
mod site;
mod tour;

use backend::Backend;
use room::Room;
use site::{HIGHEST_PORT, Ports, Site};
use tour::Tour;

/// How long the token that ends during the tour is valid.
const SHORT_LIFE: Duration = Duration::from_secs(20);
/// The same with `--fast`.
const FAST_LIFE: Duration = Duration::from_secs(3);

const OTHER_PORTS: &str = "another `--port` moves all three ports of the demo";

/// `imgate demo …`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct DemoArgs {
    #[command(subcommand)]
    command: Option<DemoCommand>,
    /// End after the tour: 0 if all was as expected, else 1
    #[arg(long)]
    once: bool,
    /// Let the short-lived token of the tour live for 3 seconds instead of 20
    #[arg(long)]
    fast: bool,
    /// The gate's port; its metrics are 2 above it, the backend 10000
    #[arg(long, default_value_t = 9688, value_parser = port_parser())]
    port: u16,
}

#[derive(Debug, Subcommand)]
enum DemoCommand {
    /// Open a WebSocket and print what comes
    Connect(connect::ConnectArgs),
}

/// Why the demo could not begin.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error("cannot prepare a temporary directory: {0}")]
    Directory(io::Error),
    #[error("cannot listen on `{address}`: {source}\n{OTHER_PORTS}")]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
}

/// Runs the demo, or its client.
pub fn run(args: &DemoArgs) -> Exit {
    let ended = match &args.command {
        Some(DemoCommand::Connect(connect)) => runtime()
            .map_err(DemoError::Thread)
            .map(|runtime| runtime.block_on(connect::connect(connect))),
        None => stage(args),
    };
    ended.unwrap_or_else(|error| {
        complain(&error.to_string());
        Exit::Failed
    })
}

/// Sets everything up and runs the gate until the tour, or the visitor, ends it.
fn stage(args: &DemoArgs) -> Result<Exit, DemoError> {
    let ports = Ports::of(args.port);
    let directory = tempfile::Builder::new()
        .prefix("imgate-demo-")
        .tempdir()
        .map_err(DemoError::Directory)?;
    let site = Site::build(directory.path(), ports).map_err(DemoError::Directory)?;
    let listener = listen(ports.backend)?;
    let (sink, log) = log::channel();
    let gateway = match run::prepare(&site.configuration(), Overrides::default(), sink, None) {
        Ok(gateway) => gateway,
        Err(exit) => {
            complain(OTHER_PORTS);
            return Ok(exit);
        }
    };

    let verdict = Arc::new(OnceLock::new());
    let backend = Backend {
        app_key: site.backend_key.clone(),
        token_secret: site.token_secret.clone(),
        room: Room::new(),
    };
    let guide = Guide {
        once: args.once,
        verdict: Arc::clone(&verdict),
        tour: Tour::new(site, log, if args.fast { FAST_LIFE } else { SHORT_LIFE }),
    };
    let runtime = runtime()?;
    thread::Builder::new()
        .name("demo".to_owned())
        .spawn(move || runtime.block_on(guide.lead(backend, listener)))?;
    gateway.run();
    // Without a verdict the visitor left early.
    let unfinished = if args.once { Exit::Failed } else { Exit::Done };
    Ok(verdict.get().copied().unwrap_or(unfinished))
}

/// Whoever leads through the demo, on a thread of its own beside the gate's.
struct Guide {
    once: bool,
    verdict: Arc<OnceLock<Exit>>,
    tour: Tour,
}

impl Guide {
    /// Runs the backend and the tour; returns only when the gate is gone.
    async fn lead(mut self, backend: Backend, listener: TcpListener) {
        let serving = backend::serve(Arc::new(backend), listener);
        let leading = async {
            let outcome = tokio::select! {
                // First, so that what the end of the gate does to the tour is no failure.
                biased;
                _ = tokio::signal::ctrl_c() => return,
                outcome = self.tour.run() => outcome,
            };
            match outcome {
                Ok(token) => {
                    let _ = self.verdict.set(Exit::Done);
                    say(&format!("\nAll {} steps went as expected.", tour::STEPS));
                    if self.once {
                        end_gate();
                    } else {
                        self.tour.suggest(&token);
                        self.tour.log.follow().await;
                    }
                }
                Err(error) => {
                    let _ = self.verdict.set(Exit::Failed);
                    complain(&format!("\nstep {} failed: {error}", self.tour.step()));
                    end_gate();
                }
            }
        };
        // The backend goes on, so that sockets can say goodbye.
        tokio::join!(serving, leading);
    }
}

/// Ends the gate as Ctrl-C does.
fn end_gate() {
    if let Err(error) = kill_process(getpid(), Signal::INT) {
        complain(&format!("cannot end the gate: {error}"));
    }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn listen(port: u16) -> Result<TcpListener, DemoError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let bound = TcpListener::bind(address)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    bound.map_err(|source| DemoError::Listen { address, source })
}

fn port_parser() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..=i64::from(HIGHEST_PORT))
}

/// 32 characters that nobody can guess.
fn random_hex() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    let mut text = String::with_capacity(32);
    for byte in bytes {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// What others sent, without what a terminal would obey.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' && c != '\t' {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        args: DemoArgs,
    }

    #[test]
    fn arguments_are_understood() {
        for (case, arguments, understood) in [
            ("nothing", &[][..], true),
            ("everything", &["--once", "--fast", "--port", "20000"], true),
            (
                "the client",
                &["connect", "ws://h/ws", "--send", "hi", "--until-close"],
                true,
            ),
            (
                "a port without room for the backend's",
                &["--port", "60000"],
                false,
            ),
            ("an address that is none", &["connect", "h/ws"], false),
            (
                "a header that is none",
                &["connect", "ws://h/ws", "-H", "token"],
                false,
            ),
            ("both", &["--once", "connect", "ws://h/ws"], false),
        ] {
            let parsed = Program::try_parse_from(["demo"].iter().chain(arguments));
            assert_eq!(parsed.is_ok(), understood, "{case}: {parsed:?}");
        }
    }

    #[test]
    fn a_taken_port_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = listen(port).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("cannot listen on `127.0.0.1:{port}`: ")),
            "{error}"
        );
    }

    #[test]
    fn secrets_are_long_and_never_the_same() {
        let (one, other) = (random_hex().unwrap(), random_hex().unwrap());
        assert_eq!((one.len(), other.len()), (32, 32));
        assert_ne!(one, other);
    }
}

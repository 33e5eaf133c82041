//! The real servers: started on free addresses, each with its own directory, killed when dropped.
//!
//! What they need is put into `target/paths` by `scripts/setup-paths.sh`. A server that does not
//! start fails the test.

use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::super::support::net;
use super::super::support::process::Process;
use super::super::support::wait::eventually_within;
use super::asking::{Asked, Connection};

#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    /// To it case matters, and a slash at the end, and it undoes escapes before it compares.
    pub(super) exact: bool,
}

#[derive(Debug)]
pub(super) struct Servers {
    pub(super) all: Vec<Server>,
    processes: Vec<(&'static str, Process)>,
    _directory: TempDir,
}

/// A JVM that compiles its one source file first, while all other tests run too.
const PATIENCE: Duration = Duration::from_mins(2);

impl Servers {
    #[track_caller]
    pub(super) fn start() -> Self {
        let server = |name, exact| Server {
            name,
            address: net::free_address(),
            exact,
        };
        let all = vec![
            server("nginx", true),
            server("express4", false),
            server("express5", false),
            server("tomcat", true),
            server("jetty", true),
            server("spring", true),
            server("ant", false),
        ];
        let directory = tempfile::tempdir().unwrap();
        let processes = vec![
            ("nginx", nginx(directory.path(), &all[0])),
            ("node", node(&all[1..3])),
            ("java", java(directory.path(), &all[3..])),
        ];
        let mut servers = Self {
            all,
            processes,
            _directory: directory,
        };
        servers.wait_until_ready();
        servers
    }

    #[track_caller]
    fn wait_until_ready(&mut self) {
        for server in &self.all {
            eventually_within(PATIENCE, server.name, || {
                for (name, process) in &mut self.processes {
                    if let Some(status) = process.has_ended() {
                        panic!("{name} ended, {status}:\n{}", process.output());
                    }
                }
                TcpStream::connect(server.address).ok()?;
                let answer = Connection::to(server.address, server.name).ask(b"/", "");
                matches!(answer, Asked::Resolved(saw) if saw.route == "site").then_some(())
            });
        }
    }

    /// Everything that the servers printed.
    pub(super) fn output(&self) -> String {
        let mut output = String::new();
        for (name, process) in &self.processes {
            writeln!(output, "--- {name} printed:\n{}", process.output()).unwrap();
        }
        output
    }
}

fn nginx(directory: &Path, server: &Server) -> Process {
    let configuration = fs::read_to_string(here("nginx.conf")).unwrap();
    let configuration = configuration.replace("@ADDRESS@", &server.address.to_string());
    fs::write(directory.join("nginx.conf"), configuration).unwrap();
    // Debian puts it where not every user looks.
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("nginx");
    command.env("PATH", path);
    command.arg("-p").arg(directory).args(["-c", "nginx.conf"]);
    Process::start(&mut command)
}

fn node(servers: &[Server]) -> Process {
    let mut command = Command::new("node");
    command.env("NODE_PATH", installed("express/node_modules"));
    // In any other environment Express prints each request that it refuses.
    command.env("NODE_ENV", "test");
    command.arg(here("express/server.js")).args(named(servers));
    Process::start(&mut command)
}

fn java(directory: &Path, servers: &[Server]) -> Process {
    let mut command = Command::new("java");
    // It lives for seconds: what costs time to optimise is not worth it.
    command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m"]);
    command.arg(format!("-Djava.io.tmpdir={}", directory.display()));
    command.arg("-cp").arg(installed("jars").join("*"));
    command.arg(here("java/Backends.java")).args(named(servers));
    Process::start(&mut command)
}

fn named(servers: &[Server]) -> impl Iterator<Item = String> {
    servers
        .iter()
        .map(|server| format!("{}={}", server.name, server.address))
}

fn here(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/paths")
        .join(file)
}

#[track_caller]
fn installed(what: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target/paths")
        .join(what);
    assert!(
        path.is_dir(),
        "{} is missing, `make setup` installs it",
        path.display()
    );
    path
}

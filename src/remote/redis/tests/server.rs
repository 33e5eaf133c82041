//! A real `redis-server` for the tests.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ::redis::Client;
use tempfile::TempDir;

/// How long a condition may take to come true on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A real server on a loopback port, stopped when dropped.
pub(super) struct Server {
    process: Child,
    pub(super) port: u16,
    directory: TempDir,
}

impl Server {
    pub(super) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(super) fn start_with(options: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let begin = Instant::now();
        loop {
            // Between choosing the port and using it somebody else may take it.
            let port = free_port();
            let mut process = run(port, directory.path(), options);
            if answers(port, &mut process) {
                return Self {
                    process,
                    port,
                    directory,
                };
            }
            assert!(begin.elapsed() < PATIENCE, "redis-server does not start");
        }
    }

    pub(super) fn stop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(super) fn start_again(&mut self) {
        self.process = run(self.port, self.directory.path(), &[]);
        assert!(
            answers(self.port, &mut self.process),
            "redis-server does not start again"
        );
    }

    /// Runs commands over a connection of its own.
    pub(super) fn set(&self, key: &str, value: &str, millis: Option<u64>) {
        let mut connection = self.admin();
        let mut command = ::redis::cmd("SET");
        command.arg(key).arg(value);
        if let Some(millis) = millis {
            command.arg("PX").arg(millis);
        }
        command.exec(&mut connection).unwrap();
    }

    pub(super) fn admin(&self) -> ::redis::Connection {
        Client::open(("127.0.0.1", self.port))
            .unwrap()
            .get_connection()
            .unwrap()
    }

    pub(super) fn connections(&self) -> usize {
        let mut connection = self.admin();
        let list: String = ::redis::cmd("CLIENT")
            .arg("LIST")
            .query(&mut connection)
            .unwrap();
        list.lines().count() - 1
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn run(port: u16, directory: &Path, options: &[&str]) -> Child {
    Command::new("redis-server")
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
        ])
        .args(["--appendonly", "no", "--dir"])
        .arg(directory)
        .args(options)
        .stdout(Stdio::null())
        .spawn()
        .expect("these tests need the program `redis-server` in the PATH")
}

/// Waits until the server says something, be it a refusal; `false` when the process has ended.
fn answers(port: u16, process: &mut Child) -> bool {
    let ping = || -> io::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"PING\r\n")?;
        stream.read_exact(&mut [0])
    };
    let begin = Instant::now();
    while process.try_wait().unwrap().is_none() {
        if ping().is_ok() {
            return process.try_wait().unwrap().is_none();
        }
        assert!(begin.elapsed() < PATIENCE, "redis-server does not answer");
        std::thread::yield_now();
    }
    false
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

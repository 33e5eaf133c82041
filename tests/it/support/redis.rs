//! A real redis-server that can go away and come back on the same port.

use std::net::SocketAddr;
use std::process::Command;

use redis::{Client, Connection, FromRedisValue};
use tempfile::TempDir;

use super::net;
use super::process::{Process, Signal};
use super::wait::eventually;

#[derive(Debug)]
pub(crate) struct Redis {
    address: SocketAddr,
    directory: TempDir,
    server: Option<Process>,
}

impl Redis {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut redis = Self {
            address: net::free_address(),
            directory,
            server: None,
        };
        redis.restart();
        redis
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the server; what it held is gone.
    pub(crate) fn stop(&mut self) {
        self.server = None;
    }

    /// Lets the server hang: it is there, and does not answer.
    pub(crate) fn pause(&self) {
        self.server().signal(Signal::Stop);
    }

    pub(crate) fn resume(&self) {
        self.server().signal(Signal::Cont);
    }

    /// Has the next server on this port know what this one does now.
    pub(crate) fn save(&self) {
        redis::cmd("SAVE").exec(&mut self.connect()).expect("SAVE");
    }

    fn server(&self) -> &Process {
        self.server.as_ref().expect("redis-server is running")
    }

    /// Starts a server on the same port, empty unless something was saved.
    pub(crate) fn restart(&mut self) {
        let port = self.address.port().to_string();
        let bind = self.address.ip().to_string();
        let mut command = Command::new("redis-server");
        command
            .args([
                "--port",
                &port,
                "--bind",
                &bind,
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .current_dir(self.directory.path());
        self.server = Some(Process::start(&mut command));
        eventually("redis-server answers (`make setup` installs it)", || {
            redis::cmd("PING")
                .query::<String>(&mut self.try_connect()?)
                .ok()
        });
    }

    /// Runs one command with these words.
    #[track_caller]
    pub(crate) fn run<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::Cmd::new();
        command.arg(words);
        command.query(&mut self.connect()).expect("an answer")
    }

    /// Sets a key that stays for so long.
    pub(crate) fn set(&self, key: &str, value: &str, milliseconds: u64) {
        let mut command = redis::cmd("SET");
        command.arg(key).arg(value).arg("PX").arg(milliseconds);
        command.exec(&mut self.connect()).expect("SET");
    }

    /// Replaces the value and leaves the time to live, as Sa-Token does on a kick-out.
    pub(crate) fn overwrite(&self, key: &str, value: &str) {
        let mut command = redis::cmd("SET");
        command.arg(key).arg(value).arg("KEEPTTL");
        command.exec(&mut self.connect()).expect("SET KEEPTTL");
    }

    /// Lets a key live for so long from now on.
    pub(crate) fn expire(&self, key: &str, milliseconds: u64) {
        let mut command = redis::cmd("PEXPIRE");
        let set: u64 = command
            .arg(key)
            .arg(milliseconds)
            .query(&mut self.connect())
            .expect("PEXPIRE");
        assert_eq!(set, 1, "the key was there");
    }

    /// A number of `INFO`, such as `total_reads_processed`.
    pub(crate) fn statistic(&self, name: &str) -> u64 {
        let info: String = redis::cmd("INFO")
            .arg("all")
            .query(&mut self.connect())
            .expect("INFO");
        let mut lines = info.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let value = value.unwrap_or_else(|| panic!("no `{name}` in:\n{info}"));
        // `cmdstat_get:calls=7,usec=…`, or the number alone.
        let value = value.strip_prefix("calls=").unwrap_or(value);
        value.split(',').next().unwrap().parse().unwrap()
    }

    pub(crate) fn delete(&self, key: &str) {
        let deleted: u64 = redis::cmd("DEL")
            .arg(key)
            .query(&mut self.connect())
            .expect("DEL");
        assert_eq!(deleted, 1, "the key was there");
    }

    fn connect(&self) -> Connection {
        self.try_connect().expect("redis-server is running")
    }

    fn try_connect(&self) -> Option<Connection> {
        Client::open(format!("redis://{}/", self.address))
            .unwrap()
            .get_connection()
            .ok()
    }
}

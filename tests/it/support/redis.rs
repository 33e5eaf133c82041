//! A real redis-server that can go away and come back on the same port.

use std::net::SocketAddr;
use std::process::Command;

use redis::{Client, Connection};
use tempfile::TempDir;

use super::net;
use super::process::Process;
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

    /// Starts an empty server on the same port.
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

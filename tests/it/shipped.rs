//! The configurations in `conf/` for systems other than the reference one, as they are shipped; the
//! tokens are made by libraries of other languages, as those systems make theirs (`tests/vectors`).

mod centrifugo;
mod getstream;
mod openim;

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use tempfile::TempDir;

use super::support::gate::binary;
use super::support::process::Process;
use super::support::raw::RawClient;
use super::support::wire::Answer;
use super::support::{conf, eventually, net};

/// Tokens of one system.
#[derive(Debug, Deserialize)]
struct Vectors {
    secret: String,
    good: BTreeMap<String, String>,
    bad: BTreeMap<String, String>,
}

impl Vectors {
    fn of(system: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = root.join(format!("tests/vectors/{system}/vectors.json"));
        let vectors: Self = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        assert!(
            vectors.good.len() >= 2 && vectors.bad.len() >= 6,
            "nothing is lost"
        );
        vectors
    }
}

/// A gate with a shipped configuration, between servers of the test.
struct Shipped {
    address: SocketAddr,
    _gate: Process,
    _directory: TempDir,
}

impl Shipped {
    /// `servers` are the addresses in the file and those that are there instead.
    #[track_caller]
    fn start(file: &str, servers: &[(&str, SocketAddr)], keys: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("keys")).unwrap();
        for (name, key) in keys {
            fs::write(directory.path().join("keys").join(name), key).unwrap();
        }
        let address = net::free_address();
        let text = conf::text(file, &[&[("0.0.0.0:9688", address)], servers].concat());
        let path = directory.path().join(file);
        fs::write(&path, text).unwrap();
        let mut gate = Process::start(Command::new(binary()).arg("run").arg("-c").arg(&path));
        eventually("the gate listens", || {
            assert!(gate.has_ended().is_none(), "{}", gate.output());
            TcpStream::connect(address).ok()
        });
        Self {
            address,
            _gate: gate,
            _directory: directory,
        }
    }

    fn client(&self) -> RawClient {
        RawClient::connect(self.address)
    }

    #[track_caller]
    fn send(&self, bytes: impl AsRef<[u8]>) -> Answer {
        let mut client = self.client();
        client.send(bytes);
        client.answer()
    }
}

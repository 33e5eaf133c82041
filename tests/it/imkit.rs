//! IMKIT: client keys, the API key, users' tokens, and `conf/imkit.yaml` as it is shipped.

mod keys;
mod operations;

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;

use jsonwebtoken::{Algorithm, EncodingKey};

use super::support::mint::{claims, jwt};
use super::support::{Gate, conf};

/// The shipped file before a server of the test's.
pub(super) struct Site {
    pub(super) gate: Gate,
    keys: HashMap<String, String>,
}

pub(super) fn site(backend: SocketAddr) -> Site {
    site_with(backend, |text| text)
}

/// The same with a change to the file.
pub(super) fn site_with(backend: SocketAddr, change: impl FnOnce(String) -> String) -> Site {
    let directory = tempfile::tempdir().unwrap();
    conf::make_keys(directory.path());
    let changed = change(conf::text("imkit.yaml", &[]));
    // Where it listens and where the backend is, the builder says.
    let (builders, policy): (Vec<_>, Vec<_>) = changed
        .split_inclusive('\n')
        .partition(|line| line.starts_with("listeners:") || line.starts_with("upstreams:"));
    assert_eq!(builders.len(), 2, "{builders:?}");
    let mut gate = Gate::with(&policy.concat()).upstream("im", backend);
    let mut keys = HashMap::new();
    for name in ["imkit-client", "imkit-api", "imkit-user"] {
        let key = fs::read_to_string(directory.path().join(name)).unwrap();
        gate = gate.file(&format!("keys/{name}"), &key);
        keys.insert(name.to_owned(), key);
    }
    Site {
        gate: gate.start(),
        keys,
    }
}

impl Site {
    pub(super) fn key(&self, name: &str) -> String {
        self.keys[name].clone()
    }

    /// A token of this user's.
    pub(super) fn token(&self, user: &str, seconds: i64) -> String {
        let key = EncodingKey::from_secret(self.keys["imkit-user"].as_bytes());
        jwt("u", Algorithm::HS256, &key, &claims(user, seconds))
    }
}

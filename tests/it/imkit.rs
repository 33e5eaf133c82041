//! IMKIT: client keys, the API key, users' tokens, and `conf/imkit.yaml` as it is shipped.

mod keys;
mod operations;

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use jsonwebtoken::{Algorithm, EncodingKey};

use super::support::Gate;
use super::support::mint::{claims, jwt};

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
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = root.join("scripts/conf-keys.sh");
    let made = Command::new(script).arg(directory.path()).status();
    assert!(made.unwrap().success(), "the keys are made");

    let shipped = fs::read_to_string(root.join("conf/imkit.yaml")).unwrap();
    let changed = change(shipped);
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

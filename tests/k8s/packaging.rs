//! What is shipped around the binary: the systemd unit, the compose file, and the manifest of a sidecar without the
//! injector. Their configurations are good, and those who will read the files understand them.

mod compose;
mod recipes;
mod sidecar;
mod systemd;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::tools::run;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[track_caller]
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// `imgate check` finds nothing wrong with a configuration, when the files are there that it reads beneath `secrets`.
#[track_caller]
fn check(configuration: &str, secrets: &str, names: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    for name in names {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "a-key-of-a-partner-that-nobody-knows\n").unwrap();
    }
    let here = directory.path().to_str().unwrap();
    assert!(configuration.contains(secrets), "{secrets} is in it");
    let file: PathBuf = directory.path().join("imgate.yaml");
    fs::write(&file, configuration.replace(secrets, here)).unwrap();
    let said = run(Command::new(env!("CARGO_BIN_EXE_imgate"))
        .args(["check", "-c"])
        .arg(&file));
    assert!(!said.contains("warning"), "{said}");
}

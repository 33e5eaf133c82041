//! The gate's exchange beside another one: pingora-proxy behind the same judgement.
//!
//! Two independent implementations seldom have the same bug. `tests/reference` builds the gate
//! with pingora-proxy as its carrier; here both get the same requests and the same answers, and
//! every difference between them is either on a closed list, with what pingora-proxy does and why
//! the gate does otherwise, or a failure. An entry that no longer holds is a failure as well.

mod doubtful;
mod drawn;
mod suite;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::support::recorder::Exchange;
use super::support::{Gate, Recorder};

const POLICY: &str = "
routes:
  - { name: open, match: { path: /open/** }, require: public, upstream: im }
";

/// A gate, and the backend behind it.
struct Side {
    gate: Gate,
    backend: Recorder,
}

/// The binary under test and the reference, each before a backend with this script.
fn both(script: impl Fn(&mut Exchange) + Clone + Send + Sync + 'static) -> [Side; 2] {
    let ours = Recorder::serving(script.clone());
    let theirs = Recorder::serving(script);
    let gate = |backend: &Recorder| {
        Gate::with(POLICY)
            .upstream("im", backend.address())
            .workers(1)
    };
    [
        Side {
            gate: gate(&ours).start(),
            backend: ours,
        },
        Side {
            gate: gate(&theirs).binary(reference()).start(),
            backend: theirs,
        },
    ]
}

/// The reference binary: `IMGATE_TEST_REFERENCE`, or the example `reference` of this build.
///
/// `cargo test` builds examples, `cargo test --test it` does not; so cargo is asked once more.
fn reference() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(path) = std::env::var_os("IMGATE_TEST_REFERENCE") {
            return path.into();
        }
        let profile = std::env::current_exe().expect("a path");
        let profile = profile.ancestors().nth(2).expect("target/PROFILE/deps");
        let path = profile.join("examples").join("reference");
        if let Some(cargo) = std::env::var_os("CARGO") {
            build(Path::new(&cargo), profile);
        }
        assert!(
            path.is_file(),
            "{} is missing: cargo build --example reference",
            path.display()
        );
        path
    })
}

fn build(cargo: &Path, profile: &Path) {
    let name = match profile.file_name().and_then(|name| name.to_str()) {
        None | Some("debug") => "dev",
        Some(name) => name,
    };
    let target = profile.parent().expect("the target directory");
    let mut command = Command::new(cargo);
    command
        .args(["build", "--quiet", "--locked", "--example", "reference"])
        .args(["--profile", name, "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    // What cargo tells a test about its package: build scripts that ask for it would run again, and
    // all that depends on them would be built anew.
    for (variable, _) in std::env::vars_os() {
        let told = [
            "CARGO_BIN_",
            "CARGO_CRATE_",
            "CARGO_MANIFEST_",
            "CARGO_PKG_",
            "CARGO_PRIMARY_",
        ];
        if variable
            .to_str()
            .is_some_and(|name| told.iter().any(|told| name.starts_with(told)))
        {
            command.env_remove(variable);
        }
    }
    let status = command.status().expect("cargo runs");
    assert!(status.success(), "the reference builds");
}

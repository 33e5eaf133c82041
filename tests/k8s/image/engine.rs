//! podman and buildah, apart from whatever else they do on this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use tempfile::TempDir;

use super::network::Network;
use crate::support::eventually;
use crate::support::tools::{output, run, text, tool};

/// The name of the image under test.
pub(super) const IMAGE: &str = "localhost/imgate:test";
/// In the image.
pub(super) const BINARY: &str = "/usr/local/bin/imgate";

/// A storage with the image in it. Its end is the end of all containers.
#[derive(Debug)]
pub(super) struct Engine {
    directory: TempDir,
}

impl Engine {
    /// Builds the image.
    #[track_caller]
    pub(super) fn with_image() -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "these tests enter networks and run containers: they need root"
        );
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let engine = Self {
            directory: tempfile::tempdir_in(parent).unwrap(),
        };
        fs::write(
            engine.path("containers.conf"),
            "[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\nruntime = \"runc\"\n\
             [containers]\nlog_driver = \"k8s-file\"\n",
        )
        .unwrap();
        let context = engine.path("context");
        fs::create_dir(&context).unwrap();
        fs::copy(binary(), context.join("imgate")).unwrap();
        for (name, contents) in [
            ("passwd", "nonroot:x:65532:65532:nonroot:/:/sbin/nologin\n"),
            ("group", "nonroot:x:65532:\n"),
        ] {
            fs::write(context.join(name), contents).unwrap();
        }
        fs::copy(
            "/etc/ssl/certs/ca-certificates.crt",
            context.join("ca-certificates.crt"),
        )
        .unwrap();
        let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("Containerfile.scratch");
        run(engine
            .command("buildah")
            .args(["build", "--isolation", "chroot", "--layers=false"])
            .args(["--target", "imgate", "--build-arg", "REVISION=0123456789ab"])
            .args(["-t", IMAGE, "-f"])
            .args([&recipe, &context]));
        engine
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = tool(program);
        command
            .env("CONTAINERS_CONF", self.path("containers.conf"))
            .arg("--root")
            .arg(self.path("root"))
            .arg("--runroot")
            .arg(self.path("run"));
        command
    }

    pub(super) fn podman(&self) -> Command {
        self.command("podman")
    }

    /// What podman knows of an image or a container, as JSON.
    #[track_caller]
    pub(super) fn inspect(&self, kind: &str, name: &str) -> serde_json::Value {
        let json = run(self.podman().args([kind, "inspect", name]));
        let mut found: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
        found.remove(0)
    }

    /// Starts a container of the image with nothing that a restricted pod would not have: no capability, no other user,
    /// a root that cannot be written to, and, unless an option names one, a network with nothing but the loopback.
    #[track_caller]
    pub(super) fn start(&self, options: &[&str], arguments: &[&str]) -> Container<'_> {
        let network = if options.contains(&"--network") {
            &[][..]
        } else {
            &["--network", "none"]
        };
        let id = run(self
            .podman()
            .args(["run", "--detach"])
            .args(network)
            .args(["--read-only", "--read-only-tmpfs=false"])
            .args(["--cap-drop", "all", "--security-opt", "no-new-privileges"])
            // podman would raise them beyond what a machine may allow.
            .args([
                "--ulimit",
                "nofile=1024:4096",
                "--ulimit",
                "nproc=4096:4096",
            ])
            .args(["--memory", "256m", "--pids-limit", "64"])
            .args(options)
            .arg(IMAGE)
            .args(arguments));
        Container {
            engine: self,
            id: id.trim().to_owned(),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.podman().args(["rm", "-af", "-t", "0"]).output();
        // The driver mounts its directory over itself.
        let _ = Command::new("umount")
            .arg("-l")
            .arg(self.path("root").join("overlay"))
            .output();
    }
}

/// The static binary.
#[track_caller]
fn binary() -> PathBuf {
    let given = std::env::var_os("IMGATE_IMAGE_BINARY").map(PathBuf::from);
    let path = given.unwrap_or_else(|| {
        // …/target/tmp
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let triple = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
        target.join(triple).join("release/imgate")
    });
    assert!(
        path.is_file(),
        "there is no {}: `scripts/image.sh --binary-only` builds it",
        path.display()
    );
    path
}

/// A container that was started. It is removed when dropped; after a failed test, what it printed is shown.
#[derive(Debug)]
pub(super) struct Container<'e> {
    engine: &'e Engine,
    id: String,
}

impl Container<'_> {
    /// Runs the binary with these arguments beside the one that runs.
    pub(super) fn exec(&self, arguments: &[&str]) -> Output {
        let mut command = self.engine.podman();
        command.args(["exec", &self.id, "imgate"]).args(arguments);
        output(&mut command)
    }

    /// Waits until `imgate ping` finds the gate ready.
    #[track_caller]
    pub(super) fn wait_until_ready(&self) {
        eventually("the gate in the container is ready", || {
            assert!(self.is_running(), "it has ended: {}", self.log());
            let ping = self.exec(&["ping", "http://127.0.0.1:9690/readyz"]);
            ping.status.success().then_some(())
        });
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    fn state(&self) -> serde_json::Value {
        let container = self.engine.inspect("container", &self.id);
        container["State"].clone()
    }

    pub(super) fn is_running(&self) -> bool {
        self.state()["Status"] == "running"
    }

    /// Of the first process, as the host counts.
    pub(super) fn pid(&self) -> u64 {
        self.state()["Pid"].as_u64().expect("a process")
    }

    pub(super) fn network(&self) -> Network {
        Network::of(self.pid())
    }

    /// SIGTERM, and SIGKILL so many seconds later.
    #[track_caller]
    pub(super) fn stop(&self, patience: u32) {
        let patience = patience.to_string();
        run(self
            .engine
            .podman()
            .args(["stop", "-t", &patience, &self.id]));
    }

    /// Waits for it to end by itself.
    #[track_caller]
    pub(super) fn exit_code(&self) -> i64 {
        eventually("the container has ended", || {
            let state = self.state();
            (state["Status"] == "exited").then(|| state["ExitCode"].as_i64().unwrap())
        })
    }

    pub(super) fn log(&self) -> String {
        text(&output(self.engine.podman().args(["logs", &self.id])))
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- the container printed:\n{}---", self.log());
        }
        let mut remove = self.engine.podman();
        let _ = remove.args(["rm", "-f", "-t", "0", &self.id]).output();
    }
}

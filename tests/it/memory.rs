//! The memory of a running gate is its own: no core dump, and no other process may read it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use super::support::gate::binary;
use super::support::process::Process;
use super::support::{Gate, Recorder, eventually, net};

const POLICY: &str = "routes: [{ match: { path: /** }, require: public, upstream: im }]\n";

fn core_limit(pid: u32) -> Vec<String> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max core file size"));
    let words = line.unwrap().split_whitespace().take(2);
    words.map(str::to_owned).collect()
}

#[test]
fn a_gate_dumps_no_core() {
    let backend = Recorder::ok();
    let gate = Gate::with(POLICY).upstream("im", backend.address()).start();
    assert_eq!(core_limit(gate.pid()), ["0", "0"]);
}

#[test]
fn whoever_debugs_the_gate_can_say_so_and_is_reminded() {
    let backend = Recorder::ok();
    let own = core_limit(std::process::id());
    for (value, is_allowed) in [("1", true), ("0", false), ("yes", false)] {
        let gate = Gate::with(POLICY)
            .environment("IMGATE_ALLOW_DUMP", value)
            .upstream("im", backend.address())
            .start();
        let expected = if is_allowed {
            own.clone()
        } else {
            vec!["0".to_owned(); 2]
        };
        assert_eq!(core_limit(gate.pid()), expected, "{value}");
        if is_allowed {
            eventually("the log tells", || {
                gate.output().contains("IMGATE_ALLOW_DUMP").then_some(())
            });
        } else {
            assert!(!gate.output().contains("IMGATE_ALLOW_DUMP"), "{value}");
        }
    }
}

/// A gate of another user than the one who may read everything.
struct Unprivileged {
    process: Process,
    metrics: std::net::SocketAddr,
    _directory: tempfile::TempDir,
}

const NOBODY: u32 = 65_534;

fn unprivileged(backend: &Recorder, allow: &str) -> Unprivileged {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let binary_of_nobody = directory.path().join("imgate");
    fs::copy(binary(), &binary_of_nobody).unwrap();
    let (address, metrics) = (net::free_address(), net::free_address());
    let configuration = format!(
        "listeners: [{{ address: \"{address}\" }}]\nmetrics: {{ address: \"{metrics}\" }}\n\
         upstreams: {{ im: {{ address: \"{}\" }} }}\n{POLICY}",
        backend.address()
    );
    fs::write(directory.path().join("imgate.yaml"), configuration).unwrap();
    let mut command = Command::new(binary_of_nobody);
    command
        .args(["run", "-c", "imgate.yaml"])
        .env("IMGATE_ALLOW_DUMP", allow)
        .current_dir(directory.path())
        .uid(NOBODY)
        .gid(NOBODY);
    let process = Process::start(&mut command);
    let gate = Unprivileged {
        process,
        metrics,
        _directory: directory,
    };
    eventually("the gate is ready", || {
        std::net::TcpStream::connect(metrics).ok()
    });
    gate
}

/// Whether another process of the same user can open the memory.
fn can_be_read(pid: u32) -> bool {
    let mut reader = Command::new("/bin/sh");
    reader
        .args(["-c", &format!("exec 3< /proc/{pid}/mem")])
        .uid(NOBODY)
        .gid(NOBODY);
    let output = reader.output().unwrap();
    output.status.success()
}

#[test]
fn another_process_of_the_same_user_cannot_read_the_memory() {
    if !rustix::process::getuid().is_root() {
        eprintln!("skipped: only root can start a process of another user");
        return;
    }
    let backend = Recorder::ok();
    let gate = unprivileged(&backend, "");
    let pid = gate.process.pid();
    // The kernel gives the files of a process that may not be dumped to root.
    let owner = fs::metadata(format!("/proc/{pid}/mem")).unwrap().uid();
    assert_eq!(owner, 0);
    assert!(!can_be_read(pid));
    // What the gate says of itself is not lost with it.
    let text = super::support::RawClient::connect(gate.metrics)
        .get("/metrics", "Connection: close\r\n")
        .text();
    for name in [
        "process_open_fds",
        "process_resident_memory_bytes",
        "process_max_fds",
    ] {
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        let value: f64 = value.unwrap_or("0").trim().parse().unwrap();
        assert!(value > 0.0, "{name} is {value}");
    }
}

/// That the test above can fail.
#[test]
fn the_memory_of_a_gate_that_is_debugged_can_be_read() {
    if !rustix::process::getuid().is_root() {
        eprintln!("skipped: only root can start a process of another user");
        return;
    }
    let backend = Recorder::ok();
    let gate = unprivileged(&backend, "1");
    let owner = fs::metadata(format!("/proc/{}/mem", gate.process.pid()));
    assert_eq!(owner.unwrap().uid(), NOBODY);
}

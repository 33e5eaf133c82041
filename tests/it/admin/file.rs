//! The socket file.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::process::Command;

use super::super::support::gate::binary;
use super::super::support::process::{Process, Signal};
use super::super::support::{Gate, Recorder, eventually, net};
use super::{POLICY, gate_with_file, send_over_file};

#[test]
fn a_socket_file_is_for_its_owner_and_needs_no_token() {
    let backend = Recorder::ok();
    let mut gate = gate_with_file(&backend).start();
    let path = gate.path("run/admin.sock");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let ask = |method: &str, headers: &str| {
        let request = format!("{method} /status HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        send_over_file(&path, &request)
    };
    assert_eq!(ask("GET", "").json()["ready"], true);
    assert_eq!(ask("POST", "").status(), 405);
    let page = ask("GET", "Origin: http://localhost\r\n");
    assert_eq!((page.status(), page.reason().as_str()), (403, "origin"));

    gate.signal(Signal::Int);
    assert_eq!(gate.exit_code(), Some(0));
    assert!(!path.exists(), "it is taken away at the end");
}

fn second(first: &Gate) -> Process {
    Process::start(
        Command::new(binary())
            .args(["run", "-c", "second.yaml"])
            .current_dir(first.path(".")),
    )
}

#[test]
fn a_living_socket_is_not_taken_over_and_a_dead_one_is() {
    let backend = Recorder::ok();
    let mut first = gate_with_file(&backend).start();
    let path = first.path("run/admin.sock");
    // The same configuration but for the addresses, in the same directory.
    let address = net::free_address();
    let ours = first.configuration(POLICY);
    let mut lines: Vec<_> = ours
        .lines()
        .filter(|line| !line.starts_with("metrics"))
        .collect();
    let listeners = format!("listeners: [{{ address: \"{address}\" }}]");
    lines[0] = &listeners;
    first.write("second.yaml", &lines.join("\n"));
    let mut refused = second(&first);
    assert_eq!(refused.exit_code(), Some(1), "{}", refused.output());
    eventually("the socket is named", || {
        let output = refused.output();
        (output.contains("run/admin.sock") && output.contains("another process")).then_some(())
    });
    let alive = "GET /status HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(send_over_file(&path, alive).status(), 200);

    first.kill();
    assert!(path.exists(), "a killed gate leaves it");
    let mut started = second(&first);
    eventually("the second gate takes its place", || {
        if let Some(status) = started.has_ended() {
            panic!("ended with {status}: {}", started.output());
        }
        UnixStream::connect(&path).ok()
    });
    assert_eq!(send_over_file(&path, alive).status(), 200);
}

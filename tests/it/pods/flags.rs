//! The flags of `imgate run`, and `imgate drain` without a configuration.

use std::fs;
use std::net::TcpStream;
use std::process::Command;

use serde_json::Value;

use super::super::admin::send_over_file;
use super::super::support::command::{imgate, printed};
use super::super::support::gate::binary;
use super::super::support::process::{Process, Signal};
use super::super::support::{RawClient, Recorder, eventually, net};
use super::{POLICY, gate};

#[test]
fn flags_take_the_place_of_addresses_and_hold_at_reloads() {
    let (written, meant) = (
        Recorder::ok(),
        Recorder::answering("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"),
    );
    let (listen, metrics) = (net::free_address(), net::free_address());
    let gate = gate()
        .upstream("im", written.address())
        .arguments(&["--listen", &listen.to_string()])
        .arguments(&["--metrics", &metrics.to_string()])
        .arguments(&["--upstream", &format!("im={}", meant.address())])
        .start_without_waiting();
    let metrics = || RawClient::connect(metrics).get("/readyz?verbose", "Connection: close\r\n");
    eventually("the gate is ready", || {
        TcpStream::connect(listen).ok()?;
        (metrics().status() == 200).then_some(())
    });
    let status = || RawClient::connect(listen).get("/open/x", "").status();
    assert_eq!(status(), 201);
    assert!(
        TcpStream::connect(gate.address()).is_err(),
        "nobody listens where it is written"
    );

    // The written address changes, which says nothing to a gate that has another.
    let policy = POLICY.replace("/open/**", "/other/**");
    let text = gate.configuration(&policy).replace(
        &gate.address().to_string(),
        &net::free_address().to_string(),
    );
    gate.replace_file("imgate.yaml", &text);
    gate.signal(Signal::Hup);
    eventually("the new policy is in force", || {
        (status() == 404).then_some(())
    });
    assert_eq!(RawClient::connect(listen).get("/other/x", "").status(), 201);
    let report = metrics().json();
    assert_eq!(report["reload_problem"], Value::Null);
    assert_eq!(written.requests().len(), 0);

    // A flag that does not fit any more keeps the old policy in force.
    gate.replace_file(
        "imgate.yaml",
        &text
            .replace("  im: {", "  api: {")
            .replace("upstream: im", "upstream: api"),
    );
    gate.signal(Signal::Hup);
    eventually("the problem is told of", || {
        let problem = metrics().json()["reload_problem"].to_string();
        problem
            .contains("--upstream: unknown upstream")
            .then_some(())
    });
    assert_eq!(RawClient::connect(listen).get("/other/x", "").status(), 201);
}

#[test]
fn a_flag_that_does_not_fit_ends_the_gate_with_its_name() {
    let backend = Recorder::ok();
    for (arguments, expected) in [
        (
            &["--upstream", "127.0.0.1:1"][..],
            "--upstream: expected `NAME=ADDRESS`",
        ),
        (
            &["--upstream", "apy=127.0.0.1:1"],
            "--upstream: unknown upstream, did you mean `api`?",
        ),
        (&["--upstream", "api"], "--upstream"),
        (&["--listen", "localhost:1"], "--listen"),
        (&["--metrics", "9690"], "--metrics"),
        (
            &["--metrics", "127.0.0.1:1", "--listen", "127.0.0.1:1"],
            "--metrics: a listener",
        ),
        (&["--admin-socket", "run/"], "--admin-socket"),
        (&["--drain", "15"], "--drain"),
    ] {
        let mut gate = gate()
            .upstream("im", backend.address())
            .upstream("api", backend.address())
            .arguments(arguments)
            .start_without_waiting();
        assert_eq!(gate.exit_code(), Some(64), "{arguments:?}");
        eventually("the flag is named", || {
            gate.output().contains(expected).then_some(())
        });
    }
}

#[test]
fn a_gate_is_drained_over_its_socket_without_a_configuration() {
    let backend = Recorder::ok();
    let mut gate = gate()
        .upstream("im", backend.address())
        .arguments(&["--admin-socket", "run/admin.sock", "--drain", "0s"])
        .start();
    let socket = gate.path("run/admin.sock");
    assert!(socket.exists());
    // Somewhere where no configuration is found.
    let elsewhere = tempfile::tempdir().unwrap();
    let drain = |arguments: &[&str]| {
        Command::new(binary())
            .arg("drain")
            .args(arguments)
            .current_dir(elsewhere.path())
            .output()
            .expect("it starts")
    };
    let without = drain(&[]);
    assert_eq!(without.status.code(), Some(64), "{}", printed(&without));
    let other = drain(&["--admin-socket", "/nowhere/admin.sock"]);
    assert_eq!(other.status.code(), Some(1), "{}", printed(&other));
    let ours = drain(&["--admin-socket", &socket.display().to_string(), "--wait"]);
    assert_eq!(ours.status.code(), Some(0), "{}", printed(&ours));
    assert_eq!(gate.exit_code(), Some(0));
}

#[test]
fn an_admin_of_the_configuration_comes_first_on_both_sides() {
    let backend = Recorder::ok();
    let mut gate = gate()
        .upstream("im", backend.address())
        .admin("unix: run/own.sock")
        .arguments(&["--admin-socket", "run/admin.sock"])
        .start();
    assert!(gate.path("run/own.sock").exists());
    assert!(!gate.path("run/admin.sock").exists());
    let drained = imgate(
        &gate.path("."),
        &[
            "drain",
            "-c",
            "imgate.yaml",
            "--admin-socket",
            "run/admin.sock",
            "--wait",
        ],
    );
    assert_eq!(drained.status.code(), Some(0), "{}", printed(&drained));
    assert_eq!(gate.exit_code(), Some(0));
}

/// What `POST /drain` promises, asked of a gate with this flag and these times of its own.
fn promised(written: &str, drain: &str) -> Value {
    let backend = Recorder::ok();
    let gate = gate()
        .upstream("im", backend.address())
        .shutdown(written)
        .arguments(&["--admin-socket", "run/admin.sock", "--drain", drain])
        .start();
    let socket = gate.path("run/admin.sock");
    let order = "POST /drain HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    send_over_file(&socket, order).json()
}

#[test]
fn a_longer_drain_has_a_later_deadline() {
    let longer = promised("lame_duck: 2s, drain: 1s, deadline: 5s", "90s");
    assert_eq!(longer["drain_seconds"], 90.0);
    assert_eq!(longer["deadline_seconds"], 97.0);
    let shorter = promised("lame_duck: 2s, drain: 10s, deadline: 60s", "1s");
    assert_eq!(shorter["drain_seconds"], 1.0);
    assert_eq!(shorter["deadline_seconds"], 60.0);
}

/// Nothing but the flags says where this gate listens to the platform.
#[test]
fn metrics_may_come_from_the_flag_alone() {
    let backend = Recorder::ok();
    let (listen, metrics) = (net::free_address(), net::free_address());
    let directory = tempfile::tempdir().unwrap();
    let text = format!(
        "listeners: [{{ address: \"{listen}\" }}]\nupstreams: {{ im: {{ address: \"{}\" }} }}\n{POLICY}",
        backend.address()
    );
    fs::write(directory.path().join("imgate.yaml"), text).unwrap();
    let mut gate = Process::start(
        Command::new(binary())
            .args(["run", "--metrics", &metrics.to_string()])
            .current_dir(directory.path()),
    );
    eventually("it is ready", || {
        assert!(gate.has_ended().is_none(), "{}", gate.output());
        TcpStream::connect(metrics).ok()?;
        let answer = RawClient::connect(metrics).get("/readyz", "Connection: close\r\n");
        (answer.status() == 200).then_some(())
    });
}

//! Autobahn's cases, with the gate in between and without: the same comes of each.
//!
//! README.md beside this file says what is compared. `IMGATE_CONFORMANCE=all` runs all cases.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::support::gate::Gate;
use super::support::net;
use super::support::process::Process;
use super::support::wait::eventually_within;

const POLICY: &str = "
authenticators:
  keys:
    from: [{ query: key }]
    app_key: { keys: [{ id: suite, secret: { value: key-of-the-suite } }] }
routes:
  - { name: all, match: { path: /** }, websocket: true, require: { any_of: [keys] }, upstream: peer }
";

/// What a query has to say so that the gate lets it in.
const KEY: &str = "key=key-of-the-suite";

/// Framing, pings, reserved bits, opcodes, fragments, UTF-8, closing, limits; of compression, where a
/// case has a thousand messages, a few of each kind.
const CASES: [&str; 20] = [
    "1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*", "12.1.2", "12.2.4", "12.3.3",
    "12.4.5", "13.1.2", "13.2.4", "13.3.3", "13.4.5", "13.5.2", "13.6.3", "13.7.3",
];

/// A whole run, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_mins(30);

/// Where the gate may make a difference: a message, then a frame that breaks the framing. The gate
/// ends both sides at the fault (RFC 6455 §7.1.7) and does not wait for the echo that is under way,
/// so that it may be missing.
const CUT_AT_THE_FAULT: [&str; 7] = ["4.1.3", "4.1.4", "4.1.5", "4.2.3", "4.2.4", "4.2.5", "5.15"];

/// What came of a case, as far as it does not depend on the moment.
type Outcome = serde_json::Value;
type Outcomes = BTreeMap<String, Outcome>;

#[test]
fn a_server_behind_the_gate_is_the_server_that_it_is_alone() {
    let server = net::free_address();
    let _peer = start(peer().args(["serve", &server.to_string()]), server);
    let gate = Gate::with(POLICY).upstream("peer", server).start();
    let run = |url: &str| {
        outcomes(&mut Process::start(
            suite().args(["client", url]).args(cases()),
        ))
    };
    let alone = run(&format!("ws://{server}/"));
    let behind = run(&format!("ws://{}/?{KEY}", gate.address()));
    compare(&alone, &behind);
}

#[test]
fn a_client_before_the_gate_is_the_client_that_it_is_alone() {
    let run = |through_gate: bool| {
        let address = net::free_address();
        let mut command = suite();
        command.args(["server", &address.to_string()]).args(cases());
        let mut suite = start(&mut command, address);
        let gate = Gate::with(POLICY).upstream("peer", address).start();
        let url = if through_gate {
            format!("ws://{}/?{KEY}", gate.address())
        } else {
            format!("ws://{address}/")
        };
        let _peer = Process::start(peer().args(["drive", &url]));
        outcomes(&mut suite)
    };
    compare(&run(false), &run(true));
}

fn cases() -> Vec<&'static str> {
    match std::env::var("IMGATE_CONFORMANCE").as_deref() {
        Ok("all") => vec!["*"],
        _ => CASES.to_vec(),
    }
}

fn peer() -> Command {
    let mut command = Command::new("node");
    command.env("NODE_PATH", installed("peer/node_modules"));
    command.arg(here("peer.js"));
    command
}

fn suite() -> Command {
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", installed("suite"));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command.arg(here("suite.py"));
    command
}

/// Starts a process that listens, and waits until it does.
#[track_caller]
fn start(command: &mut Command, address: SocketAddr) -> Process {
    let mut process = Process::start(command);
    eventually_within(Duration::from_mins(2), "it listens", || {
        if let Some(status) = process.has_ended() {
            panic!("it ended, {status}:\n{}", process.output());
        }
        TcpStream::connect(address).ok().map(drop)
    });
    process
}

/// Waits for the suite to end, and reads what it says.
#[track_caller]
fn outcomes(suite: &mut Process) -> Outcomes {
    let status = eventually_within(PATIENCE, "the suite ends", || suite.has_ended());
    let output = suite.output();
    assert!(status.success(), "{output}");
    let lines = output.lines().filter(|line| line.starts_with('{'));
    lines
        .map(|line| {
            let mut outcome: Outcome = serde_json::from_str(line).unwrap();
            let case = outcome["case"].take();
            (case.as_str().unwrap().to_owned(), outcome)
        })
        .collect()
}

#[track_caller]
fn compare(alone: &Outcomes, with_gate: &Outcomes) {
    let passed = |outcome: &&Outcome| outcome["behavior"] == "OK";
    let count = alone.values().filter(passed).count();
    assert!(count > 290, "{count} cases were run");
    let mut problems = Vec::new();
    for (case, outcome) in alone {
        let Some(with_gate) = with_gate.get(case) else {
            problems.push(format!("{case} is missing"));
            continue;
        };
        let same = |what: &str| outcome[what] == with_gate[what];
        let is_cut = CUT_AT_THE_FAULT.contains(&case.as_str())
            && ["close", "code", "clean"].into_iter().all(same)
            && with_gate["behavior"] == "NON-STRICT"
            && with_gate["count"] == 0;
        if outcome != with_gate && !is_cut {
            problems.push(format!(
                "{case}: alone {outcome}, with the gate {with_gate}"
            ));
        }
        let is_good = |what: &str| {
            // A peer need not offer every parameter of compression.
            let good = ["OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED"];
            good.iter().any(|good| outcome[what] == *good)
        };
        if !is_good("behavior") || !is_good("close") {
            problems.push(format!("{case} fails without the gate: {outcome}"));
        }
    }
    assert!(
        problems.is_empty(),
        "{} problems:\n{}",
        problems.len(),
        problems.join("\n")
    );
    assert_eq!(alone.len(), with_gate.len());
}

fn here(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/conformance")
        .join(file)
}

#[track_caller]
fn installed(what: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target/conformance")
        .join(what);
    assert!(
        path.is_dir(),
        "{} is missing, `make setup` installs it",
        path.display()
    );
    path
}

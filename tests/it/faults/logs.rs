//! The log cannot be written: nobody who is served notices.

use std::fs::File;
use std::io::{PipeReader, Read, pipe};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use super::super::support::gate::Builder;
use super::super::support::process::Signal;
use super::super::support::raw::request;
use super::super::support::wait::pause;
use super::super::support::ws_backend::WsBackend;
use super::super::support::ws_client::WsClient;
use super::super::support::{Gate, Recorder, eventually};

const POLICY: &str = "
authenticators:
  keys: { from: [{ header: X-App-Key }], app_key: { keys: [{ id: demo, secret: { value: keyAbcd123 } }] } }
routes:
  - { name: closed, match: { path: /closed }, require: { any_of: [keys] }, upstream: im }
  - { name: open, match: { path: /open/** }, require: public, upstream: im }
  - { name: ws, match: { path: /ws }, websocket: true, require: public, upstream: ws }
";

const LOST: &str = "imgate_log_lines_lost_total";

struct Backends {
    im: Recorder,
    ws: WsBackend,
}

impl Backends {
    fn start() -> Self {
        Self {
            im: Recorder::ok(),
            ws: WsBackend::echo(),
        }
    }

    fn gate(&self) -> Builder {
        Gate::with(POLICY)
            .upstream("im", self.im.address())
            .upstream("ws", self.ws.address())
            .workers(1)
    }
}

/// Standard output and standard error of a gate.
type Output = fn() -> [Stdio; 2];

/// So many requests that leave a line each, in one write.
const SOME: usize = 200;

fn ask_some(gate: &Gate) {
    let mut client = gate.client();
    client.send(request("GET", "/closed", "").repeat(SOME));
    for _ in 0..SOME {
        assert_eq!(client.answer().status(), 401);
    }
}

fn serves(gate: &Gate) {
    assert_eq!(gate.get("/open/x", "").status(), 200);
    WsClient::to(gate.address(), "/ws").connect().echo("hello");
}

/// Everything that comes, from now on.
fn read(mut pipe: PipeReader) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    })
}

#[test]
fn a_log_that_nobody_reads_holds_nobody_up() {
    let backends = Backends::start();
    let (reader, stdout) = pipe().unwrap();
    let stderr = stdout.try_clone().unwrap();
    let mut gate = backends.gate().output(stdout, stderr).start();
    let mut socket = WsClient::to(gate.address(), "/ws").connect();
    let mut asked = 0;
    while gate.metrics().value(LOST, &[]) < 0.5 {
        ask_some(&gate);
        asked += SOME;
        assert!(asked < 100_000, "nothing was lost, and nothing read");
    }
    socket.echo("still here");
    serves(&gate);
    // Somebody reads again: what waited comes, and then how much is missing.
    let text = read(reader);
    serves(&gate);
    let lost = gate.metrics().value(LOST, &[]);
    serves(&gate);
    gate.signal(Signal::Term);
    assert_eq!(gate.exit_code(), Some(0));
    let text = text.join().unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect();
    let told = lines
        .iter()
        .filter(|line| line["message"] == "log lines were lost");
    let told: u64 = told.map(|line| line["lines"].as_u64().unwrap()).sum();
    let told = u32::try_from(told).unwrap();
    assert!((f64::from(told) - lost).abs() < 0.5, "{told} of {lost}");
    let of_asking = lines.iter().filter(|line| line["status"] == 401).count();
    assert!(of_asking > 1000, "what waited is there: {of_asking}");
    assert!(of_asking + usize::try_from(told).unwrap() >= asked);
}

#[test]
fn a_log_that_is_closed_or_full_costs_lines_and_nothing_else() {
    let cases: [(&str, Output); 2] = [
        ("as with `| head`", || {
            let (reader, writer) = pipe().unwrap();
            drop(reader);
            [writer.try_clone().unwrap().into(), writer.into()]
        }),
        ("a full disk", || {
            let file = || File::options().write(true).open("/dev/full").unwrap();
            [file().into(), file().into()]
        }),
    ];
    for (case, output) in cases {
        let backends = Backends::start();
        let [stdout, stderr] = output();
        let mut gate = backends.gate().output(stdout, stderr).start();
        let mut client = gate.client();
        for _ in 0..50 {
            assert_eq!(client.get("/open/x", "").status(), 200, "{case}");
        }
        serves(&gate);
        eventually("the lines are counted as lost", || {
            (gate.metrics().value(LOST, &[]) > 50.5).then_some(())
        });
        // Every line is lost, and none is worth trying for again.
        let before = gate.cpu_ticks();
        pause(Duration::from_secs(2));
        let ticks = gate.cpu_ticks() - before;
        assert!(ticks < 60, "{case}: {ticks} ticks in two seconds");
        gate.signal(Signal::Term);
        assert_eq!(gate.exit_code(), Some(0), "{case}");
    }
}

#[test]
fn a_log_that_is_read_loses_nothing() {
    let backends = Backends::start();
    let gate = backends.gate().start();
    for _ in 0..5 {
        ask_some(&gate);
    }
    eventually("every request has its line", || {
        let lines = gate.lines("INFO");
        let requests = lines.iter().filter(|line| line["status"] == 401);
        (requests.count() == 5 * SOME).then_some(())
    });
    assert!(gate.metrics().value(LOST, &[]) < 0.5);
}

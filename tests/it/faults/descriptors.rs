//! No file descriptors are left: nobody new comes in, whoever is in stays in, and it passes.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::super::support::raw::request;
use super::super::support::wait::{eventually, pause};
use super::super::support::ws_backend::WsBackend;
use super::super::support::ws_client::WsClient;
use super::super::support::{Gate, Recorder};

const POLICY: &str = "
authenticators:
  keys: { from: [{ header: X-App-Key }], app_key: { keys: [{ id: demo, secret: { value: keyAbcd123 } }] } }
routes:
  - { name: closed, match: { path: /closed }, require: { any_of: [keys] }, upstream: im }
  - { name: open, match: { path: /open/** }, require: public, upstream: im }
  - { name: ws, match: { path: /ws }, websocket: true, require: public, upstream: ws }
";

const MOST: u32 = 96;

#[test]
fn when_descriptors_run_out_those_who_are_in_are_served_and_it_passes() {
    let (backend, sockets) = (Recorder::ok(), WsBackend::echo());
    let gate = Gate::with(POLICY)
        .upstream("im", backend.address())
        .upstream("ws", sockets.address())
        .workers(1)
        .open_files(MOST)
        .start();
    let at_rest = gate.open_files();
    let mut socket = WsClient::to(gate.address(), "/ws").connect();
    socket.echo("before");
    let mut client = gate.client();
    assert_eq!(client.get("/closed", "").status(), 401);

    // More than there is room for; the kernel keeps the rest waiting.
    let connect = || TcpStream::connect(gate.address()).unwrap();
    let crowd: Vec<TcpStream> = (0..MOST).map(|_| connect()).collect();
    let refused = |gate: &Gate| {
        let lines = gate.lines("ERROR").into_iter();
        lines
            .filter(|line| line.to_string().contains("Too many open files"))
            .count()
    };
    eventually("nothing more can be accepted", || {
        (refused(&gate) > 0).then_some(())
    });

    let (begin, ticks, lines) = (Instant::now(), gate.cpu_ticks(), refused(&gate));
    while begin.elapsed() < Duration::from_secs(4) {
        socket.echo("still here");
        // What the gate can answer itself takes no descriptor.
        assert_eq!(client.get("/closed", "").status(), 401);
        pause(Duration::from_millis(200));
    }
    let seconds = begin.elapsed().as_secs_f64();
    let ticks = u32::try_from(gate.cpu_ticks() - ticks).unwrap();
    let busy = f64::from(ticks) / 100.0 / seconds;
    assert!(busy < 0.25, "{busy} of a core for nothing");
    let lines = f64::from(u32::try_from(refused(&gate) - lines).unwrap());
    assert!(lines <= seconds + 2.0, "{lines} lines in {seconds} seconds");

    // A new connection to the backend takes one, and the client learns that there is none.
    let answer = client.get("/open/x", "");
    assert_eq!(
        (answer.status(), answer.reason().as_str()),
        (502, "upstream")
    );
    eventually("a line about it", || {
        let mut lines = gate.lines("WARN").into_iter();
        lines.find(|line| line["problem"].to_string().contains("Too many open files"))
    });

    // Its client has made room for one of the crowd.
    eventually("all are in use again", || {
        (gate.open_files() == MOST as usize).then_some(())
    });
    drop(crowd);
    eventually("everybody is served again", || {
        let mut late = TcpStream::connect(gate.address()).ok()?;
        late.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        late.write_all(request("GET", "/open/x", "").as_bytes())
            .ok()?;
        let mut line = [0; 12];
        late.read_exact(&mut line).ok()?;
        (line == *b"HTTP/1.1 200").then_some(())
    });
    socket.echo("still here");
    drop((socket, client));
    eventually("no descriptor is left behind", || {
        // One for each connection to a backend that is kept.
        (gate.open_files() <= at_rest + 4).then_some(())
    });
}

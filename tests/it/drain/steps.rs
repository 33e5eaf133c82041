//! What is served in each step of a drain.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::support::gate::handshake;
use super::super::support::mint::sa_token;
use super::super::support::process::Signal;
use super::super::support::raw::request;
use super::super::support::ws_backend::{WsBackend, accept};
use super::super::support::ws_client::WsClient;
use super::super::support::{Gate, RawClient, Recorder, eventually};
use super::gate;

fn socket(gate: &Gate) -> WsClient {
    WsClient::to(gate.address(), "/ws")
        .header("token", &sa_token("im_user:7"))
        .connect()
}

fn wait_until_draining(gate: &Gate) {
    eventually("readiness turns", || {
        (gate.admin("/readyz").status() == 503).then_some(())
    });
}

/// A backend whose answers to `/open/slow` wait for a word.
fn slow_backend() -> (Recorder, Arc<AtomicBool>) {
    let may_answer = Arc::new(AtomicBool::new(false));
    let backends = Arc::clone(&may_answer);
    let backend = Recorder::serving(move |exchange| {
        if exchange.head.target() == "/open/slow" {
            eventually("the backend may answer", || {
                backends.load(Ordering::SeqCst).then_some(())
            });
        }
        exchange.ok();
    });
    (backend, may_answer)
}

/// A client whose request has arrived at the backend.
fn waiting_client(gate: &Gate, backend: &Recorder) -> RawClient {
    let mut client = gate.client();
    client.send(request("GET", "/open/slow", ""));
    eventually("the request arrives", || backend.requests().pop());
    client
}

#[test]
fn a_lame_duck_serves_everything_and_only_says_that_it_will_go() {
    let (sockets, backend) = (WsBackend::echo(), Recorder::ok());
    let mut gate = gate()
        .upstream("ws", sockets.address())
        .upstream("im", backend.address())
        .shutdown("lame_duck: 10m, drain: 0s, deadline: 10m")
        .start();
    let mut before = socket(&gate);
    let mut kept = gate.client();
    assert_eq!(kept.get("/open/x", "").status(), 200);
    gate.signal(Signal::Term);
    wait_until_draining(&gate);
    assert_eq!(gate.admin("/livez").status(), 200);
    let verbose = gate.status();
    assert_eq!(
        (&verbose["ready"], &verbose["draining"]),
        (&false.into(), &true.into())
    );

    let mut after = socket(&gate);
    for socket in [&mut before, &mut after] {
        socket.echo("served");
    }
    for _ in 0..3 {
        let answer = kept.get("/open/x", "");
        assert_eq!((answer.status(), answer.header("connection")), (200, None));
    }
    gate.signal(Signal::Term);
    for socket in [&mut before, &mut after] {
        assert_eq!(socket.expect_close(), 1001);
    }
    assert_eq!(gate.exit_code(), Some(0));
}

#[test]
fn a_gate_with_nothing_to_do_is_a_lame_duck_all_the_same() {
    let backend = Recorder::ok();
    let mut gate = gate()
        .upstream("ws", backend.address())
        .upstream("im", backend.address())
        .shutdown("lame_duck: 2s, drain: 0s")
        .start();
    let start = std::time::Instant::now();
    gate.signal(Signal::Term);
    assert_eq!(gate.exit_code(), Some(0));
    let took = start.elapsed();
    assert!(took.as_millis() >= 2000, "gone after {took:?}");
}

#[test]
fn then_connections_end_with_their_request_and_no_socket_opens() {
    let (backend, may_answer) = slow_backend();
    let mut gate = gate()
        .upstream("ws", backend.address())
        .upstream("im", backend.address())
        .shutdown("lame_duck: 0s, drain: 0s, deadline: 10m")
        .start();
    let mut kept: Vec<_> = (0..3).map(|_| gate.client()).collect();
    for client in &mut kept {
        assert_eq!(client.get("/open/x", "").header("connection"), None);
    }
    let mut waiting = waiting_client(&gate, &backend);
    gate.signal(Signal::Term);
    eventually("the gate leaves", || {
        let answer = gate.get("/open/x", "");
        (answer.header("connection") == Some("close")).then_some(())
    });

    let token = format!("token: {}\r\n", sa_token("im_user:7"));
    for (client, (target, headers, status)) in kept.iter_mut().zip([
        ("/open/x", "", 200),
        ("/api/x", &*token, 200),
        ("/api/x", "", 401),
    ]) {
        let answer = client.get(target, headers);
        assert_eq!(answer.status(), status, "{target}");
        assert_eq!(answer.header("connection"), Some("close"), "{target}");
        client.expect_closed();
    }
    let refused = gate.send(handshake("/ws", &token));
    assert_eq!(refused.status(), 503);
    assert!(
        refused.header("retry-after").is_some(),
        "{}",
        refused.head.text
    );

    may_answer.store(true, Ordering::SeqCst);
    let answer = waiting.answer();
    assert_eq!(answer.text(), "ok");
    assert_eq!(
        answer.header("connection"),
        Some("close"),
        "it leaves meanwhile"
    );
    assert_eq!(gate.exit_code(), Some(0));
}

#[test]
fn a_socket_that_opens_while_the_gate_begins_to_leave_is_refused() {
    let (backend, may_answer) = slow_backend();
    let may_switch = Arc::new(AtomicBool::new(false));
    let sockets_may = Arc::clone(&may_switch);
    let sockets = WsBackend::handshaking(move |head| {
        eventually("the backend may switch", || {
            sockets_may.load(Ordering::SeqCst).then_some(())
        });
        accept(head, "")
    });
    let mut gate = gate()
        .upstream_with("ws", sockets.address(), "handshake_timeout: 1m")
        .upstream("im", backend.address())
        .shutdown("lame_duck: 0s, drain: 0s, deadline: 10m")
        .start();
    let mut waiting = waiting_client(&gate, &backend);
    let mut opening = gate.client();
    opening.send(handshake(
        "/ws",
        &format!("token: {}\r\n", sa_token("im_user:7")),
    ));
    eventually("the handshake arrives", || sockets.handshakes().pop());
    gate.signal(Signal::Term);
    eventually("the gate leaves", || {
        let answer = gate.get("/open/x", "");
        (answer.header("connection") == Some("close")).then_some(())
    });
    may_switch.store(true, Ordering::SeqCst);
    assert_eq!(opening.answer().status(), 503);
    may_answer.store(true, Ordering::SeqCst);
    assert_eq!(waiting.answer().status(), 200);
    assert_eq!(gate.exit_code(), Some(0));
}

#[test]
fn preflights_end_connections_too() {
    let (backend, may_answer) = slow_backend();
    let policy = "cors: { origins: [https://chat.example.com], headers: [token] }\n\
                  routes:\n  - { name: open, match: { path: /open/** }, require: public, upstream: im }\n";
    let mut gate = Gate::with(policy)
        .upstream("im", backend.address())
        .shutdown("lame_duck: 0s, drain: 0s, deadline: 10m")
        .start();
    let headers = "Origin: https://chat.example.com\r\nAccess-Control-Request-Method: GET\r\n";
    let mut client = gate.client();
    client.send(request("OPTIONS", "/open/x", headers));
    assert_eq!(client.answer().header("connection"), None);
    let mut waiting = waiting_client(&gate, &backend);
    gate.signal(Signal::Term);
    eventually("the gate leaves", || {
        let answer = gate.get("/open/x", "");
        (answer.header("connection") == Some("close")).then_some(())
    });
    client.send(request("OPTIONS", "/open/x", headers));
    let answer = client.answer();
    assert_eq!(
        (answer.status(), answer.header("connection")),
        (204, Some("close"))
    );
    client.expect_closed();
    may_answer.store(true, Ordering::SeqCst);
    waiting.drain();
    assert_eq!(gate.exit_code(), Some(0));
}

#[test]
fn event_streams_end_with_the_gate_and_none_begins_any_more() {
    let (slow, may_answer) = slow_backend();
    let streams = Recorder::serving(|exchange| {
        exchange.send(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
             Transfer-Encoding: chunked\r\n\r\n8\r\ndata: 1\n\r\n",
        );
        exchange.wait_for_the_gate_to_give_up();
    });
    let policy = "
routes:
  - { name: open, match: { path: /open/** }, require: public, upstream: im }
  - { name: events, match: { path: /events }, require: public, upstream: events }
";
    let mut gate = Gate::with(policy)
        .upstream("events", streams.address())
        .upstream("im", slow.address())
        .shutdown("lame_duck: 0s, drain: 0s, deadline: 10m")
        .start();
    let mut stream = gate.client();
    stream.send(request("GET", "/events", ""));
    assert_eq!(stream.answer_to_head().status(), 200);
    let mut waiting = waiting_client(&gate, &slow);
    gate.signal(Signal::Term);
    let rest = stream.rest().unwrap_or_default();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "it was cut in its turn");

    let refused = gate.get("/events", "");
    assert_eq!(
        (refused.status(), refused.reason().as_str()),
        (503, "unavailable")
    );
    assert!(
        refused.header("retry-after").is_some(),
        "{}",
        refused.head.text
    );
    may_answer.store(true, Ordering::SeqCst);
    assert_eq!(waiting.answer().status(), 200);
    assert_eq!(gate.exit_code(), Some(0));
}

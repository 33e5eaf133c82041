use std::io;
use std::sync::mpsc;

use super::{POLICY, TLS, failures, gate, serving};
use crate::support::frames::{self, Frame};
use crate::support::gate::handshake;
use crate::support::process::Signal;
use crate::support::raw::{post, post_chunked, request};
use crate::support::tls::{Authority, TlsClient};
use crate::support::ws_backend::WsBackend;
use crate::support::{Gate, RawClient, Recorder, eventually};

const LARGE: usize = 16 << 20;

/// Bytes that repeat with no power of two.
fn pattern(length: usize) -> Vec<u8> {
    (0..251_u8).cycle().take(length).collect()
}

fn before(backend: &Recorder) -> (Gate, TlsClient) {
    let authority = Authority::new();
    let gate = gate(TLS, &authority.server())
        .upstream("im", backend.address())
        .start();
    (gate, TlsClient::trusting(&authority))
}

#[test]
fn keys_open_and_the_backend_hears_of_tls() {
    let (gate, backend, authority) = serving();
    let mut client = TlsClient::trusting(&authority).connect(gate.second_address());
    assert_eq!(client.get("/keys/a", "").status(), 401);
    assert_eq!(client.get("/keys/a", "X-App-Key: wrong\r\n").status(), 401);
    let answer = client.get("/keys/a", "X-App-Key: key-a\r\nX-Forwarded-Proto: http\r\n");
    assert_eq!((answer.status(), &*answer.text()), (200, "ok"));
    let head = backend.only().head;
    assert_eq!(head.header("x-forwarded-proto"), Some("https"));
    assert_eq!(head.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(gate.get("/open/a", "").status(), 200);
    assert_eq!(
        backend.last().head.header("x-forwarded-proto"),
        Some("http")
    );
}

#[test]
fn large_bodies_arrive_whole_in_both_directions() {
    let backend = Recorder::serving(|exchange| {
        exchange.read_body();
        let body = pattern(LARGE);
        if exchange.head.target() == "/open/chunked" {
            exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            for chunk in body.chunks(70_001) {
                exchange.send(format!("{:x}\r\n", chunk.len()));
                exchange.send(chunk);
                exchange.send("\r\n");
            }
            exchange.send("0\r\n\r\n");
        } else {
            exchange.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n"
            ));
            exchange.send(&body);
        }
    });
    let (gate, client) = before(&backend);
    let body = pattern(LARGE);
    let mut client = client.connect(gate.second_address());
    client.send(post("/open/length", "", &body));
    assert!(client.answer().body == body);
    client.send(post_chunked("/open/chunked", "", &body, 65_537));
    assert!(client.answer().body == body);
    let received = backend.take();
    assert!(received.iter().all(|one| one.body == body));
    assert_eq!((received.len(), backend.connections()), (2, 1));
}

#[test]
fn a_reader_that_comes_late_gets_everything() {
    // Of every length around a record's and a buffer's, and one that is longer than both.
    let (done, finished) = mpsc::channel();
    let done = parking_lot::Mutex::new(done);
    let backend = Recorder::serving(move |exchange| {
        let length: usize = exchange.head.target()["/open/".len()..].parse().unwrap();
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"
        ));
        exchange.send(pattern(length));
        done.lock().send(()).unwrap();
    });
    let (gate, client) = before(&backend);
    let mut client = client.connect(gate.second_address());
    for length in [
        16_383, 16_384, 16_385, 32_768, 65_535, 65_536, 65_537, 6_000_000,
    ] {
        client.send(request("GET", &format!("/open/{length}"), ""));
        if length < 100_000 {
            // The whole answer is at the gate before anybody reads it.
            finished.recv().unwrap();
        }
        let answer = client.answer();
        assert!(answer.body == pattern(length), "{length}");
        if length >= 100_000 {
            finished.recv().unwrap();
        }
    }
}

/// Enough of them that reads end anywhere, also within the body behind a body.
#[test]
fn requests_with_bodies_that_come_at_once_are_answered_in_turn() {
    let backend = Recorder::serving(|exchange| {
        exchange.read_body();
        let target = exchange.head.target().to_owned();
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{target}",
            target.len()
        ));
    });
    let (gate, tls) = before(&backend);
    let requests: Vec<u8> = (0..100)
        .flat_map(|n| post(&format!("/open/{n}"), "", &pattern(n * 100)))
        .collect();
    for (case, mut client) in [
        ("in plain text", gate.client()),
        ("over TLS", tls.connect(gate.second_address())),
    ] {
        client.send(&requests);
        for n in 0..100 {
            assert_eq!(client.answer().text(), format!("/open/{n}"), "{case}");
        }
    }
    let received = backend.take();
    let bodies = received.iter().map(|one| one.body.len() / 100);
    assert!(bodies.eq((0..100).chain(0..100)));
}

#[test]
fn the_end_of_a_connection_is_told_and_a_cut_is_not() {
    let backend = Recorder::serving(|exchange| {
        exchange.read_body();
        match exchange.head.target() {
            "/open/until-close" => {
                exchange.send("HTTP/1.1 200 OK\r\n\r\nall of it");
                exchange.close();
            }
            "/open/cut" => {
                exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nnot all of it");
                exchange.close();
            }
            _ => exchange.ok(),
        }
    });
    let (gate, client) = before(&backend);
    let rest = |target: &str, headers: &str| {
        let mut client = client.connect(gate.second_address());
        client.send(request("GET", target, headers));
        client.rest().map(|rest| String::from_utf8(rest).unwrap())
    };
    for (case, target, headers, end) in [
        (
            "an answer without a length",
            "/open/until-close",
            "",
            "all of it",
        ),
        (
            "the client's wish",
            "/open/a",
            "Connection: close\r\n",
            "ok",
        ),
        ("an unknown place", "/nowhere", "", "}"),
        ("a refusal of the syntax", "/open/%zz", "", "}"),
    ] {
        let rest = rest(target, headers).unwrap_or_else(|error| panic!("{case}: {error}"));
        assert!(rest.ends_with(end), "{case}: {rest}");
    }
    let cut = rest("/open/cut", "").expect_err("no `close_notify` behind half an answer");
    assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof, "{cut}");
}

#[test]
fn a_client_that_says_it_is_done_still_gets_its_answer() {
    let (gate, backend, authority) = serving();
    for headers in ["", "Connection: close\r\n"] {
        let mut client = TlsClient::trusting(&authority).connect(gate.second_address());
        client.send(request("GET", "/open/a", headers));
        client.finish_sending();
        assert_eq!(client.answer().text(), "ok");
        assert_eq!(client.rest().expect("a `close_notify`"), b"");
    }
    assert_eq!(backend.take().len(), 2);
}

#[test]
fn a_client_that_vanishes_leaves_nothing_behind() {
    let (gate, _backend, authority) = serving();
    for _ in 0..20 {
        let mut client = TlsClient::trusting(&authority).connect(gate.second_address());
        client.send("GET /open/a HTTP/1.1\r\n");
    }
    gate.wait_for_metric("imgate_connections_active", &[], |count| count < 0.5);
    assert!(failures(&gate, "closed") < 0.5, "the handshakes were done");
}

fn websocket() -> (Gate, WsBackend, TlsClient) {
    let authority = Authority::new();
    let backend = WsBackend::echo();
    let gate = gate(TLS, &authority.server())
        .upstream("im", backend.address())
        .start();
    (gate, backend, TlsClient::trusting(&authority))
}

fn open(gate: &Gate, client: &TlsClient) -> RawClient {
    let mut client = client.connect(gate.second_address());
    client.send(handshake("/ws", ""));
    assert_eq!(client.answer().status(), 101);
    client
}

#[test]
fn a_websocket_carries_frames_of_every_size() {
    let (gate, backend, client) = websocket();
    let mut client = open(&gate, &client);
    for length in [0, 1, 125, 126, 16_384, 65_536, 1_000_000] {
        let frame = Frame::new(frames::BINARY, pattern(length));
        client.send_frame(&frame);
        assert!(client.frame() == frame, "{length}");
    }
    let parts = [
        Frame::part(frames::TEXT, "one "),
        Frame::new(frames::PING, "still there?"),
        Frame::new(frames::CONTINUATION, "two"),
    ];
    for part in &parts {
        client.send_frame(part);
    }
    let replies: Vec<_> = (0..3).map(|_| client.frame()).collect();
    assert_eq!(replies[1], Frame::new(frames::PONG, "still there?"));
    assert_eq!((&replies[0], &replies[2]), (&parts[0], &parts[2]));
    drop(backend);
}

#[test]
fn a_websocket_ends_with_a_code_and_a_close_notify() {
    let (mut gate, backend, client) = websocket();
    // The backend ends it.
    let mut one = open(&gate, &client);
    one.send_frame(&Frame::new(frames::TEXT, "close 4321"));
    assert_eq!(one.frame().close_code(), 4321);
    one.send_frame(&Frame::close(4321));
    assert_eq!(one.rest().expect("a `close_notify`"), b"");
    // The client ends it.
    let mut one = open(&gate, &client);
    one.send_frame(&Frame::close(4000));
    assert_eq!(one.frame().close_code(), 4000);
    assert_eq!(one.rest().expect("a `close_notify`"), b"");
    // The client breaks the protocol: an unmasked frame.
    let mut one = open(&gate, &client);
    one.send(Frame::new(frames::TEXT, "bare").unmasked());
    assert_eq!(one.frame().close_code(), 1002);
    // The client is gone.
    drop(open(&gate, &client));
    eventually("the backend hears of every end", || {
        (backend.ends().len() == 4).then_some(())
    });
    // The gate ends it.
    let mut one = open(&gate, &client);
    gate.signal(Signal::Term);
    assert_eq!(one.frame().close_code(), 1001);
    assert_eq!(one.rest().expect("a `close_notify`"), b"");
    assert_eq!(gate.exit_code(), Some(0));
}

#[test]
fn many_connections_on_several_workers_are_served() {
    let authority = Authority::new();
    let backend = Recorder::ok();
    let gate = gate(TLS, &authority.server())
        .upstream("im", backend.address())
        .workers(2)
        .start();
    let client = TlsClient::trusting(&authority);
    let mut clients: Vec<_> = (0..60)
        .map(|_| client.connect(gate.second_address()))
        .collect();
    for _ in 0..3 {
        for client in &mut clients {
            assert_eq!(client.get("/keys/a", "X-App-Key: key-a\r\n").status(), 200);
        }
    }
    assert_eq!(backend.take().len(), 180);
    assert!(POLICY.contains("key-a"));
}

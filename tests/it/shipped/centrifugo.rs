//! Centrifugo: the token comes in the first command, servers bring a key.

use super::super::support::Recorder;
use super::super::support::frames::{self, Frame};
use super::super::support::gate::handshake;
use super::super::support::raw::{RawClient, post, request};
use super::super::support::ws_backend::WsBackend;
use super::{Shipped, Vectors};

fn start(vectors: &Vectors, backend: std::net::SocketAddr) -> Shipped {
    let keys = [
        ("centrifugo", vectors.secret.as_str()),
        ("centrifugo-api", "canary-api-key"),
    ];
    Shipped::start("centrifugo.yaml", &[("127.0.0.1:8000", backend)], &keys)
}

fn text(payload: impl Into<Vec<u8>>) -> Frame {
    Frame::new(frames::TEXT, payload)
}

fn connect(token: &str) -> String {
    format!(r#"{{"connect":{{"token":"{token}","name":"js"}},"id":1}}"#)
}

fn open(gate: &Shipped) -> RawClient {
    let mut client = gate.client();
    client.send(handshake("/connection/websocket", ""));
    assert_eq!(client.answer().status(), 101);
    client
}

#[test]
fn the_first_command_says_who_it_is() {
    let vectors = Vectors::of("centrifugo");
    let backend = WsBackend::echo();
    let gate = start(&vectors, backend.address());
    for (user, token) in &vectors.good {
        // Alone, with subscriptions behind it, and with a line end behind it.
        let subscribe = r#"{"subscribe":{"channel":"news"},"id":2}"#;
        for message in [
            connect(token),
            format!("{}\n{subscribe}\n{subscribe}", connect(token)),
            format!("{}\n", connect(token)),
        ] {
            let mut client = open(&gate);
            client.send_frame(&text(message.as_str()));
            assert!(
                client.frame() == text(message.as_str()),
                "the backend's echo"
            );
            let head = backend.last_handshake();
            assert_eq!(head.header("x-auth-subject"), Some(user.as_str()));
        }
    }
}

#[test]
fn nobody_else_is_heard_of() {
    let vectors = Vectors::of("centrifugo");
    let backend = WsBackend::echo();
    let gate = start(&vectors, backend.address());
    let good = connect(&vectors.good["42"]);
    let mut messages: Vec<_> = vectors
        .bad
        .iter()
        .map(|(case, token)| (case.clone(), connect(token)))
        .collect();
    messages.extend([
        // The first line is the one that counts.
        (
            "the token in the second line".to_owned(),
            format!("{{\"ping\":{{}}}}\n{good}"),
        ),
        ("an empty line first".to_owned(), format!("\n{good}")),
        (
            "two tokens".to_owned(),
            good.replace("\"name\"", "\"token\""),
        ),
        ("no token".to_owned(), r#"{"connect":{},"id":1}"#.to_owned()),
        (
            "no JSON behind a carriage return".to_owned(),
            format!("{good}\r{good}"),
        ),
    ]);
    for (case, message) in messages {
        let mut client = open(&gate);
        client.send_frame(&text(message.as_str()));
        let answer = client.frame();
        assert_eq!(answer.close_code(), 4401, "{case}");
    }
    assert!(backend.handshakes().is_empty());
}

#[test]
fn servers_bring_a_key() {
    let vectors = Vectors::of("centrifugo");
    let backend = Recorder::ok();
    let gate = start(&vectors, backend.address());
    let publish = |headers: &str| gate.send(post("/api/publish", headers, b"{}")).status();
    assert_eq!(publish("X-API-Key: canary-api-key\r\n"), 200);
    assert_eq!(backend.only().head.header("x-auth-app-id"), Some("server"));
    assert_eq!(publish("X-API-Key: another\r\n"), 401);
    assert_eq!(publish(""), 401);
    let token = &vectors.good["42"];
    assert_eq!(publish(&format!("X-API-Key: {token}\r\n")), 401);
    assert_eq!(gate.send(request("GET", "/health", "")).status(), 200);
    assert_eq!(gate.send(request("GET", "/admin", "")).status(), 404);
}

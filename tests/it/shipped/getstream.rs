//! The way of `GetStream`: the token without a prefix, and the app's key beside it.

use super::super::support::Recorder;
use super::super::support::gate::handshake;
use super::super::support::raw::request;
use super::super::support::ws_backend::WsBackend;
use super::super::support::ws_client::WsClient;
use super::{Shipped, Vectors};

const API_KEY: &str = "hw32b3mp4x9s";

fn start(vectors: &Vectors, backend: std::net::SocketAddr) -> Shipped {
    let keys = [
        ("stream", vectors.secret.as_str()),
        ("stream-api-key", API_KEY),
    ];
    Shipped::start("getstream.yaml", &[("127.0.0.1:3030", backend)], &keys)
}

fn call(target: &str, token: &str) -> String {
    let headers = format!("Authorization: {token}\r\nstream-auth-type: jwt\r\n");
    request("GET", target, &headers)
}

#[test]
fn a_request_brings_a_bare_token_and_the_key_of_the_app() {
    let vectors = Vectors::of("getstream");
    let backend = Recorder::ok();
    let gate = start(&vectors, backend.address());
    let target = format!("/channels?api_key={API_KEY}&user_id=john");
    for (user, token) in &vectors.good {
        assert_eq!(gate.send(call(&target, token)).status(), 200, "{user}");
        let head = backend.last().head;
        assert_eq!(head.target(), target);
        assert_eq!(
            head.header("authorization"),
            Some(token.as_str()),
            "as it came"
        );
        assert_eq!(head.header("stream-auth-type"), Some("jwt"));
        assert_eq!(head.header("x-auth-subject"), Some(user.as_str()));
        assert_eq!(head.header("x-auth-app-id"), Some("chat"));
    }
    let arrived = backend.requests().len();
    for (case, token) in &vectors.bad {
        assert_eq!(gate.send(call(&target, token)).status(), 401, "{case}");
    }
    let token = &vectors.good["john"];
    for (target, authorization) in [
        ("/channels", token.clone()),
        ("/channels?api_key=another", token.clone()),
        (target.as_str(), format!("Bearer {token}")),
    ] {
        let answer = gate.send(call(target, &authorization));
        assert_eq!(answer.status(), 401, "{target}: {}", answer.text());
    }
    assert_eq!(
        backend.requests().len(),
        arrived,
        "nobody else came through"
    );
}

#[test]
fn a_socket_brings_both_in_its_query() {
    let vectors = Vectors::of("getstream");
    let backend = WsBackend::echo();
    let gate = start(&vectors, backend.address());
    let target = |token: &str| {
        let json = "%7B%22user_id%22%3A%22john%22%7D";
        format!("/connect?json={json}&api_key={API_KEY}&authorization={token}&stream-auth-type=jwt")
    };
    let good = target(&vectors.good["john"]);
    WsClient::to(gate.address, &good).connect().echo("hello");
    let head = backend.last_handshake();
    assert_eq!(head.target(), good);
    assert_eq!(head.header("x-auth-subject"), Some("john"));
    for (case, token) in &vectors.bad {
        let answer = gate.send(handshake(&target(token), ""));
        assert_eq!(answer.status(), 401, "{case}");
    }
    let without_a_key = good.replace("api_key=", "apikey=");
    assert_eq!(gate.send(handshake(&without_a_key, "")).status(), 401);
    assert_eq!(backend.handshakes().len(), 1);
}

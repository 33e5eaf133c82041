//! When a session ends, and what prolongs it.

use super::super::support::Gate;
use super::super::support::mint::{SOON, now};
use super::super::support::raw;
use super::super::support::wire::Answer;
use super::super::support::ws_backend::{End, WsBackend};
use super::{bearer, client, gate_before, policy, token, token_with};

fn renew(gate: &Gate, path: &str, token: &str) -> Answer {
    gate.send(raw::request(
        "POST",
        path,
        &format!("Content-Length: 0\r\n{}", bearer(token)),
    ))
}

/// What `/free` adds to a token's time.
const GRACE: i64 = 5;

fn json(answer: &Answer) -> serde_json::Value {
    serde_json::from_str(&answer.text()).expect("JSON")
}

#[test]
fn a_renewed_session_outlives_its_first_token_and_ends_with_its_second() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let mut socket = client(&gate, "/one", &token("7", SOON)).connect();
    let answer = renew(&gate, "/one/renew", &token("7", 2 * SOON));
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let said = json(&answer);
    assert_eq!(said["renewed"], 1);
    let end = said["expires_at"].as_i64().unwrap();
    assert!(end > now() + SOON, "{end}");
    assert_eq!(socket.expect_close(), 4401);
    assert!(now() + 1 >= end, "not with the first token");
    assert_eq!(backend.first_end(), End::Close(4401));
    assert!(
        backend.handshakes().len() == 1,
        "the backend hears nothing of it"
    );
}

#[test]
fn a_renewal_needs_the_same_user_on_the_same_route() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let _socket = client(&gate, "/one", &token("7", 600)).connect();
    for (case, path, token, status) in [
        ("another user", "/one/renew", token("8", 600), 404),
        (
            "another device",
            "/one/renew",
            token_with("7", 600, &[("dev", "phone")]),
            404,
        ),
        ("another route", "/free/renew", token("7", 600), 404),
        ("an expired token", "/one/renew", token("7", -5), 401),
        ("the same", "/one/renew", token("7", 600), 200),
    ] {
        let answer = renew(&gate, path, &token);
        assert_eq!(answer.status(), status, "{case}: {}", answer.text());
    }
    assert_eq!(
        gate.send(raw::request("POST", "/one/renew", "Content-Length: 0\r\n"))
            .status(),
        401
    );
    assert_eq!(
        gate.get("/one/renew", &bearer(&token("7", 600))).status(),
        405
    );
    let with_body = format!("Content-Length: 2\r\n{}", bearer(&token("7", 600)));
    let answer = gate.send(format!(
        "{}{{}}",
        raw::request("POST", "/one/renew", &with_body)
    ));
    assert_eq!(answer.status(), 400);
}

#[test]
fn a_session_in_its_grace_can_still_be_renewed() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let mut socket = client(&gate, "/free", &token("7", SOON)).connect();
    let started = now();
    while now() - started <= SOON {
        socket.echo("waits");
    }
    assert_eq!(renew(&gate, "/free/renew", &token("7", 600)).status(), 200);
    while now() - started <= SOON + GRACE {
        socket.echo("lives on");
    }
}

/// A message with a token where the route looks for one.
fn message(token: &str) -> String {
    serde_json::json!({ "type": "renew", "data": { "token": token } }).to_string()
}

#[test]
fn a_message_with_a_new_token_prolongs_the_session_and_is_not_passed_on() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let mut socket = client(&gate, "/talk", &token("7", SOON)).connect();
    let started = now();
    socket.send(message(&token("7", 600)));
    // The echo of the next message is the first that comes back.
    socket.echo("{\"type\":\"chat\",\"data\":{}}");
    while now() - started <= SOON + 1 {
        socket.echo("lives on");
    }
    let handshake = backend.last_handshake();
    assert_eq!(handshake.header("sec-websocket-extensions"), None);
}

#[test]
fn a_message_with_a_bad_token_or_somebody_elses_ends_the_session() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    for (case, token) in [
        ("another user's", token("8", 600)),
        (
            "another device's",
            token_with("7", 600, &[("dev", "phone")]),
        ),
        ("an expired one", token("7", -5)),
        ("no token", "abc".to_owned()),
    ] {
        let mut socket = client(&gate, "/talk", &super::token("7", 600)).connect();
        socket.echo("hello");
        socket.send(message(&token));
        assert_eq!(socket.expect_close(), 4401, "{case}");
    }
}

#[test]
fn a_session_lives_no_longer_than_its_route_allows() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let mut short = client(&gate, "/short", &token("7", 600)).connect();
    let mut kept = client(&gate, "/kept", &token("7", SOON)).connect();
    let started = now();
    assert_eq!(short.expect_close(), 4401);
    while now() - started <= SOON {
        kept.echo("waits");
    }
    // Its token has ended, and that it may.
    kept.echo("still here");
    gate.reload_and_wait(&policy());
    kept.echo("still here after a reload");
}

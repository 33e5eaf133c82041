//! Where the token is carried, and that it goes upstream in one place alone.

use super::super::support::gate::handshake;
use super::super::support::mint::{bearer_subprotocol, sa_token};
use super::super::support::ws_backend::{WsBackend, accept};
use super::super::support::ws_client::WsClient;
use super::gate_before;

const DEVICE: &str = "deviceType: im_web\r\n";

#[test]
fn a_token_in_each_place_arrives_in_its_header() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let token = sa_token("im_user:7");
    let subprotocol = bearer_subprotocol(&token);
    for (case, target, headers) in [
        (
            "header",
            "/ws?a=1".to_owned(),
            format!("token: Bearer {token}\r\n"),
        ),
        (
            "bare header",
            "/ws?a=1".to_owned(),
            format!("token: {token}\r\n"),
        ),
        ("query", format!("/ws?token={token}&a=1"), String::new()),
        (
            "query with an escape",
            format!("/ws?a=1&token={}", token.replace('.', "%2E")),
            String::new(),
        ),
        (
            "subprotocol",
            "/ws?a=1".to_owned(),
            format!("Sec-WebSocket-Protocol: {subprotocol}, chat\r\n"),
        ),
        (
            "header and query alike",
            format!("/ws?a=1&token={token}"),
            format!("token: Bearer {token}\r\n"),
        ),
    ] {
        let answer = gate.send(handshake(&target, &format!("{DEVICE}{headers}")));
        assert_eq!(answer.status(), 101, "{case}: {}", answer.text());
        let received = backend.last_handshake();
        assert_eq!(received.header("token"), Some(token.as_str()), "{case}");
        assert_eq!(received.target(), "/ws?a=1", "{case}: no copy in the query");
        assert!(
            !received.text.contains(&subprotocol),
            "{case}: no copy in a subprotocol"
        );
        assert_eq!(
            received.text.matches(&token).count(),
            1,
            "{case}:\n{}",
            received.text
        );
    }
}

#[test]
fn different_tokens_in_two_places_are_refused() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let (one, other) = (sa_token("im_user:7"), sa_token("im_user:7"));
    let subprotocol = bearer_subprotocol(&other);
    for (case, target, headers) in [
        (
            "header and query",
            format!("/ws?token={other}"),
            format!("token: {one}\r\n"),
        ),
        (
            "header and subprotocol",
            "/ws".to_owned(),
            format!("token: {one}\r\nSec-WebSocket-Protocol: {subprotocol}, chat\r\n"),
        ),
        (
            "the query twice",
            format!("/ws?token={one}&token={one}"),
            String::new(),
        ),
        (
            "the header twice",
            "/ws".to_owned(),
            format!("token: {one}\r\ntoken: {one}\r\n"),
        ),
        (
            "two subprotocols",
            "/ws".to_owned(),
            format!(
                "Sec-WebSocket-Protocol: {subprotocol}, {}\r\n",
                bearer_subprotocol(&one)
            ),
        ),
    ] {
        let answer = gate.send(handshake(&target, &format!("{DEVICE}{headers}")));
        assert_eq!(answer.status(), 400, "{case}");
    }
    assert!(backend.handshakes().is_empty());
}

#[test]
fn the_subprotocol_of_the_token_is_never_answered() {
    let token = bearer_subprotocol(&sa_token("im_user:7"));
    let offered = format!("{token}, chat, superchat");
    let connect = |backend: &WsBackend| {
        let gate = gate_before(backend).start();
        let mut client = WsClient::to(gate.address(), "/ws")
            .header("deviceType", "im_web")
            .subprotocols(&offered)
            .connect();
        client.echo("alive");
        assert_eq!(
            backend.last_handshake().header("sec-websocket-protocol"),
            Some("chat, superchat")
        );
        client.protocol
    };
    let silent = WsBackend::echo();
    assert_eq!(
        connect(&silent).as_deref(),
        Some("chat"),
        "the first other one"
    );
    let choosing =
        WsBackend::handshaking(|head| accept(head, "Sec-WebSocket-Protocol: superchat\r\n"));
    assert_eq!(
        connect(&choosing).as_deref(),
        Some("superchat"),
        "the backend's choice"
    );
}

#[test]
fn the_subprotocol_of_the_token_alone_cannot_be_answered() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let token = bearer_subprotocol(&sa_token("im_user:7"));
    let headers = format!("{DEVICE}Sec-WebSocket-Protocol: {token}\r\n");
    assert_eq!(gate.send(handshake("/ws", &headers)).status(), 400);
    assert!(backend.handshakes().is_empty());
}

#[test]
fn a_backend_that_answers_with_the_tokens_subprotocol_is_502() {
    let token = bearer_subprotocol(&sa_token("im_user:7"));
    let echoed = token.clone();
    let backend = WsBackend::handshaking(move |head| {
        accept(head, &format!("Sec-WebSocket-Protocol: {echoed}\r\n"))
    });
    let gate = gate_before(&backend).start();
    let headers = format!("{DEVICE}Sec-WebSocket-Protocol: {token}, chat\r\n");
    let answer = gate.send(handshake("/ws", &headers));
    assert_eq!(answer.status(), 502);
    assert!(
        !answer.head.text.contains(&token),
        "nor is it shown to the client"
    );
}

#[test]
fn the_device_type_may_come_in_the_query() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let headers = format!("token: {}\r\n", sa_token("im_user:7"));
    let answer = gate.send(handshake("/ws?deviceType=im_pc_mac", &headers));
    assert_eq!(answer.status(), 101);
    let answer = gate.send(handshake(
        "/ws?deviceType=im_web",
        &format!("{headers}{DEVICE}"),
    ));
    assert_eq!(answer.status(), 101, "in both places, alike");
}

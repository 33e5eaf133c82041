//! A credential in JSON: what the backend sees, and when.

use super::super::support::frames::{self, Frame};
use super::super::support::gate::handshake;
use super::super::support::mint::{SOON, bearer_subprotocol};
use super::super::support::ws_backend::{End, WsBackend, accept};
use super::super::support::{Recorder, eventually};
use super::{accepted, close_code, gate_before, text, token, wait_until_waiting};

/// A message with the credential where `/json` looks for it.
fn login(credential: &str) -> Frame {
    text(format!(
        r#"{{"type":"login","data":{{"token":"{credential}"}}}}"#
    ))
}

#[test]
fn the_backend_hears_nothing_before_the_message_has_convinced() {
    let backend = WsBackend::echo();
    let gate = gate_before(backend.address()).start();
    let mut client = gate.client();
    client.send(handshake(
        "/json?token=forged&a=1",
        "Authorization: Bearer forged\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\
         X-Auth-Subject: 1\r\nCookie: a=b\r\n",
    ));
    let answer = client.answer();
    assert_eq!(answer.status(), 101);
    let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    assert_eq!(answer.header("sec-websocket-accept"), Some(accept));
    assert_eq!(answer.header("sec-websocket-extensions"), None);
    assert_eq!(answer.header("sec-websocket-protocol"), None);
    assert!(answer.header("x-request-id").is_some());
    wait_until_waiting(&gate, 1);
    client.send_frame(&Frame::new(frames::PING, "still there?"));
    let pong = client.frame();
    assert_eq!(
        (pong.opcode, pong.payload),
        (frames::PONG, b"still there?".to_vec())
    );
    assert!(backend.handshakes().is_empty());

    let message = login(&token("7", 60));
    client.send_frame(&message);
    assert!(client.frame() == message, "the backend's echo");
    let head = backend.last_handshake();
    assert_eq!(head.target(), "/json?a=1");
    for (name, value) in [
        ("x-auth-subject", Some("7")),
        ("x-auth-authenticator", Some("member")),
        ("authorization", None),
        ("sec-websocket-extensions", None),
        ("sec-websocket-protocol", None),
        ("cookie", Some("a=b")),
    ] {
        assert_eq!(head.header(name), value, "{name}");
    }
    assert_eq!(head.header("x-request-id"), answer.header("x-request-id"));
    client.send_frame(&text("and more"));
    assert!(client.frame() == text("and more"));
    wait_until_waiting(&gate, 0);
    let open = [("route", "json")];
    gate.wait_for_metric("imgate_sessions_open", &open, |count| count > 0.5);
    let allowed = [("route", "json"), ("result", "allow"), ("reason", "ok")];
    gate.wait_for_metric("imgate_auth_decisions_total", &allowed, |count| count > 0.5);
}

/// A backend that keeps every byte behind the handshake.
fn recorder() -> Recorder {
    Recorder::serving(|exchange| {
        exchange.send(accept(&exchange.head, ""));
        exchange.wait_for_the_gate_to_give_up();
    })
}

/// What arrived behind the head, once that is so much.
#[track_caller]
fn behind_the_head(backend: &Recorder, length: usize) -> Vec<u8> {
    let mut raw = Vec::new();
    eventually("everything arrives", || {
        raw.extend(backend.take_raw());
        let end = raw.windows(4).position(|window| window == b"\r\n\r\n")?;
        let behind = &raw[end + 4..];
        (behind.len() >= length).then(|| behind.to_vec())
    })
}

#[test]
fn the_message_arrives_byte_for_byte_with_what_follows() {
    let backend = recorder();
    let gate = gate_before(backend.address()).start();
    let message = format!(
        " {{\"data\" :\t{{\"token\":\"{}\"}},\"z\":1.0,\"é\":\"\\u00e9\"}}\n",
        token("7", 60)
    );
    let large = Frame::new(frames::BINARY, vec![7; 100_000]);
    let sent = [
        text(message).masked(),
        Frame::new(frames::PING, "p").masked(),
        Frame::part(frames::TEXT, "frag").masked(),
        Frame::new(frames::CONTINUATION, "ment").masked(),
        large.masked(),
    ]
    .concat();
    // All of it with the handshake, so that the gate has read ahead.
    let mut client = gate.client();
    client.send([handshake("/json", "").into_bytes(), sent.clone()].concat());
    assert_eq!(client.answer().status(), 101);
    assert!(behind_the_head(&backend, sent.len()) == sent);
}

#[test]
fn the_credential_moves_into_the_handshake_or_goes_nowhere() {
    for (route, name, value) in [
        ("/moved", "token", Some(token("7", 60))),
        ("/stripped", "authorization", None),
    ] {
        let backend = recorder();
        let gate = gate_before(backend.address()).start();
        let token = value.clone().unwrap_or_else(|| token("7", 60));
        let mut client = accepted(&gate, route, "token: forged\r\n");
        client.send_frame(&text(format!(r#"{{"token":"Bearer {token}"}}"#)));
        let second = text("second").masked();
        client.send(&second);
        assert!(behind_the_head(&backend, second.len()) == second, "{route}");
        let head = backend.only().head;
        assert_eq!(head.header(name), value.as_deref(), "{route}");
        assert_eq!(head.header("x-auth-subject"), Some("7"), "{route}");
    }
}

/// What a client says first, and what it is told and counted as.
fn unconvincing() -> Vec<(&'static str, Vec<u8>, u16, &'static str)> {
    let part = |opcode, payload: &str| Frame::part(opcode, payload).masked();
    vec![
        ("no json", text("hello").masked(), 4401, "malformed"),
        (
            "no token",
            text(r#"{"data":{}}"#).masked(),
            4401,
            "no_credential",
        ),
        (
            "another type",
            text(r#"{"data":{"token":1}}"#).masked(),
            4401,
            "malformed",
        ),
        (
            "an unknown key",
            login("key-c").masked(),
            4401,
            "unknown_key",
        ),
        (
            "an expired token",
            login(&token("7", -5)).masked(),
            4401,
            "expired",
        ),
        (
            "a duplicate key",
            text(r#"{"data":{"token":"key-a","token":"key-a"}}"#).masked(),
            4401,
            "malformed",
        ),
        (
            "a duplicate key elsewhere",
            text(r#"{"data":{"token":"key-a"},"x":[{"a":1,"a":2}]}"#).masked(),
            4401,
            "malformed",
        ),
        (
            "a binary message",
            Frame::new(frames::BINARY, r#"{"data":{"token":"key-a"}}"#).masked(),
            4401,
            "malformed",
        ),
        (
            "fragments",
            [
                part(frames::TEXT, r#"{"data":{"#),
                Frame::new(frames::CONTINUATION, r#""token":"key-a"}}"#).masked(),
            ]
            .concat(),
            4401,
            "malformed",
        ),
        (
            "another message first",
            [text("{}").masked(), login("key-a").masked()].concat(),
            4401,
            "no_credential",
        ),
        (
            "more than 64 KiB",
            login(&"x".repeat(64 * 1024)).masked(),
            4401,
            "malformed",
        ),
        (
            "too many frames",
            [
                Frame::new(frames::PONG, "").masked().repeat(64),
                login("key-a").masked(),
            ]
            .concat(),
            4401,
            "malformed",
        ),
        ("not masked", login("key-a").unmasked(), 1002, "malformed"),
        (
            "compressed",
            vec![0xc1, 0x80, 0, 0, 0, 0],
            1002,
            "malformed",
        ),
    ]
}

/// What some server would take for another credential than the gate.
fn doubtful() -> Vec<(&'static str, Vec<u8>, u16, &'static str)> {
    vec![
        (
            "a key that some take for the same",
            text(r#"{"data":{"token":"key-a","Token":"key-b"}}"#).masked(),
            4401,
            "malformed",
        ),
        (
            "a key that some take for the same, before it",
            text(r#"{"data":{"to_ken":"key-b","token":"key-a"}}"#).masked(),
            4401,
            "malformed",
        ),
        (
            "another way to a key",
            text(r#"{"data":{"token":"key-a"},"DATA":{"token":"key-b"}}"#).masked(),
            4401,
            "malformed",
        ),
        (
            "a key that only some take for it",
            text(r#"{"data":{"TOKEN":"key-a"}}"#).masked(),
            4401,
            "no_credential",
        ),
    ]
}

#[test]
fn what_does_not_convince_ends_with_4401() {
    let backend = WsBackend::echo();
    let gate = gate_before(backend.address()).start();
    for (case, sent, code, reason) in [unconvincing(), doubtful()].concat() {
        let labels = [("route", "json"), ("result", "deny"), ("reason", reason)];
        let before = gate.metrics().value("imgate_auth_decisions_total", &labels);
        let mut client = accepted(&gate, "/json", "");
        client.send(&sent);
        assert_eq!(close_code(&mut client), code, "{case}");
        gate.wait_for_metric("imgate_auth_decisions_total", &labels, |count| {
            count > before + 0.5
        });
    }
    assert!(
        backend.handshakes().is_empty(),
        "the backend has seen nothing"
    );
    wait_until_waiting(&gate, 0);
}

#[test]
fn a_line_in_the_log_tells_what_came_of_it() {
    let backend = WsBackend::echo();
    let gate = gate_before(backend.address()).start();
    let mut denied = accepted(&gate, "/json", "");
    denied.send_frame(&login("key-canary"));
    assert_eq!(close_code(&mut denied), 4401);
    let mut admitted = accepted(&gate, "/json", "");
    admitted.send_frame(&login(&token("7", 60)));
    admitted.frame();
    let line = |reason: &str| {
        eventually("the line is there", || {
            let output = gate.output();
            let lines = output
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            let mut lines =
                lines.map(|line: serde_json::Value| line.get("fields").cloned().unwrap_or(line));
            lines.find(|line| line["route"] == "json" && line["reason"] == reason)
        })
    };
    assert_eq!(line("unknown_key")["status"], 101);
    let admitted = line("ok");
    assert_eq!(admitted["status"], 101);
    assert_eq!(admitted["subject"], "7");
    assert_eq!(admitted["authenticator"], "member");
    assert!(!gate.output().contains("canary"));
}

#[test]
fn the_client_is_told_of_one_subprotocol_and_the_upstream_offered_no_other() {
    let backend = WsBackend::handshaking(|head| {
        let chosen = head.header("sec-websocket-protocol").map(ToOwned::to_owned);
        let chosen = chosen.map_or(String::new(), |one| {
            format!("Sec-WebSocket-Protocol: {one}\r\n")
        });
        accept(head, &chosen)
    });
    let gate = gate_before(backend.address()).start();
    for (offered, chosen) in [
        ("chat, v2", Some("chat")),
        (
            &format!("{}, v2, chat", bearer_subprotocol("forged")),
            Some("v2"),
        ),
    ] {
        let headers = format!("Sec-WebSocket-Protocol: {offered}\r\n");
        let mut client = gate.client();
        client.send(handshake("/json", &headers));
        assert_eq!(client.answer().header("sec-websocket-protocol"), chosen);
        client.send_frame(&login("key-a"));
        assert!(client.frame() == login("key-a"), "{offered}");
        let head = backend.last_handshake();
        assert_eq!(head.header("sec-websocket-protocol"), chosen, "{offered}");
    }
    // A token alone leaves nothing to be chosen, as on any other route.
    let headers = format!("Sec-WebSocket-Protocol: {}\r\n", bearer_subprotocol("x"));
    assert_eq!(gate.send(handshake("/json", &headers)).status(), 400);
}

#[test]
fn a_backend_that_fails_or_refuses_asks_the_client_to_come_back() {
    let gone = WsBackend::echo();
    let address = gone.address();
    let refusing: [fn(&super::super::support::wire::Head) -> String; 4] = [
        |_| "HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\nsecret".to_owned(),
        |head| accept(head, "Sec-WebSocket-Protocol: never-offered\r\n"),
        |head| accept(head, "Sec-WebSocket-Extensions: permessage-deflate\r\n"),
        |_| {
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
                .to_owned()
        },
    ];
    for script in refusing {
        let backend = WsBackend::handshaking(script);
        let gate = gate_before(backend.address()).start();
        let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
        let mut client = accepted(&gate, "/json", offer);
        client.send_frame(&login("key-a"));
        assert_eq!(close_code(&mut client), 1013);
        assert_eq!(backend.handshakes().len(), 1);
    }
    drop(gone);
    let nobody = super::super::support::net::free_address();
    assert_ne!(nobody, address);
    let gate = gate_before(nobody).start();
    let mut client = accepted(&gate, "/json", "");
    client.send_frame(&login("key-a"));
    assert_eq!(close_code(&mut client), 1013);
}

#[test]
fn the_session_ends_with_its_token() {
    let backend = WsBackend::echo();
    let gate = gate_before(backend.address()).start();
    let mut client = accepted(&gate, "/json", "");
    client.send_frame(&login(&token("7", SOON)));
    client.frame();
    assert_eq!(close_code(&mut client), 4401);
    assert_eq!(backend.first_end(), End::Close(4401));
    let expired = [("route", "json"), ("reason", "expired")];
    gate.wait_for_metric("imgate_sessions_closed_total", &expired, |count| {
        count > 0.5
    });
}

#[test]
fn the_device_type_is_asked_for_before_the_message() {
    let backend = WsBackend::echo();
    let gate = gate_before(backend.address()).start();
    for (target, status) in [
        ("/devices", 403),
        ("/devices?device=tv", 403),
        ("/devices?device=im_web&device=im_pc", 400),
    ] {
        assert_eq!(
            gate.send(handshake(target, "")).status(),
            status,
            "{target}"
        );
    }
    let mut client = accepted(&gate, "/devices?device=web", "");
    client.send_frame(&text(format!(r#"{{"token":"{}"}}"#, token("7", 60))));
    client.frame();
    let head = backend.last_handshake();
    assert_eq!(head.header("x-auth-device-type"), Some("im_web"));
    assert_eq!(head.target(), "/devices?device=im%5Fweb");
    // The place for this user and device is taken.
    let mut second = accepted(&gate, "/devices?device=im_web", "");
    second.send_frame(&text(format!(r#"{{"token":"{}"}}"#, token("7", 60))));
    assert_eq!(close_code(&mut second), 4429);
    assert_eq!(backend.handshakes().len(), 1);
    let mut other = accepted(&gate, "/devices?device=im_pc", "");
    other.send_frame(&text(format!(r#"{{"token":"{}"}}"#, token("7", 60))));
    other.frame();
}

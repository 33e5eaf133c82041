//! Socket.IO's `auth2`: who hears what before it, and what becomes of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::support::frames::{self, Frame};
use super::super::support::gate::handshake;
use super::super::support::mint::SOON;
use super::super::support::raw::request;
use super::super::support::ws_backend::{End, WsBackend, accept};
use super::super::support::{RawClient, Recorder};
use super::chat::{Chat, OPEN, SOCKET, auth2};
use super::{accepted, close_code, gate_before, text, token, wait_until_waiting};

/// Nothing has come: the answer to a ping through the whole chain is the next frame.
#[track_caller]
fn expect_nothing_but_a_pong(client: &mut RawClient) {
    client.send_frame(&Frame::new(frames::PING, "anything?"));
    let frame = client.frame();
    assert_eq!(frame.opcode, frames::PONG, "{frame:?}");
}

#[test]
fn the_two_are_introduced_and_the_rest_waits() {
    let backend = Chat::saying(&[
        r#"42["announcement","for members"]"#,
        "2",
        r#"42["announcement","second"]"#,
    ]);
    let gate = gate_before(backend.address()).start();
    let mut client = gate.client();
    client.send(handshake(
        SOCKET,
        "IM-Authorization: forged\r\nIM-CLIENT-KEY: client-key\r\nX-Auth-Subject: 1\r\n\
         Sec-WebSocket-Extensions: permessage-deflate\r\n",
    ));
    let answer = client.answer();
    assert_eq!(answer.status(), 101);
    assert_eq!(answer.header("sec-websocket-extensions"), None);
    let head = backend.last_handshake();
    assert_eq!(head.target(), SOCKET);
    for name in [
        "im-authorization",
        "im-client-key",
        "x-auth-subject",
        "sec-websocket-extensions",
    ] {
        assert_eq!(head.header(name), None, "{name}");
    }
    assert!(head.header("x-auth-session-id").is_some());

    assert!(client.frame() == text(OPEN));
    client.send_frame(&text("40"));
    assert!(client.frame() == text(r#"40{"sid":"n"}"#));
    // A ping is for everybody.
    assert!(client.frame() == text("2"));
    wait_until_waiting(&gate, 1);
    let token = token("7", 60);
    let event = auth2("", "client-key", &token);
    client.send([text(event.as_str()).masked(), text("3").masked()].concat());
    // What has waited comes first, in its order and with nothing missing.
    for expected in [
        r#"42["announcement","for members"]"#,
        r#"42["announcement","second"]"#,
    ] {
        assert!(client.frame() == text(expected), "{expected}");
    }
    assert_eq!(backend.wait_until_heard(3), ["40", event.as_str(), "3"]);
    wait_until_waiting(&gate, 0);
    let open = [("route", "socket")];
    gate.wait_for_metric("imgate_sessions_open", &open, |count| count > 0.5);
    let raw = backend.raw();
    let sent = [
        text("40").masked(),
        text(event).masked(),
        text("3").masked(),
    ]
    .concat();
    assert!(raw.ends_with(&sent), "byte for byte");
}

#[test]
fn the_sdk_for_flutter_gets_the_answer_to_conf_before_it_goes_on() {
    // A server that talks to everybody who has connected must not keep the answer from the client.
    let backend = Chat::saying(&[
        r#"42["announcement","for members"]"#,
        "2",
        r#"42["announcement","second"]"#,
    ]);
    let gate = gate_before(backend.address()).start();
    let mut client = Chat::introduced(&gate);
    assert!(client.frame() == text("2"));
    client.send_frame(&text("3"));
    client.send_frame(&text(r#"420["conf",{"encoding":"base64"}]"#));
    assert!(client.frame() == text(r#"430["eyJSQyI6MH0="]"#));
    expect_nothing_but_a_pong(&mut client);
    let token = token("7", 60);
    client.send_frame(&text(format!(
        r#"421["auth2","{token}",{{"IM-CLIENT-KEY":"client-key","IM-Authorization":"{token}"}}]"#
    )));
    for expected in [
        r#"42["announcement","for members"]"#,
        r#"42["announcement","second"]"#,
        r#"431["eyJSQyI6MH0="]"#,
    ] {
        assert!(client.frame() == text(expected), "{expected}");
    }
    client.send_frame(&text(r#"42["typing",{"room":"r"}]"#));
    backend.wait_until_heard(5);
}

#[test]
fn a_server_that_says_more_than_can_be_held_back_waits_until_the_client_is_known() {
    let said: Vec<String> = (0..2_000)
        .map(|count| format!(r#"42["announcement",{count},"{}"]"#, "x".repeat(50)))
        .collect();
    let backend = Chat::saying(&said);
    let gate = gate_before(backend.address()).start();
    let mut client = Chat::introduced(&gate);
    // The answer stands behind all of it.
    client.send_frame(&text(r#"420["conf",{}]"#));
    let token = token("7", 60);
    client.send_frame(&text(auth2("1", "client-key", &token)));
    for expected in &said {
        assert!(client.frame() == text(expected), "{expected}");
    }
    for expected in [r#"430["eyJSQyI6MH0="]"#, r#"431["eyJSQyI6MH0="]"#] {
        assert!(client.frame() == text(expected), "{expected}");
    }
}

#[test]
fn an_auth2_that_fails_is_answered_as_the_server_would() {
    let backend = Chat::start();
    let gate = gate_before(backend.address()).start();
    let unpacked = |frame: &Frame| -> serde_json::Value {
        let text = String::from_utf8(frame.payload.clone()).unwrap();
        let json = text
            .strip_prefix("43")
            .unwrap()
            .trim_start_matches(|c: char| c.is_ascii_digit());
        serde_json::from_str::<serde_json::Value>(json).unwrap()[0].clone()
    };
    let good = token("7", 60);

    let mut plain = Chat::introduced(&gate);
    plain.send_frame(&text(auth2("7", "client-key", "forged")));
    let frame = plain.frame();
    assert!(frame.payload.starts_with(b"437["));
    let answer = unpacked(&frame);
    assert_eq!(answer["RC"], 401);
    assert_eq!(answer["RM"], "Unauthorized");
    assert_eq!(answer["error"]["code"], "INVALID_TOKEN");
    assert_eq!(close_code(&mut plain), 4401);
    assert_eq!(backend.first_end(), End::Close(4401));

    let mut base64 = Chat::introduced(&gate);
    base64.send_frame(&text(r#"420["conf",{"encoding":"base64"}]"#));
    base64.frame();
    base64.send_frame(&text(auth2("1", "other-key", &good)));
    let packed = unpacked(&base64.frame());
    let answer = STANDARD.decode(packed.as_str().unwrap()).unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(answer["RC"], 401);
    assert_eq!(answer["error"]["code"], "INVALID_CLIENT_KEY");
    assert_eq!(close_code(&mut base64), 4401);

    let mut silent = Chat::introduced(&gate);
    silent.send_frame(&text(auth2("", "client-key", &token("7", -5))));
    assert!(silent.frame() == text("41"));
    assert_eq!(close_code(&mut silent), 4401);

    let heard = backend.heard();
    assert!(
        heard.iter().all(|text| !text.contains("auth2")),
        "{heard:?}"
    );
    let expired = [
        ("route", "socket"),
        ("result", "deny"),
        ("reason", "expired"),
    ];
    gate.wait_for_metric("imgate_auth_decisions_total", &expired, |count| count > 0.5);
}

#[test]
fn a_stranger_who_says_more_than_it_may_is_done() {
    let backend = Chat::start();
    let gate = gate_before(backend.address()).start();
    let token = token("7", 60);
    let good = auth2("", "client-key", &token);
    for (case, sent) in [
        ("an event", text(r#"42["chat message","hi"]"#).masked()),
        ("a second connection", text("40").masked()),
        (
            "a credential when connecting",
            text(format!(r#"40{{"token":"{token}"}}"#)).masked(),
        ),
        ("another namespace", text("40/admin,").masked()),
        (
            "auth2 in another namespace",
            text(good.replace("42[", "42/admin,[")).masked(),
        ),
        (
            "auth2 with an attachment",
            text(good.replace("42[", "451-[")).masked(),
        ),
        (
            "auth2 in a binary message",
            Frame::new(frames::BINARY, good.as_str()).masked(),
        ),
        (
            "auth2 in fragments",
            [
                Frame::part(frames::TEXT, &good[..20]).masked(),
                Frame::new(frames::CONTINUATION, &good[20..]).masked(),
            ]
            .concat(),
        ),
        (
            "a duplicate key",
            text(good.replace('{', r#"{"CLIENT_KEY":"client-key","#)).masked(),
        ),
        (
            "another copy of the token",
            text(good.replace(r#"Authorization":""#, r#"Authorization":"x"#)).masked(),
        ),
        (
            "the other spelling with another value",
            text(good.replace('{', r#"{"IM-CLIENT-KEY":"other","#)).masked(),
        ),
        ("no token", text(good.replace(&token, "")).masked()),
        (
            "no client key",
            text(format!(r#"42["auth2","{token}",{{}}]"#)).masked(),
        ),
        ("an upgrade from polling", text("2probe").masked()),
        (
            "a number that is none",
            text(good.replace("42[", "4201[")).masked(),
        ),
        ("too many frames", text("3").masked().repeat(64)),
        (
            "more than 64 KiB",
            text(format!("42[\"conf\",{{\"x\":\"{}\"}}]", "x".repeat(65_536))).masked(),
        ),
    ] {
        let mut client = Chat::introduced(&gate);
        client.send(&sent);
        assert_eq!(close_code(&mut client), 4401, "{case}");
    }
    let heard = backend.heard();
    assert!(
        heard.iter().all(|text| text == "40" || text == "3"),
        "{heard:?}"
    );
    wait_until_waiting(&gate, 0);
}

#[test]
fn what_the_server_says_to_members_does_not_reach_a_stranger() {
    let backend = Chat::saying(&[r#"44{"message":"secret"}"#]);
    let gate = gate_before(backend.address()).start();
    let mut client = accepted(&gate, SOCKET, "");
    assert!(client.frame() == text(OPEN));
    expect_nothing_but_a_pong(&mut client);
    client.send_frame(&text("40"));
    assert!(client.frame() == text(r#"40{"sid":"n"}"#));
    expect_nothing_but_a_pong(&mut client);
    assert_eq!(close_code(&mut client), 4408);
    assert_eq!(backend.first_end(), End::Close(4408));
}

#[test]
fn only_engine_io_over_websocket_is_spoken_here() {
    let backend = Recorder::ok();
    let gate = gate_before(backend.address()).start();
    for (case, query, status) in [
        ("polling", "EIO=4&transport=polling", 400),
        ("an older protocol", "EIO=3&transport=websocket", 400),
        ("webtransport", "EIO=4&transport=webtransport", 400),
        (
            "a session that began elsewhere",
            "EIO=4&transport=websocket&sid=x",
            400,
        ),
        (
            "two transports",
            "EIO=4&transport=websocket&transport=polling",
            400,
        ),
        ("no query", "", 400),
    ] {
        let answer = gate.send(handshake(&format!("/socket.io/?{query}"), ""));
        assert_eq!(answer.status(), status, "{case}");
        assert_eq!(answer.reason(), "upgrade", "{case}");
    }
    let polling = "/socket.io/?EIO=4&transport=polling&t=x";
    assert_eq!(gate.get(polling, "").status(), 426);
    assert_eq!(
        gate.send(request("POST", polling, "Content-Length: 0\r\n"))
            .status(),
        426
    );
    assert_eq!(backend.connections(), 0);
}

#[test]
fn an_upstream_that_is_not_there_or_goes_is_told_apart() {
    let nobody = super::super::support::net::free_address();
    let gate = gate_before(nobody).start();
    assert_eq!(gate.send(handshake(SOCKET, "")).status(), 502);

    let declining = WsBackend::handshaking(|_| {
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\nsecret".to_owned()
    });
    let gate = gate_before(declining.address()).start();
    let answer = gate.send(handshake(SOCKET, ""));
    assert_eq!(answer.status(), 502);
    assert!(!answer.text().contains("secret"));

    let going = Recorder::serving(|exchange| {
        exchange.send(accept(&exchange.head, ""));
        exchange.send(text(OPEN).unmasked());
        exchange.close();
    });
    let gate = gate_before(going.address()).start();
    let mut client = accepted(&gate, SOCKET, "");
    assert!(client.frame() == text(OPEN));
    assert_eq!(close_code(&mut client), 1013);
}

#[test]
fn a_client_that_leaves_the_introduction_is_missed_on_the_other_side() {
    let backend = Chat::start();
    let gate = gate_before(backend.address()).start();
    let mut client = Chat::introduced(&gate);
    client.send_frame(&Frame::close(4321));
    assert_eq!(close_code(&mut client), 4321);
    assert_eq!(backend.first_end(), End::Close(4321));
}

#[test]
fn a_session_that_has_begun_ends_with_its_token() {
    let backend = Chat::start();
    let gate = gate_before(backend.address()).start();
    let mut client = Chat::introduced(&gate);
    client.send_frame(&text(auth2("1", "client-key", &token("7", SOON))));
    assert!(client.frame() == text(r#"431["eyJSQyI6MH0="]"#));
    assert_eq!(close_code(&mut client), 4401);
    assert_eq!(backend.first_end(), End::Close(4401));
}

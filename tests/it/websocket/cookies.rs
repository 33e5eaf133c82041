//! A token in a cookie: from its pages alone, and never further than the gate.

use super::super::support::gate::{Gate, handshake};
use super::super::support::mint::{SOON, sa_token, sa_token_mixin};
use super::super::support::raw::request;
use super::super::support::ws_backend::{End, WsBackend};
use super::super::support::ws_client::WsClient;
use super::super::support::{Recorder, eventually};
use super::policy;

const DEVICE: &str = "deviceType: im_web\r\n";
const CHAT: &str = "https://chat.example.com";

/// The policy of the other tests, with a cookie as one more place, and with plain routes.
fn policy_with(origins: &str) -> String {
    let subprotocol = "{ subprotocol: imgate.bearer. }";
    let cookie = format!("{subprotocol}, {{ cookie: im, origins: [{origins}] }}");
    let policy = policy().replace(subprotocol, &cookie);
    format!(
        "{policy}  - {{ name: public, match: {{ path: /public }}, require: public, upstream: ws }}\n  \
         - {{ name: http, match: {{ path: /http }}, require: {{ any_of: [im-token] }}, upstream: ws }}\n"
    )
}

fn gate_before(backend: &WsBackend) -> Gate {
    let builder = Gate::with(&policy_with(CHAT));
    builder.upstream("ws", backend.address()).start()
}

fn from_chat(cookies: &str) -> String {
    format!("{DEVICE}Origin: {CHAT}\r\nCookie: {cookies}\r\n")
}

#[test]
fn a_token_in_a_cookie_arrives_in_its_header() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend);
    let token = sa_token("im_user:7");
    for (cookies, kept) in [
        (format!("im={token}"), None),
        (format!("a=1; im={token};  b=\"2\""), Some("a=1;  b=\"2\"")),
        (format!("im=\"{token}\"; c"), Some("c")),
    ] {
        let answer = gate.send(handshake("/ws", &from_chat(&cookies)));
        assert_eq!(answer.status(), 101, "{cookies}: {}", answer.text());
        let received = backend.last_handshake();
        assert_eq!(received.header("token"), Some(token.as_str()));
        assert_eq!(received.header("cookie"), kept);
        assert_eq!(received.text.matches(&token).count(), 1, "no other copy");
        assert_eq!(received.header("x-auth-subject"), Some("7"));
    }
}

#[test]
fn a_cookie_from_another_page_is_refused_and_says_why() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend);
    let token = sa_token("im_user:7");
    for origin in [
        "",
        "Origin: null\r\n",
        "Origin: https://evil.example.com\r\n",
    ] {
        let headers = format!("{DEVICE}{origin}Cookie: im={token}\r\n");
        let answer = gate.send(handshake("/ws", &headers));
        assert_eq!(answer.status(), 403, "{origin}");
        assert!(
            answer.text().contains("\"error\":\"conflict\""),
            "{}",
            answer.text()
        );
        assert!(answer.text().contains("`Origin`"), "{}", answer.text());
    }
    assert!(backend.handshakes().is_empty());
    // A page that has a token of its own needs no cookie, and cannot keep it from being sent.
    let headers = format!("{DEVICE}Origin: https://evil.example.com\r\nCookie: im={token}\r\n");
    let own = sa_token("im_user:8");
    let answer = gate.send(handshake(&format!("/ws?token={own}"), &headers));
    assert_eq!(answer.status(), 101);
    let received = backend.last_handshake();
    assert_eq!(received.header("x-auth-subject"), Some("8"));
    assert!(!received.text.contains(&token));
}

#[test]
fn a_cookie_and_another_place_must_agree() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend);
    let (one, other) = (sa_token("im_user:7"), sa_token("im_user:7"));
    for (case, cookies, more, status) in [
        (
            "alike",
            format!("im={one}"),
            format!("token: Bearer {one}\r\n"),
            101,
        ),
        (
            "not alike",
            format!("im={other}"),
            format!("token: {one}\r\n"),
            400,
        ),
        ("twice", format!("im={one}; im={one}"), String::new(), 400),
        (
            "in two headers",
            format!("im={one}\r\nCookie: im={one}"),
            String::new(),
            400,
        ),
    ] {
        let answer = gate.send(handshake("/ws", &format!("{}{more}", from_chat(&cookies))));
        assert_eq!(answer.status(), status, "{case}");
    }
    assert_eq!(backend.handshakes().len(), 1);
    assert!(!backend.last_handshake().text.contains("im="));
}

#[test]
fn a_token_in_a_cookie_ends_its_socket() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend);
    let token = sa_token_mixin("im_user:7", "im_web", SOON);
    let mut client = WsClient::to(gate.address(), "/ws")
        .header("deviceType", "im_web")
        .header("Origin", CHAT)
        .header("Cookie", &format!("im={token}"))
        .connect();
    client.echo("still valid");
    assert_eq!(client.expect_close(), 4401);
    assert_eq!(backend.first_end(), End::Close(4401));
}

#[test]
fn a_page_that_is_not_trusted_any_more_loses_its_sockets() {
    let backend = WsBackend::echo();
    let gate = Gate::with(&policy_with(&format!("{CHAT}, https://app.example.com")))
        .upstream("ws", backend.address())
        .start();
    let connect = |origin: &str| {
        let mut client = WsClient::to(gate.address(), "/ws")
            .header("deviceType", "im_web")
            .header("Origin", origin)
            .header("Cookie", &format!("im={}", sa_token("im_user:7")))
            .connect();
        client.echo("here");
        client
    };
    let (mut chat, mut app) = (connect(CHAT), connect("https://app.example.com"));
    gate.reload_and_wait(&policy_with(CHAT));
    assert_eq!(app.expect_close(), 4401);
    chat.echo("still here");
    eventually("one socket ends", || {
        (backend.ends() == [End::Close(4401)]).then_some(())
    });
}

#[test]
fn plain_requests_need_the_page_as_well() {
    let backend = Recorder::ok();
    let gate = Gate::with(&policy_with(CHAT))
        .upstream("ws", backend.address())
        .start();
    let cookie = format!("Cookie: a=1; im={}\r\n", sa_token("im_user:7"));
    // Browsers name the page of a plain GET only when it is of another origin.
    for (method, origin, status) in [
        ("GET", "", 403),
        ("HEAD", "", 403),
        ("GET", "Origin: https://chat.example.com\r\n", 200),
        (
            "POST",
            "Origin: https://chat.example.com\r\nContent-Length: 0\r\n",
            200,
        ),
        (
            "POST",
            "Origin: https://evil.example.com\r\nContent-Length: 0\r\n",
            403,
        ),
        ("POST", "Content-Length: 0\r\n", 403),
    ] {
        let mut client = gate.client();
        client.send(request(method, "/http", &format!("{origin}{cookie}")));
        let answer = if method == "HEAD" {
            client.answer_to_head()
        } else {
            client.answer()
        };
        assert_eq!(answer.status(), status, "{method} {origin}");
    }
    let received = backend.take();
    assert_eq!(received.len(), 2);
    for received in received {
        assert_eq!(received.head.header("cookie"), Some("a=1"));
        assert!(received.head.header("token").is_some());
    }
    // In public nobody asks for it, and nobody gets it.
    assert_eq!(gate.get("/public", &cookie).status(), 200);
    let received = backend.only().head;
    assert_eq!(received.header("cookie"), Some("a=1"));
    assert_eq!(received.header("token"), None);
}

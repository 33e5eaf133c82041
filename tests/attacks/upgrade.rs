//! Upgrades that are none (A1).

use super::arena::{Arena, HOST, KEY, attack};
use crate::support::raw::request;

const WS_KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";

/// Every kind of value, and whether a WebSocket is among what it names.
#[rustfmt::skip]
const UPGRADES: &[(&str, bool)] = &[
    ("x", false), ("", false), ("TLS/1.0", false), ("HTTP/2.0", false), ("h2c", false), ("h2", false),
    ("websocket", true), ("WebSocket", true), ("WEBSOCKET", true), ("websocket/13", false),
    ("h2c, websocket", true), ("websocket, h2c", true), ("websocket,websocket", true),
    ("\"websocket\"", false), ("web socket", false), ("websockets", false),
];
const CONNECTIONS: [&str; 6] = [
    "",
    "Connection: Upgrade\r\n",
    "Connection: upgrade\r\n",
    "Connection: keep-alive, Upgrade\r\n",
    "Connection: Upgrade\r\nConnection: keep-alive\r\n",
    "Connection: close\r\n",
];

#[test]
fn an_upgrade_header_does_not_bypass_the_key() {
    let arena = Arena::new();
    let mut attacks = Vec::new();
    for connection in CONNECTIONS {
        for (value, websocket) in UPGRADES {
            let lines = format!("{connection}Upgrade: {value}\r\n");
            let path = "/openapi/smuggled";
            let body = "Content-Length: 5\r\n";
            let with_body = if *websocket { 400 } else { 401 };
            attacks.extend([
                attack(format!("GET, {lines:?}"), request("GET", path, &lines), 401),
                attack(
                    format!("POST, {lines:?}"),
                    request("POST", path, &lines),
                    401,
                ),
                attack(
                    format!("the rest of a handshake, {lines:?}"),
                    request("GET", path, &format!("{lines}{WS_KEY}{VERSION}")),
                    401,
                ),
                attack(
                    format!("with a body, {lines:?}"),
                    request("POST", path, &format!("{lines}{body}")) + "hello",
                    with_body,
                ),
                attack(
                    format!("HTTP/1.0, {lines:?}"),
                    format!("GET {path} HTTP/1.0\r\n{HOST}{lines}\r\n"),
                    401,
                ),
            ]);
        }
    }
    for (case, lines) in [
        ("twice", "Upgrade: websocket\r\nUpgrade: websocket\r\n"),
        ("two of them", "Upgrade: h2c\r\nUpgrade: websocket\r\n"),
        ("in two spellings", "Upgrade: websocket\r\nupgrade: x\r\n"),
    ] {
        let bytes = request("GET", "/openapi/smuggled", lines);
        attacks.push(attack(case, bytes, 400));
    }
    arena.check(attacks);
}

#[test]
fn an_upgrade_does_not_make_a_tunnel_of_a_plain_route() {
    let arena = Arena::new();
    arena.check(UPGRADES.iter().map(|(value, _)| {
        let lines = format!("{KEY}Connection: Upgrade\r\nUpgrade: {value}\r\n{WS_KEY}{VERSION}");
        // What comes behind is a request like any other.
        let behind = request("GET", "/openapi/smuggled", "");
        attack(
            format!("upgrade to {value:?} and a request without a key behind it"),
            request("GET", "/openapi/first", &lines) + &behind,
            0,
        )
        .answered(&[200, 401])
        .arriving(&["GET /openapi/first"])
    }));
}

#[test]
fn an_upgrade_on_a_plain_route_is_not_passed_on() {
    let arena = Arena::new();
    for (value, _) in UPGRADES {
        let lines = format!("{KEY}Connection: Upgrade\r\nUpgrade: {value}\r\n{WS_KEY}{VERSION}");
        assert_eq!(arena.gate().get("/openapi/first", &lines).status(), 200);
        let arrived = arena.expect_arrived(&["GET /openapi/first"]);
        let head = &arrived[0].head;
        let own = (head.all("upgrade"), head.all("connection"));
        assert_eq!(own, (vec![], vec![]), "{value}:\n{}", head.text);
    }
}

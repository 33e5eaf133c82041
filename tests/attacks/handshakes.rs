//! WebSocket handshakes that are malformed or declined, and what comes behind them (A2 to A4).

use super::arena::{Arena, HOST, KEY, SMUGGLED, attack, echo, smuggled, token};
use crate::support::Recorder;
use crate::support::gate::handshake;
use crate::support::raw::request;
use crate::support::recorder::Exchange;
use crate::support::ws_backend::accept;

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
const WS_KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";

#[test]
fn a_malformed_handshake_reaches_no_backend() {
    let arena = Arena::new();
    let (upgrade, key, version) = (UPGRADE, WS_KEY, VERSION);
    let connection =
        |value: &str| format!("Connection: {value}\r\nUpgrade: websocket\r\n{key}{version}");
    let to = |value: &str| format!("Connection: Upgrade\r\nUpgrade: {value}\r\n{key}{version}");
    let keyed = |value: &str| format!("{upgrade}{version}Sec-WebSocket-Key: {value}\r\n");
    let versioned = |value: &str| format!("{upgrade}{key}Sec-WebSocket-Version: {value}\r\n");
    let also = |more: &str| format!("{upgrade}{key}{version}{more}\r\n");
    #[rustfmt::skip]
    let cases = [
        ("no upgrade", String::new(), 426),
        ("the key and the version alone", format!("{key}{version}"), 426),
        ("no connection", format!("Upgrade: websocket\r\n{key}{version}"), 400),
        ("a connection that closes", connection("close"), 400),
        ("a connection with a word that ends alike", connection("x-upgrade"), 400),
        ("a connection with a word that begins alike", connection("upgrades"), 400),
        ("a connection in quotes", connection("\"upgrade\""), 400),
        ("a connection with a parameter", connection("upgrade;q=1"), 400),
        ("another upgrade", to("h2c"), 426),
        ("an empty upgrade", to(""), 426),
        ("an upgrade with a version", to("websocket/13"), 426),
        ("an upgrade in quotes", to("\"websocket\""), 426),
        ("an upgrade and another one", to("websocket, h2c"), 400),
        ("another upgrade first", to("h2c, websocket"), 400),
        ("an upgrade twice in a list", to("websocket, websocket"), 400),
        ("an upgrade twice", also("Upgrade: websocket"), 400),
        ("no version", format!("{upgrade}{key}"), 426),
        ("an older version", versioned("8"), 426),
        ("a version of the future", versioned("14"), 426),
        ("version 1337", versioned("1337"), 426),
        ("a version with a zero", versioned("013"), 426),
        ("a version with a sign", versioned("+13"), 426),
        ("a version with a fraction", versioned("13.0"), 426),
        ("two versions in a list", versioned("13, 8"), 426),
        ("a version twice", also("Sec-WebSocket-Version: 13"), 400),
        ("no key", format!("{upgrade}{version}"), 400),
        ("an empty key", keyed(""), 400),
        ("a key of 15 bytes", keyed("AAECAwQFBgcICQoLDA0O"), 400),
        ("a key of 17 bytes", keyed("AAECAwQFBgcICQoLDA0ODxA="), 400),
        ("a key without padding", keyed("dGhlIHNhbXBsZSBub25jZQ"), 400),
        ("a key with stray bits", keyed("dGhlIHNhbXBsZSBub25jZR=="), 400),
        ("a key in the other alphabet", keyed("__79_Pv6-fj39vX08_Lx8A=="), 400),
        ("a key with a blank", keyed("dGhlIHNhbXBs ZSBub25jZQ=="), 400),
        ("a key that is no base64", keyed("!!!!!!!!!!!!!!!!!!!!!!=="), 400),
        ("a key twice", also(key.trim_end()), 400),
        ("a body", also("Content-Length: 5"), 400),
        ("a body in chunks", also("Transfer-Encoding: chunked"), 400),
        ("a protocol in quotes", also("Sec-WebSocket-Protocol: \"chat\""), 400),
    ];
    let behind = request("GET", "/openapi/smuggled", "");
    let attacks = cases.into_iter().flat_map(|(case, lines, status)| {
        [("", token()), (", and no token", String::new())].map(|(who, token)| {
            let bytes = request("GET", "/ws", &format!("{token}{lines}")) + &behind;
            attack(format!("{case}{who}"), bytes, status).perhaps_then(401)
        })
    });
    arena.check(attacks);
}

#[test]
fn a_handshake_with_another_method_or_version_reaches_no_backend() {
    let arena = Arena::new();
    let lines = format!("{}{UPGRADE}{WS_KEY}{VERSION}", token());
    arena.check(["POST", "PUT", "PATCH", "DELETE", "OPTIONS"].map(|method| {
        let bytes = request(method, "/ws", &lines) + &request("GET", "/openapi/smuggled", "");
        attack(method, bytes, 400).perhaps_then(401)
    }));
    arena.check([
        attack(
            "HTTP/1.0",
            format!("GET /ws HTTP/1.0\r\n{HOST}{lines}\r\n{}", smuggled()),
            400,
        ),
        attack(
            "HTTP/2.0",
            format!("GET /ws HTTP/2.0\r\n{HOST}{lines}\r\n{}", smuggled()),
            505,
        ),
    ]);
}

/// Answers the first request on a connection with this status, whatever was asked.
fn declining(status: &'static str) -> impl Fn(&mut Exchange) + Send + Sync {
    move |exchange| {
        if exchange.head.target().starts_with("/open/") {
            return echo(exchange);
        }
        exchange.send(format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nno"));
    }
}

#[test]
fn bytes_behind_a_declined_handshake_do_not_reach_the_backend() {
    #[rustfmt::skip]
    let statuses = [
        "200 OK", "201 Created", "206 Partial Content", "302 Found", "400 Bad Request", "401 Unauthorized",
        "403 Forbidden", "404 Not Found", "426 Upgrade Required", "500 Internal Server Error",
        "503 Service Unavailable",
    ];
    for status in statuses {
        let arena = Arena::before(Recorder::serving(declining(status)));
        let code = status[..3].parse().unwrap();
        let honest = handshake("/ws", &token());
        let behind: [(&str, Vec<u8>); 4] = [
            ("a request", smuggled().into_bytes()),
            (
                "a request without a key",
                request("POST", "/openapi/smuggled", "").into(),
            ),
            ("bytes that are no request", SMUGGLED.into()),
            (
                "a frame",
                [b"\x81\x88\0\0\0\0", SMUGGLED.as_bytes()].concat(),
            ),
        ];
        arena.check(behind.map(|(case, bytes)| {
            let bytes = [honest.as_bytes(), &bytes].concat();
            attack(
                format!("{case} behind a handshake, declined with {status}"),
                bytes,
                code,
            )
            .arriving(&["GET /ws"])
        }));
        // And when the attacker has waited for the refusal.
        let mut client = arena.gate().client();
        client.send(&honest);
        assert_eq!(client.answer().status(), code);
        let _ = client.try_send(smuggled());
        client.expect_closed();
        arena.expect_arrived(&["GET /ws"]);
    }
}

#[test]
fn bytes_behind_a_handshake_do_not_overtake_the_101() {
    let arena = Arena::before(Recorder::serving(|exchange| {
        if exchange.head.target() == "/ws" {
            // The first byte of a body would be read here if it were sent.
            exchange.send("HTTP/1.1 103 Early Hints\r\n\r\n");
            exchange.wait_for_the_gate_to_give_up();
        } else {
            echo(exchange);
        }
    }));
    let bytes = handshake("/ws", &token()) + &smuggled();
    let mut client = arena.gate().client();
    client.send(bytes);
    // The backend never switches: the gate gives up after the handshake's deadline.
    assert_eq!(client.answer().status(), 504);
    arena.expect_arrived(&["GET /ws"]);
}

/// What a 101 must be is a function of the handshake, so a page of the backend's own choice is none.
#[test]
fn a_101_that_proves_nothing_opens_no_tunnel() {
    type Forge = fn(&Exchange) -> String;
    #[rustfmt::skip]
    let cases: [(&str, Forge); 13] = [
        ("nothing but the status", |_| "HTTP/1.1 101 OK\r\n\r\n".into()),
        ("a status chosen by the client, with a body", |_| "HTTP/1.1 101 OK\r\nContent-Length: 2\r\n\r\nok".into()),
        ("no Accept", |e| accept(&e.head, "").replace("Sec-WebSocket-Accept", "X-Accept")),
        ("an empty Accept", |e| replace_accept(e, "")),
        ("the Accept of another key", |e| replace_accept(e, "HSmrc0sMlYUkAGmm5OPpG2HaGWk=")),
        ("the Accept in capitals", |e| replace_accept(e, "S3PPLMBITXAQ9KYGZZHZRBK+XOO=")),
        ("the Accept twice", |e| accept(&e.head, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n")),
        ("the key for the Accept", |e| replace_accept(e, "dGhlIHNhbXBsZSBub25jZQ==")),
        ("no Upgrade", |e| accept(&e.head, "").replace("Upgrade: websocket\r\n", "")),
        ("an Upgrade to HTTP/2", |e| accept(&e.head, "").replace("websocket", "h2c")),
        ("no Connection", |e| accept(&e.head, "").replace("Connection: Upgrade\r\n", "")),
        ("HTTP/1.0", |e| accept(&e.head, "").replace("HTTP/1.1", "HTTP/1.0")),
        ("a protocol that was not offered", |e| accept(&e.head, "Sec-WebSocket-Protocol: mqtt\r\n")),
    ];
    for (case, forge) in cases {
        let arena = Arena::before(Recorder::serving(move |exchange| {
            if exchange.head.target() == "/ws" {
                let answer = forge(exchange);
                exchange.send(answer);
            } else {
                echo(exchange);
            }
        }));
        let bytes = handshake("/ws", &token()) + &smuggled();
        arena.check([attack(case, bytes, 502).arriving(&["GET /ws"])]);
    }
}

fn replace_accept(exchange: &Exchange, other: &str) -> String {
    accept(&exchange.head, "").replace("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", other)
}

#[test]
fn a_101_on_a_plain_route_opens_no_tunnel() {
    let arena = Arena::before(Recorder::serving(|exchange| {
        if exchange.head.target() == "/openapi/first" {
            exchange.send(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                           Upgrade: websocket\r\n\
                           Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            );
        } else {
            echo(exchange);
        }
    }));
    let honest = handshake("/openapi/first", KEY);
    let bytes = honest + &smuggled();
    arena.check([attack("a handshake", bytes, 502).arriving(&["GET /openapi/first"])]);
}

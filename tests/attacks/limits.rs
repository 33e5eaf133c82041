//! Heads that are too large (A10).

use super::arena::{Arena, HOST, KEY, attack, smuggled, token};
use crate::support::gate::handshake;
use crate::support::raw::request;

const LARGE: usize = 70 * 1024;

/// 70 KB in one header, in many, and in names.
fn floods() -> [(&'static str, String); 7] {
    let many = |line: &str| line.repeat(LARGE / line.len() + 1);
    [
        ("one value", format!("X-A: {}\r\n", "x".repeat(LARGE))),
        ("one name", format!("{}: 1\r\n", "x".repeat(LARGE))),
        (
            "one value of blanks",
            format!("X-A: {}1\r\n", " ".repeat(LARGE)),
        ),
        (
            "one credential",
            format!("X-App-Key: {}\r\n", "x".repeat(LARGE)),
        ),
        ("one cookie", format!("Cookie: a={}\r\n", "x".repeat(LARGE))),
        ("many lines", many("X-Filler: 0123456789\r\n")),
        ("many tiny lines", many("a:\r\n")),
    ]
}

#[test]
fn seventy_kilobytes_of_headers_do_not_reach_the_backend() {
    let arena = Arena::new();
    arena.check(floods().into_iter().flat_map(|(case, lines)| {
        [
            ("/open/x", ""),
            ("/openapi/x", KEY),
            ("/openapi/smuggled", ""),
        ]
        .map(|(target, key)| {
            let bytes = request("GET", target, &format!("{key}{lines}")) + &smuggled();
            attack(format!("{case} to {target}"), bytes, 431)
        })
    }));
    // The gate does not wait for the end of what is too large already.
    arena.check(floods().map(|(case, lines)| {
        attack(
            format!("{case} without an end"),
            format!("GET /open/x HTTP/1.1\r\n{HOST}{lines}"),
            431,
        )
    }));
}

#[test]
fn seventy_kilobytes_of_headers_do_not_open_a_socket() {
    let token = token();
    Arena::new().check(floods().into_iter().flat_map(|(case, lines)| {
        [("with a token", token.as_str()), ("without", "")].map(|(who, token)| {
            let bytes = handshake("/ws", &format!("{token}{lines}")) + &smuggled();
            attack(format!("{case} {who}"), bytes, 431)
        })
    }));
}

#[test]
fn a_head_a_little_beyond_its_limits_does_not_reach_the_backend() {
    let token = token();
    let lines = |count: usize| "X-Filler: 1\r\n".repeat(count);
    let filled = |bytes: usize| {
        let rest = bytes - request("GET", "/open/x", "X-A: \r\n").len();
        request("GET", "/open/x", &format!("X-A: {}\r\n", "x".repeat(rest)))
    };
    let kib16 = 16 * 1024;
    let arena = Arena::new();
    arena.check([
        attack("16 KiB", filled(kib16), 200).arriving(&["GET /open/x"]),
        attack("16 KiB and a byte", filled(kib16 + 1) + &smuggled(), 431),
        attack("100 headers", request("GET", "/open/x", &lines(99)), 200)
            .arriving(&["GET /open/x"]),
        attack(
            "101 headers",
            request("GET", "/open/x", &lines(100)) + &smuggled(),
            431,
        ),
        attack(
            "300 headers",
            request("GET", "/open/x", &lines(300)) + &smuggled(),
            431,
        ),
        attack(
            "a handshake of 101 headers",
            handshake("/ws", &(token + &lines(95))),
            431,
        ),
    ]);
}

#[test]
fn a_target_beyond_its_limit_does_not_reach_the_backend() {
    let arena = Arena::new();
    let long = |start: &str, bytes: usize| start.to_owned() + &"x".repeat(bytes);
    arena.check([
        attack(
            "a path of 70 KB",
            request("GET", &long("/open/", LARGE), KEY) + &smuggled(),
            414,
        ),
        attack(
            "a query of 70 KB",
            request("GET", &long("/open/x?", LARGE), KEY) + &smuggled(),
            414,
        ),
        attack(
            "a query of 9 KB",
            request("GET", &long("/open/x?", 9 * 1024), KEY) + &smuggled(),
            414,
        ),
        attack(
            "a handshake",
            handshake(&long("/ws?token=", LARGE), "") + &smuggled(),
            414,
        ),
        attack("without an end", long("GET /open/", LARGE), 414),
        attack(
            "a method of 70 KB",
            long("", LARGE) + " /open/x HTTP/1.1\r\n\r\n",
            431,
        ),
    ]);
}

//! Headers that the client would have removed by naming them in `Connection` (A22).

use super::arena::{Arena, KEY, attack, smuggled};
use crate::support::raw::request;

#[test]
fn what_the_gate_sets_cannot_be_nominated_away() {
    let arena = Arena::new();
    let set = [
        "X-Auth-App-Id",
        "X-Auth-Authenticator",
        "X-App-Key",
        "X-Request-Id",
    ];
    let mut values = Vec::new();
    for name in set {
        let lower = name.to_ascii_lowercase();
        let upper = name.to_ascii_uppercase();
        for value in [
            name.to_owned(),
            lower.clone(),
            upper.clone(),
            format!("close, {name}"),
            format!("{lower},close"),
            format!("keep-alive,\t{upper} ,, x"),
            format!("close\r\nConnection: {name}"),
            format!("{name}\r\nconnection: {name}"),
            format!("{name}, {lower}, {upper}"),
            format!(",{name},"),
            name.replace('-', "_"),
            format!("Connection, {name}"),
        ] {
            values.push(value);
        }
    }
    for value in values {
        let lines = format!("{KEY}Connection: {value}\r\n");
        assert_eq!(
            arena.gate().get("/openapi/x", &lines).status(),
            200,
            "{value}"
        );
        let head = &arena.expect_arrived(&["GET /openapi/x"])[0].head;
        assert_eq!(
            head.all("x-auth-app-id"),
            ["partner-a"],
            "{value}:\n{}",
            head.text
        );
        assert_eq!(
            head.all("x-auth-authenticator"),
            ["keys"],
            "{value}:\n{}",
            head.text
        );
        assert_eq!(
            head.all("x-app-key"),
            ["backend-key"],
            "{value}:\n{}",
            head.text
        );
        assert_eq!(head.all("x-request-id").len(), 1, "{value}:\n{}", head.text);
        assert_eq!(
            head.all("x-forwarded-for").len(),
            1,
            "{value}:\n{}",
            head.text
        );
        assert_eq!(
            head.all("connection"),
            [""; 0],
            "{value}: the next hop is told nothing"
        );
    }
}

#[test]
fn what_a_request_depends_on_cannot_be_nominated_away() {
    let arena = Arena::new();
    #[rustfmt::skip]
    let names = [
        "Host", "Content-Length", "Transfer-Encoding", "Content-Type", "Authorization", "Cookie", "Origin", "Expect", "Forwarded",
        "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Anything", "Sec-WebSocket-Key",
        "Sec-WebSocket-Version", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions",
    ];
    arena.check(names.iter().flat_map(|name| {
        [
            (*name).to_owned(),
            name.to_ascii_lowercase(),
            name.to_ascii_uppercase(),
            format!("close, {name}"),
            format!("{name},keep-alive"),
            format!("keep-alive\r\nConnection: {name}"),
            format!("a,b,,\t{name}\t,c"),
        ]
        .map(|value| {
            let lines = format!("Connection: {value}\r\nContent-Length: 0\r\n");
            let bytes = request("POST", "/open/x", &lines) + &smuggled();
            attack(format!("Connection: {value:?}"), bytes, 400)
        })
    }));
    let many = ["a"; 17].join(",");
    #[rustfmt::skip]
    let malformed = [
        "\"close\"", "\"X-Auth-App-Id\"", "close;q=1", "close X-App-Key", "(close)", "close, \"a\"", "a/b", "a=b", "close\u{b}", "\u{4f60}",
        "[a]", "a:b", "@", &many,
    ];
    arena.check(malformed.map(|value| {
        let status = request("GET", "/open/x", &format!("Connection: {value}\r\n")) + &smuggled();
        attack(format!("Connection: {value:?}"), status, 400)
    }));
}

#[test]
fn a_credential_cannot_be_nominated_away_and_then_count() {
    let arena = Arena::new();
    // It is judged as it stands; a wrong one does not become none.
    for value in ["X-App-Key", "close, x-app-key"] {
        let lines = format!("X-App-Key: wrong\r\nConnection: {value}\r\n");
        arena.check([attack(
            value,
            request("GET", "/openapi/smuggled", &lines),
            401,
        )]);
    }
    // One that nobody asked for goes nowhere, nominated or not.
    for lines in [KEY, "X-App-Key: keyAbcd123\r\nConnection: X-App-Key\r\n"] {
        assert_eq!(arena.gate().get("/open/x", lines).status(), 200);
        let head = &arena.expect_arrived(&["GET /open/x"])[0].head;
        assert!(!head.text.contains("keyAbcd123"), "{}", head.text);
    }
}

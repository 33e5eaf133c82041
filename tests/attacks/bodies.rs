//! Requests hidden in the body of another one, or behind it (A7).

use super::arena::{Arena, Attack, HOST, KEY, LIMITED_KEY, attack, smuggled};
use crate::support::raw::{post, request};

#[test]
fn the_body_of_a_refused_request_is_not_taken_for_a_request() {
    let hidden = smuggled();
    let length = hidden.len();
    let ways = [
        ("no key", "/openapi/x", "", 401),
        ("a wrong key", "/openapi/x", "X-App-Key: wrong\r\n", 401),
        ("a key for another route", "/openapi/x", LIMITED_KEY, 403),
        (
            "two keys",
            "/openapi/x",
            "X-App-Key: a\r\nX-App-Key: b\r\n",
            400,
        ),
        ("no route", "/nowhere", "", 404),
        (
            "a method that the route has not",
            "/actuator/health",
            "",
            405,
        ),
        ("no upgrade", "/ws", "", 426),
        ("a refused path", "/open//x", "", 400),
        ("an unknown expectation", "/open/x", "Expect: x\r\n", 417),
    ];
    let mut attacks = Vec::new();
    for (case, target, lines, status) in ways {
        let with = |framing: &str| request("POST", target, &format!("{lines}{framing}\r\n"));
        let whole = with(&format!("Content-Length: {length}"));
        let more = with(&format!("Content-Length: {}", length + 1));
        let most = with("Content-Length: 1000000000");
        let expecting = with(&format!("Expect: 100-continue\r\nContent-Length: {length}"));
        let chunked = with("Transfer-Encoding: chunked");
        let chunk = format!("{length:x}\r\n{hidden}\r\n0\r\n\r\n");
        attacks.extend([
            attack(format!("{case}, all of the body"), whole + &hidden, status),
            attack(format!("{case}, all but one byte"), more + &hidden, status),
            attack(
                format!("{case}, a part of a long body"),
                most + &hidden,
                status,
            ),
            attack(format!("{case}, chunks"), chunked.clone() + &chunk, status),
            attack(format!("{case}, no chunks"), chunked + &hidden, status),
        ]);
        if status != 417 {
            attacks.push(attack(
                format!("{case}, unasked"),
                expecting + &hidden,
                status,
            ));
        }
    }
    Arena::new().check(attacks);
}

#[test]
fn the_rest_of_a_refused_body_is_not_taken_for_a_request() {
    let arena = Arena::new();
    for framing in ["Content-Length: 1000", "Transfer-Encoding: chunked"] {
        for (sent, target, status) in [
            ("", "/openapi/x", 401),
            ("5\r\nhello\r\n", "/openapi/x", 401),
            ("", "/nowhere", 404),
            ("5\r\nhello\r\n", "/actuator/health", 405),
        ] {
            let mut client = arena.gate().client();
            client.send(request("POST", target, &format!("{framing}\r\n")) + sent);
            let answer = client.answer();
            assert_eq!(answer.status(), status, "{framing} {target}");
            assert_eq!(
                answer.header("connection"),
                Some("close"),
                "{framing} {target}"
            );
            // The attacker has seen the refusal and goes on as if the body were over.
            let _ = client.try_send(smuggled());
            client.expect_closed();
            arena.expect_arrived(&[]);
        }
    }
}

#[test]
fn a_request_behind_a_refused_one_does_not_borrow_its_key() {
    let arena = Arena::new();
    let bare = || request("GET", "/openapi/smuggled", "");
    let good = || request("GET", "/openapi/first", KEY);
    let whole = post("/openapi/x", "", b"hello");
    arena.check([
        attack("behind a refusal", bare() + &bare(), 0).answered(&[401, 401]),
        attack("behind a good one", good() + &bare(), 0)
            .answered(&[200, 401])
            .arriving(&["GET /openapi/first"]),
        attack("before a good one", bare() + &good(), 0)
            .answered(&[401, 200])
            .arriving(&["GET /openapi/first"]),
        attack("behind a refused body", [whole, bare().into()].concat(), 0).answered(&[401, 401]),
    ]);
}

#[test]
fn a_request_behind_the_last_one_is_not_served() {
    let first = |lines: &str| request("GET", "/open/first", lines) + &smuggled();
    let old = |lines: &str| {
        format!(
            "GET /open/first HTTP/1.0\r\n{HOST}{lines}\r\n{}",
            smuggled()
        )
    };
    let attacks: [Attack; 8] = [
        attack("close", first("Connection: close\r\n"), 200),
        attack("close in capitals", first("Connection: CLOSE\r\n"), 200),
        attack(
            "close in a list",
            first("Connection: keep-alive, close\r\n"),
            200,
        ),
        attack("close between", first("Connection: a,, close ,b\r\n"), 200),
        attack(
            "close in a second line",
            first("Connection: keep-alive\r\nConnection: close\r\n"),
            200,
        ),
        attack("HTTP/1.0", old(""), 200),
        attack(
            "HTTP/1.0 that asks to go on",
            old("Connection: keep-alive\r\n"),
            200,
        ),
        attack(
            "HTTP/1.0 that asks in another way",
            old("Proxy-Connection: keep-alive\r\n"),
            200,
        ),
    ];
    Arena::new().check(attacks.map(|attack| attack.arriving(&["GET /open/first"])));
}

/// Some servers take GET for a request that has no body, whatever it announces.
#[test]
fn a_body_is_not_taken_for_a_request_whatever_the_method() {
    let arena = Arena::new();
    let hidden = smuggled();
    for method in ["GET", "DELETE", "OPTIONS", "PUT", "PATCH", "POST"] {
        let length = format!("Content-Length: {}\r\n", hidden.len());
        let chunked = format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
        for (lines, body) in [
            (length.as_str(), hidden.clone()),
            ("Transfer-Encoding: chunked\r\n", chunked),
        ] {
            let mut client = arena.gate().client();
            client.send(request(method, "/open/first", lines) + &body);
            assert_eq!(client.answer().status(), 200, "{method} {lines}");
            let arrived = arena.expect_arrived_with_body(&[&format!("{method} /open/first")]);
            assert_eq!(arrived[0].body, hidden.as_bytes(), "{method} {lines}");
        }
    }
}

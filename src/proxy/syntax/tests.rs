use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::wire::head::{self, HeadLimits};

mod handshake;
mod headers;
mod target;

const LIMITS: HeadLimits = HeadLimits {
    head_bytes: 4096,
    headers: 100,
    target_bytes: 1024,
};

/// Reads a request, given as lines.
fn with<R>(lines: &[&str], look: impl FnOnce(&RequestHead<'_>) -> R) -> R {
    let mut bytes = String::new();
    for line in lines {
        write!(bytes, "{line}\r\n").unwrap();
    }
    bytes.push_str("\r\n");
    look(&head::request(bytes.as_bytes(), &LIMITS).unwrap().unwrap())
}

fn outcome(lines: &[&str]) -> Result<(), SyntaxError> {
    with(lines, |head| check(head).map(|_| ()))
}

#[test]
fn the_parts_of_an_honest_request_are_named() {
    let lines = [
        "POST /a/b?c=d?e HTTP/1.1",
        "Host: Chat.example:8080",
        "Content-Length: 5",
        "Connection: X-Hop, keep-alive",
        "Expect: 100-Continue",
    ];
    with(&lines, |head| {
        let checked = check(head).unwrap();
        assert_eq!((checked.path, checked.query), ("/a/b", Some("c=d?e")));
        assert_eq!(checked.host, "Chat.example:8080");
        assert_eq!(checked.framing, Framing::Length(5));
        assert!(checked.keep_alive && checked.expects_continue && !checked.websocket);
        assert_eq!(checked.nominated.as_slice(), ["X-Hop"]);
        assert_eq!(checked.nominated.as_slice(), ["X-Hop"]);
    });
}

#[test]
fn only_seven_methods_are_served() {
    for method in METHODS {
        assert_eq!(
            outcome(&[&format!("{method} / HTTP/1.1"), "Host: a"]),
            Ok(()),
            "{method}"
        );
    }
    for line in [
        "CONNECT chat:443 HTTP/1.1",
        "TRACE / HTTP/1.1",
        "get / HTTP/1.1",
        "Get / HTTP/1.1",
        "PROPFIND / HTTP/1.1",
        "GETX / HTTP/1.1",
    ] {
        assert_eq!(
            outcome(&[line, "Host: a"]),
            Err(SyntaxError::Method),
            "{line}"
        );
    }
}

#[test]
fn a_preflight_carries_nothing_but_its_question() {
    const ORIGIN: &str = "Origin: https://chat.example";
    const ASKS: &str = "Access-Control-Request-Method: POST";
    #[rustfmt::skip]
    let cases = [
        ("a preflight", ["OPTIONS /a HTTP/1.1", ORIGIN, ASKS, "A: b"], true),
        ("another method", ["POST /a HTTP/1.1", ORIGIN, ASKS, "A: b"], false),
        ("an override", ["POST /a HTTP/1.1", ORIGIN, ASKS, "X-HTTP-Method-Override: OPTIONS"], false),
        ("no origin", ["OPTIONS /a HTTP/1.1", "A: b", ASKS, "C: d"], false),
        ("no question", ["OPTIONS /a HTTP/1.1", ORIGIN, "A: b", "C: d"], false),
        ("two questions", ["OPTIONS /a HTTP/1.1", ORIGIN, ASKS, ASKS], false),
        ("a body", ["OPTIONS /a HTTP/1.1", ORIGIN, ASKS, "Content-Length: 5"], false),
    ];
    for (case, lines, expected) in cases {
        assert_eq!(with(&lines, is_preflight), expected, "{case}");
    }
}

#[test]
fn every_error_has_its_status_and_its_text() {
    #[rustfmt::skip]
    let cases = [
        (SyntaxError::Connection, 400, "`connection` names something that it must not"),
        (SyntaxError::Doubled("origin"), 400, "`origin` stands more than once"),
        (SyntaxError::Expectation, 417, "`expect` is not `100-continue`"),
        (SyntaxError::Framing(FramingError::Both), 400, "`content-length` and `transfer-encoding` stand together"),
        (SyntaxError::Host, 400, "there is not exactly one valid `host`"),
        (SyntaxError::LookAlike("content-length"), 400, "a header name looks like `content-length`"),
        (SyntaxError::Method, 405, "the method is not served"),
        (SyntaxError::Path, 400, "the path has more than one reading"),
        (SyntaxError::Query, 400, "the query holds a byte that has to be escaped"),
        (SyntaxError::Subprotocol, 400, "a subprotocol is not a token"),
        (SyntaxError::Target, 400, "the target is not a path and a query"),
        (SyntaxError::UpgradeBody, 400, "a WebSocket handshake has a body"),
    ];
    for (error, status, text) in cases {
        assert_eq!((error.status(), error.to_string().as_str()), (status, text));
    }
}

#[test]
fn debug_shows_no_query() {
    with(&["GET /a?token=s3cret HTTP/1.1", "Host: a"], |head| {
        let shown = format!("{:?}", check(head).unwrap());
        assert!(shown.contains("/a") && !shown.contains("s3cret"), "{shown}");
    });
}

proptest! {
    #[test]
    fn any_head_is_checked_without_panic(
        target in "[!-~ä]{1,20}",
        headers in prop::collection::vec(
            ("(Host|Connection|Upgrade|Expect|Content-Length|Sec-WebSocket-Key|[A-Z]{1,3})",
             "[!-~]([ -~]{0,8}[!-~])?"),
            0..6,
        ),
    ) {
        let mut lines = vec![format!("GET {target} HTTP/1.1")];
        lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        with(&lines, |head| {
            let _ = websocket(head);
            if let Ok(checked) = check(head) {
                let query = checked.query.map_or(String::new(), |query| format!("?{query}"));
                assert_eq!(format!("{}{query}", checked.path), head.target);
            }
        });
    }
}

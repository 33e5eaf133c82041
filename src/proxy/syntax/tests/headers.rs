//! Headers that say where a request goes, where it ends and how it is carried.

use super::*;

#[test]
fn there_is_one_valid_host() {
    for host in [
        "a",
        "chat.example.com",
        "Chat.Example:9688",
        "im_server-1",
        "127.0.0.1:80",
        "[::1]",
        "[2001:db8::1]:8080",
        "a:65535",
    ] {
        for version in ["HTTP/1.0", "HTTP/1.1"] {
            let lines = [format!("GET / {version}"), format!("Host: {host}")];
            assert_eq!(
                outcome(&[&lines[0], &lines[1]]),
                Ok(()),
                "{host} in {version}"
            );
        }
    }
    for host in [
        "",
        "a b",
        "a@b",
        "user:pw@a",
        "a,b",
        "a/b",
        "a?b",
        "a#b",
        "a\\b",
        "a:",
        "a:x",
        "a:80:80",
        "a:65536",
        "a:123456",
        "a:+80",
        ":80",
        ".",
        "a.",
        ".a",
        "a..b",
        "a%2eb",
        "[::1",
        "::1",
        "[::1]x",
        "[a]",
        "[]",
        "[fe80::1%25eth0]",
        "ä",
        "*.a",
        "\"a\"",
    ] {
        let line = format!("Host: {host}");
        assert_eq!(
            outcome(&["GET / HTTP/1.1", &line]),
            Err(SyntaxError::Host),
            "{host}"
        );
    }
    let long = format!("Host: {}", vec!["a"; 128].join("."));
    for (case, lines) in [
        ("none in HTTP/1.1", ["GET / HTTP/1.1", "A: b", "C: d"]),
        ("none in HTTP/1.0", ["GET / HTTP/1.0", "A: b", "C: d"]),
        ("two", ["GET / HTTP/1.1", "Host: a", "Host: b"]),
        ("two equal ones", ["GET / HTTP/1.1", "Host: a", "host: a"]),
        (
            "a good one and an empty one",
            ["GET / HTTP/1.1", "Host: a", "Host:"],
        ),
        ("one too long", ["GET / HTTP/1.1", "A: b", &long]),
    ] {
        assert_eq!(outcome(&lines), Err(SyntaxError::Host), "{case}");
    }
}

#[test]
fn headers_that_steer_stand_once() {
    for (name, value) in [
        ("authorization", "Bearer a"),
        ("content-type", "text/plain"),
        ("expect", "100-continue"),
        ("origin", "https://a"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
        ("upgrade", "websocket"),
    ] {
        let line = format!("{name}: {value}");
        let other = format!("{}: {value}", name.to_ascii_uppercase());
        assert_eq!(
            outcome(&["GET / HTTP/1.1", "Host: a", &line]),
            Ok(()),
            "{name}"
        );
        assert_eq!(
            outcome(&["GET / HTTP/1.1", "Host: a", &line, "A: b", &other]),
            Err(SyntaxError::Doubled(name))
        );
    }
    assert_eq!(
        outcome(&["GET / HTTP/1.1", "Host: a", "Accept: a", "Accept: b"]),
        Ok(())
    );
}

#[test]
fn a_body_has_one_end() {
    for (case, headers, error) in [
        (
            "both",
            ["Content-Length: 3", "Transfer-Encoding: chunked"],
            FramingError::Both,
        ),
        (
            "two",
            ["Content-Length: 3", "Content-Length: 3"],
            FramingError::ContentLengthDoubled,
        ),
        (
            "a list",
            ["Content-Length: 3, 3", "A: b"],
            FramingError::ContentLength,
        ),
        (
            "a coding",
            ["Transfer-Encoding: gzip", "A: b"],
            FramingError::TransferEncoding,
        ),
        (
            "two blanks before a coding",
            ["Transfer-Encoding:  chunked", "A: b"],
            FramingError::TransferEncoding,
        ),
        (
            "a blank behind a length",
            ["Content-Length: 3 ", "A: b"],
            FramingError::ContentLength,
        ),
    ] {
        let lines = ["POST / HTTP/1.1", "Host: a", headers[0], headers[1]];
        assert_eq!(outcome(&lines), Err(SyntaxError::Framing(error)), "{case}");
    }
    for (line, name) in [
        ("Content_Length: 5", "content-length"),
        ("content.length: 5", "content-length"),
        ("Transfer_Encoding: chunked", "transfer-encoding"),
        ("Transfer~Encoding: chunked", "transfer-encoding"),
    ] {
        let lines = ["POST / HTTP/1.1", "Host: a", line];
        assert_eq!(outcome(&lines), Err(SyntaxError::LookAlike(name)), "{line}");
    }
}

#[test]
fn only_a_continue_can_be_expected() {
    let expects = |lines: &[&str]| with(lines, |head| check(head).map(|c| c.expects_continue));
    #[rustfmt::skip]
    let cases = [
        ("a body", ["POST / HTTP/1.1", "Expect: 100-continue", "Content-Length: 1"], Ok(true)),
        ("no body", ["POST / HTTP/1.1", "Expect: 100-continue", "A: b"], Ok(false)),
        ("HTTP/1.0", ["POST / HTTP/1.0", "Expect: 100-continue", "Content-Length: 1"], Ok(false)),
        ("something else", ["POST / HTTP/1.1", "Expect: tea", "A: b"], Err(SyntaxError::Expectation)),
        ("a list", ["POST / HTTP/1.1", "Expect: 100-continue, tea", "A: b"], Err(SyntaxError::Expectation)),
        ("nothing", ["POST / HTTP/1.1", "Expect:", "A: b"], Err(SyntaxError::Expectation)),
    ];
    for (case, [start, expect, other], expected) in cases {
        assert_eq!(
            expects(&[start, "Host: a", expect, other]),
            expected,
            "{case}"
        );
    }
}

#[test]
fn connection_names_only_what_may_end_here() {
    let found = |connection: &[&str]| {
        let mut lines = vec!["GET / HTTP/1.1".to_owned(), "Host: a".to_owned()];
        lines.extend(
            connection
                .iter()
                .map(|value| format!("Connection: {value}")),
        );
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        with(&lines, |head| {
            let checked = check(head)?;
            Ok((checked.keep_alive, checked.nominated.join(" ")))
        })
    };
    for (case, connection, keep_alive, nominated) in [
        ("nothing", vec![], true, ""),
        ("an empty list", vec![""], true, ""),
        ("keep-alive", vec!["keep-alive"], true, ""),
        ("close", vec!["close"], false, ""),
        ("close in another case", vec!["Close"], false, ""),
        ("close and keep-alive", vec!["keep-alive, close"], false, ""),
        (
            "close in a second line",
            vec!["keep-alive", "close"],
            false,
            "",
        ),
        ("what Java sends", vec!["Upgrade, HTTP2-Settings"], true, ""),
        (
            "a header of the client's own",
            vec!["close, X-App-Key"],
            false,
            "X-App-Key",
        ),
        (
            "several",
            vec!["x-user-id, TE", "x-b"],
            true,
            "x-user-id x-b",
        ),
    ] {
        assert_eq!(
            found(&connection),
            Ok((keep_alive, nominated.to_owned())),
            "{case}"
        );
    }
    let many = vec!["close"; 17].join(",");
    for connection in [
        "Host",
        "Authorization",
        "authorization",
        "content-length",
        "Transfer-Encoding",
        "cookie",
        "Origin",
        "X-Forwarded-For",
        "x-forwarded-host",
        "X-Real-IP",
        "Forwarded",
        "content-type",
        "expect",
        "Sec-WebSocket-Key",
        "close, Host",
        "\"close\"",
        "close keep-alive",
        "close;a",
        "clöse",
        &many,
    ] {
        assert_eq!(
            found(&[connection]),
            Err(SyntaxError::Connection),
            "{connection}"
        );
        assert_eq!(
            found(&["close", connection]),
            Err(SyntaxError::Connection),
            "{connection}"
        );
    }
    let exactly = vec!["close"; 16].join(",");
    assert!(found(&[&exactly]).is_ok());
}

#[test]
fn http_1_0_connections_are_not_kept() {
    let lines = ["GET / HTTP/1.0", "Host: a", "Connection: keep-alive"];
    assert!(with(&lines, |head| !check(head).unwrap().keep_alive));
}

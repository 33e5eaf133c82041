//! Tricks that have worked against respected proxies. None reaches a backend without its
//! credential, whatever route it pretends to take.

use super::support::gate::handshake;
use super::support::raw::request;
use super::support::{Gate, Recorder};

const POLICY: &str = "
authenticators:
  keys:
    from: [{ header: X-App-Key }]
    app_key: { keys: [{ id: demo, secret: { value: keyAbcd123 } }] }
routes:
  - { name: openapi, match: { path: /openapi/** }, require: { any_of: [keys] }, upstream: im }
  - { name: open, match: { path: /open/** }, require: public, upstream: im }
  - { name: ws, match: { path: /ws }, websocket: true, require: { any_of: [keys] }, upstream: im }
";

const HOST: &str = "Host: im.example.com\r\n";

/// Each case: what it is, the bytes, and the status that must answer.
#[track_caller]
fn check(cases: impl IntoIterator<Item = (&'static str, String, u16)>) {
    let backend = Recorder::ok();
    let gate = Gate::with(POLICY).upstream("im", backend.address()).start();
    let mut wrong = Vec::new();
    for (case, bytes, status) in cases {
        let mut client = gate.client();
        client.send(&bytes);
        // Nothing more comes: a gate that waits for the rest of something answers now.
        client.finish_sending();
        let answer = client.try_answer().map(|answer| answer.status());
        if answer.as_ref().ok() != Some(&status) {
            wrong.push(format!("{case}: {status} expected, {answer:?} came"));
        }
        client.drain();
        for received in backend.take() {
            wrong.push(format!(
                "{case}: reached the backend:\n{}",
                received.head.text
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A request for a public path, so that only its form stands in its way.
fn open(target: &str) -> String {
    request("GET", target, "")
}

fn with(headers: &str) -> String {
    request("POST", "/open/x", headers)
}

#[test]
fn paths_with_two_readings_are_refused() {
    let cases = [
        ("a double slash at the start", "//open/x"),
        ("a double slash within", "/open//x"),
        ("a dot segment", "/open/./x"),
        ("two dots", "/open/../openapi/x"),
        ("two dots at the end", "/open/.."),
        ("encoded dots", "/open/%2e%2e/openapi/x"),
        ("half-encoded dots", "/open/.%2E/openapi/x"),
        ("an encoded slash", "/open/..%2fopenapi/x"),
        ("an encoded slash in capitals", "/open%2Fx"),
        ("an encoded backslash", "/open/..%5copenapi"),
        ("a backslash", "/open\\..\\openapi"),
        ("double encoding", "/open/%252e%252e/openapi"),
        ("an encoded letter", "/%6fpenapi/x"),
        ("an encoded NUL", "/open/x%00"),
        ("an encoded line end", "/open/x%0d%0aX-App-Key:%20a"),
        ("an overlong encoding", "/open/%c0%ae%c0%ae/openapi"),
        ("bytes that are no UTF-8", "/open/%ff%fe"),
        ("a percent sign alone", "/open/%"),
        ("a percent sign without digits", "/open/%zz"),
        ("a matrix parameter", "/open/..;/openapi/x"),
        ("a parameter in the first segment", "/open;a=b/x"),
        ("an encoded semicolon", "/open/..%3b/openapi/x"),
        ("a fragment", "/open/x#/../openapi"),
        ("raw UTF-8", "/open/\u{4f60}"),
        ("a quote", "/open/\"x\""),
        ("angle brackets", "/open/<x>"),
        ("a tab", "/open/x\ty"),
        ("a space", "/open/x y"),
        ("the absolute form", "http://im.example.com/open/x"),
        (
            "the absolute form of another host",
            "http://other.example.com/open/x",
        ),
        ("another scheme", "foo://im.example.com/open/x"),
        ("an authority", "im.example.com:80"),
        ("an asterisk", "*"),
        ("nothing but a query", "?x"),
    ];
    check(cases.map(|(case, target)| (case, open(target), 400)));
}

/// A `POST` on a public path with these header lines; the body is chunked if one of them says so.
fn posts<const N: usize>(cases: [(&'static str, &str); N]) -> Vec<(&'static str, String, u16)> {
    let cases = cases.map(|(case, headers)| {
        let body = if headers.contains("chunked") {
            "0\r\n\r\n"
        } else {
            "ok!"
        };
        (case, with(headers) + body, 400)
    });
    cases.into()
}

#[test]
fn lengths_with_two_readings_are_refused() {
    check(posts([
        (
            "two equal lengths",
            "Content-Length: 3\r\nContent-Length: 3\r\n",
        ),
        ("two lengths", "Content-Length: 2\r\nContent-Length: 3\r\n"),
        ("a list of lengths", "Content-Length: 3, 3\r\n"),
        ("a length with a sign", "Content-Length: +3\r\n"),
        ("a negative length", "Content-Length: -1\r\n"),
        ("a hexadecimal length", "Content-Length: 0x3\r\n"),
        (
            "a length beyond 64 bits",
            "Content-Length: 18446744073709551619\r\n",
        ),
        ("an empty length", "Content-Length:\r\n"),
        (
            "a length and chunks",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "chunks and a length",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        ),
    ]));
}

#[test]
fn codings_with_two_readings_are_refused() {
    let mut cases = posts([
        ("an unknown coding", "Transfer-Encoding: xchunked\r\n"),
        ("identity", "Transfer-Encoding: identity\r\n"),
        (
            "chunked, identity",
            "Transfer-Encoding: chunked, identity\r\n",
        ),
        ("gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n"),
        ("chunked twice", "Transfer-Encoding: chunked, chunked\r\n"),
        (
            "two lines",
            "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        ),
        ("a vertical tab", "Transfer-Encoding: \u{b}chunked\r\n"),
    ]);
    let head = format!("POST /open/x HTTP/1.0\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n");
    cases.push(("chunks on HTTP/1.0", head + "0\r\n\r\n", 400));
    check(cases);
}

#[test]
fn lines_with_two_readings_are_refused() {
    let mut cases = posts([
        ("a blank before the colon", "Content-Length : 3\r\n"),
        ("a folded line", "X-A: 1\r\n  Content-Length: 3\r\n"),
        ("an empty header name", ": x\r\n"),
        ("a header without a colon", "Content-Length\r\n"),
        ("a bare line feed", "X-A: 1\nX-App-Key: keyAbcd123\r\n"),
        (
            "a bare carriage return",
            "X-A: 1\rX-App-Key: keyAbcd123\r\n",
        ),
        ("a NUL in a value", "X-A: 1\0\r\n"),
        ("a blank in a name", "X A: 1\r\n"),
    ]);
    let feeds = open("/open/x").replace('\r', "");
    cases.push(("line feeds alone", feeds, 400));
    cases.push((
        "an empty line first",
        format!("\r\n{}", open("/open/x")),
        400,
    ));
    check(cases);
}

#[test]
fn chunks_with_two_readings_reach_nobody_as_a_whole() {
    let backend = Recorder::ok();
    let gate = Gate::with(POLICY).upstream("im", backend.address()).start();
    for (case, body) in [
        ("an extension", "5;a=b\r\nhello\r\n0\r\n\r\n"),
        (
            "a trailer",
            "5\r\nhello\r\n0\r\nX-App-Key: keyAbcd123\r\n\r\n",
        ),
        ("a line feed after the size", "5\nhello\r\n0\r\n\r\n"),
        ("no end of the chunk", "5\r\nhelloX0\r\n\r\n"),
        ("a sign", "+5\r\nhello\r\n0\r\n\r\n"),
        ("a prefix", "0x5\r\nhello\r\n0\r\n\r\n"),
        (
            "a size beyond 64 bits",
            "10000000000000005\r\nhello\r\n0\r\n\r\n",
        ),
        ("an empty size", "\r\nhello\r\n0\r\n\r\n"),
    ] {
        let mut client = gate.client();
        client.send(with("Transfer-Encoding: chunked\r\n") + body);
        client.finish_sending();
        if let Ok(answer) = client.try_answer() {
            assert_eq!(answer.status(), 400, "{case}");
        }
        client.drain();
        for received in backend.take() {
            assert!(
                received.body.is_empty(),
                "{case}: the backend took it for a body"
            );
        }
    }
}

#[test]
fn methods_versions_and_hosts_that_nobody_serves_are_refused() {
    check([
        (
            "CONNECT",
            format!("CONNECT im.example.com:80 HTTP/1.1\r\n{HOST}\r\n"),
            405,
        ),
        (
            "CONNECT with a path",
            request("CONNECT", "/open/x", ""),
            405,
        ),
        ("TRACE", request("TRACE", "/open/x", ""), 405),
        ("an unknown method", request("BREW", "/open/x", ""), 405),
        ("a method in lower case", request("get", "/open/x", ""), 405),
        (
            "HTTP/2 in text",
            format!("GET /open/x HTTP/2.0\r\n{HOST}\r\n"),
            505,
        ),
        ("HTTP/0.9", "GET /open/x\r\n\r\n".to_owned(), 400),
        ("no host", "GET /open/x HTTP/1.1\r\n\r\n".to_owned(), 400),
        (
            "no host on HTTP/1.0",
            "GET /open/x HTTP/1.0\r\n\r\n".to_owned(),
            400,
        ),
        (
            "two hosts",
            request("GET", "/open/x", "Host: other.example.com\r\n"),
            400,
        ),
        ("two equal hosts", request("GET", "/open/x", HOST), 400),
        (
            "an empty host",
            "GET /open/x HTTP/1.1\r\nHost:\r\n\r\n".to_owned(),
            400,
        ),
        (
            "a host with a user",
            "GET /open/x HTTP/1.1\r\nHost: a@im.example.com\r\n\r\n".to_owned(),
            400,
        ),
        (
            "a host with a path",
            "GET /open/x HTTP/1.1\r\nHost: im.example.com/x\r\n\r\n".to_owned(),
            400,
        ),
        (
            "an expectation that nobody meets",
            with("Expect: 200-ok\r\nContent-Length: 0\r\n"),
            417,
        ),
    ]);
}

#[test]
fn heads_beyond_the_limits_are_refused() {
    let many = "X-Filler: 1\r\n".repeat(150);
    check([
        (
            "a long target",
            open(&format!("/open/{}", "x".repeat(9_000))),
            414,
        ),
        (
            "a long header",
            with(&format!("X-A: {}\r\n", "x".repeat(20_000))),
            431,
        ),
        ("many headers", with(&many), 431),
    ]);
}

#[test]
fn an_upgrade_is_no_way_around_the_key() {
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    check([
        (
            "any upgrade",
            request("GET", "/openapi/x", "Upgrade: x\r\n"),
            401,
        ),
        (
            "any upgrade with Connection",
            request("GET", "/openapi/x", "Connection: Upgrade\r\nUpgrade: x\r\n"),
            401,
        ),
        (
            "a whole handshake on a plain route",
            handshake("/openapi/x", ""),
            401,
        ),
        ("a whole handshake", handshake("/ws", ""), 401),
        (
            "cleartext HTTP/2",
            request(
                "GET",
                "/openapi/x",
                "Connection: Upgrade\r\nUpgrade: h2c\r\n",
            ),
            401,
        ),
        (
            "another version and a request behind it",
            request(
                "GET",
                "/ws",
                &format!("{upgrade}Sec-WebSocket-Version: 1337\r\n"),
            ) + &request("POST", "/openapi/x", ""),
            426,
        ),
        (
            "a POST",
            request("POST", "/ws", &format!("{upgrade}{key}")),
            400,
        ),
        (
            "HTTP/1.0",
            format!("GET /ws HTTP/1.0\r\n{HOST}{upgrade}{key}\r\n"),
            400,
        ),
        (
            "a body",
            handshake("/ws", "Content-Length: 5\r\n") + "hello",
            400,
        ),
        (
            "two upgrades",
            handshake("/ws", "Upgrade: websocket\r\n"),
            400,
        ),
        (
            "two keys",
            handshake("/ws", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
            400,
        ),
    ]);
}

#[test]
fn requests_behind_an_upgrade_wait_for_their_own_judgement() {
    let backend = Recorder::ok();
    let gate = Gate::with(POLICY).upstream("im", backend.address()).start();
    let mut client = gate.client();
    // The backend answers this handshake with 200, so it stays HTTP.
    client.send(handshake("/ws", "X-App-Key: keyAbcd123\r\n"));
    client.send(request(
        "POST",
        "/openapi/smuggled",
        "Content-Length: 0\r\n",
    ));
    assert_eq!(client.answer().status(), 200);
    // The connection ends, or the second request is judged like any other.
    if let Ok(second) = client.try_answer() {
        assert_eq!(second.status(), 401);
    }
    assert_eq!(
        backend.take().len(),
        1,
        "the backend saw the handshake alone"
    );
}

#[test]
fn what_is_strange_but_clear_is_served() {
    let backend = Recorder::ok();
    let gate = Gate::with(POLICY).upstream("im", backend.address()).start();
    for target in [
        "/open/a-b_c~d/%E4%BD%A0?q=%2F..%2F&x=1;2",
        "/open/x?",
        "/open/x??a=//b",
        "/open/$&'()*+,=:@!",
        "/open/...",
        "/open/.hidden",
    ] {
        assert_eq!(gate.get(target, "").status(), 200, "{target}");
        assert_eq!(
            backend.last().head.target(),
            target,
            "the bytes that were judged"
        );
    }
}

//! Everything that must not pass, as raw bytes on the admin port.

use std::thread;

use super::super::support::{Gate, RawClient, Recorder, eventually};
use super::{TOKEN, ask, gate_with_address, good, send};

/// Nothing that was refused may have begun a drain.
#[track_caller]
fn assert_still_serving(gate: &Gate) {
    assert_eq!(ask(gate, "GET", "/status").json()["stage"], "serving");
    assert_eq!(gate.admin("/readyz").status(), 200);
}

/// Asks for everything with each of these header lines, and counts the refusals.
#[track_caller]
fn expect_refusals(gate: &Gate, reason: &str, status: u16, cases: &[(&str, String)]) {
    let count = || {
        let labels = [("reason", reason)];
        gate.metrics().value("imgate_admin_refused_total", &labels)
    };
    let (before, mut asked) = (count(), 0.0);
    for (case, headers) in cases {
        for (method, target) in [("POST", "/drain"), ("GET", "/status"), ("GET", "/nowhere")] {
            let answer = send(gate, format!("{method} {target} HTTP/1.1\r\n{headers}\r\n"));
            let said = (answer.status(), answer.reason());
            assert_eq!(
                said,
                (status, reason.to_owned()),
                "{case}: {method} {target}"
            );
            let challenge = answer.header("www-authenticate").is_some();
            assert_eq!(challenge, status == 401, "{case}");
            asked += 1.0;
        }
    }
    assert!(
        (count() - before - asked).abs() < 0.5,
        "{reason} is counted"
    );
    let line = format!("\"reason\":\"{reason}\"");
    eventually("every refusal is logged", || {
        let lines = gate.output().matches(&line).count();
        (lines >= 3 * cases.len()).then_some(())
    });
    let log = gate.output();
    assert!(!log.contains("canary"), "{log}");
    assert_still_serving(gate);
}

#[test]
fn only_the_token_passes() {
    let backend = Recorder::ok();
    let gate = gate_with_address(&backend).start();
    let own = format!("Host: {}\r\n", gate.admin_address());
    let with = |headers: String| format!("{own}{headers}");
    let none = [
        ("nothing", own.clone()),
        (
            "an empty token",
            with("Authorization: Bearer \r\n".to_owned()),
        ),
        (
            "another scheme",
            with(format!("Authorization: Basic {TOKEN}\r\n")),
        ),
        ("another place", with(format!("X-Admin-Token: {TOKEN}\r\n"))),
        ("a cookie", with(format!("Cookie: token={TOKEN}\r\n"))),
    ];
    expect_refusals(&gate, "no_credential", 401, &none);
    let wrong = [
        (
            "a guess",
            with("Authorization: Bearer canary-guess\r\n".to_owned()),
        ),
        (
            "its beginning",
            with(format!("Authorization: Bearer {}\r\n", &TOKEN[..10])),
        ),
        (
            "it and more",
            with(format!("Authorization: Bearer {TOKEN}x\r\n")),
        ),
    ];
    expect_refusals(&gate, "unknown_key", 401, &wrong);
    let twice = format!("Authorization: Bearer {TOKEN}\r\n").repeat(2);
    let answer = send(&gate, format!("POST /drain HTTP/1.1\r\n{own}{twice}\r\n"));
    assert_eq!(answer.status(), 400, "it twice");
    assert_still_serving(&gate);
}

#[test]
fn only_an_own_name_passes() {
    let backend = Recorder::ok();
    let gate = gate_with_address(&backend).start();
    let address = gate.admin_address();
    let (ip, port) = (address.ip(), address.port());
    let with = |host: String| format!("Host: {host}\r\nAuthorization: Bearer {TOKEN}\r\n");
    let foreign = [
        (
            "a name that was pointed here",
            with(format!("evil.example:{port}")),
        ),
        (
            "a name like ours",
            with(format!("localhost.evil.example:{port}")),
        ),
        ("another address", with(format!("10.1.2.3:{port}"))),
        ("another port", with(format!("{ip}:1"))),
    ];
    expect_refusals(&gate, "host", 403, &foreign);
    for (host, status) in [
        (address.to_string(), 200),
        (ip.to_string(), 200),
        (format!("localhost:{port}"), 200),
        (String::new(), 400),
        (format!("{address}\r\nHost: {address}"), 400),
    ] {
        let answer = send(
            &gate,
            format!("GET /status HTTP/1.1\r\n{}\r\n", with(host.clone())),
        );
        assert_eq!(answer.status(), status, "{host}");
    }
}

#[test]
fn no_page_passes() {
    let backend = Recorder::ok();
    let gate = gate_with_address(&backend).start();
    let with = |origin: String| format!("{}Origin: {origin}\r\n", good(&gate));
    let pages = [
        ("another site's", with("https://evil.example".to_owned())),
        (
            "one of this address",
            with(format!("http://{}", gate.admin_address())),
        ),
        ("one that says nothing", with("null".to_owned())),
        ("one that says less", with(String::new())),
    ];
    expect_refusals(&gate, "origin", 403, &pages);
}

#[test]
fn a_page_cannot_even_ask_whether_it_may() {
    let backend = Recorder::ok();
    let gate = gate_with_address(&backend).start();
    let preflight = format!(
        "OPTIONS /drain HTTP/1.1\r\nHost: {}\r\nOrigin: https://evil.example\r\n\
         Access-Control-Request-Method: POST\r\n\r\n",
        gate.admin_address()
    );
    let answer = send(&gate, preflight);
    assert_eq!(answer.status(), 403);
    let headers = answer.head.headers();
    let is_cors = |name: &str| name.starts_with("access-control-");
    assert!(
        !headers.iter().any(|(name, _)| is_cors(name)),
        "{}",
        answer.head.text
    );
}

#[test]
fn paths_and_methods_are_exact() {
    let backend = Recorder::ok();
    let gate = gate_with_address(&backend).start();
    for (method, target, status, allow) in [
        ("GET", "/drain", 405, Some("POST")),
        ("HEAD", "/drain", 405, Some("POST")),
        ("OPTIONS", "/drain", 405, Some("POST")),
        ("POST", "/status", 405, Some("GET")),
        ("HEAD", "/status", 405, Some("GET")),
        ("TRACE", "/status", 405, Some("DELETE, GET, POST")),
        ("get", "/status", 405, Some("DELETE, GET, POST")),
        ("GET", "/", 404, None),
        ("POST", "/drain/", 404, None),
        ("POST", "/drain/x", 404, None),
        ("POST", "/Drain", 404, None),
        ("POST", "/drai%6e", 400, None),
        ("GET", "/metrics", 404, None),
        ("POST", "//drain", 400, None),
        ("POST", "/x/../drain", 400, None),
        ("POST", "/drain?force=1", 400, None),
        ("GET", "/status?verbose", 400, None),
    ] {
        let answer = if method == "HEAD" {
            let mut client = RawClient::connect(gate.admin_address());
            client.send(format!("HEAD {target} HTTP/1.1\r\n{}\r\n", good(&gate)));
            let answer = client.answer_to_head();
            client.expect_closed();
            answer
        } else {
            ask(&gate, method, target)
        };
        assert_eq!(answer.status(), status, "{method} {target}");
        assert_eq!(answer.header("allow"), allow, "{method} {target}");
    }
    for path in ["/drain", "/status"] {
        assert_eq!(gate.get(path, "").status(), 404, "{path} in public");
        assert_eq!(gate.admin(path).status(), 404, "{path} beside the metrics");
    }
    assert_still_serving(&gate);
}

#[test]
fn a_body_is_small_strict_json_and_says_so() {
    let backend = Recorder::ok();
    let gate = gate_with_address(&backend).start();
    let json = "Content-Type: application/json\r\n";
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(65_536));
    for (case, headers, body, status) in [
        (
            "a form",
            "Content-Type: application/x-www-form-urlencoded\r\n",
            "x=1",
            415,
        ),
        ("plain text", "Content-Type: text/plain\r\n", "{}", 415),
        ("no type", "", "{}", 415),
        (
            "a type beside it",
            "Content-Type: application/json-patch+json\r\n",
            "{}",
            415,
        ),
        (
            "two types",
            "Content-Type: application/json\r\nContent-Type: text/plain\r\n",
            "{}",
            400,
        ),
        ("an unknown key", json, "{\"now\":true}", 400),
        ("a key twice", json, "{\"a\":1,\"a\":1}", 400),
        ("a list", json, "[]", 400),
        ("no JSON", json, "now", 400),
        ("something behind it", json, "{}{}", 400),
        ("too much", json, &large, 413),
    ] {
        let length = body.len();
        let mut client = RawClient::connect(gate.admin_address());
        // What is too large is refused before it is sent.
        let sent = if status == 413 { "" } else { body };
        client.send(format!(
            "POST /drain HTTP/1.1\r\n{}{headers}Content-Length: {length}\r\n\r\n{sent}",
            good(&gate)
        ));
        assert_eq!(client.answer().status(), status, "{case}");
    }
    for (case, framing, status) in [
        (
            "chunks",
            "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            411,
        ),
        (
            "two framings",
            "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}",
            400,
        ),
        (
            "two lengths",
            "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
            400,
        ),
        (
            "a length that is none",
            "Content-Length: 0x2\r\n\r\n{}",
            400,
        ),
        (
            "another expectation",
            "Expect: wonders\r\nContent-Length: 2\r\n\r\n{}",
            417,
        ),
    ] {
        let request = format!("POST /drain HTTP/1.1\r\n{}{json}{framing}", good(&gate));
        assert_eq!(send(&gate, request).status(), status, "{case}");
    }
    let request = format!(
        "GET /status HTTP/1.1\r\n{}{json}Content-Length: 2\r\n\r\n{{}}",
        good(&gate)
    );
    assert_eq!(send(&gate, request).status(), 400, "a question with a body");
    assert_still_serving(&gate);
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let backend = Recorder::ok();
    let gate = gate_with_address(&backend).start();
    let good = good(&gate);
    let address = gate.admin_address();
    for (case, bytes, status) in [
        (
            "a bare line feed",
            format!("POST /drain HTTP/1.1\n{good}\r\n"),
            400,
        ),
        (
            "a folded line",
            format!("POST /drain HTTP/1.1\r\n{good}X: a\r\n b\r\n\r\n"),
            400,
        ),
        (
            "a blank before a colon",
            format!("POST /drain HTTP/1.1\r\n{good}X : a\r\n\r\n"),
            400,
        ),
        (
            "an absolute target",
            format!("POST http://{address}/drain HTTP/1.1\r\n{good}\r\n"),
            400,
        ),
        (
            "another protocol",
            format!("POST /drain HTTP/2.0\r\n{good}\r\n"),
            505,
        ),
        (
            "a line before it",
            format!("\r\nPOST /drain HTTP/1.1\r\n{good}\r\n"),
            400,
        ),
        ("no HTTP", "\x16\x03\x01\r\n\r\n".to_owned(), 400),
        (
            "a large head",
            format!(
                "POST /drain HTTP/1.1\r\n{good}X: {}\r\n\r\n",
                "x".repeat(20_000)
            ),
            431,
        ),
        (
            "a long target",
            format!("POST /drain?{} HTTP/1.1\r\n{good}\r\n", "x".repeat(5_000)),
            414,
        ),
    ] {
        let mut client = RawClient::connect(address);
        client.send(bytes);
        assert_eq!(client.answer().status(), status, "{case}");
    }
    let long = "x".repeat(8_000);
    let answer = send(
        &gate,
        format!("GET /status HTTP/1.1\r\n{good}X: {long}\r\n\r\n"),
    );
    assert_eq!(answer.status(), 200, "a head that is merely long");
    // One request a connection: what is behind it is nobody's.
    let mut client = RawClient::connect(address);
    client.send(format!(
        "GET /status HTTP/1.1\r\n{good}\r\nPOST /drain HTTP/1.1\r\n{good}\r\n"
    ));
    assert_eq!(client.answer().status(), 200);
    client.expect_closed();
    assert_still_serving(&gate);
}

#[test]
fn a_slow_request_is_not_waited_for() {
    let backend = Recorder::ok();
    let gate = gate_with_address(&backend).start();
    let half_a_body = format!(
        "POST /drain HTTP/1.1\r\n{}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{",
        good(&gate)
    );
    thread::scope(|scope| {
        for bytes in ["POST /drain HT", &half_a_body] {
            let address = gate.admin_address();
            scope.spawn(move || {
                let mut client = RawClient::connect(address);
                client.send(bytes);
                assert_eq!(client.answer().status(), 408, "{bytes}");
            });
        }
    });
    assert_still_serving(&gate);
}

#[test]
fn a_client_that_waits_to_be_told_is_told_to_go_on() {
    let backend = Recorder::ok();
    let mut gate = gate_with_address(&backend).start();
    let mut client = RawClient::connect(gate.admin_address());
    client.send(format!(
        "POST /drain HTTP/1.1\r\n{}Content-Type: application/json; charset=utf-8\r\n\
         Expect: 100-continue\r\nContent-Length: 2\r\n\r\n",
        good(&gate)
    ));
    assert_eq!(client.answer().status(), 100);
    client.send("{}");
    assert_eq!(client.answer().status(), 202);
    assert_eq!(gate.exit_code(), Some(0));
}

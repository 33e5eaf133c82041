//! Request limits of routes: whom they stop, what they leave alone, and bodies that are read first.

use super::support::gate::{Builder, handshake};
use super::support::raw::{post, post_chunked, request};
use super::support::ws_backend::WsBackend;
use super::support::{Gate, RawClient, Recorder};

/// So long that nothing comes back while a test runs.
const POLICY: &str = "
authenticators:
  partners: { from: [{ header: X-App-Key }], app_key: { keys: [{ id: a, secret: { value: key-a } }, { id: b, secret: { value: key-b } }] } }
errors: ruoyi
routes:
  - { name: address, match: { path: /address }, require: public, limit: { requests: 2, per: 1h, by: client_ip }, upstream: im }
  - { name: org, match: { path: \"/orgs/{org}/**\" }, require: { any_of: [partners] }, limit: { requests: 2, per: 1h, by: path.org }, upstream: im }
  - { name: key, match: { path: /key }, require: { any_of: [partners] }, limit: { requests: 2, per: 1h, by: app_key }, errors: json, upstream: im }
  - { name: login, match: { path: /token }, require: public, limit: { requests: 2, per: 1h, by: json./client_id }, upstream: im }
  - { name: ws, match: { path: /ws }, websocket: true, require: public, limit: { requests: 2, per: 1h, by: client_ip }, upstream: ws }
  - name: later
    match: { path: /later }
    websocket: true
    require: { first_message: { json: { pointer: /key, any_of: [partners] } } }
    limit: { requests: 2, per: 1h, by: client_ip }
    upstream: ws
  - { name: other, match: { path: /other }, require: public, upstream: im }
";

const JSON: &str = "Content-Type: application/json\r\n";

fn gate_before(backend: &Recorder, sockets: &WsBackend) -> Builder {
    Gate::with(POLICY)
        .listener("trusted_proxies: [127.0.0.1/32]")
        .upstream("im", backend.address())
        .upstream("ws", sockets.address())
}

fn from(client: &str) -> String {
    format!("X-Forwarded-For: {client}\r\n")
}

#[test]
fn clients_are_told_apart_behind_a_proxy_and_told_when_to_come_again() {
    let (backend, sockets) = (Recorder::ok(), WsBackend::echo());
    let gate = gate_before(&backend, &sockets).start();
    let status = |client| gate.get("/address", &from(client)).status();
    assert_eq!([status("192.0.2.1"), status("192.0.2.1")], [200, 200]);
    let refused = gate.get("/address", &from("192.0.2.1"));
    assert_eq!(refused.status(), 429);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=1800).contains(&wait), "{wait}");
    let expected = r#"{"code":429,"msg":"too many requests, try again later","data":null}"#;
    assert_eq!(refused.text(), expected);
    assert_eq!(status("192.0.2.2"), 200);
    // A network of IPv6 is one client.
    assert_eq!(status("2001:db8:1:1::1"), 200);
    assert_eq!(status("2001:db8:1:1:ffff::9"), 200);
    assert_eq!(status("2001:db8:1:1::7"), 429);
    assert_eq!(status("2001:db8:1:2::1"), 200);
    // Another route has nothing to do with it.
    assert_eq!(gate.get("/other", &from("192.0.2.1")).status(), 200);
    assert_eq!(backend.requests().len(), 7);
    let metrics = gate.metrics();
    let labels = [("route", "address"), ("by", "client_ip")];
    let limited = metrics.value("imgate_limited_requests_total", &labels);
    assert!((limited - 2.0).abs() < 0.1, "{limited}");
    let denied = [
        ("route", "address"),
        ("result", "deny"),
        ("reason", "limited"),
    ];
    let denied = metrics.value("imgate_auth_decisions_total", &denied);
    assert!((denied - 2.0).abs() < 0.1, "{denied}");
    let keys = metrics.value("imgate_limit_keys", &[("route", "address")]);
    assert!((keys - 4.0).abs() < 0.1, "{keys}");
    assert!(!metrics.text.contains("192.0.2.1"));
}

#[test]
fn who_is_not_let_in_uses_up_nothing() {
    let (backend, sockets) = (Recorder::ok(), WsBackend::echo());
    let gate = gate_before(&backend, &sockets).start();
    for _ in 0..5 {
        assert_eq!(gate.get("/orgs/one/x", "X-App-Key: bad\r\n").status(), 401);
        assert_eq!(gate.get("/key", "").status(), 401);
    }
    let org = |org: &str, key: &str| {
        let headers = format!("X-App-Key: {key}\r\n");
        gate.get(&format!("/orgs/{org}/x"), &headers).status()
    };
    assert_eq!([org("one", "key-a"), org("One", "key-b")], [200, 200]);
    assert_eq!([org("one", "key-a"), org("ONE", "key-b")], [429, 429]);
    assert_eq!(org("two", "key-a"), 200);
    let key = |key: &str| gate.get("/key", &format!("X-App-Key: {key}\r\n"));
    assert_eq!([key("key-a").status(), key("key-a").status()], [200, 200]);
    let refused = key("key-a");
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.json()["error"], "limited");
    assert_eq!(key("key-b").status(), 200);
}

#[test]
fn a_body_that_is_read_first_goes_on_as_it_came() {
    let (backend, sockets) = (Recorder::ok(), WsBackend::echo());
    let gate = gate_before(&backend, &sockets).start();
    let body =
        br#" {"grant_type" : "client_credentials",  "client_id":"shop-1","x":[1.50, "\u00e9"]} "#;
    backend.take_raw();
    let mut client = gate.client();
    client.send(post("/token", JSON, body));
    assert_eq!(client.answer().status(), 200);
    assert_eq!(backend.take().pop().unwrap().body, body);
    // In small chunks, each in a segment of its own, and with the next request behind it.
    let chunked = post_chunked("/token", JSON, body, 5);
    let behind = request("GET", "/other", "");
    let bytes = [chunked.as_slice(), behind.as_bytes()].concat();
    for piece in bytes.chunks(7) {
        client.send(piece);
    }
    assert_eq!(client.answer().status(), 200);
    assert_eq!(client.answer().status(), 200);
    let received = backend.take();
    assert_eq!(received[0].body, body);
    assert_eq!(received[1].head.target(), "/other");
    // The same name in another spelling is the third of two.
    client.send(post("/token", JSON, br#"{"client_\u0069d":"SHOP-1"}"#));
    let refused = client.answer();
    assert_eq!(refused.status(), 429);
    assert!(refused.header("retry-after").is_some());
    // The connection is as good as before, since the whole body was read.
    client.send(post("/token", JSON, br#"{"client_id":"shop-2"}"#));
    assert_eq!(client.answer().status(), 200);
    // The framing of the chunks, too, goes on as it came.
    let raw = String::from_utf8(backend.take_raw()).unwrap();
    assert!(raw.contains("\r\n5\r\n {\"gr\r\n5\r\nant_t\r\n"), "{raw}");
}

#[test]
fn a_client_that_waits_to_be_told_is_told_once() {
    let (backend, sockets) = (Recorder::ok(), WsBackend::echo());
    let gate = gate_before(&backend, &sockets).start();
    let body = br#"{"client_id":"shop"}"#;
    let headers = format!("{JSON}Expect: 100-continue\r\n");
    let whole = post("/token", &headers, body);
    let (head, body) = whole.split_at(whole.len() - body.len());
    let mut client = gate.client();
    client.send(head);
    assert_eq!(client.answer().status(), 100);
    client.send(body);
    assert_eq!(client.answer().status(), 200);
    assert_eq!(backend.only().body, body);
}

#[test]
fn what_does_not_say_by_whom_it_counts_is_refused() {
    let (backend, sockets) = (Recorder::ok(), WsBackend::echo());
    let gate = gate_before(&backend, &sockets).start();
    let large = format!(
        "{{\"client_id\":\"a\",\"x\":\"{}\"}}",
        "x".repeat(64 * 1024)
    );
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    for (case, bytes, expected) in [
        ("no object", post("/token", JSON, b"[\"client_id\"]"), 400),
        (
            "twice",
            post("/token", JSON, br#"{"client_id":"a","client_id":"b"}"#),
            400,
        ),
        ("no body", request("GET", "/token", JSON).into_bytes(), 400),
        ("a form", post("/token", form, b"client_id=a"), 415),
        (
            "compressed",
            post(
                "/token",
                &format!("{JSON}Content-Encoding: gzip\r\n"),
                b"{}",
            ),
            415,
        ),
        ("too large", post("/token", JSON, large.as_bytes()), 413),
        (
            "too large in chunks",
            post_chunked("/token", JSON, large.as_bytes(), 4096),
            413,
        ),
        (
            "small, in too many chunks",
            post_chunked("/token", JSON, &large.as_bytes()[..20_000], 1),
            413,
        ),
    ] {
        let mut client = gate.client();
        // The gate may have answered before everything is sent.
        let _ = client.try_send(&bytes);
        let answer = client.answer();
        assert_eq!(answer.status(), expected, "{case}: {}", answer.text());
    }
    // A huge length is refused before anything of it comes.
    let announced = format!("{JSON}Content-Length: 9999999999\r\n");
    assert_eq!(
        gate.send(request("POST", "/token", &announced)).status(),
        413
    );
    let malformed = format!(
        "{}zz\r\n",
        request(
            "POST",
            "/token",
            &format!("{JSON}Transfer-Encoding: chunked\r\n")
        )
    );
    assert_eq!(gate.send(malformed).status(), 400);
    assert!(backend.requests().is_empty());
}

#[test]
fn a_body_that_drips_has_the_time_of_a_head() {
    let (backend, sockets) = (Recorder::ok(), WsBackend::echo());
    let policy = format!("{POLICY}limits: {{ head_timeout: 1s }}\n");
    let gate = Gate::with(&policy)
        .upstream("im", backend.address())
        .upstream("ws", sockets.address())
        .start();
    let whole = post("/token", JSON, br#"{"client_id":"shop"}"#);
    let mut client = gate.client();
    client.send(&whole[..whole.len() - 1]);
    assert_eq!(client.answer().status(), 408);
    client.expect_closed();
    // A client that goes away in the middle harms nobody.
    let mut client = gate.client();
    client.send(&whole[..whole.len() - 1]);
    drop(client);
    assert_eq!(gate.send(&whole).status(), 200);
    assert_eq!(backend.requests().len(), 1);
}

#[test]
fn sockets_are_counted_before_the_upstream_hears_of_them() {
    let (backend, sockets) = (Recorder::ok(), WsBackend::echo());
    let gate = gate_before(&backend, &sockets).start();
    for (path, heard) in [("/ws", 2), ("/later", 0)] {
        let before = sockets.handshakes().len();
        let mut open: Vec<RawClient> = Vec::new();
        for expected in [101, 101, 429] {
            let mut client = gate.client();
            client.send(handshake(path, ""));
            let answer = client.answer();
            assert_eq!(answer.status(), expected, "{path}");
            assert_eq!(answer.header("retry-after").is_some(), expected == 429);
            open.push(client);
        }
        assert_eq!(sockets.handshakes().len() - before, heard, "{path}");
        assert_eq!(gate.send(handshake(path, &from("192.0.2.9"))).status(), 101);
    }
}

#[test]
fn a_reload_gives_nobody_anew_what_is_used_up() {
    let (backend, sockets) = (Recorder::ok(), WsBackend::echo());
    let gate = gate_before(&backend, &sockets).start();
    let status = || gate.get("/address", "").status();
    assert_eq!([status(), status(), status()], [200, 200, 429]);
    // The same rule beside other changes.
    let changed = POLICY.replace("/other", "/another");
    gate.reload_and_wait(&changed);
    assert_eq!(status(), 429);
    // Another rule is another count.
    let more = changed.replacen("requests: 2", "requests: 3", 1);
    gate.reload_and_wait(&more);
    assert_eq!(
        [status(), status(), status(), status()],
        [200, 200, 200, 429]
    );
}

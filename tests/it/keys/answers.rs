//! What a refused client reads: every format, byte for byte.

use std::fmt::Write as _;

use imgate::clock;

use super::super::support::gate::handshake;
use super::super::support::mint::{SA_TOKEN_SECRET, sa_token, sa_token_signed};
use super::super::support::raw::request;
use super::super::support::wire::Answer;
use super::super::support::{Gate, Recorder, net};

const POLICY: &str = "
authenticators:
  keys:
    from: [{ header: X-App-Key }]
    app_key:
      keys:
        - { id: demo, secret: { value: keyAbcd123 } }
        - { id: gone, secret: { value: key-of-yesterday }, not_after: 2020-01-01T00:00:00Z }
        - { id: limited, secret: { value: key-for-others }, routes: [dead] }
  im-token:
    from: [{ header: token, prefix: Bearer }]
    sa_token:
      secret: { value: \"$SECRET\" }
      user_types: [im_user]
      sessions: { none: { max_age: 12h } }
routes:
  - { name: openapi, match: { path: /openapi/**, methods: [GET] }, require: { any_of: [keys] }, upstream: im }
  - { name: user, match: { path: /api/** }, require: { any_of: [im-token] }, upstream: im }
  - { name: ws, match: { path: /ws }, websocket: true, require: { any_of: [im-token] }, upstream: im }
  - { name: dead, match: { path: /dead/** }, require: public, upstream: dead }
  - { name: open, match: { path: /open/** }, require: public, upstream: im }
errors: $FORMAT
";

fn gate(format: &str, backend: &Recorder) -> Gate {
    Gate::with(
        &POLICY
            .replace("$SECRET", SA_TOKEN_SECRET)
            .replace("$FORMAT", format),
    )
    .upstream("im", backend.address())
    .upstream("dead", net::free_address())
    .start()
}

/// One request for each kind of refusal.
fn refusals() -> Vec<(&'static str, String)> {
    let forged = sa_token_signed("im_user:7", "a secret of somebody else, long enough");
    vec![
        ("no key", request("GET", "/openapi/x", "")),
        (
            "unknown key",
            request("GET", "/openapi/x", "X-App-Key: wrong\r\n"),
        ),
        (
            "expired key",
            request("GET", "/openapi/x", "X-App-Key: key-of-yesterday\r\n"),
        ),
        (
            "key for other routes",
            request("GET", "/openapi/x", "X-App-Key: key-for-others\r\n"),
        ),
        (
            "doubled key",
            request("GET", "/openapi/x", "X-App-Key: a\r\nX-App-Key: a\r\n"),
        ),
        ("no token", request("GET", "/api/x", "")),
        (
            "forged token",
            request("GET", "/api/x", &format!("token: {forged}\r\n")),
        ),
        (
            "doubled prefix",
            request(
                "GET",
                "/api/x",
                &format!("token: Bearer Bearer {forged}\r\n"),
            ),
        ),
        (
            "no token at all",
            request("GET", "/api/x", "token: nonsense\r\n"),
        ),
        (
            "wrong user type",
            request(
                "GET",
                "/api/x",
                &format!("token: {}\r\n", sa_token("sys_user:1")),
            ),
        ),
        ("no route", request("GET", "/nowhere", "")),
        ("wrong method", request("DELETE", "/openapi/x", "")),
        ("two readings", request("GET", "/openapi/../x", "")),
        ("no upgrade", request("GET", "/ws", "")),
        ("upgrade without token", handshake("/ws", "")),
        ("backend down", request("GET", "/dead/x", "")),
    ]
}

/// Status, challenge, content type and body, with the request id and the time masked.
fn shown(answer: &Answer) -> String {
    let id = answer.header("x-request-id").expect("X-Request-Id");
    let mut text = answer.status().to_string();
    for name in [
        "www-authenticate",
        "allow",
        "upgrade",
        "sec-websocket-version",
        "content-type",
    ] {
        if let Some(value) = answer.header(name) {
            write!(text, "\n    {name}: {value}").unwrap();
        }
    }
    let body = answer.text().replace(id, "[request id]");
    let body = match body.split_once("\"timestamp\":") {
        Some((before, behind)) => {
            let behind = behind.trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{before}\"timestamp\":[ms]{behind}")
        }
        None => body,
    };
    write!(text, "\n    {}", body.trim_end()).unwrap();
    text
}

#[test]
fn every_refusal_in_every_format() {
    let backend = Recorder::ok();
    for format in ["json", "ruoyi", "easemob", "imkit", "problem", "text"] {
        let gate = gate(format, &backend);
        let mut table = String::new();
        for (case, bytes) in refusals() {
            writeln!(table, "{case}: {}", shown(&gate.send(bytes))).unwrap();
        }
        insta::assert_snapshot!(format!("refusals_{format}"), table);
    }
    assert!(backend.requests().is_empty());
}

#[test]
fn the_json_format_names_reason_and_request() {
    let backend = Recorder::ok();
    let gate = gate("json", &backend);
    for (case, bytes) in refusals() {
        let answer = gate.send(bytes);
        let body = answer.json();
        let keys: Vec<_> = body
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(keys, ["error", "message", "request_id"], "{case}");
        assert_eq!(
            body["request_id"].as_str(),
            answer.header("x-request-id"),
            "{case}"
        );
    }
}

#[test]
fn the_ruoyi_format_is_the_backends_own() {
    let backend = Recorder::ok();
    let gate = gate("ruoyi", &backend);
    for (case, bytes) in refusals() {
        let answer = gate.send(bytes);
        let text = answer.text();
        let start = format!("{{\"code\":{},\"msg\":\"", answer.status());
        assert!(
            text.starts_with(&start) && text.ends_with("\",\"data\":null}"),
            "{case}: {text}"
        );
    }
}

#[test]
fn the_easemob_format_says_when() {
    let backend = Recorder::ok();
    let gate = gate("easemob", &backend);
    for (case, bytes) in refusals() {
        let before = clock::now().as_millis();
        let body = gate.send(bytes).json();
        let timestamp = body["timestamp"].as_i64().unwrap();
        let after = clock::now().as_millis();
        assert!((before..=after).contains(&timestamp), "{case}: {body}");
    }
}

#[test]
fn a_route_has_a_format_of_its_own() {
    let backend = Recorder::ok();
    let policy = "
authenticators:
  client: { from: [{ header: IM-CLIENT-KEY }], app_key: { keys: [{ id: shop, secret: { value: a } }] } }
  server: { from: [{ header: IM-API-KEY }], app_key: { keys: [{ id: server, secret: { value: b } }] } }
routes:
  - { match: { path: /client }, require: { any_of: [client] }, errors: imkit, upstream: im }
  - { match: { path: /server }, require: { any_of: [server] }, errors: imkit, upstream: im }
  - { match: { path: /json }, require: { any_of: [client] }, upstream: im }
";
    let gate = Gate::with(policy).upstream("im", backend.address()).start();
    for (path, headers, expected) in [
        (
            "/client",
            "",
            r#"{"error":"MISSING_CLIENT_KEY","message":"Client key is required for SDK initialization"}"#,
        ),
        (
            "/client",
            "IM-CLIENT-KEY: x\r\n",
            r#"{"error":"INVALID_CLIENT_KEY","message":"The provided client key is invalid or expired"}"#,
        ),
        (
            "/server",
            "",
            r#"{"error":"MISSING_API_KEY","message":"IM-API-KEY header is required"}"#,
        ),
        (
            "/server",
            "IM-API-KEY: x\r\n",
            r#"{"error":"INVALID_API_KEY","message":"The provided API key is invalid or expired"}"#,
        ),
    ] {
        assert_eq!(gate.get(path, headers).text(), expected);
    }
    assert_eq!(gate.get("/json", "").json()["error"], "no_credential");
}

#[test]
fn every_answer_has_a_request_id_of_its_own() {
    let backend = Recorder::ok();
    let gate = gate("json", &backend);
    let mut requests: Vec<_> = refusals();
    requests.push(("served", request("GET", "/open/x", "")));
    requests.push((
        "claimed by the client",
        request("GET", "/open/x", "X-Request-Id: mine\r\n"),
    ));
    let mut seen = std::collections::HashSet::new();
    for (case, bytes) in requests {
        let answer = gate.send(bytes);
        let id = answer
            .header("x-request-id")
            .unwrap_or_else(|| panic!("{case}: no id"));
        assert!(seen.insert(id.to_owned()), "{case}: {id} came twice");
    }
    let received = backend.requests().remove(0).head;
    let id = received
        .header("x-request-id")
        .expect("the backend gets the id too");
    assert!(seen.contains(id), "the backend's id is the client's");
}

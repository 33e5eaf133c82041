//! What is told of a request, and what is not.

use serde_json::{Value, json};

use super::*;
use crate::policy::testing::policy;
use crate::request::testing;

const POLICY: &str = r#"
authenticators:
  partners: { from: [{ header: X-App-Key }], app_key: { keys: [{ id: a, secret: { value: canary-key } }] } }
  users:
    from: [{ header: token, prefix: Bearer }, { query: token }]
    jwt: { keys: [{ algorithm: HS256, secret: { value: "0123456789abcdef0123456789abcdef" } }], issuer: any, audience: any }
  remote:
    from: [{ header: remote }]
    sa_token:
      secret: { value: "0123456789abcdef0123456789abcdef" }
      user_types: [im_user]
      sessions: { redis: { address: "127.0.0.1:6379", key: "k:{token}" } }
identity: { prefix: X-Auth-, remove: [X-User-Id], sign: { secret: { value: "canary-canary-canary-canary-canary" } } }
cors: { origins: [https://chat.example.com] }
routes:
  - name: api
    match: { path: /api/** }
    require: { any_of: [partners, users] }
    set_headers: { X-Backend: { value: canary-backend } }
    credential: { form: bare, as: { header: X-Token } }
    limit: { requests: 5, per: 1m, by: client_ip }
    upstream: im
  - { name: body, match: { path: /body }, require: public, limit: { requests: 5, per: 1m, by: json./id }, upstream: im }
  - { name: remote, match: { path: /remote }, require: { any_of: [remote] }, upstream: im }
  - { name: ws, match: { path: /ws }, websocket: true, require: { any_of: [users] }, session: { renew: /ws/renew }, upstream: im }
  - { name: seen, match: { path: /seen }, require: { any_of: [users] }, mode: observe, until: 2027-01-31T00:00:00Z, upstream: im }
  - { name: later, match: { path: /later }, websocket: true, require: { first_message: { json: { pointer: /t, any_of: [users] } } }, upstream: im }
"#;

const NOW: i64 = 1_800_000_000;

fn token() -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(b"0123456789abcdef0123456789abcdef");
    let claims = json!({ "sub": "7", "exp": NOW + 60 });
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

fn explained(bytes: &[u8]) -> Value {
    let entry = Entry {
        listener: 0,
        peer: "192.0.2.1".parse().unwrap(),
        secure: false,
    };
    let policy = policy(POLICY);
    let explaining = explain(&policy, bytes, entry, UnixTime::from_secs(NOW));
    let explanation = testing::block_on(explaining);
    let value = serde_json::to_value(&explanation).unwrap();
    let shown = format!("{value}{explanation:?}");
    for secret in ["canary", &token(), "0123456789abcdef"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    value
}

fn of(lines: &str) -> Value {
    explained(&testing::bytes(&lines.replace("TOKEN", &token())))
}

/// Verdict, status and reason in one line.
fn line(value: &Value) -> String {
    let word = if value["admitted"] == true {
        "in"
    } else {
        "out"
    };
    format!(
        "{word} {} {}",
        value["status"],
        value["reason"].as_str().unwrap()
    )
}

#[test]
fn everything_about_an_admitted_request_is_told() {
    let told = of(
        "GET /api/x?a=b&token=TOKEN HTTP/1.1\nHost: chat\nX-User-Id: 1\nX-Auth-Subject: 9\nAccept: */*",
    );
    assert_eq!(line(&told), "in null ok");
    assert_eq!(told["client"], "192.0.2.1");
    assert_eq!(told["secure"], false);
    assert_eq!(told["route"]["name"], "api");
    assert_eq!(told["route"]["upstream"], "im");
    assert_eq!(
        told["limit"],
        json!({ "requests": 5, "per_seconds": 60, "by": "client_ip" })
    );
    let [partners, users] = told["authenticators"].as_array().unwrap().as_slice() else {
        panic!("{told}");
    };
    assert_eq!(partners["verdict"], "absent");
    assert_eq!(users["verdict"], "verified");
    assert_eq!(users["scheme"], "jwt");
    assert_eq!(users["subject"], "7");
    assert_eq!(users["expires_at"], NOW + 60);
    assert_eq!(users["found_in"], "query token");
    assert_eq!(told["admitted_as"]["authenticator"], "users");
    let removed = told["forwarded"]["removed"].as_array().unwrap();
    let names: Vec<_> = removed
        .iter()
        .map(|change| change["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["token", "X-User-Id", "X-Auth-Subject"]);
    let added = told["forwarded"]["added"].as_array().unwrap();
    let value = |name: &str| {
        added
            .iter()
            .find(|change| change["name"] == name)
            .map(|change| &change["value"])
    };
    assert_eq!(value("X-Auth-Subject"), Some(&json!("7")));
    assert_eq!(value("X-Auth-Authenticator"), Some(&json!("users")));
    assert_eq!(value("X-Forwarded-For"), Some(&json!("192.0.2.1")));
    for hidden in ["X-Token", "X-Backend", "X-Auth-Assertion", "X-Request-Id"] {
        assert_eq!(value(hidden), Some(&Value::Null), "{hidden}");
    }
}

#[test]
fn every_refusal_says_why() {
    let key = jsonwebtoken::EncodingKey::from_secret(b"another secret, which nobody knows");
    let claims = json!({ "sub": "7", "exp": NOW + 60 });
    let header = jsonwebtoken::Header::default();
    let bad = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    for (lines, expected, verdicts) in [
        (
            "GET /nowhere HTTP/1.1\nHost: chat",
            "out 404 no_route",
            vec![],
        ),
        (
            "GET /api/x HTTP/1.1\nHost: chat",
            "out 401 no_credential",
            vec!["absent", "absent"],
        ),
        (
            "GET /api/x HTTP/1.1\nHost: chat\nX-App-Key: canary",
            "out 401 unknown_key",
            vec!["rejected", "absent"],
        ),
        (
            "GET /api/x HTTP/1.1\nHost: chat\ntoken: opaque",
            "out 401 malformed",
            vec!["absent", "foreign"],
        ),
        (
            "GET /api/x?token=a&token=b HTTP/1.1\nHost: chat",
            "out 400 conflict",
            vec!["not_judged", "ambiguous"],
        ),
        (
            "GET /ws HTTP/1.1\nHost: chat\ntoken: TOKEN",
            "out 426 upgrade",
            vec!["not_judged"],
        ),
        (
            &format!("GET /api/x HTTP/1.1\nHost: chat\ntoken: {bad}"),
            "out 401 bad_signature",
            vec!["absent", "rejected"],
        ),
    ] {
        let told = of(lines);
        assert_eq!(line(&told), expected, "{lines}");
        let seen: Vec<_> = told["authenticators"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["verdict"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(seen, verdicts, "{lines}");
        assert_eq!(told["forwarded"], Value::Null);
        assert!(!told["message"].as_str().unwrap().is_empty());
    }
}

#[test]
fn who_cannot_be_asked_is_named() {
    let key = jsonwebtoken::EncodingKey::from_secret(b"0123456789abcdef0123456789abcdef");
    let claims = json!({ "loginType": "login", "loginId": "im_user:7", "rnStr": "r".repeat(32) });
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    let told = of(&format!(
        "GET /remote HTTP/1.1\nHost: chat\nremote: {token}"
    ));
    assert_eq!(line(&told), "out 503 unavailable");
    assert_eq!(told["authenticators"][0]["verdict"], "unavailable");
}

#[test]
fn what_the_strict_syntax_refuses_is_refused_here() {
    for (bytes, expected) in [
        (
            &b"GET /api/../x HTTP/1.1\r\nHost: chat\r\n\r\n"[..],
            "out 400 syntax",
        ),
        (
            b"GET /api HTTP/1.1\r\nHost: chat\r\nHost: b\r\n\r\n",
            "out 400 syntax",
        ),
        (b"GET /api HTTP/1.1\nHost: chat\n\n", "out 400 syntax"),
        (
            b"TRACE /api HTTP/1.1\r\nHost: chat\r\n\r\n",
            "out 405 method",
        ),
        (b"GET /api HTTP/1.1\r\nHost: chat\r\n", "out 408 syntax"),
        (b"GET /api HTTP/2.0\r\nHost: chat\r\n\r\n", "out 505 syntax"),
    ] {
        assert_eq!(
            line(&explained(bytes)),
            expected,
            "{}",
            String::from_utf8_lossy(bytes)
        );
    }
}

#[test]
fn what_the_gate_answers_itself_is_told_as_well() {
    let shake = "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let preflight = "OPTIONS /api/x HTTP/1.1\nHost: chat\nOrigin: https://chat.example.com\n\
                     Access-Control-Request-Method: GET";
    for (lines, expected, word) in [
        (preflight, "in 204 ok", "preflight"),
        (
            "POST /ws/renew HTTP/1.1\nHost: chat\ntoken: TOKEN",
            "in null ok",
            "renewal",
        ),
        (
            &format!("GET /later HTTP/1.1\nHost: chat\n{shake}"),
            "in null ok",
            "10 s",
        ),
        (
            &format!("GET /ws HTTP/1.1\nHost: chat\ntoken: TOKEN\n{shake}"),
            "in null ok",
            "upstream",
        ),
    ] {
        let told = of(lines);
        assert_eq!(line(&told), expected, "{lines}");
        assert!(told["message"].as_str().unwrap().contains(word), "{told}");
    }
}

#[test]
fn a_body_counts_where_it_is_read() {
    let with = |body: &str| {
        let length = body.len();
        let head = format!(
            "POST /body HTTP/1.1\r\nHost: chat\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        line(&explained(format!("{head}{body}").as_bytes()))
    };
    assert_eq!(with(r#"{"id":"a"}"#), "in null ok");
    assert_eq!(with(r#"{"id":"a","id":"b"}"#), "out 400 syntax");
}

#[test]
fn a_refusal_that_is_not_carried_out_is_told_with_what_is_forwarded() {
    let told = of("GET /seen HTTP/1.1\nHost: chat\ntoken: opaque\nX-User-Id: 1");
    assert_eq!(line(&told), "out 401 malformed");
    assert_eq!(told["observed_until"], 1_801_353_600);
    assert_eq!(told["admitted_as"], Value::Null);
    let removed = told["forwarded"]["removed"].as_array().unwrap();
    let names: Vec<_> = removed.iter().map(|change| &change["name"]).collect();
    assert_eq!(names, ["token", "X-User-Id"]);
    let told = of("GET /seen HTTP/1.1\nHost: chat\ntoken: TOKEN");
    assert_eq!(line(&told), "in null ok");
    assert_eq!(told["observed_until"], Value::Null);
    let told = of("GET /seen HTTP/1.1\nHost: chat\ntoken: a\ntoken: b");
    assert_eq!(line(&told), "out 400 conflict");
    assert_eq!(told["observed_until"], Value::Null);
}

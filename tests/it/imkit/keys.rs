//! Client keys: of which app, at which host, for how long, and how little is ever shown of them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::json;

use super::super::first_message::chat::{Chat, OPEN, SOCKET, auth2};
use super::super::support::frames::{self, Frame};
use super::super::support::gate::handshake;
use super::super::support::mint::{SA_TOKEN_SECRET, claims, jwt};
use super::super::support::{Gate, RawClient, Recorder, eventually};

const SIGNING: &str = "what signs client keys, of 32 bytes or more";
const API_KEY: &str = "MjJZcFlIRGFRbElRbERTdlZMQ0xMbzJNUHpGZlZtOWpZcHh3MnZ1QnJtaz0=";

const POLICY: &str = "
authenticators:
  client:
    from: [{ header: IM-CLIENT-KEY }]
    imkit_client_key:
      apps:
        - id: shop
          client_key: { value: shop-key }
          previous: { value: shop-key-before, not_after: 2999-01-01T00:00:00Z }
          domains: [shop.example.com, \"[::1]\"]
        - id: old
          client_key: { value: old-key }
          previous: { value: old-key-before, not_after: 2020-01-01T00:00:00Z }
        - { id: listed, client_key: { file: listed } }
        - { id: signed, secret: { value: \"$SIGNING\" }, client_id: client-1 }
  user:
    from: [{ header: IM-Authorization }]
    jwt: { keys: [{ kid: h, algorithm: HS256, secret: { value: \"$SECRET\" } }], issuer: any, audience: any }
  server: { from: [{ header: IM-API-KEY }], app_key: { keys: [{ id: server, secret: { value: api-key } }] } }
routes:
  - { name: client, match: { path: /client }, require: { any_of: [client] }, upstream: im }
  - { name: server, match: { path: /server }, require: { any_of: [server] }, upstream: im }
  - { name: either, match: { path: /either }, require: { any_of: [server, user] }, upstream: im }
  - { name: both, match: { path: /both }, require: { all_of: [client, user] }, upstream: im }
  - name: socket
    match: { path: /socket.io/ }
    websocket: true
    require: { first_message: { socketio_auth2: { all_of: [client, user] }, deadline: 2s } }
    upstream: im
errors: imkit
";

fn gate(backend: std::net::SocketAddr) -> Gate {
    let policy = POLICY
        .replace("$SIGNING", SIGNING)
        .replace("$SECRET", SA_TOKEN_SECRET);
    Gate::with(&policy)
        .upstream("im", backend)
        .file(
            "listed",
            &signed(
                "somebody",
                "a secret that the gate does not know, and need not",
            ),
        )
        .environment("IMGATE_LOG", "trace")
        .start()
}

/// A client key in IMKIT's form.
fn signed(client_id: &str, secret: &str) -> String {
    let claims =
        json!({ "apiKey": API_KEY, "createAt": 1_591_972_576_414_i64, "clientId": client_id });
    let key = EncodingKey::from_secret(secret.as_bytes());
    let header = jsonwebtoken::Header::new(Algorithm::HS256);
    jsonwebtoken::encode(&header, &claims, &key).unwrap()
}

fn user() -> String {
    let key = EncodingKey::from_secret(SA_TOKEN_SECRET.as_bytes());
    jwt("h", Algorithm::HS256, &key, &claims("7", 60))
}

fn get(gate: &Gate, host: &str, path: &str, headers: &str) -> (u16, String) {
    let mut client = gate.client();
    client.send(format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n"
    ));
    let answer = client.answer();
    (answer.status(), answer.text())
}

#[test]
fn a_key_is_its_apps_at_its_hosts() {
    let backend = Recorder::ok();
    let gate = gate(backend.address());
    let good = signed("client-1", SIGNING);
    let listed = signed(
        "somebody",
        "a secret that the gate does not know, and need not",
    );
    let mismatch = r#"{"error":"CLIENT_KEY_MISMATCH","message":"Client key does not match the specified domain"}"#;
    let invalid = r#"{"error":"INVALID_CLIENT_KEY","message":"The provided client key is invalid or expired"}"#;
    for (host, key, expected) in [
        ("shop.example.com", "shop-key", Ok("shop")),
        ("SHOP.example.com:8443", "shop-key", Ok("shop")),
        ("[::1]:9688", "shop-key", Ok("shop")),
        ("shop.example.com", "shop-key-before", Ok("shop")),
        ("shop.example.org", "shop-key", Err((403, mismatch))),
        (
            "shop.example.com.evil.org",
            "shop-key",
            Err((403, mismatch)),
        ),
        (
            "a.shop.example.com",
            "shop-key-before",
            Err((403, mismatch)),
        ),
        ("anywhere", "old-key", Ok("old")),
        ("anywhere", "old-key-before", Err((401, invalid))),
        ("anywhere", listed.as_str(), Ok("listed")),
        ("anywhere", good.as_str(), Ok("signed")),
        ("anywhere", &good[..good.len() - 1], Err((401, invalid))),
        (
            "anywhere",
            &signed("client-2", SIGNING),
            Err((401, invalid)),
        ),
        (
            "anywhere",
            &signed("client-1", SA_TOKEN_SECRET),
            Err((401, invalid)),
        ),
        ("anywhere", "Bearer old-key", Err((401, invalid))),
    ] {
        let headers = format!("IM-CLIENT-KEY: {key}\r\n");
        let (status, text) = get(&gate, host, "/client", &headers);
        match expected {
            Ok(app) => {
                assert_eq!(status, 200, "{host} {key}: {text}");
                let head = backend.take().remove(0).head;
                assert_eq!(head.header("x-auth-app-id"), Some(app));
                assert_eq!(head.header("x-auth-subject"), None);
                assert_eq!(head.header("im-client-key"), Some(key));
            }
            Err((refused, body)) => {
                assert_eq!((status, text.as_str()), (refused, body), "{host} {key}");
                assert!(backend.requests().is_empty());
            }
        }
    }
}

#[test]
fn a_client_key_does_not_do_where_a_servers_key_is_asked_for() {
    let backend = Recorder::ok();
    let gate = gate(backend.address());
    let refused = r#"{"error":"INSUFFICIENT_PERMISSIONS","message":"Client key does not have permission for this operation"}"#;
    let missing = r#"{"error":"MISSING_API_KEY","message":"IM-API-KEY header is required"}"#;
    let invalid =
        r#"{"error":"INVALID_API_KEY","message":"The provided API key is invalid or expired"}"#;
    let signed = signed("client-1", SIGNING);
    let long = "x".repeat(9_000);
    for (headers, status, body) in [
        ("IM-CLIENT-KEY: old-key\r\n".to_owned(), 403, refused),
        ("IM-API-KEY: old-key\r\n".to_owned(), 403, refused),
        (format!("IM-API-KEY: {signed}\r\n"), 403, refused),
        // At another host it is no less a client key.
        ("IM-CLIENT-KEY: shop-key\r\n".to_owned(), 403, refused),
        ("IM-CLIENT-KEY: old-key-before\r\n".to_owned(), 401, missing),
        ("IM-CLIENT-KEY: x\r\n".to_owned(), 401, missing),
        (
            "IM-CLIENT-KEY: x\r\nIM-CLIENT-KEY: old-key\r\n".to_owned(),
            401,
            missing,
        ),
        (
            "IM-CLIENT-KEY: old-key\r\nIM-API-KEY: x\r\n".to_owned(),
            403,
            refused,
        ),
        (format!("IM-API-KEY: {long}\r\n"), 401, invalid),
        (String::new(), 401, missing),
    ] {
        let (answered, text) = get(&gate, "a", "/server", &headers);
        assert_eq!((answered, text.as_str()), (status, body), "{headers:.60}");
    }
    assert!(backend.requests().is_empty());
    // Beside a server's own key it is nobody's business, and goes nowhere.
    let (status, _) = get(
        &gate,
        "a",
        "/server",
        "IM-CLIENT-KEY: old-key\r\nIM-API-KEY: api-key\r\n",
    );
    assert_eq!(status, 200);
    assert_eq!(backend.only().head.header("im-client-key"), None);
    // Where others come in, too, a token is missing as ever.
    let (status, text) = get(&gate, "a", "/either", "IM-CLIENT-KEY: old-key\r\n");
    assert_eq!((status, text.as_str()), (401, missing));
    let denied = [
        ("route", "server"),
        ("result", "deny"),
        ("reason", "wrong_principal"),
    ];
    gate.wait_for_metric("imgate_auth_decisions_total", &denied, |count| count > 4.5);
}

#[test]
fn a_socket_is_opened_at_the_keys_hosts_only() {
    let backend = Chat::start();
    let gate = gate(backend.address());
    let enter = |host: &str, key: &str| -> Frame {
        let mut client: RawClient = gate.client();
        client
            .send(handshake(SOCKET, "").replace("Host: im.example.com", &format!("Host: {host}")));
        assert_eq!(client.answer().status(), 101);
        assert!(client.frame() == Frame::new(frames::TEXT, OPEN));
        client.send_frame(&Frame::new(frames::TEXT, "40"));
        client.frame();
        client.send_frame(&Frame::new(frames::TEXT, auth2("1", key, &user())));
        client.frame()
    };
    let answer = |frame: Frame| String::from_utf8(frame.payload).unwrap();
    assert_eq!(
        answer(enter("shop.example.com:80", "shop-key")),
        r#"431["eyJSQyI6MH0="]"#
    );
    let refused = answer(enter("shop.example.org", "shop-key"));
    assert!(
        refused.contains(r#""code":"CLIENT_KEY_MISMATCH""#),
        "{refused}"
    );
    assert!(refused.contains(r#""RC":401"#), "{refused}");
    let refused = answer(enter("shop.example.com", "unknown"));
    assert!(
        refused.contains(r#""code":"INVALID_CLIENT_KEY""#),
        "{refused}"
    );
}

#[test]
fn an_open_socket_ends_with_its_key_and_with_its_host() {
    for (case, from, to, code) in [
        ("the key", "value: old-key }", "value: another }", 4403),
        (
            "the host",
            "- id: old",
            "- id: old\n          domains: [elsewhere]",
            4401,
        ),
    ] {
        let backend = Chat::start();
        let gate = gate(backend.address());
        let mut client = Chat::introduced(&gate);
        client.send_frame(&Frame::new(frames::TEXT, auth2("1", "old-key", &user())));
        client.frame();
        gate.wait_for_metric("imgate_sessions_open", &[("route", "socket")], |open| {
            open > 0.5
        });
        let policy = POLICY
            .replace("$SIGNING", SIGNING)
            .replace("$SECRET", SA_TOKEN_SECRET);
        let changed = policy.replace(from, to);
        assert_ne!(policy, changed, "{case}");
        gate.reload(&changed);
        assert_eq!(client.frame().close_code(), code, "{case}");
    }
}

#[test]
fn nothing_of_a_client_key_is_logged() {
    let backend = Recorder::ok();
    let gate = gate(backend.address());
    let good = signed("client-1", SIGNING);
    let unknown = signed("client-9", SA_TOKEN_SECRET);
    for key in [good.as_str(), &unknown, "shop-key", "a-wrong-key"] {
        for path in ["/client", "/server", "/both"] {
            get(&gate, "a", path, &format!("IM-CLIENT-KEY: {key}\r\n"));
            get(&gate, "a", path, &format!("IM-API-KEY: {key}\r\n"));
        }
    }
    let metrics = gate.metrics().text;
    let log = eventually("the refusals are logged", || {
        let log = gate.output();
        log.contains("\"reason\":\"unknown_key\"").then_some(log)
    });
    let payload = good.split('.').nth(1).unwrap();
    let decoded = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    assert!(decoded.contains(API_KEY));
    for secret in [
        good.as_str(),
        &unknown,
        payload,
        API_KEY,
        "shop-key",
        "a-wrong-key",
        "client-1",
        SIGNING,
    ] {
        assert!(
            !log.contains(secret) && !metrics.contains(secret),
            "{secret}"
        );
    }
}

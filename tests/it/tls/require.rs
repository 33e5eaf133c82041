use super::{TLS, gate};
use crate::support::gate::handshake;
use crate::support::tls::{Authority, TlsClient};
use crate::support::{Gate, Recorder};

const POLICY: &str = "
authenticators:
  keys: { from: [{ header: X-App-Key }], app_key: { keys: [{ id: a, secret: { value: key-a } }] } }
cors: { origins: [https://chat.example.com] }
routes:
  - { name: keys, match: { path: /keys/** }, require: { any_of: [keys] }, require_tls: true, upstream: im }
  - { name: ruoyi, match: { path: /ruoyi }, require: public, require_tls: true, errors: ruoyi, upstream: im }
  - { name: ws, match: { path: /ws }, websocket: true, require: public, require_tls: true, upstream: im }
";

fn start(backend: &Recorder, authority: &Authority, listener: &str) -> Gate {
    let identity = authority.server();
    Gate::with(POLICY)
        .listener(listener)
        .second_listener(TLS)
        .file("tls.crt", &identity.certificate)
        .file("tls.key", &identity.key)
        .upstream("im", backend.address())
        .start()
}

#[test]
fn what_came_in_plain_text_is_told_to_upgrade_and_not_judged() {
    let (backend, authority) = (Recorder::ok(), Authority::new());
    let gate = start(&backend, &authority, "trusted_proxies: []");
    for (case, headers) in [
        ("a good key", "X-App-Key: key-a\r\n"),
        ("a bad key", "X-App-Key: wrong\r\n"),
        ("no key", ""),
        (
            "a proxy that nobody trusts",
            "X-App-Key: key-a\r\nX-Forwarded-Proto: https\r\n",
        ),
    ] {
        let mut client = gate.client();
        let answer = client.get("/keys/a", headers);
        assert_eq!(
            (answer.status(), &*answer.reason()),
            (426, "upgrade"),
            "{case}"
        );
        assert_eq!(
            answer.header("upgrade"),
            Some("TLS/1.2, HTTP/1.1"),
            "{case}"
        );
        assert_eq!(
            answer.header("connection"),
            Some("Upgrade, close"),
            "{case}"
        );
        assert_eq!(answer.header("www-authenticate"), None, "{case}");
        assert!(
            answer.text().contains("this route is served over TLS only"),
            "{case}"
        );
        client.expect_closed();
    }
    let denied = gate.metrics().value(
        "imgate_auth_decisions_total",
        &[("route", "keys"), ("result", "deny"), ("reason", "upgrade")],
    );
    assert!((denied - 4.0).abs() < 0.1, "{denied}");

    let answer = gate.get("/ruoyi", "");
    assert_eq!(
        answer.text(),
        r#"{"code":426,"msg":"this route is served over TLS only","data":null}"#
    );
    let answer = gate.send(handshake("/ws", ""));
    assert_eq!(answer.status(), 426);
    assert_eq!(answer.header("upgrade"), Some("TLS/1.2, HTTP/1.1"));
    let answer = gate.get("/keys/a", "Origin: https://chat.example.com\r\n");
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://chat.example.com")
    );
    assert_eq!(backend.requests().len(), 0, "nothing reaches the backend");

    let mut client = TlsClient::trusting(&authority).connect(gate.second_address());
    assert_eq!(client.get("/keys/a", "X-App-Key: key-a\r\n").status(), 200);
    assert_eq!(client.get("/keys/a", "X-App-Key: wrong\r\n").status(), 401);
    let arrived = backend.only();
    assert_eq!(arrived.head.header("x-forwarded-proto"), Some("https"));
}

#[test]
fn a_trusted_proxy_tells_what_the_client_spoke() {
    let (backend, authority) = (Recorder::ok(), Authority::new());
    let gate = start(&backend, &authority, "trusted_proxies: [127.0.0.0/8]");
    for (headers, expected) in [
        ("X-Forwarded-Proto: https\r\n", 200),
        ("X-Forwarded-Proto: http\r\n", 426),
        (
            "X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n",
            426,
        ),
        ("", 426),
    ] {
        let answer = gate.get("/keys/a", &format!("X-App-Key: key-a\r\n{headers}"));
        assert_eq!(answer.status(), expected, "{headers}");
    }
}

#[test]
fn a_websocket_route_that_is_asked_for_something_else_names_both_headers() {
    let (backend, authority) = (Recorder::ok(), Authority::new());
    let gate = gate(TLS, &authority.server())
        .upstream("im", backend.address())
        .start();
    let answer = gate.get("/ws", "");
    assert_eq!(answer.status(), 426);
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    assert_eq!(answer.header("connection"), Some("Upgrade"));
}

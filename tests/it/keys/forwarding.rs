//! `X-Forwarded-*`: whom the backend sees as its client.

use super::super::support::wire::Head;
use super::super::support::{Gate, Recorder};

const POLICY: &str = "
authenticators:
  keys:
    from: [{ header: X-App-Key }]
    app_key: { keys: [{ id: demo, secret: { value: keyAbcd123 } }] }
routes:
  - { match: { path: /open/** }, require: public, upstream: im }
";

const CLAIMED: &str = "X-Forwarded-For: 198.51.100.66, 203.0.113.9\r\nX-Forwarded-Proto: https\r\n\
                       X-Forwarded-Host: evil.example.com\r\nX_Forwarded_For: 198.51.100.67\r\n\
                       X-Real-IP: 198.51.100.68\r\nForwarded: for=198.51.100.69\r\n";

/// What the backend gets, and the address from which the client came.
fn received(listener: Option<&str>) -> (Head, String) {
    let backend = Recorder::ok();
    let mut gate = Gate::with(POLICY).upstream("im", backend.address());
    if let Some(key) = listener {
        gate = gate.listener(key);
    }
    let gate = gate.start();
    let mut client = gate.client();
    assert_eq!(client.get("/open/x", CLAIMED).status(), 200);
    (backend.only().head, client.local_address().ip().to_string())
}

#[test]
fn nobody_is_believed_unless_configured() {
    for listener in [None, Some("trusted_proxies: [10.0.0.0/8]")] {
        let (head, client) = received(listener);
        assert_eq!(
            head.header("x-forwarded-for"),
            Some(client.as_str()),
            "{listener:?}"
        );
        assert_eq!(head.header("x-forwarded-proto"), Some("http"));
        assert_eq!(head.header("x-forwarded-host"), Some("im.example.com"));
        for forged in ["198.51.100.", "203.0.113.9", "evil.example.com"] {
            assert!(!head.text.contains(forged), "{forged}:\n{}", head.text);
        }
    }
}

#[test]
fn a_trusted_proxy_is_believed_and_read_from_the_right() {
    let (head, _) = received(Some("trusted_proxies: [127.0.0.0/8]"));
    let forwarded = head.header("x-forwarded-for").expect("X-Forwarded-For");
    assert!(
        forwarded.split(", ").any(|hop| hop == "203.0.113.9"),
        "{forwarded}"
    );
    assert_eq!(head.header("x-forwarded-proto"), Some("https"));
}

#[test]
fn the_host_of_the_client_reaches_the_backend() {
    let (head, _) = received(None);
    assert_eq!(head.header("host"), Some("im.example.com"));
}

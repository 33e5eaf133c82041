//! The backend learns who it is from the gate alone.

use super::super::support::raw::request;
use super::super::support::{Gate, Recorder};

const POLICY: &str = "
authenticators:
  keys:
    from: [{ header: X-App-Key }]
    app_key: { keys: [{ id: partner-a, secret: { value: keyAbcd123 } }] }
routes:
  - name: openapi
    match: { path: /openapi/** }
    require: { any_of: [keys] }
    set_headers: { X-App-Key: { value: backend-key } }
    upstream: im
  - { name: open, match: { path: /open/** }, require: public, upstream: im }
identity: { prefix: X-Auth-, remove: [SA-SAME-TOKEN, X-User-Id] }
";

const KEY: &str = "X-App-Key: keyAbcd123\r\n";

fn gate_before(backend: &Recorder) -> Gate {
    Gate::with(POLICY).upstream("im", backend.address()).start()
}

#[test]
fn identity_headers_of_a_client_never_reach_the_backend() {
    let backend = Recorder::ok();
    let gate = gate_before(&backend);
    for (route, key) in [("/openapi/x", KEY), ("/open/x", "")] {
        for name in [
            "X-Auth-Subject",
            "x-auth-subject",
            "X-AUTH-SUBJECT",
            "X_Auth_Subject",
            "X-Auth_Subject",
            "x.auth.subject",
            "X.Auth-Subject",
            "X-Auth-User-Type",
            "X-Auth-Device-Type",
            "X-Auth-App-Id",
            "X_AUTH_APP_ID",
            "X-Auth-Authenticator",
            "X-Auth-Session-Id",
            "X-Auth-Anything",
            "SA-SAME-TOKEN",
            "sa-same-token",
            "SA_SAME_TOKEN",
            "sa.same.token",
            "X-User-Id",
            "X_User_Id",
        ] {
            let headers = format!("{key}{name}: forged-value\r\nX-Other: kept\r\n");
            assert_eq!(
                gate.get(route, &headers).status(),
                200,
                "{route} {name}: not refused"
            );
            let received = backend.last().head;
            assert!(
                !received.text.contains("forged-value"),
                "{name}:\n{}",
                received.text
            );
            assert_eq!(received.header("x-other"), Some("kept"), "{name}");
        }
    }
}

#[test]
fn the_backend_learns_the_app_and_the_authenticator() {
    let backend = Recorder::ok();
    let gate = gate_before(&backend);
    assert_eq!(gate.get("/openapi/x", KEY).status(), 200);
    let received = backend.last().head;
    assert_eq!(received.header("x-auth-app-id"), Some("partner-a"));
    assert_eq!(received.header("x-auth-authenticator"), Some("keys"));
    assert_eq!(
        received.header("x-auth-subject"),
        None,
        "an app key has no subject"
    );
    assert_eq!(gate.get("/open/x", KEY).status(), 200);
    assert!(
        !backend
            .last()
            .head
            .text
            .to_ascii_lowercase()
            .contains("x-auth-")
    );
}

#[test]
fn what_the_gate_adds_cannot_be_nominated_away() {
    let backend = Recorder::ok();
    let gate = gate_before(&backend);
    for connection in [
        "close, X-Auth-App-Id",
        "keep-alive, x-auth-app-id, X-Auth-Authenticator",
        "X-App-Key",
        "close, x-app-key",
        "X-Auth-App-Id\r\nConnection: X-App-Key",
    ] {
        let answer = gate.get("/openapi/x", &format!("{KEY}Connection: {connection}\r\n"));
        assert_eq!(answer.status(), 200, "{connection}");
        let received = backend.last().head;
        assert_eq!(
            received.header("x-auth-app-id"),
            Some("partner-a"),
            "{connection}"
        );
        assert_eq!(
            received.header("x-app-key"),
            Some("backend-key"),
            "{connection}"
        );
        let nominated = received.all("connection").join(",").to_ascii_lowercase();
        assert!(
            !nominated.contains("x-a"),
            "{connection}: the next hop is told {nominated}"
        );
    }
}

#[test]
fn a_nominated_header_of_the_client_ends_at_the_gate() {
    let backend = Recorder::ok();
    let gate = gate_before(&backend);
    let headers = "Connection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\n\
                   Proxy-Connection: keep-alive\r\nX-Kept: 1\r\n";
    assert_eq!(gate.get("/open/x", headers).status(), 200);
    let received = backend.only().head;
    for gone in ["x-hop", "keep-alive", "te", "proxy-connection"] {
        assert_eq!(received.header(gone), None, "{gone}");
    }
    assert_eq!(received.header("x-kept"), Some("1"));
}

#[test]
fn headers_that_steer_a_connection_cannot_be_nominated() {
    let backend = Recorder::ok();
    let gate = gate_before(&backend);
    for name in [
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "Authorization",
        "X-Forwarded-For",
    ] {
        let headers = format!("Connection: {name}\r\nContent-Length: 0\r\n");
        assert_eq!(
            gate.send(request("POST", "/open/x", &headers)).status(),
            400,
            "{name}"
        );
    }
    assert!(backend.requests().is_empty());
}

#[test]
fn an_upgrade_on_a_plain_route_is_plain_http() {
    let backend = Recorder::ok();
    let gate = gate_before(&backend);
    for upgrade in ["websocket", "h2c", "anything"] {
        let headers = format!(
            "{KEY}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\n\
             HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
        );
        assert_eq!(gate.get("/openapi/x", &headers).status(), 200, "{upgrade}");
        let received = backend.last().head;
        assert_eq!(received.header("upgrade"), None, "{upgrade}");
        assert_eq!(received.header("http2-settings"), None, "{upgrade}");
        let headers = headers.replace(KEY, "");
        assert_eq!(
            gate.get("/openapi/x", &headers).status(),
            401,
            "{upgrade} without a key"
        );
    }
}

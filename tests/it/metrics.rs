//! The metrics listener, and that nothing the gate says holds a credential.

use super::support::gate::handshake;
use super::support::mint::{SA_TOKEN_SECRET, bearer_subprotocol, sa_token, sa_token_signed};
use super::support::raw::request;
use super::support::{Gate, Recorder};

const POLICY: &str = "
authenticators:
  keys:
    from: [{ header: X-App-Key }]
    app_key: { keys: [{ id: demo, secret: { file: keys/demo } }] }
  im-token:
    from: [{ header: token, prefix: Bearer }, { query: token }, { subprotocol: imgate.bearer. }]
    sa_token:
      secret: { file: keys/sa-token }
      user_types: [im_user]
      sessions: { none: { max_age: 12h } }
routes:
  - name: openapi
    match: { path: /openapi/** }
    require: { any_of: [keys] }
    set_headers: { X-App-Key: { file: keys/backend } }
    upstream: im
  - { name: api, match: { path: /api/** }, require: { any_of: [im-token] }, upstream: im }
  - { name: ws, match: { path: /ws }, websocket: true, require: { any_of: [im-token] }, upstream: im }
";

fn gate(backend: &Recorder) -> Gate {
    Gate::with(POLICY)
        .file("keys/demo", "canary-app-key")
        .file("keys/backend", "canary-backend-key")
        .file("keys/sa-token", SA_TOKEN_SECRET)
        .upstream("im", backend.address())
        .environment("IMGATE_LOG", "trace")
        .start()
}

#[test]
fn the_promised_names_are_there_and_their_values_move() {
    let backend = Recorder::ok();
    let gate = gate(&backend);
    assert_eq!(
        gate.get("/openapi/x", "X-App-Key: canary-app-key\r\n")
            .status(),
        200
    );
    assert_eq!(gate.get("/openapi/x", "X-App-Key: wrong\r\n").status(), 401);
    let token = format!("token: {}\r\n", sa_token("im_user:7"));
    assert_eq!(gate.get("/api/x", &token).status(), 200);
    assert_eq!(gate.get("/api/x", &token).status(), 200);

    // An exchange is counted once it is over, a little after its answer has arrived.
    gate.wait_for_metric("imgate_http_requests_total", &[], |count| count > 3.5);
    let metrics = gate.metrics();
    for name in [
        "imgate_auth_decisions_total",
        "imgate_build_info",
        "imgate_config_last_reload_success_timestamp_seconds",
        "imgate_config_last_reload_successful",
        "imgate_http_request_duration_seconds",
        "imgate_http_requests_total",
        "imgate_upstream_response_seconds",
        "imgate_verdict_cache_hits_total",
    ] {
        assert!(metrics.has(name), "{name} in:\n{}", metrics.text);
    }
    let decisions = |result, reason| {
        let labels = [("route", "openapi"), ("result", result), ("reason", reason)];
        metrics.value("imgate_auth_decisions_total", &labels)
    };
    let served = [("route", "api"), ("method", "GET"), ("code", "200")];
    for (what, value, expected) in [
        ("refused for its key", decisions("deny", "unknown_key"), 1.0),
        (
            "served",
            metrics.value("imgate_http_requests_total", &served),
            2.0,
        ),
        (
            "cached",
            metrics.value("imgate_verdict_cache_hits_total", &[]),
            1.0,
        ),
        (
            "reloaded",
            metrics.value("imgate_config_last_reload_successful", &[]),
            1.0,
        ),
    ] {
        assert!(
            (value - expected).abs() < 0.5,
            "{what} is {value}:\n{}",
            metrics.text
        );
    }
    let allowed = [("route", "openapi"), ("result", "allow")];
    assert!(
        metrics.value("imgate_auth_decisions_total", &allowed) > 0.5,
        "{}",
        metrics.text
    );
}

#[test]
fn labels_never_come_from_a_request() {
    let backend = Recorder::ok();
    let gate = gate(&backend);
    for target in [
        "/canary-path",
        "/openapi/canary-path",
        "/openapi/x?canary-query=1",
    ] {
        gate.get(
            target,
            "X-App-Key: canary-app-key\r\nUser-Agent: canary-agent\r\n",
        );
    }
    gate.send(request("CANARY", "/openapi/x", ""));
    gate.send("GET /openapi/x HTTP/1.1\r\nHost: canary-host\r\n\r\n");
    let text = gate.metrics().text;
    assert!(text.contains("imgate_http_requests_total{"), "{text}");
    assert!(!text.to_ascii_lowercase().contains("canary"), "{text}");
}

#[test]
fn probes_answer_under_any_host() {
    let backend = Recorder::ok();
    let gate = gate(&backend);
    for path in ["/metrics", "/livez", "/readyz", "/readyz?verbose"] {
        for host in ["127.0.0.1", "imgate.example.com", "10.1.2.3:9690"] {
            let mut client = gate.admin_client();
            client.send(format!(
                "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            ));
            assert_eq!(client.answer().status(), 200, "{path} as {host}");
        }
    }
    let metrics = gate.admin("/metrics");
    let kind = metrics.header("content-type").expect("a content type");
    assert!(
        kind.starts_with("text/plain") && kind.contains("version=0.0.4"),
        "{kind}"
    );
}

#[test]
fn the_metrics_listener_serves_nothing_else() {
    let backend = Recorder::ok();
    let gate = gate(&backend);
    for path in ["/", "/openapi/x", "/metrics/x", "/config", "/debug/pprof"] {
        assert_eq!(gate.admin(path).status(), 404, "{path}");
    }
    for path in ["/metrics", "/livez", "/readyz"] {
        assert_eq!(
            gate.get(path, "").status(),
            404,
            "{path} on the public listener"
        );
    }
}

#[test]
fn readiness_names_what_an_operator_should_know() {
    let backend = Recorder::ok();
    let gate = gate(&backend);
    let verbose = gate.admin("/readyz?verbose").text();
    assert!(
        verbose.contains("im-token"),
        "tokens that nobody can revoke are named: {verbose}"
    );
}

#[test]
fn no_credential_is_ever_printed() {
    let backend = Recorder::ok();
    let gate = gate(&backend);
    let good = sa_token("im_user:7");
    let forged = sa_token_signed("im_user:7", "a secret of somebody else, long enough");
    let mut requests = vec![
        request("GET", "/openapi/x", "X-App-Key: canary-app-key\r\n"),
        request("GET", "/openapi/x", "X-App-Key: canary-wrong-key\r\n"),
        request(
            "GET",
            "/openapi/x",
            "X-App-Key: canary-a\r\nX-App-Key: canary-b\r\n",
        ),
        request("GET", "/openapi/x?key=canary-in-query", ""),
        request("GET", "/openapi/../canary-in-path", ""),
        request("GET", "/openapi/x", "X-App-Key: canary-\0-broken\r\n"),
        request(
            "GET",
            "/openapi/x",
            "Authorization: Basic canary-basic\r\nCookie: sid=canary-cookie\r\n",
        ),
        request(
            "POST",
            "/openapi/x",
            "Content-Length: 12, canary-length\r\n",
        ),
        "canary-garbage\r\n\r\n".to_owned(),
    ];
    for token in [&good, &forged] {
        let subprotocol = bearer_subprotocol(token);
        requests.push(request(
            "GET",
            "/api/x",
            &format!("token: Bearer {token}\r\n"),
        ));
        requests.push(request("GET", &format!("/api/x?token={token}"), ""));
        requests.push(request("GET", "/nowhere", &format!("token: {token}\r\n")));
        requests.push(handshake("/ws", &format!("token: {token}\r\n")));
        requests.push(handshake(
            "/ws",
            &format!("Sec-WebSocket-Protocol: {subprotocol}, chat\r\n"),
        ));
        requests.push(handshake(
            "/ws",
            &format!("Sec-WebSocket-Protocol: {subprotocol}\r\n"),
        ));
    }
    let mut answers = String::new();
    for bytes in &requests {
        let answer = gate.send(bytes);
        answers.push_str(&answer.head.text);
        answers.push_str(&answer.text());
    }
    gate.reload("routes: [canary-in-yaml");
    gate.wait_for_metric("imgate_config_last_reload_successful", &[], |value| {
        value < 0.5
    });

    let said = [
        ("log", gate.output()),
        ("metrics", gate.metrics().text),
        ("readiness", gate.admin("/readyz?verbose").text()),
        ("answers", answers),
    ];
    let [_, _, signature] = forged.split('.').collect::<Vec<_>>()[..] else {
        panic!("a JWT")
    };
    let payload = good.split('.').nth(1).unwrap();
    let canaries = [
        "canary",
        SA_TOKEN_SECRET,
        &good,
        &forged,
        signature,
        payload,
        &bearer_subprotocol(&good),
    ];
    for (place, text) in &said {
        for canary in canaries {
            if let Some(position) = text.find(canary) {
                let start = text[..position]
                    .rfind('\n')
                    .map_or(0, |newline| newline + 1);
                let line = text[start..].lines().next().unwrap_or_default();
                panic!("a credential in the {place}: {line}");
            }
        }
    }
    assert!(!said[0].1.is_empty(), "the gate did log");
}

//! Browsers from other origins: preflights are answered here, refusals are readable.

use super::super::support::raw::request;
use super::super::support::{Gate, Recorder};

const POLICY: &str = "
authenticators:
  keys:
    from: [{ header: X-App-Key }]
    app_key: { keys: [{ id: demo, secret: { value: keyAbcd123 } }] }
routes:
  - { match: { path: /openapi/** }, require: { any_of: [keys] }, upstream: im }
cors: { origins: [https://chat.example.com], headers: [Authorization, token, deviceType], max_age: 10m }
";

const PREFLIGHT: &str = "Origin: https://chat.example.com\r\nAccess-Control-Request-Method: POST\r\n\
                         Access-Control-Request-Headers: token\r\n";

fn gate_before(backend: &Recorder) -> Gate {
    Gate::with(POLICY).upstream("im", backend.address()).start()
}

#[test]
fn a_preflight_of_an_allowed_origin_is_answered_by_the_gate() {
    let backend = Recorder::ok();
    let gate = gate_before(&backend);
    let answer = gate.send(request("OPTIONS", "/openapi/x", PREFLIGHT));
    assert_eq!(answer.status(), 204);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://chat.example.com")
    );
    assert_eq!(answer.header("access-control-max-age"), Some("600"));
    let methods = answer
        .header("access-control-allow-methods")
        .expect("methods");
    assert!(
        methods.split(", ").any(|method| method == "POST"),
        "{methods}"
    );
    let headers = answer
        .header("access-control-allow-headers")
        .expect("headers");
    for name in ["authorization", "token", "devicetype"] {
        assert!(
            headers
                .to_ascii_lowercase()
                .split(", ")
                .any(|found| found == name),
            "{headers}"
        );
    }
    let vary = answer.all("vary").join(", ").to_ascii_lowercase();
    assert!(vary.contains("origin"), "Vary: {vary}");
    assert!(answer.header("x-request-id").is_some());
    assert!(backend.requests().is_empty());
}

#[test]
fn a_preflight_of_another_origin_is_told_nothing() {
    let backend = Recorder::ok();
    let gate = gate_before(&backend);
    for origin in [
        "https://evil.example.com",
        "http://chat.example.com",
        "https://chat.example.com.evil.com",
        "https://chat.example.com:444",
        "null",
    ] {
        let headers = PREFLIGHT.replace("https://chat.example.com", origin);
        let answer = gate.send(request("OPTIONS", "/openapi/x", &headers));
        assert_eq!(
            answer.header("access-control-allow-origin"),
            None,
            "{origin}"
        );
        assert_eq!(
            answer.header("access-control-allow-methods"),
            None,
            "{origin}"
        );
    }
    assert!(backend.requests().is_empty());
}

#[test]
fn what_only_looks_like_a_preflight_is_judged() {
    let backend = Recorder::ok();
    let gate = gate_before(&backend);
    for (case, bytes) in [
        (
            "no Origin",
            request(
                "OPTIONS",
                "/openapi/x",
                "Access-Control-Request-Method: POST\r\n",
            ),
        ),
        (
            "no method asked",
            request(
                "OPTIONS",
                "/openapi/x",
                "Origin: https://chat.example.com\r\n",
            ),
        ),
        ("not OPTIONS", request("GET", "/openapi/x", PREFLIGHT)),
    ] {
        assert_eq!(gate.send(bytes).status(), 401, "{case}");
    }
    assert!(backend.requests().is_empty());
}

#[test]
fn a_refusal_is_readable_for_an_allowed_origin_alone() {
    let backend = Recorder::ok();
    let gate = gate_before(&backend);
    for (target, status) in [("/openapi/x", 401), ("/nowhere", 404)] {
        let answer = gate.get(target, "Origin: https://chat.example.com\r\n");
        assert_eq!(answer.status(), status);
        assert_eq!(
            answer.header("access-control-allow-origin"),
            Some("https://chat.example.com")
        );
        let answer = gate.get(target, "Origin: https://evil.example.com\r\n");
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

const OF_THE_BACKEND: &str = "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\n\
                              Access-Control-Allow-Credentials: true\r\nContent-Length: 2\r\n\r\nok";
const KEY: &str = "X-App-Key: keyAbcd123\r\n";

#[test]
fn who_may_read_answers_is_the_gates_to_say() {
    let backend = Recorder::answering(OF_THE_BACKEND);
    let gate = gate_before(&backend);
    for (origin, allowed) in [
        ("", None),
        ("Origin: https://evil.example.com\r\n", None),
        ("Origin: null\r\n", None),
        (
            "Origin: https://chat.example.com\r\n",
            Some("https://chat.example.com"),
        ),
    ] {
        let answer = gate.get("/openapi/x", &format!("{KEY}{origin}"));
        assert_eq!(answer.status(), 200);
        assert_eq!(
            answer.header("access-control-allow-origin"),
            allowed,
            "{origin}"
        );
        let credentials = answer.header("access-control-allow-credentials");
        assert_eq!(credentials, allowed.map(|_| "true"), "{origin}");
    }
}

#[test]
fn without_cross_origin_rules_the_backend_has_its_own() {
    let backend = Recorder::answering(OF_THE_BACKEND);
    let policy = POLICY.split("cors:").next().unwrap();
    let gate = Gate::with(policy).upstream("im", backend.address()).start();
    let answer = gate.get(
        "/openapi/x",
        &format!("{KEY}Origin: https://evil.example.com\r\n"),
    );
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

#[test]
fn a_refused_syntax_is_readable_for_an_allowed_origin_alone() {
    let backend = Recorder::ok();
    let gate = gate_before(&backend);
    for (target, headers) in [
        ("/openapi/../x", ""),
        ("/openapi/x", "Connection: Host\r\n"),
    ] {
        for (origin, allowed) in [
            ("https://chat.example.com", Some("https://chat.example.com")),
            ("https://evil.example.com", None),
        ] {
            let answer = gate.get(target, &format!("{headers}Origin: {origin}\r\n"));
            assert_eq!(answer.status(), 400, "{target} {headers}");
            assert_eq!(
                answer.header("access-control-allow-origin"),
                allowed,
                "{target} {headers}"
            );
        }
    }
    assert!(backend.requests().is_empty());
}

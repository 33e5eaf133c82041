//! Which route a request takes, and that no other spelling takes a laxer one.

use super::super::support::raw::request;
use super::super::support::{Gate, Recorder};

const POLICY: &str = "
authenticators:
  keys:
    from: [{ header: X-App-Key }]
    app_key: { keys: [{ id: demo, secret: { value: keyAbcd123 } }] }
routes:
  - { name: login, match: { path: /openapi/login, methods: [POST, PUT] }, require: { any_of: [keys] }, upstream: im }
  - { name: openapi, match: { path: /openapi/** }, require: { any_of: [keys] }, upstream: im }
  - { name: health, match: { path: /actuator/health, methods: [GET] }, require: public, upstream: im }
  - { name: user, match: { path: \"/api/{org}/users\" }, require: public, upstream: im }
  - { name: me, match: { path: /api/acme/users }, require: { any_of: [keys] }, upstream: im }
  - { name: site, match: { path: /site/** }, require: public, upstream: im }
  - { name: secret, match: { path: /site/secret }, require: { any_of: [keys] }, upstream: im }
  - { name: admin, match: { host: admin.example.com, path: /site/** }, require: { any_of: [keys] }, upstream: im }
";

#[test]
fn each_request_takes_the_route_that_its_path_and_host_choose() {
    let backend = Recorder::ok();
    let gate = Gate::with(POLICY).upstream("im", backend.address()).start();
    for (target, status) in [
        ("/actuator/health", 200),
        ("/actuator/health?verbose", 200),
        ("/openapi", 401),
        ("/openapi/", 401),
        ("/openapi/v1/user", 401),
        ("/api/other/users", 200),
        ("/api/acme/users", 401),
        ("/site", 200),
        ("/site/", 200),
        ("/site/page", 200),
        ("/site/secret", 401),
        // Nothing matches.
        ("/", 404),
        ("/actuator", 404),
        ("/actuator/healthz", 404),
        ("/actuator/health/x", 404),
        ("/openapix", 404),
        ("/api/users", 404),
        ("/api/a/b/users", 404),
        // Another spelling of a route that asks for more.
        ("/OPENAPI/v1/user", 404),
        ("/OpenApi/v1/user", 404),
        ("/site/secret/", 404),
        ("/site/Secret", 404),
        ("/site/SECRET/", 404),
        ("/api/Acme/users", 404),
        ("/api/acme/users/", 404),
    ] {
        let before = backend.requests().len();
        let answer = gate.get(target, "");
        assert_eq!(answer.status(), status, "GET {target}");
        let expected = before + usize::from(status == 200);
        assert_eq!(
            backend.requests().len(),
            expected,
            "{target} at the backend"
        );
        if status == 404 {
            assert_eq!(answer.reason(), "no_route", "{target}");
        }
    }
}

#[test]
fn a_host_of_its_own_beats_the_route_without() {
    let backend = Recorder::ok();
    let gate = Gate::with(POLICY).upstream("im", backend.address()).start();
    for (host, status) in [
        ("im.example.com", 200),
        ("admin.example.com", 401),
        ("ADMIN.Example.com", 401),
        ("admin.example.com:9688", 401),
    ] {
        let answer = gate.send(format!("GET /site/x HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(answer.status(), status, "{host}");
    }
}

#[test]
fn a_wrong_method_is_told_the_right_ones_and_takes_no_other_route() {
    let backend = Recorder::ok();
    let gate = Gate::with(POLICY).upstream("im", backend.address()).start();
    let key = "X-App-Key: keyAbcd123\r\n";
    for (method, target, allowed) in [
        ("POST", "/actuator/health", vec!["GET"]),
        ("DELETE", "/actuator/health", vec!["GET"]),
        // `/openapi/**` would take it, with a good key even; the path has chosen already.
        ("GET", "/openapi/login", vec!["POST", "PUT"]),
    ] {
        let answer = gate.send(request(method, target, key));
        assert_eq!(
            (answer.status(), answer.reason().as_str()),
            (405, "method"),
            "{method} {target}"
        );
        let allow = answer.header("allow").expect("Allow");
        let mut methods: Vec<_> = allow
            .split(", ")
            .filter(|name| *name != "OPTIONS")
            .collect();
        methods.retain(|name| !(*name == "HEAD" && allowed.contains(&"GET")));
        methods.sort_unstable();
        assert_eq!(methods, allowed, "{method} {target}");
    }
    assert!(backend.requests().is_empty());
}

#[test]
fn a_request_that_takes_no_route_ends_its_connection() {
    let backend = Recorder::ok();
    let gate = Gate::with(POLICY).upstream("im", backend.address()).start();
    let mut client = gate.client();
    assert_eq!(client.get("/nowhere", "").status(), 404);
    client.expect_closed();
}

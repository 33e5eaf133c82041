//! App keys: wrong, missing, expired, doubled, limited, and beside other credentials.

use super::super::support::mint::{SA_TOKEN_SECRET, bearer_subprotocol, sa_token_signed};
use super::super::support::raw::request;
use super::super::support::wire::Answer;
use super::super::support::{Gate, Recorder};

const KEYS: &str = "
authenticators:
  keys:
    from: [{ header: X-App-Key }]
    app_key:
      keys:
        - { id: partner-a, secret: { file: keys/partner-a } }
        - { id: partner-b, sha256: \"$PARTNER_B\" }
        - { id: gone, secret: { value: key-of-yesterday }, not_after: 2020-01-01T00:00:00Z }
        - { id: limited, secret: { value: key-for-reports }, routes: [reports] }
routes:
  - name: openapi
    match: { path: /openapi/** }
    require: { any_of: [keys] }
    set_headers: { X-App-Key: { file: keys/backend } }
    upstream: im
  - { name: reports, match: { path: /reports/** }, require: { any_of: [keys] }, upstream: im }
";

/// SHA-256 of `key-of-partner-b`.
const PARTNER_B_DIGEST: &str = "5f9b64c074354928db0af8f625e412c4d97c1b0966c4e82cf0433e9271741b6a";

fn gate_before(backend: &Recorder) -> Gate {
    Gate::with(&KEYS.replace("$PARTNER_B", PARTNER_B_DIGEST))
        .file("keys/partner-a", "key-of-partner-a\n")
        .file("keys/backend", "the-one-key-of-the-backend\n")
        .upstream("im", backend.address())
        .start()
}

#[track_caller]
fn assert_refused(case: &str, answer: &Answer, reason: &str) {
    assert_eq!(
        (answer.status(), answer.reason().as_str()),
        (401, reason),
        "{case}"
    );
    let challenge = answer.header("www-authenticate");
    assert_eq!(
        challenge,
        Some("ApiKey realm=\"imgate\", header=\"X-App-Key\""),
        "{case}"
    );
}

#[test]
fn a_request_without_a_good_key_is_refused() {
    let backend = Recorder::ok();
    let gate = gate_before(&backend);
    for (case, headers, reason) in [
        ("no key", "", "no_credential"),
        ("an empty key", "X-App-Key:\r\n", "no_credential"),
        (
            "a wrong key",
            "X-App-Key: key-of-partner-x\r\n",
            "unknown_key",
        ),
        (
            "a key in the wrong case",
            "X-App-Key: KEY-of-partner-a\r\n",
            "unknown_key",
        ),
        (
            "a part of a key",
            "X-App-Key: key-of-partner\r\n",
            "unknown_key",
        ),
        (
            "an expired key",
            "X-App-Key: key-of-yesterday\r\n",
            "expired",
        ),
        (
            "the backend's own key",
            "X-App-Key: the-one-key-of-the-backend\r\n",
            "unknown_key",
        ),
        (
            "a digest for a key",
            &format!("X-App-Key: {PARTNER_B_DIGEST}\r\n"),
            "unknown_key",
        ),
    ] {
        assert_refused(case, &gate.get("/openapi/x", headers), reason);
    }
    let answer = gate.get("/openapi/x?X-App-Key=key-of-partner-a", "");
    assert_refused("a key in the query", &answer, "no_credential");
    assert!(backend.requests().is_empty());
}

#[test]
fn a_key_sent_twice_is_refused_even_when_the_values_are_equal() {
    let backend = Recorder::ok();
    let gate = gate_before(&backend);
    for (case, headers) in [
        (
            "equal",
            "X-App-Key: key-of-partner-a\r\nX-App-Key: key-of-partner-a\r\n",
        ),
        (
            "good then bad",
            "X-App-Key: key-of-partner-a\r\nX-App-Key: bad\r\n",
        ),
        (
            "bad then good",
            "X-App-Key: bad\r\nX-App-Key: key-of-partner-a\r\n",
        ),
        (
            "in two spellings",
            "X-App-Key: key-of-partner-a\r\nx-app-key: key-of-partner-a\r\n",
        ),
        ("one empty", "X-App-Key: key-of-partner-a\r\nX-App-Key:\r\n"),
    ] {
        assert_eq!(gate.get("/openapi/x", headers).status(), 400, "{case}");
    }
    assert!(backend.requests().is_empty());
}

#[test]
fn partners_with_keys_of_their_own_share_a_backend_that_knows_one() {
    let backend = Recorder::ok();
    let gate = gate_before(&backend);
    for (id, key) in [
        ("partner-a", "key-of-partner-a"),
        ("partner-b", "key-of-partner-b"),
    ] {
        let answer = gate.get("/openapi/v1/user/login", &format!("X-App-Key: {key}\r\n"));
        assert_eq!(answer.status(), 200, "{id}");
        let received = backend.last().head;
        assert_eq!(
            received.header("x-app-key"),
            Some("the-one-key-of-the-backend")
        );
        assert_eq!(received.header("x-auth-app-id"), Some(id));
        assert!(
            !received.text.contains(key),
            "{id}'s own key stays at the gate"
        );
    }
}

#[test]
fn a_limited_key_works_on_its_route_alone() {
    let backend = Recorder::ok();
    let gate = gate_before(&backend);
    assert_eq!(
        gate.get("/openapi/x", "X-App-Key: key-for-reports\r\n")
            .status(),
        403
    );
    assert_eq!(
        gate.get("/reports/x", "X-App-Key: key-for-reports\r\n")
            .status(),
        200
    );
    assert_eq!(backend.only().head.header("x-auth-app-id"), Some("limited"));
}

const TWO_SCHEMES: &str = "
authenticators:
  keys:
    from: [{ header: X-App-Key }]
    app_key: { keys: [{ id: demo, secret: { value: keyAbcd123 } }] }
  im-token:
    from: [{ header: token, prefix: Bearer }, { query: token }, { subprotocol: imgate.bearer. }]
    sa_token:
      secret: { value: \"$SECRET\" }
      user_types: [im_user]
      sessions: { none: { max_age: 12h } }
routes:
  - { match: { path: /either/** }, require: { any_of: [keys, im-token] }, upstream: im }
  - { match: { path: /key/** }, require: { any_of: [keys] }, upstream: im }
  - { match: { path: /public/** }, require: public, upstream: im }
";

fn gate_with_two_schemes(backend: &Recorder) -> Gate {
    Gate::with(&TWO_SCHEMES.replace("$SECRET", SA_TOKEN_SECRET))
        .upstream("im", backend.address())
        .start()
}

#[test]
fn a_forged_token_beside_a_good_key_is_refused_where_either_counts() {
    let backend = Recorder::ok();
    let gate = gate_with_two_schemes(&backend);
    let forged = sa_token_signed("im_user:7", "a secret of somebody else, long enough");
    let answer = gate.get(
        "/either/x",
        &format!("X-App-Key: keyAbcd123\r\ntoken: {forged}\r\n"),
    );
    assert_eq!(
        (answer.status(), answer.reason().as_str()),
        (401, "bad_signature")
    );
    let answer = gate.get(
        &format!("/either/x?token={forged}"),
        "X-App-Key: keyAbcd123\r\n",
    );
    assert_eq!(
        (answer.status(), answer.reason().as_str()),
        (401, "bad_signature")
    );
    assert!(backend.requests().is_empty());
}

#[test]
fn a_token_that_was_not_asked_for_never_reaches_the_backend() {
    let backend = Recorder::ok();
    let gate = gate_with_two_schemes(&backend);
    let forged = sa_token_signed("im_user:7", "a secret of somebody else, long enough");
    let subprotocol = bearer_subprotocol(&forged);
    for (route, key) in [("/key/x", "X-App-Key: keyAbcd123\r\n"), ("/public/x", "")] {
        for (case, target, headers) in [
            (
                "in its header",
                route.to_owned(),
                format!("token: {forged}\r\n"),
            ),
            (
                "with a prefix",
                route.to_owned(),
                format!("Token: bearer {forged}\r\n"),
            ),
            (
                "in the query",
                format!("{route}?a=1&token={forged}&b=2"),
                String::new(),
            ),
            (
                "alone in the query",
                format!("{route}?token={forged}"),
                String::new(),
            ),
            (
                "escaped in the query",
                format!("{route}?%74oken={forged}"),
                String::new(),
            ),
            (
                "in a subprotocol",
                route.to_owned(),
                format!("Sec-WebSocket-Protocol: {subprotocol}, chat\r\n"),
            ),
        ] {
            let answer = gate.send(request("GET", &target, &format!("{key}{headers}")));
            assert_eq!(answer.status(), 200, "{route} {case}");
            let received = backend.last().head;
            assert!(
                !received.text.contains(&forged),
                "{case}:\n{}",
                received.text
            );
            assert!(
                !received.text.contains(&subprotocol),
                "{case}:\n{}",
                received.text
            );
            assert!(
                received.target().starts_with(route),
                "{case}: the path is unchanged"
            );
        }
    }
    let kept = gate.get(&format!("/public/x?a=1&token={forged}&b=%32"), "");
    assert_eq!(kept.status(), 200);
    assert_eq!(backend.last().head.target(), "/public/x?a=1&b=%32");
}

#[test]
fn a_key_that_was_not_asked_for_never_reaches_the_backend() {
    let backend = Recorder::ok();
    let gate = gate_with_two_schemes(&backend);
    assert_eq!(
        gate.get("/public/x", "X-App-Key: keyAbcd123\r\n").status(),
        200
    );
    assert_eq!(backend.only().head.header("x-app-key"), None);
}

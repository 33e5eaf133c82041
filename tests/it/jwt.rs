//! JSON Web Tokens end to end: algorithms, keys that go away, and the cache of verdicts.

use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::json;

use super::support::mint::{Pair, SOON, claims, jwt};
use super::support::{Gate, Recorder, eventually};

const HMAC_SECRET: &str = "an hmac secret of the tests, made up for them alone";
const OTHER_SECRET: &str = "another hmac secret of the tests, made up as well";

const POLICY: &str = "
authenticators:
  member:
    from: [{ header: Authorization, prefix: Bearer }]
    jwt:
      keys: [$KEYS]
      issuer: https://id.example.com
      audience: im
      claims: { subject: sub, user_type: typ, device_type: dev, app: app_id }
routes:
  - { name: api, match: { path: /api/** }, require: { any_of: [member] }, upstream: im }
";

const HS256: &str = "{ kid: h, algorithm: HS256, secret: { file: keys/h } }";
const SECOND_HS256: &str = "{ kid: h2, algorithm: HS256, secret: { file: keys/h2 } }";

fn policy(keys: &[&str]) -> String {
    POLICY.replace("$KEYS", &keys.join(", "))
}

/// A gate that knows the two HMAC keys.
fn gate_with_secrets(backend: &Recorder) -> Gate {
    Gate::with(&policy(&[HS256, SECOND_HS256]))
        .file("keys/h", HMAC_SECRET)
        .file("keys/h2", OTHER_SECRET)
        .upstream("im", backend.address())
        .start()
}

fn hs256(claims: &serde_json::Value) -> String {
    jwt(
        "h",
        Algorithm::HS256,
        &EncodingKey::from_secret(HMAC_SECRET.as_bytes()),
        claims,
    )
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

#[test]
fn every_kind_of_key_lets_its_tokens_in() {
    let backend = Recorder::ok();
    let rsa = Pair::generate(&["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
    let ec = Pair::generate(&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    let ed = Pair::generate(&["-algorithm", "ED25519"]);
    let gate = Gate::with(&policy(&[
        HS256,
        "{ kid: r, algorithm: RS256, public_key: { file: keys/r.pem } }",
        "{ kid: e, algorithm: ES256, public_key: { file: keys/e.pem } }",
        "{ kid: d, algorithm: EdDSA, public_key: { file: keys/d.pem } }",
    ]))
    .file("keys/h", HMAC_SECRET)
    .file("keys/r.pem", &rsa.public)
    .file("keys/e.pem", &ec.public)
    .file("keys/d.pem", &ed.public)
    .upstream("im", backend.address())
    .start();

    let keys = [
        (
            "h",
            Algorithm::HS256,
            EncodingKey::from_secret(HMAC_SECRET.as_bytes()),
        ),
        (
            "r",
            Algorithm::RS256,
            EncodingKey::from_rsa_pem(rsa.private.as_bytes()).unwrap(),
        ),
        (
            "e",
            Algorithm::ES256,
            EncodingKey::from_ec_pem(ec.private.as_bytes()).unwrap(),
        ),
        (
            "d",
            Algorithm::EdDSA,
            EncodingKey::from_ed_pem(ed.private.as_bytes()).unwrap(),
        ),
    ];
    for (kid, algorithm, key) in &keys {
        let token = jwt(kid, *algorithm, key, &claims("7", 60));
        assert_eq!(
            gate.get("/api/me", &bearer(&token)).status(),
            200,
            "{algorithm:?}"
        );
        let received = backend.last().head;
        assert_eq!(
            received.header("x-auth-subject"),
            Some("7"),
            "{algorithm:?}"
        );
        assert_eq!(
            received.header("authorization"),
            Some(format!("Bearer {token}").as_str())
        );

        let mut broken = token.clone();
        let last = broken.len() - 10;
        let other = if &broken[last..=last] == "A" {
            "B"
        } else {
            "A"
        };
        broken.replace_range(last..=last, other);
        let answer = gate.get("/api/me", &bearer(&broken));
        let seen = (answer.status(), answer.reason());
        assert_eq!(
            seen,
            (401, "bad_signature".to_owned()),
            "{algorithm:?} with a changed signature"
        );
    }
    for (kid, algorithm, key) in &keys {
        for (other, ..) in keys.iter().filter(|(other, ..)| other != kid) {
            let token = jwt(other, *algorithm, key, &claims("7", 60));
            let answer = gate.get("/api/me", &bearer(&token));
            assert_eq!(
                answer.status(),
                401,
                "{algorithm:?} under the key id of {other}"
            );
            assert_eq!(answer.reason(), "wrong_algorithm");
        }
    }
    let public_as_secret = EncodingKey::from_secret(rsa.public.as_bytes());
    let confused = jwt("r", Algorithm::HS256, &public_as_secret, &claims("7", 60));
    assert_eq!(
        gate.get("/api/me", &bearer(&confused)).status(),
        401,
        "the key fixes the algorithm"
    );
}

#[test]
fn a_bad_token_is_refused_for_its_reason() {
    let backend = Recorder::ok();
    let gate = gate_with_secrets(&backend);
    let with = |key: &str, value: serde_json::Value| {
        let mut claims = claims("7", 60);
        claims[key] = value;
        hs256(&claims)
    };
    let unknown = jwt(
        "nobody",
        Algorithm::HS256,
        &EncodingKey::from_secret(HMAC_SECRET.as_bytes()),
        &claims("7", 60),
    );
    for (case, token, reason) in [
        ("expired", hs256(&claims("7", -5)), "expired"),
        (
            "not yet valid",
            with("nbf", json!(super::support::mint::now() + 60)),
            "not_yet_valid",
        ),
        (
            "of another issuer",
            with("iss", json!("https://evil.example.com")),
            "wrong_issuer",
        ),
        (
            "for another audience",
            with("aud", json!("billing")),
            "wrong_audience",
        ),
        (
            "with an end in quotes",
            with("exp", json!("4102444800")),
            "malformed",
        ),
        ("without an end", with("exp", json!(null)), "malformed"),
        ("without a subject", with("sub", json!(null)), "malformed"),
        ("under an unknown key", unknown, "unknown_key"),
        ("that is no token", "nonsense".to_owned(), "malformed"),
        (
            "with a doubled prefix",
            format!("Bearer {}", hs256(&claims("7", 60))),
            "doubled_prefix",
        ),
    ] {
        let answer = gate.get("/api/me", &bearer(&token));
        assert_eq!(
            (answer.status(), answer.reason().as_str()),
            (401, reason),
            "a token {case}"
        );
        let challenge = answer.header("www-authenticate");
        assert_eq!(
            challenge,
            Some("Bearer realm=\"imgate\", error=\"invalid_token\""),
            "{case}"
        );
    }
    let answer = gate.get("/api/me", "");
    assert_eq!(
        (answer.status(), answer.reason().as_str()),
        (401, "no_credential")
    );
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Bearer realm=\"imgate\"")
    );
    assert!(backend.requests().is_empty());
}

#[test]
fn the_principal_reaches_the_backend_and_cannot_break_its_headers() {
    let backend = Recorder::ok();
    let gate = gate_with_secrets(&backend);
    let mut all = claims("\u{5f20}\u{4e09} 100%", 60);
    all["typ"] = json!("im_user");
    all["dev"] = json!("im_web");
    all["app_id"] = json!("shop");
    assert_eq!(gate.get("/api/me", &bearer(&hs256(&all))).status(), 200);
    let received = backend.last().head;
    for (name, value) in [
        ("x-auth-subject", "%E5%BC%A0%E4%B8%89%20100%25"),
        ("x-auth-user-type", "im_user"),
        ("x-auth-device-type", "im_web"),
        ("x-auth-app-id", "shop"),
        ("x-auth-authenticator", "member"),
    ] {
        assert_eq!(received.header(name), Some(value), "{name}");
    }
    let injected = hs256(&claims("7\r\nX-Auth-User-Type: admin", 60));
    assert_eq!(gate.get("/api/me", &bearer(&injected)).status(), 401);
}

#[test]
fn the_prefix_may_be_in_any_case_or_absent() {
    let backend = Recorder::ok();
    let gate = gate_with_secrets(&backend);
    let token = hs256(&claims("7", 60));
    for prefix in ["Bearer ", "bearer ", "BEARER ", ""] {
        let answer = gate.get("/api/me", &format!("Authorization: {prefix}{token}\r\n"));
        assert_eq!(answer.status(), 200, "with {prefix:?}");
    }
}

#[test]
fn a_cached_verdict_ends_with_its_token() {
    let backend = Recorder::ok();
    let gate = gate_with_secrets(&backend);
    let headers = bearer(&hs256(&claims("7", SOON)));
    let mut kept = gate.client();
    assert_eq!(kept.get("/api/me", &headers).status(), 200);
    assert_eq!(
        gate.get("/api/me", &headers).status(),
        200,
        "from the cache"
    );
    let answer = eventually("the token expires", || {
        let answer = gate.get("/api/me", &headers);
        (answer.status() != 200).then_some(answer)
    });
    assert_eq!(
        (answer.status(), answer.reason().as_str()),
        (401, "expired")
    );
    assert_eq!(
        kept.get("/api/me", &headers).status(),
        401,
        "on the connection that knew it"
    );
}

#[test]
fn a_second_look_at_a_token_is_a_cache_hit() {
    let backend = Recorder::ok();
    let gate = gate_with_secrets(&backend);
    let headers = bearer(&hs256(&claims("7", 60)));
    let (name, labels) = (
        "imgate_verdict_cache_hits_total",
        [("authenticator", "member")],
    );
    assert_eq!(gate.get("/api/me", &headers).status(), 200);
    for _ in 0..5 {
        assert_eq!(gate.get("/api/me", &headers).status(), 200);
    }
    gate.wait_for_metric("imgate_http_requests_total", &[], |count| count > 5.5);
    let hits = gate.metrics().value(name, &labels);
    assert!(
        (hits - 5.0).abs() < 0.5,
        "five hits and one first look, not {hits}"
    );
}

#[test]
fn a_removed_key_takes_its_cached_verdicts_with_it() {
    let backend = Recorder::ok();
    let gate = gate_with_secrets(&backend);
    let first = bearer(&hs256(&claims("7", 600)));
    let other_key = EncodingKey::from_secret(OTHER_SECRET.as_bytes());
    let second = bearer(&jwt("h2", Algorithm::HS256, &other_key, &claims("8", 600)));
    let mut kept = gate.client();
    assert_eq!(kept.get("/api/me", &first).status(), 200);
    assert_eq!(gate.get("/api/me", &second).status(), 200);

    gate.reload_and_wait(&policy(&[SECOND_HS256]));
    let answer = kept.get("/api/me", &first);
    assert_eq!(
        (answer.status(), answer.reason().as_str()),
        (401, "unknown_key")
    );
    assert_eq!(
        gate.get("/api/me", &second).status(),
        200,
        "the other key stays"
    );
}

#[test]
fn a_deleted_app_key_stops_at_once() {
    let keys = "
authenticators:
  keys:
    from: [{ header: X-App-Key }]
    app_key: { keys: [{ id: a, secret: { value: key-a } }, { id: b, secret: { value: key-b } }] }
routes:
  - { match: { path: /openapi/** }, require: { any_of: [keys] }, upstream: im }
";
    let backend = Recorder::ok();
    let gate = Gate::with(keys).upstream("im", backend.address()).start();
    let mut kept = gate.client();
    assert_eq!(kept.get("/openapi/x", "X-App-Key: key-b\r\n").status(), 200);
    gate.reload_and_wait(&keys.replace(", { id: b, secret: { value: key-b } }", ""));
    assert_eq!(kept.get("/openapi/x", "X-App-Key: key-b\r\n").status(), 401);
    assert_eq!(gate.get("/openapi/x", "X-App-Key: key-a\r\n").status(), 200);
}

#[test]
fn a_broken_configuration_changes_nothing_but_the_metric() {
    let backend = Recorder::ok();
    let gate = gate_with_secrets(&backend);
    let headers = bearer(&hs256(&claims("7", 600)));
    gate.wait_for_metric("imgate_config_last_reload_successful", &[], |value| {
        value > 0.5
    });
    for broken in ["routes: [", "routes:\n  - { nonsense: true }\n", "\0"] {
        gate.reload(broken);
        gate.wait_for_metric("imgate_config_last_reload_successful", &[], |value| {
            value < 0.5
        });
        assert_eq!(
            gate.get("/api/me", &headers).status(),
            200,
            "the old one is served"
        );
        gate.reload_and_wait(&policy(&[HS256]));
        gate.wait_for_metric("imgate_config_last_reload_successful", &[], |value| {
            value > 0.5
        });
    }
}

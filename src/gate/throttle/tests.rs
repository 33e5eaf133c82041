//! What counts as a failure, and what a client may still do that has had too many.

use std::sync::Arc;

use super::*;
use crate::gate::{self, Handshake};
use crate::policy::testing::{policy, try_policy_after};
use crate::request::{Request, testing};
use crate::scheme::sa_token;
use crate::secret::Secret;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

const POLICY: &str = r#"
throttle: { failures: 2, per: 1m, by: client_ip }
authenticators:
  partners:
    from: [{ header: X-App-Key }]
    app_key: { keys: [{ id: a, secret: { value: key-a } }, { id: b, secret: { value: key-b }, routes: [open] }] }
  others: { from: [{ header: X-App-Key }], app_key: { keys: [{ id: o, secret: { value: key-o } }] } }
  users:
    from: [{ header: Authorization, prefix: Bearer }]
    jwt: { keys: [{ algorithm: HS256, secret: { value: "0123456789abcdef0123456789abcdef" } }], issuer: any, audience: any }
  logins:
    from: [{ header: token, prefix: Bearer }]
    sa_token:
      secret: { value: "0123456789abcdef0123456789abcdef" }
      user_types: [im_user]
      sessions: { redis: { address: 127.0.0.1:1, key: "a:{token}" }, max_stale: 1s, on_outage: deny }
routes:
  - { match: { path: /any }, require: { any_of: [partners, users] }, upstream: im }
  - { match: { path: /all }, require: { all_of: [partners, users] }, upstream: im }
  - { match: { path: /both }, require: { any_of: [partners, others] }, upstream: im }
  - { match: { path: /login }, require: { any_of: [logins] }, upstream: im }
  - { name: open, match: { path: /open, methods: [GET] }, require: public, upstream: im }
"#;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

fn jwt(user: &str, secret: &str) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    let claims = serde_json::json!({ "sub": user, "exp": 1_800_000_060_u64 });
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

/// The lines of a good login, whose session nobody can be asked about.
fn login() -> String {
    let mint = sa_token::Mint {
        login_type: "login".to_owned(),
        user_type: "im_user".to_owned(),
        separator: ':',
        user: "7".to_owned(),
        random: "r".repeat(32),
        mixin: None,
    };
    let token = sa_token::mint(&Secret::new(SECRET), &mint);
    format!("GET /login\ntoken: Bearer {token}")
}

/// What a request is told, and which of its credentials were bad.
fn judged(policy: &Policy, client: &str, lines: &str) -> (String, usize) {
    let (first, headers) = lines.split_once('\n').unwrap_or((lines, ""));
    let bytes = testing::bytes(&format!("{first} HTTP/1.1\n{headers}"));
    let head = testing::head(&bytes);
    let request = Request {
        client: client.parse().unwrap(),
        ..testing::request(&head)
    };
    let deciding = gate::decide(policy, &request, Handshake::NotAsked, NOW);
    let decision = testing::block_on(deciding);
    let decision = count(policy, request.client, decision, NOW);
    let told = match &decision.outcome {
        Ok(_) => "passes".to_owned(),
        Err(denial) => format!("{} {}", denial.status(), denial.reason()),
    };
    (told, decision.failed.len())
}

fn send(policy: &Policy, client: &str, lines: &str) -> String {
    judged(policy, client, lines).0
}

#[test]
fn only_a_bad_credential_counts() {
    let forged = format!(
        "Authorization: Bearer {}",
        jwt("7", &SECRET.replace('0', "1"))
    );
    let good = format!("Authorization: Bearer {}", jwt("7", SECRET));
    for (case, lines, told, counts) in [
        (
            "an unknown key",
            "GET /any\nX-App-Key: x".to_owned(),
            "401 unknown_key",
            true,
        ),
        (
            "a forged token",
            format!("GET /any\n{forged}"),
            "401 bad_signature",
            true,
        ),
        (
            "no token",
            "GET /any\nAuthorization: Bearer junk".to_owned(),
            "401 malformed",
            true,
        ),
        (
            "a prefix twice",
            "GET /any\nAuthorization: Bearer Bearer x".to_owned(),
            "401 doubled_prefix",
            true,
        ),
        (
            "a bad one beside a good one",
            format!("GET /any\nX-App-Key: x\n{good}"),
            "401 unknown_key",
            true,
        ),
        (
            "one of two is bad",
            format!("GET /all\nX-App-Key: key-a\n{forged}"),
            "401 bad_signature",
            true,
        ),
        ("nothing", "GET /any".to_owned(), "401 no_credential", false),
        (
            "one of two is missing",
            "GET /all\nX-App-Key: key-a".to_owned(),
            "401 no_credential",
            false,
        ),
        (
            "two that differ",
            "GET /any\nX-App-Key: x\nX-App-Key: y".to_owned(),
            "400 conflict",
            false,
        ),
        (
            "a good one where it does not do",
            "GET /any\nX-App-Key: key-b".to_owned(),
            "403 wrong_app",
            false,
        ),
        ("nobody can tell", login(), "503 unavailable", false),
        (
            "no route",
            "GET /nowhere\nX-App-Key: x".to_owned(),
            "404 no_route",
            false,
        ),
        (
            "no such method",
            "POST /open\nX-App-Key: x".to_owned(),
            "405 method",
            false,
        ),
        (
            "nobody asks for it",
            "GET /open\nX-App-Key: x".to_owned(),
            "passes",
            false,
        ),
        (
            "a good one",
            "GET /any\nX-App-Key: key-a".to_owned(),
            "passes",
            false,
        ),
    ] {
        let policy = policy(POLICY);
        let third = if counts { "429 throttled" } else { told };
        for expected in [told, told, third, third] {
            assert_eq!(send(&policy, "192.0.2.1", &lines), expected, "{case}");
        }
        assert_eq!(
            send(&policy, "192.0.2.1", "GET /any\nX-App-Key: key-a"),
            "passes",
            "{case}"
        );
    }
}

#[test]
fn a_throttled_client_has_nobody_asked_but_what_is_known_here_counts() {
    let policy = policy(POLICY);
    assert_eq!(send(&policy, "192.0.2.1", &login()), "503 unavailable");
    for guess in ["x", "y"] {
        let lines = format!("GET /any\nX-App-Key: {guess}");
        assert_eq!(send(&policy, "192.0.2.1", &lines), "401 unknown_key");
    }
    let good = jwt("7", SECRET);
    for (lines, told) in [
        ("GET /any\nX-App-Key: key-a".to_owned(), "passes"),
        (format!("GET /any\nAuthorization: Bearer {good}"), "passes"),
        (
            format!("GET /all\nX-App-Key: key-a\nAuthorization: Bearer {good}"),
            "passes",
        ),
        ("GET /open".to_owned(), "passes"),
        (login(), "429 throttled"),
        ("GET /any\nX-App-Key: z".to_owned(), "429 throttled"),
        // What is no guess is answered as ever.
        ("GET /any".to_owned(), "401 no_credential"),
        ("GET /any\nX-App-Key: key-b".to_owned(), "403 wrong_app"),
        (
            "GET /any\nX-App-Key: x\nX-App-Key: y".to_owned(),
            "400 conflict",
        ),
    ] {
        assert_eq!(send(&policy, "192.0.2.1", &lines), told, "{lines}");
    }
    assert_eq!(send(&policy, "192.0.2.2", &login()), "503 unavailable");
}

#[test]
fn what_is_bad_is_counted_and_not_what_is_beside_it() {
    let policy = policy(POLICY);
    let both = |user: &str| {
        let token = jwt(user, &SECRET.replace('0', "1"));
        format!("GET /all\nX-App-Key: key-a\nAuthorization: Bearer {token}")
    };
    for client in ["192.0.2.1", "192.0.2.2"] {
        assert_eq!(send(&policy, client, &both("7")), "401 bad_signature");
    }
    assert_eq!(send(&policy, "192.0.2.3", &both("7")), "429 throttled");
    // A key that all clients carry is not to blame for their tokens.
    assert_eq!(send(&policy, "192.0.2.3", &both("8")), "401 bad_signature");
    for (case, lines, told, bad) in [
        (
            "known to the second one",
            "GET /both\nX-App-Key: key-o",
            "passes",
            0,
        ),
        (
            "known to none of them",
            "GET /both\nX-App-Key: x",
            "401 unknown_key",
            1,
        ),
        (
            "a token that is none",
            "GET /any\nAuthorization: Bearer x",
            "401 malformed",
            1,
        ),
        (
            "two",
            "GET /any\nX-App-Key: y\nAuthorization: Bearer z",
            "401 unknown_key",
            2,
        ),
    ] {
        let judged = judged(&policy, "192.0.2.4", lines);
        let expected = if case == "two" { "429 throttled" } else { told };
        assert_eq!(judged, (expected.to_owned(), bad), "{case}");
    }
}

#[test]
fn without_a_rule_nothing_is_counted() {
    let policy = policy(&POLICY.replace("throttle:", "# throttle:"));
    for _ in 0..100 {
        let judged = judged(&policy, "192.0.2.1", "GET /any\nX-App-Key: x");
        assert_eq!(judged, ("401 unknown_key".to_owned(), 0));
    }
}

#[test]
fn a_reload_forgives_nobody_unless_the_rule_is_another() {
    let first = policy(POLICY);
    let rule_of = |policy: &Policy| Arc::clone(policy.throttle.as_ref().unwrap());
    for (rule, is_same) in [
        ("{ failures: 2, per: 1m, by: client_ip }", true),
        ("{ by: client_ip, per: 60s, failures: 2 }", true),
        ("{ failures: 3, per: 1m, by: client_ip }", false),
        ("{ failures: 2, per: 2m, by: client_ip }", false),
    ] {
        let text = POLICY.replace("{ failures: 2, per: 1m, by: client_ip }", rule);
        let text = text.replace("key-b", "key-c");
        let next = try_policy_after(Some(&first), &text).unwrap();
        assert_eq!(
            Arc::ptr_eq(&rule_of(&first), &rule_of(&next)),
            is_same,
            "{rule}"
        );
    }
}

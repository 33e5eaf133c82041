//! What the gate remembers of a credential (A34): for whom it counts, and when it counts no more.
//! Two different credentials, or two different questions, never share an answer.

use std::thread;

use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::arena::{Arena, attack};
use super::forge::{EC, by_pair, resigned};
use crate::support::idp::{Idp, Mood, good};
use crate::support::member::bearer;
use crate::support::mint::{claims, jwt};
use crate::support::operator::{self, order};
use crate::support::raw::request;
use crate::support::{Gate, Recorder};

const ONE: &str = "the one secret of the attacks, made up for them";
const OTHER: &str = "the other secret of the attacks, made up as well";

/// Authenticators that differ in one thing each, and look at the same place.
const POLICY: &str = "
authenticators:
  one: { from: [{ header: Authorization, prefix: Bearer }], jwt: { keys: [{ kid: h, algorithm: HS256, secret: { file: keys/one } }], issuer: any, audience: any } }
  other-key: { from: [{ header: Authorization, prefix: Bearer }], jwt: { keys: [{ kid: h, algorithm: HS256, secret: { file: keys/other } }], issuer: any, audience: any } }
  other-kid: { from: [{ header: Authorization, prefix: Bearer }], jwt: { keys: [{ kid: g, algorithm: HS256, secret: { file: keys/one } }], issuer: any, audience: any } }
  other-issuer: { from: [{ header: Authorization, prefix: Bearer }], jwt: { keys: [{ kid: h, algorithm: HS256, secret: { file: keys/one } }], issuer: https://other.example.com, audience: any } }
  other-audience: { from: [{ header: Authorization, prefix: Bearer }], jwt: { keys: [{ kid: h, algorithm: HS256, secret: { file: keys/one } }], issuer: any, audience: other } }
  other-claims: { from: [{ header: Authorization, prefix: Bearer }], jwt: { keys: [{ kid: h, algorithm: HS256, secret: { file: keys/one } }], issuer: any, audience: any, claims: { subject: owner } } }
  no-leeway: { from: [{ header: Authorization, prefix: Bearer }], jwt: { keys: [{ kid: h, algorithm: HS256, secret: { file: keys/one } }], issuer: any, audience: any } }
  leeway: { from: [{ header: Authorization, prefix: Bearer }], jwt: { keys: [{ kid: h, algorithm: HS256, secret: { file: keys/one } }], issuer: any, audience: any, leeway: 5m } }
  keys: { from: [{ header: X-App-Key }], app_key: { keys: [{ id: a, secret: { value: key-one } }] } }
  other-keys: { from: [{ header: X-App-Key }], app_key: { keys: [{ id: a, secret: { value: key-two } }] } }
routes:
  - { name: one, match: { path: /one/** }, require: { any_of: [one] }, upstream: im }
  - { name: other-key, match: { path: /other-key/** }, require: { any_of: [other-key] }, upstream: im }
  - { name: other-kid, match: { path: /other-kid/** }, require: { any_of: [other-kid] }, upstream: im }
  - { name: other-issuer, match: { path: /other-issuer/** }, require: { any_of: [other-issuer] }, upstream: im }
  - { name: other-audience, match: { path: /other-audience/** }, require: { any_of: [other-audience] }, upstream: im }
  - { name: other-claims, match: { path: /other-claims/** }, require: { any_of: [other-claims] }, upstream: im }
  - { name: no-leeway, match: { path: /no-leeway/** }, require: { any_of: [no-leeway] }, upstream: im }
  - { name: leeway, match: { path: /leeway/** }, require: { any_of: [leeway] }, upstream: im }
  - { name: keys, match: { path: /keys/** }, require: { any_of: [keys] }, upstream: im }
  - { name: other-keys, match: { path: /other-keys/** }, require: { any_of: [other-keys] }, upstream: im }
  - { name: open, match: { path: /open/** }, require: public, upstream: im }
";

fn arena() -> Arena {
    Arena::of(POLICY, |builder| {
        builder.file("keys/one", ONE).file("keys/other", OTHER)
    })
}

fn signed(secret: &str, claims: &Value) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jwt("h", Algorithm::HS256, &key, claims)
}

/// CVE-2021-32701 and CVE-2026-33496: what counted on one route counted on every other.
#[test]
fn a_verdict_of_one_authenticator_does_not_count_for_another() {
    let arena = arena();
    let token = bearer(&signed(ONE, &claims("7", 3600)));
    let by_other = bearer(&signed(OTHER, &claims("7", 3600)));
    let expired = bearer(&signed(ONE, &claims("7", -60)));
    let (key, other_key) = ("X-App-Key: key-one\r\n", "X-App-Key: key-two\r\n");
    let refuse = |target: &str, lines: &str| {
        let bytes = request("GET", &format!("{target}/smuggled"), lines);
        attack(format!("{target} with {lines:.40}"), bytes, 401)
    };
    // In the first round nothing is remembered, in the others everything is, good and bad.
    for round in 0..3 {
        let case = format!("round {round}");
        let check = || {
            arena.check([
                refuse("/other-key", &token),
                refuse("/other-kid", &token),
                refuse("/other-issuer", &token),
                refuse("/other-audience", &token),
                refuse("/other-claims", &token),
                refuse("/one", &by_other),
                refuse("/no-leeway", &expired),
                refuse("/one", &expired),
                refuse("/other-keys", key),
                refuse("/keys", other_key),
            ]);
        };
        // The bad ones first, and then the good ones first.
        if round % 2 == 0 {
            check();
        }
        arena.expect_open(&case, "/one/x", &token);
        arena.expect_open(&case, "/other-key/x", &by_other);
        arena.expect_open(&case, "/leeway/x", &expired);
        arena.expect_open(&case, "/keys/x", key);
        arena.expect_open(&case, "/other-keys/x", other_key);
        check();
    }
}

/// The other of the two signatures that ECDSA has for everything: (r, n − s).
fn second_signature(token: &str) -> String {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    resigned(token, |mut own| {
        let mut borrow = 0;
        for (byte, order) in own[32..].iter_mut().zip(ORDER).rev() {
            let difference = i16::from(order) - i16::from(*byte) - borrow;
            borrow = i16::from(difference < 0);
            *byte = u8::try_from(difference.rem_euclid(256)).unwrap();
        }
        own
    })
}

/// What is asked for to revoke a token.
type Body = fn(&str) -> Value;

#[test]
fn a_revoked_credential_does_not_count_because_it_is_remembered() {
    let policy = "
authenticators:
  member:
    from: [{ header: Authorization, prefix: Bearer }, { query: token }, { cookie: im, origins: [https://chat.example.com] }]
    jwt:
      keys: [{ kid: e, algorithm: ES256, public_key: { file: keys/e.pem } }]
      issuer: any
      audience: any
      claims: { subject: sub, user_type: typ, device_type: dev, app: app_id }
  keys:
    from: [{ header: X-App-Key }]
    app_key: { keys: [{ id: shop, secret: { value: key-of-shop } }] }
routes:
  - { name: api, match: { path: /api/** }, require: { any_of: [member] }, upstream: im }
  - { name: openapi, match: { path: /openapi/** }, require: { any_of: [keys] }, upstream: im }
  - { name: open, match: { path: /open/** }, require: public, upstream: im }
";
    let arena = Arena::of(policy, |builder| {
        operator::obeyed_by(builder.file("keys/e.pem", &EC.public))
    });
    let header = r#"{"alg":"ES256","kid":"e"}"#;
    let token_of = |subject: &str, jti: &str| {
        let mut all = claims(subject, 3600);
        all["jti"] = jti.into();
        by_pair(Algorithm::ES256, &EC, header, &all.to_string())
    };
    let revoke = |body: &Value| -> String {
        let revoked = order(arena.gate(), "POST", "/revocations", Some(body));
        revoked["id"].as_str().unwrap().to_owned()
    };
    let lift = |id: &str| {
        order(arena.gate(), "DELETE", &format!("/revocations/{id}"), None);
    };
    let bodies: [(&str, Body); 4] = [
        ("the token", |token| json!({ "token": token })),
        (
            "the token as it was in a header",
            |token| json!({ "token": format!("bearer {token}") }),
        ),
        ("its id", |_| json!({ "jti": "id-1" })),
        ("its user", |_| json!({ "user": "7" })),
    ];
    for (case, body) in bodies {
        let token = token_of("7", "id-1");
        let twin = second_signature(&token);
        assert_ne!(token, twin);
        let page = "Origin: https://chat.example.com\r\n";
        let ways = |token: &str| {
            [
                ("/api/x".to_owned(), bearer(token)),
                ("/api/x".to_owned(), format!("authorization: {token}\r\n")),
                (format!("/api/x?token={token}"), String::new()),
                (
                    format!("/api/x?token=%{:02x}{}", token.as_bytes()[0], &token[1..]),
                    String::new(),
                ),
                ("/api/x".to_owned(), format!("Cookie: im={token}\r\n{page}")),
            ]
        };
        // All of these are remembered, and the other signature is as good as the first.
        for _ in 0..2 {
            for (target, lines) in [ways(&token), ways(&twin)].concat() {
                let answer = arena.gate().get(&target, &lines);
                assert_eq!(answer.status(), 200, "{case}: {target} {lines}");
            }
        }
        let id = revoke(&body(&token));
        for (target, lines) in [ways(&token), ways(&twin)].concat() {
            let answer = arena.gate().get(&target, &lines);
            let seen = (answer.status(), answer.reason());
            assert_eq!(
                seen,
                (401, "revoked".to_owned()),
                "{case}: {target} {lines}"
            );
        }
        let other = bearer(&token_of("8", "id-2"));
        assert_eq!(
            arena.gate().get("/api/x", &other).status(),
            200,
            "{case}: somebody else"
        );
        lift(&id);
        assert_eq!(
            arena.gate().get("/api/x", &bearer(&token)).status(),
            200,
            "{case}: lifted"
        );
    }
    let key = "X-App-Key: key-of-shop\r\n";
    assert_eq!(arena.gate().get("/openapi/x", key).status(), 200);
    revoke(&json!({ "app_key": "shop" }));
    assert_eq!(arena.gate().get("/openapi/x", key).status(), 401);
}

#[test]
fn a_verdict_does_not_outlive_the_policy_that_it_was_made_by() {
    let policy = |authenticator: &str| {
        format!(
            "
authenticators:
  member: {{ from: [{{ header: Authorization, prefix: Bearer }}], {authenticator} }}
routes:
  - {{ name: api, match: {{ path: /api/** }}, require: {{ any_of: [member] }}, upstream: im }}
"
        )
    };
    let keys = "{ kid: h, algorithm: HS256, secret: { file: keys/one } }";
    let of = |keys: &str, rest: &str| policy(&format!("jwt: {{ keys: [{keys}], {rest} }}"));
    let first = of(keys, "issuer: any, audience: any");
    let backend = Recorder::ok();
    let gate = Gate::with(&first)
        .file("keys/one", ONE)
        .file("keys/other", OTHER)
        .upstream("im", backend.address())
        .start();
    let mut kept = gate.client();
    let token = bearer(&signed(ONE, &claims("7", 3600)));
    for (case, changed) in [
        (
            "another issuer",
            of(keys, "issuer: https://other.example.com, audience: any"),
        ),
        ("another audience", of(keys, "issuer: any, audience: other")),
        (
            "another claim for the subject",
            of(
                keys,
                "issuer: any, audience: any, claims: { subject: owner }",
            ),
        ),
        (
            "another name of the key",
            of(
                &keys.replace("kid: h", "kid: g"),
                "issuer: any, audience: any",
            ),
        ),
        (
            "another algorithm",
            of(
                &keys.replace("HS256", "HS384"),
                "issuer: any, audience: any",
            ),
        ),
        (
            "another secret",
            of(
                &keys.replace("keys/one", "keys/other"),
                "issuer: any, audience: any",
            ),
        ),
        (
            "a key that has ended",
            of(
                &keys.replace("kid: h", "kid: h, not_after: 2020-01-01T00:00:00Z"),
                "issuer: any, audience: any",
            ),
        ),
        (
            "another scheme",
            policy("app_key: { keys: [{ id: a, secret: { value: key-a } }] }"),
        ),
        (
            "another place",
            policy(&format!(
                "jwt: {{ keys: [{keys}], issuer: any, audience: any }}"
            ))
            .replace("Authorization", "X-Token"),
        ),
    ] {
        for _ in 0..2 {
            assert_eq!(kept.get("/api/x", &token).status(), 200, "before {case}");
        }
        gate.reload_and_wait(&changed);
        assert_eq!(
            kept.get("/api/x", &token).status(),
            401,
            "{case}, on a connection of before"
        );
        assert_eq!(gate.get("/api/x", &token).status(), 401, "{case}");
        gate.reload_and_wait(&first);
    }
    // A secret may change behind its name.
    assert_eq!(kept.get("/api/x", &token).status(), 200);
    gate.write("keys/one", OTHER);
    gate.reload_and_wait(&first);
    assert_eq!(kept.get("/api/x", &token).status(), 401);
}

/// CVE-2026-71326: requests that came at once shared one answer, whatever they asked about.
#[test]
fn questions_that_are_asked_at_once_do_not_share_an_answer() {
    let (a, b) = (Idp::in_mood(Mood::Slow), Idp::in_mood(Mood::Slow));
    let policy = "
authenticators:
  a:
    from: [{ header: Authorization, prefix: Bearer }]
    introspection: { url: \"http://$A/\", timeout: 30s, remote: { unknown_per_client: off } }
  b:
    from: [{ header: Authorization, prefix: Bearer }]
    introspection: { url: \"http://$B/\", timeout: 30s, remote: { unknown_per_client: off } }
routes:
  - { name: a, match: { path: /a/** }, require: { any_of: [a] }, upstream: im }
  - { name: b, match: { path: /b/** }, require: { any_of: [b] }, upstream: im }
"
    .replace("$A", &a.address().to_string())
    .replace("$B", &b.address().to_string());
    let backend = Recorder::ok();
    let gate = Gate::with(&policy)
        .upstream("im", backend.address())
        .start();
    // Tokens that differ in as little as may be, where one is the beginning of another, and where
    // what stands around them could be taken for a part of them.
    let tokens = [
        "token",
        "Token",
        "TOKEN",
        "token.",
        "token-",
        "token~",
        "token=",
        "token==",
        "tokentoken",
        "tokem",
        "a",
        "b",
        "a:token",
        "b:token",
        "a/token",
        "1",
        "01",
        "1.0",
        "xxxxxxxx",
        "xxxxxxxxx",
    ];
    let known = |server: &str| {
        let even = tokens.iter().enumerate();
        // Each server knows half of them, and another half each.
        let known = even.filter(|(number, _)| (number % 2 == 0) == (server == "a"));
        let tokens = known.map(|(_, token)| {
            let (_, answer) = good(token, &format!("{server}-has-{token}"));
            // The question is a form.
            let encoded = token
                .replace('=', "%3D")
                .replace(':', "%3A")
                .replace('/', "%2F");
            (encoded, answer)
        });
        Mood::Knows(tokens.collect())
    };
    thread::scope(|scope| {
        let mut asked = Vec::new();
        for (number, token) in tokens.iter().enumerate() {
            for server in ["a", "b"] {
                // And each by three at once, who may share one answer.
                for client in 0..3 {
                    let gate = &gate;
                    asked.push(scope.spawn(move || {
                        let target = format!("/{server}/{number}/{client}");
                        let answer = gate.get(&target, &bearer(token));
                        (server, number, token, target, answer.status())
                    }));
                }
            }
        }
        a.wait_until_asked(tokens.len());
        b.wait_until_asked(tokens.len());
        a.is_now(known("a"));
        b.is_now(known("b"));
        for request in asked {
            let (server, number, token, target, status) = request.join().unwrap();
            let is_known = (number % 2 == 0) == (server == "a");
            assert_eq!(
                status,
                if is_known { 200 } else { 401 },
                "{token} at {server}"
            );
            let mut arrived = backend.requests();
            arrived.retain(|received| received.head.target() == target);
            let subjects: Vec<_> = arrived
                .iter()
                .map(|one| one.head.header("x-auth-subject").unwrap().to_owned())
                .collect();
            let expected: Vec<String> = is_known
                .then(|| format!("{server}-has-{token}"))
                .into_iter()
                .collect();
            assert_eq!(subjects, expected, "{token} at {server}");
        }
    });
    // Nor do those who come later.
    for (number, token) in tokens.iter().enumerate() {
        for server in ["a", "b"] {
            let is_known = (number % 2 == 0) == (server == "a");
            let status = gate
                .get(&format!("/{server}/later"), &bearer(token))
                .status();
            assert_eq!(
                status,
                if is_known { 200 } else { 401 },
                "{token} at {server}, later"
            );
        }
    }
}

/// Hosts, paths, keys, tokens, ids: whatever a stranger makes up is gone with its request, and names
/// nothing in metrics.
#[test]
fn what_strangers_make_up_does_not_stay() {
    let arena = Arena::listening_with(
        "trusted_proxies: [127.0.0.0/8]",
        "cache: { max_entries: 100 }\n",
    );
    let gate = arena.gate();
    let flood = |from: usize, to: usize| {
        thread::scope(|scope| {
            for half in 0..2 {
                scope.spawn(move || {
                    let mut client = gate.client();
                    for number in (from..to).filter(|number| number % 2 == half) {
                        // Each kind in its turn; all of them are refused and keep the connection.
                        let lines = format!(
                            "X-Forwarded-For: 2001:db8:{:x}:{:x}::1\r\nX-Request-Id: made-up-{number}\r\nUser-Agent: made-up-{number}\r\nX-Made-Up-{number}: {number}\r\n",
                            number / 0xffff, number % 0xffff
                        );
                        let forged = format!("e30.e30.{number:08}");
                        let (target, lines) = match number % 4 {
                            0 => (format!("/openapi/made-up-{number}?made-up-{number}=1"), format!("{lines}X-App-Key: made-up-{number}\r\n")),
                            1 => (format!("/api/made-up-{number}"), format!("{lines}Authorization: Bearer made-up-{number}\r\n")),
                            2 => (format!("/api/{number}"), format!("{lines}Authorization: Bearer {forged}\r\n")),
                            _ => (format!("/openapi/{number}"), format!("{lines}Cookie: made-up-{number}={number}\r\n")),
                        };
                        client.send(format!("GET {target} HTTP/1.1\r\nHost: made-up-{number}.example.com\r\n{lines}\r\n"));
                        let answer = client.answer();
                        assert_eq!(answer.status(), 401, "{target}");
                        if answer.header("connection").is_some() {
                            client = gate.client();
                        }
                    }
                });
            }
        });
    };
    // Bounded memories are full by then.
    flood(0, 6_000);
    let (before, series) = (
        gate.resident_memory_kib(),
        gate.metrics().text.lines().count(),
    );
    flood(6_000, 24_000);
    let text = gate.metrics().text;
    assert!(!text.contains("made-up"), "{text}");
    assert_eq!(text.lines().count(), series, "metrics do not grow");
    let grown = gate.resident_memory_kib().saturating_sub(before);
    // As many names alone would be more than that.
    assert!(grown < 3 * 1024, "{grown} KiB");
    arena.expect_arrived(&[]);
}

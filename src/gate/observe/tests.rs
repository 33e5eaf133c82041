//! What a route that observes forgives, and what it does not.

use std::time::Duration;

use super::*;
use crate::gate::permit::Permit;
use crate::gate::standing::{Ground, Standing};
use crate::gate::{self, Decision, Handshake};
use crate::policy::testing::policy;
use crate::request::testing;
use crate::revocation::{Revocation, RevocationId, Target};
use crate::scheme::sa_token::{Mint, mint};
use crate::secret::Secret;

/// 2027-01-15T08:00:00Z.
const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
/// 2027-01-31T00:00:00Z.
const UNTIL: UnixTime = UnixTime::from_secs(1_801_353_600);

const POLICY: &str = r#"
mode: observe
until: 2027-01-31T00:00:00Z
authenticators:
  partners:
    from: [{ header: X-App-Key }]
    app_key: { keys: [{ id: a, secret: { value: key-a } }, { id: narrow, secret: { value: key-narrow }, routes: [strict] }] }
  users:
    from: [{ header: token }]
    sa_token:
      secret: { value: "0123456789abcdef0123456789abcdef" }
      user_types: [im_user]
      sessions: { none: { max_age: 12h } }
  remote:
    from: [{ header: remote }]
    sa_token:
      secret: { value: "0123456789abcdef0123456789abcdef" }
      user_types: [im_user]
      sessions: { redis: { address: "127.0.0.1:6379", key: "k:{token}" } }
  apps:
    from: [{ header: Authorization, prefix: Bearer }]
    easemob_dynamic: { apps: [{ app_key: "org#app", client_id: id, client_secret: { value: secret } }], ttls: [600] }
routes:
  - { name: keys, match: { path: /keys }, require: { any_of: [partners] }, upstream: im }
  - { name: strict, match: { path: /strict }, require: { any_of: [partners] }, mode: enforce, upstream: im }
  - name: users
    match: { path: /users, methods: [GET] }
    require: { any_of: [users], device_type: { from: [{ header: deviceType }], one_of: [im_web] } }
    upstream: im
  - { name: both, match: { path: /both }, require: { any_of: [users, partners] }, upstream: im }
  - { name: remote, match: { path: /remote }, require: { any_of: [remote] }, upstream: im }
  - { name: apps, match: { path: "/{org}/{app}/x" }, require: { any_of: [apps] }, upstream: im }
  - { name: tls, match: { path: /tls }, require: { any_of: [partners] }, require_tls: true, upstream: im }
  - { name: ws, match: { path: /ws }, websocket: true, require: { any_of: [users] }, upstream: im }
  - { name: open, match: { path: /open }, websocket: true, require: public, upstream: im }
"#;

fn token_of(user_type: &str, user: &str) -> String {
    let claims = Mint {
        login_type: "login".to_owned(),
        user_type: user_type.to_owned(),
        separator: ':',
        user: user.to_owned(),
        random: "r".repeat(32),
        mixin: None,
    };
    mint(&Secret::new("0123456789abcdef0123456789abcdef"), &claims)
}

/// What becomes of a `GET`, in one line: `in` as somebody, `observed` for a reason, or a status.
fn line(policy: &Policy, now: UnixTime, handshake: Handshake, request: &str) -> String {
    let bytes = testing::bytes(request);
    let head = testing::head(&bytes);
    let request = testing::request(&head);
    let decided = gate::decide(policy, &request, handshake, now);
    let Decision { outcome, .. } = testing::block_on(decided);
    match outcome.map(gate::Ruling::permit) {
        Ok(permit) => shown(&permit),
        Err(denial) => format!("{} {}", denial.status(), denial.reason()),
    }
}

fn shown(permit: &Permit<'_>) -> String {
    match &permit.observed {
        Some(observed) => {
            assert_eq!(observed.until, UNTIL);
            assert!(permit.admission.is_none() && permit.device_type().is_none());
            assert!(permit.claim_key().is_none());
            format!("observed {}", observed.denial.reason())
        }
        None => format!("in {}", u8::from(permit.admission.is_some())),
    }
}

/// What is asked with a `GET`, and what becomes of it before and after the end.
const CASES: &[(&str, &str, &str, &str)] = &[
    (
        "a good key",
        "/keys HTTP/1.1\nX-App-Key: key-a",
        "in 1",
        "in 1",
    ),
    (
        "nothing",
        "/keys HTTP/1.1",
        "observed no_credential",
        "401 no_credential",
    ),
    (
        "an unknown key",
        "/keys HTTP/1.1\nX-App-Key: x",
        "observed unknown_key",
        "401 unknown_key",
    ),
    (
        "a key of other routes",
        "/keys HTTP/1.1\nX-App-Key: key-narrow",
        "observed wrong_app",
        "403 wrong_app",
    ),
    (
        "a user of another type",
        "/users HTTP/1.1\ntoken: ADMIN\ndeviceType: im_web",
        "observed user_type",
        "403 user_type",
    ),
    (
        "no device type",
        "/users HTTP/1.1\ntoken: USER",
        "observed device_type",
        "403 device_type",
    ),
    (
        "nobody can tell",
        "/remote HTTP/1.1\nremote: USER",
        "observed unavailable",
        "503 unavailable",
    ),
    (
        "an app that nobody knows",
        "/other/app/x HTTP/1.1",
        "observed wrong_app",
        "404 wrong_app",
    ),
    (
        "a bad one beside a good one",
        "/both HTTP/1.1\ntoken: USERx\nX-App-Key: key-a",
        "observed bad_signature",
        "401 bad_signature",
    ),
    (
        "two readings",
        "/keys HTTP/1.1\nX-App-Key: a\nX-App-Key: b",
        "400 conflict",
        "400 conflict",
    ),
    (
        "two device types",
        "/users HTTP/1.1\ndeviceType: a\ndeviceType: b",
        "400 conflict",
        "400 conflict",
    ),
    (
        "two readings for an unknown app",
        "/other/app/x HTTP/1.1\nAuthorization: a\nAuthorization: b",
        "400 conflict",
        "404 wrong_app",
    ),
    (
        "plain text",
        "/tls HTTP/1.1\nX-App-Key: key-a",
        "426 upgrade",
        "426 upgrade",
    ),
    (
        "no route",
        "/nowhere HTTP/1.1",
        "404 no_route",
        "404 no_route",
    ),
    (
        "a route of its own mind",
        "/strict HTTP/1.1",
        "401 no_credential",
        "401 no_credential",
    ),
    ("no handshake", "/ws HTTP/1.1", "426 upgrade", "426 upgrade"),
];

#[test]
fn what_is_about_who_asks_is_forgiven_until_it_is_over() {
    let (user, admin) = (token_of("im_user", "7"), token_of("sys_user", "1"));
    for (now, is_over) in [
        (NOW, false),
        (UNTIL.minus(Duration::from_millis(1)), false),
        (UNTIL, true),
        (UNTIL.plus(Duration::from_hours(1)), true),
    ] {
        // Each has seen no token before.
        let policy = policy(POLICY);
        for (case, request, before, after) in CASES {
            let request = request.replace("USER", &user).replace("ADMIN", &admin);
            let request = format!("GET {request}");
            let told = line(&policy, now, Handshake::NotAsked, &request);
            let expected = if is_over { after } else { before };
            assert_eq!(told, *expected, "{case} at {now}");
        }
    }
    let policy = policy(POLICY);
    let posted = line(&policy, NOW, Handshake::NotAsked, "POST /users HTTP/1.1");
    assert_eq!(posted, "405 method");
    for (handshake, expected) in [
        (Handshake::Malformed, "400 upgrade"),
        (Handshake::Valid, "observed no_credential"),
    ] {
        assert_eq!(line(&policy, NOW, handshake, "GET /ws HTTP/1.1"), expected);
    }
}

fn revoke(policy: &Policy, target: Target) {
    let revocation = Revocation {
        target,
        issued_before: UnixTime::NEVER,
        expires_at: UnixTime::NEVER,
    };
    policy.revocations.add(RevocationId(1), revocation).unwrap();
}

#[test]
fn what_was_revoked_is_refused_all_the_same() {
    let user = token_of("im_user", "7");
    let request = format!("GET /both HTTP/1.1\ntoken: {user}");
    let beside_a_bad_key = format!("{request}\nX-App-Key: x");
    let without_device = format!("GET /users HTTP/1.1\ntoken: {user}");
    let during_an_outage = format!("GET /remote HTTP/1.1\nremote: {user}");
    let of = |subject: &str| Target::User {
        subject: subject.into(),
        user_type: None,
        device_type: None,
    };
    let by_digest = || Target::Token(token_digest(user.as_bytes()));
    for (case, target, request, expected) in [
        ("the user", of("7"), &request, "401 revoked"),
        ("the token", by_digest(), &request, "401 revoked"),
        ("another user", of("8"), &request, "in 1"),
        (
            "with another fault first",
            of("7"),
            &beside_a_bad_key,
            "401 revoked",
        ),
        (
            "with a fault that is forgiven",
            of("7"),
            &without_device,
            "401 revoked",
        ),
        (
            "of another, with that fault",
            of("8"),
            &without_device,
            "observed device_type",
        ),
        (
            "a token that nobody can tell about",
            by_digest(),
            &during_an_outage,
            "401 revoked",
        ),
        (
            "whose that is, nobody knows",
            of("7"),
            &during_an_outage,
            "observed unavailable",
        ),
    ] {
        let policy = policy(POLICY);
        revoke(&policy, target);
        let told = line(&policy, NOW, Handshake::NotAsked, request);
        assert_eq!(told, expected, "{case}");
    }
}

#[test]
fn while_it_is_not_known_what_was_revoked_no_credential_passes_that_may_be_good() {
    let shared = format!("store: {{ redis: {{ address: 127.0.0.1:6379 }} }}{POLICY}");
    let policy = policy(&shared);
    let user = token_of("im_user", "7");
    for (case, request, expected) in [
        (
            "a good one",
            format!("/both HTTP/1.1\ntoken: {user}"),
            "503 unavailable",
        ),
        (
            "one that nobody can tell about",
            format!("/remote HTTP/1.1\nremote: {user}"),
            "503 unavailable",
        ),
        (
            "a bad one",
            format!("/both HTTP/1.1\ntoken: {user}x"),
            "observed bad_signature",
        ),
        (
            "none",
            "/both HTTP/1.1".to_owned(),
            "observed no_credential",
        ),
    ] {
        let request = format!("GET {request}");
        let told = line(&policy, NOW, Handshake::NotAsked, &request);
        assert_eq!(told, expected, "{case}");
    }
    policy.revocations.set_complete();
    let good = format!("GET /both HTTP/1.1\ntoken: {user}");
    assert_eq!(line(&policy, NOW, Handshake::NotAsked, &good), "in 1");
}

/// What a handshake stands on under [`POLICY`].
fn standing(target: &str, headers: &str) -> Standing {
    Standing::of_handshake(&policy(POLICY), target, headers, NOW)
}

#[test]
fn sessions_are_judged_again_as_their_handshakes_would_be() {
    let good = format!("token: {}", token_of("im_user", "7"));
    let as_nobody = |until: i64| Ok((false, Some(UnixTime::from_secs(until))));
    let (observed, admitted, public) = (
        || standing("/ws", ""),
        || standing("/ws", &good),
        || standing("/open", ""),
    );
    let global = "mode: observe\nuntil: 2027-01-31T00:00:00Z\n";
    let later = "mode: observe\nuntil: 2027-02-01T00:00:00Z\n";
    let guarded = "path: /open }, websocket: true, require: { any_of: [users] }";
    let open = "path: /ws }, websocket: true, require: public";
    for (case, standing, from, to, expected) in [
        (
            "nothing changes",
            observed(),
            "",
            "",
            as_nobody(1_801_353_600),
        ),
        (
            "it goes on for longer",
            observed(),
            global,
            later,
            as_nobody(1_801_440_000),
        ),
        ("it is over", observed(), global, "", Err("no_credential")),
        (
            "everybody may come now",
            observed(),
            "path: /ws }, websocket: true, require: { any_of: [users] }",
            open,
            Ok((false, None)),
        ),
        (
            "who was known still is",
            admitted(),
            "",
            "",
            Ok((true, None)),
        ),
        // The upstream was told who it is, and that holds no more.
        (
            "who was known is not any more",
            admitted(),
            "\"0123456789abcdef0123456789abcdef\"",
            "\"another secret of at least 32 bytes\"",
            Err("unknown_key"),
        ),
        (
            "everybody might come",
            public(),
            "path: /open }, websocket: true, require: public",
            guarded,
            as_nobody(1_801_353_600),
        ),
    ] {
        assert!(POLICY.contains(from), "{case}");
        let policy = policy(&POLICY.replace(from, to));
        let upheld = standing.uphold(&policy, NOW);
        let told = upheld
            .map(|Ground { not_after, until }| (not_after.is_some(), until))
            .map_err(|denial| denial.reason());
        assert_eq!(told, expected, "{case}");
    }
    let over = observed().uphold(&policy(POLICY), UNTIL);
    assert_eq!(over.unwrap_err().reason(), "no_credential");
}

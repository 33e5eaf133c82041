//! A session is opened under one policy and judged again under another.

use std::time::Duration;

use super::record::Proofs;
use super::*;
use crate::gate::{self, Handshake};
use crate::policy::testing::policy;
use crate::request::testing;
use crate::scheme::sa_token::{Mint, Mixin, mint};
use crate::secret::Secret;
use crate::wire;

mod vendors;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
/// When the tokens of these tests end.
const END: UnixTime = UnixTime::from_secs(1_800_000_060);

const POLICY: &str = r#"
authenticators:
  partners:
    from: [{ header: X-App-Key }]
    app_key: { keys: [{ id: a, secret: { value: key-a } }, { id: b, secret: { value: key-b } }] }
  users:
    from: [{ header: token }]
    sa_token:
      secret: { value: "0123456789abcdef0123456789abcdef" }
      user_types: [im_user]
      sessions: { none: { max_age: 12h } }
  visitors:
    from: [{ cookie: im, origins: [https://chat.example.com, https://app.example.com] }, { header: visitor }]
    sa_token:
      secret: { value: "0123456789abcdef0123456789abcdef" }
      user_types: [im_user]
      sessions: { none: { max_age: 12h } }
routes:
  - name: ws
    match: { path: /ws }
    websocket: true
    require: { any_of: [users, partners], device_type: { from: [{ header: deviceType }], one_of: [im_web, im_pc_mac] } }
    upstream: im
  - { name: visit, match: { path: /visit }, websocket: true, require: { any_of: [visitors] }, upstream: im }
  - { name: open, match: { path: /open }, websocket: true, require: public, upstream: im }
"#;

fn token() -> String {
    let lifetime = Some(Duration::from_mins(1));
    let claims = Mint {
        login_type: "login".to_owned(),
        user_type: "im_user".to_owned(),
        separator: ':',
        user: "7".to_owned(),
        random: "r".repeat(32),
        mixin: Some(Mixin::new(Some("im_web".to_owned()), lifetime, NOW)),
    };
    mint(&Secret::new(SECRET), &claims)
}

/// What a request to `target` with these header lines stands on under [`POLICY`].
fn admitted(target: &str, headers: &str) -> Standing {
    Standing::of_handshake(&policy(POLICY), target, headers, NOW)
}

fn user() -> Standing {
    admitted("/ws", &format!("token: {}\ndeviceType: im_web", token()))
}

fn partner() -> Standing {
    admitted("/ws", "X-App-Key: key-a\ndeviceType: im_web")
}

/// The outcome under [`POLICY`] with one text replaced by another: the end, or the reason.
fn under(standing: &Standing, from: &str, to: &str) -> Result<Option<UnixTime>, &'static str> {
    assert!(POLICY.contains(from), "nothing to replace");
    let policy = policy(&POLICY.replace(from, to));
    standing
        .judge_again(&policy, NOW)
        .map_err(|denial| denial.reason())
}

#[test]
fn an_unchanged_policy_changes_nothing() {
    assert_eq!(under(&user(), "a", "a"), Ok(Some(END)));
    assert_eq!(under(&partner(), "a", "a"), Ok(None));
    assert_eq!(under(&admitted("/open", ""), "a", "a"), Ok(None));
}

#[test]
fn what_a_session_does_not_rest_on_may_change() {
    let cases = [
        (
            "another key goes",
            ", { id: b, secret: { value: key-b } }",
            "",
        ),
        (
            "another device type goes",
            "one_of: [im_web, im_pc_mac]",
            "one_of: [im_web]",
        ),
        ("the route has another name", "name: ws", "name: chat"),
        ("the route takes all paths", "path: /ws", "path: /**"),
        (
            "the place of the credential changes",
            "header: token",
            "query: token",
        ),
        ("a user type more", "[im_user]", "[sys_user, im_user]"),
        (
            "the other authenticator is not asked for",
            "[users, partners]",
            "[partners, users]",
        ),
    ];
    for (case, from, to) in cases {
        assert_eq!(under(&user(), from, to), Ok(Some(END)), "{case}");
        assert_eq!(under(&partner(), from, to), Ok(None), "{case}");
    }
}

#[test]
fn a_user_goes_when_what_admitted_it_goes() {
    let cases = [
        (
            "the secret is another",
            SECRET,
            "abcdef0123456789abcdef0123456789",
            "unknown_key",
        ),
        (
            "the user type may not come in",
            "[im_user]",
            "[sys_user]",
            "user_type",
        ),
        (
            "logins are written in another way",
            "user_types: [im",
            "separator: '#'\n      user_types: [im",
            "wrong_principal",
        ),
        (
            "sessions last for another time",
            "max_age: 12h",
            "max_age: 1h",
            "wrong_principal",
        ),
        (
            "the route asks for partners only",
            "[users, partners]",
            "[partners]",
            "no_credential",
        ),
        (
            "the route asks for both",
            "any_of: [users, partners]",
            "all_of: [users, partners]",
            "no_credential",
        ),
        (
            "the device type may not come in",
            "one_of: [im_web, im_pc_mac]",
            "one_of: [im_pc_mac]",
            "device_type",
        ),
        ("the route is gone", "path: /ws", "path: /chat", "no_route"),
        (
            "the route is no WebSocket any more",
            "path: /ws }\n    websocket: true",
            "path: /ws }",
            "no_route",
        ),
        (
            "the route asks for TLS",
            "path: /ws }",
            "path: /ws }\n    require_tls: true",
            "upgrade",
        ),
        (
            "the authenticator has another name",
            "users",
            "members",
            "no_credential",
        ),
    ];
    for (case, from, to, reason) in cases {
        assert_eq!(under(&user(), from, to), Err(reason), "{case}");
    }
}

#[test]
fn a_partner_goes_with_its_key() {
    let key_a = "id: a, secret: { value: key-a }";
    let with = |rest: &str| format!("{key_a}, {rest}");
    let cases = [
        (
            "the key is gone",
            "{ id: a, secret: { value: key-a } }, ".to_owned(),
            String::new(),
            Err("unknown_key"),
        ),
        (
            "the key is another's",
            "id: a,".to_owned(),
            "id: c,".to_owned(),
            Err("wrong_app"),
        ),
        (
            "the key has ended",
            key_a.to_owned(),
            with("not_after: 2020-01-01T00:00:00Z"),
            Err("expired"),
        ),
        (
            "the key is for another route",
            key_a.to_owned(),
            with("routes: [open]"),
            Err("wrong_app"),
        ),
        (
            "the key is for this route",
            key_a.to_owned(),
            with("routes: [ws]"),
            Ok(None),
        ),
    ];
    for (case, from, to, expected) in cases {
        assert_eq!(under(&partner(), &from, &to), expected, "{case}");
    }
}

#[test]
fn whoever_came_by_cookie_goes_with_the_trust_in_its_page() {
    let cookie = format!("Cookie: im={}", token());
    let visitor = admitted(
        "/visit",
        &format!("Origin: https://chat.example.com\n{cookie}"),
    );
    for (case, from, to, expected) in [
        (
            "another page goes",
            ", https://app.example.com",
            "",
            Ok(Some(END)),
        ),
        (
            "the cookie has another name",
            "cookie: im",
            "cookie: chat",
            Ok(Some(END)),
        ),
        (
            "the page goes",
            "https://chat.example.com, ",
            "",
            Err("no_credential"),
        ),
        (
            "the cookie goes",
            "{ cookie: im, origins: [https://chat.example.com, https://app.example.com] }, ",
            "",
            Err("no_credential"),
        ),
    ] {
        assert_eq!(under(&visitor, from, to), expected, "{case}");
    }
    // The page is nobody's business where it was not needed.
    let own = format!("Origin: https://chat.example.com\nvisitor: {}", token());
    let own = admitted("/visit", &own);
    assert_eq!(under(&own, "https://chat.example.com, ", ""), Ok(Some(END)));
}

#[test]
fn a_key_that_is_to_end_ends_its_sessions() {
    let end = under(
        &partner(),
        "id: a, secret: { value: key-a }",
        "id: a, secret: { value: key-a }, not_after: 2100-01-01T00:00:00Z",
    );
    assert_eq!(end, Ok(Some(UnixTime::from_secs(4_102_444_800))));
}

#[test]
fn a_public_session_goes_when_its_route_asks_for_a_credential() {
    let session = admitted("/open", "");
    let to = "require: { any_of: [users] }";
    assert_eq!(under(&session, "require: public", to), Err("no_credential"));
}

#[test]
fn a_stricter_route_for_the_same_path_counts() {
    let session = admitted("/open", "");
    let more = "routes:\n  - { name: host, match: { host: chat, path: /open }, websocket: true, require: { any_of: [users] }, upstream: im }";
    assert_eq!(under(&session, "routes:", more), Err("no_credential"));
}

#[test]
fn a_standing_that_another_replica_reads_is_judged_alike() {
    for standing in [user(), partner()] {
        let text = wire::record::write(&Proofs::of(&standing)).unwrap();
        assert!(
            !text.contains(&token()) && !text.contains("key-a"),
            "{text}"
        );
        let read: Proofs = wire::record::read(text.as_bytes()).unwrap();
        let mut other = user();
        other.take_over(&read.standing().unwrap());
        for (from, to) in [
            ("a", "a"),
            ("key-a", "key-c"),
            (
                "0123456789abcdef0123456789abcdef",
                "fedcba9876543210fedcba9876543210",
            ),
            ("user_types: [im_user]", "user_types: [sys_user]"),
        ] {
            assert_eq!(under(&other, from, to), under(&standing, from, to), "{to}");
        }
        let facts = |standing: &Standing| {
            let tokens = standing.tokens();
            tokens
                .iter()
                .map(|token| (**token).clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(facts(&other), facts(&standing));
    }
}

#[test]
fn a_proof_with_a_digest_that_is_none_is_not_read() {
    let text = wire::record::write(&Proofs::of(&user())).unwrap();
    let key = text.split("\"key\":\"").nth(1).unwrap();
    let broken = text.replace(&key[..64], &"x".repeat(64));
    let read: Proofs = wire::record::read(broken.as_bytes()).unwrap();
    assert!(read.standing().is_none());
}

//! One credential where another is asked for (A33): another route's, another device's, another
//! user's beside one's own, another app's.

use jsonwebtoken::EncodingKey;
use serde_json::Value;

use super::arena::{Arena, Attack, KEY, LIMITED_KEY, attack, member, other_credentials};
use crate::support::gate::handshake;
use crate::support::mint::{SA_TOKEN_SECRET, claims, sa_token, sa_token_mixin};
use crate::support::raw::request;

const POLICY: &str = "
authenticators:
  keys:
    from: [{ header: X-App-Key }]
    app_key: { keys: [{ id: shop, secret: { value: key-of-shop } }, { id: chat, secret: { value: key-of-chat } }] }
  im-token:
    from: [{ header: token, prefix: Bearer }, { query: token }]
    sa_token: { secret: { value: \"$SECRET\" }, user_types: [im_user], sessions: { none: { max_age: 12h } } }
  member:
    from: [{ header: Authorization, prefix: Bearer }]
    jwt:
      keys: [{ kid: h, algorithm: HS256, secret: { value: \"$SECRET\" } }]
      issuer: any
      audience: any
      claims: { subject: sub, device_type: dev, app: app_id }
  second:
    from: [{ header: X-Second, prefix: Bearer }]
    jwt:
      keys: [{ kid: h, algorithm: HS256, secret: { value: \"$SECRET\" } }]
      issuer: any
      audience: any
      claims: { subject: sub, device_type: dev, app: app_id }
routes:
  - { name: both, match: { path: /both/** }, require: { all_of: [keys, member] }, upstream: im }
  - { name: two, match: { path: /two/** }, require: { all_of: [member, second] }, upstream: im }
  - { name: either, match: { path: /either/** }, require: { any_of: [member, second] }, upstream: im }
  - name: device
    match: { path: /device/** }
    require:
      any_of: [im-token]
      device_type: { from: [{ header: deviceType }, { query: deviceType }], one_of: [im_web, im_app_ios] }
    upstream: im
  - name: member-device
    match: { path: /member-device/** }
    require:
      any_of: [member]
      device_type: { from: [{ header: deviceType }], one_of: [im_web, im_app_ios] }
    upstream: im
  - name: ws
    match: { path: /ws }
    websocket: true
    require:
      any_of: [im-token]
      device_type: { from: [{ header: deviceType }, { query: deviceType }], one_of: [im_web, im_app_ios] }
    upstream: im
  - { name: open, match: { path: /open/** }, require: public, upstream: im }
";

fn arena() -> Arena {
    Arena::of(&POLICY.replace("$SECRET", SA_TOKEN_SECRET), |builder| {
        builder
    })
}

/// A token under this header name, with claims changed.
fn bearer_as(header: &str, subject: &str, changes: &[(&str, &str)]) -> String {
    let mut all = claims(subject, 3600);
    for (name, value) in changes {
        all[*name] = Value::from(*value);
    }
    let key = EncodingKey::from_secret(SA_TOKEN_SECRET.as_bytes());
    let token = crate::support::mint::jwt("h", jsonwebtoken::Algorithm::HS256, &key, &all);
    format!("{header}: Bearer {token}\r\n")
}

fn get(case: impl Into<String>, target: &str, lines: &str, status: u16) -> Attack {
    attack(case, request("GET", target, lines), status)
}

/// Every credential of the arena's policy, wherever it could be put, on every other route.
#[test]
fn a_credential_does_not_open_what_asks_for_another() {
    let arena = Arena::new();
    let mut attacks = Vec::new();
    for (case, lines) in other_credentials() {
        // A key of another route is known, and is told so.
        let status = if lines == LIMITED_KEY { 403 } else { 401 };
        let case = format!("/openapi {case}");
        attacks.push(get(case, "/openapi/smuggled", &lines, status));
    }
    let sa = sa_token("im_user:7");
    let jwt = member(&[]);
    let jwt = jwt.trim_end().trim_start_matches("Authorization: Bearer ");
    for (case, value) in [("a key", "keyAbcd123"), ("a Sa-Token", &sa), ("a JWT", jwt)] {
        for name in ["X-App-Key", "token", "Authorization"] {
            let is_own = matches!(
                (case, name),
                ("a key", "X-App-Key") | ("a Sa-Token", "token") | ("a JWT", "Authorization")
            );
            for prefix in ["", "Bearer "] {
                let lines = format!("{name}: {prefix}{value}\r\n");
                if !(is_own && name == "X-App-Key") {
                    let case = format!("{case} in {name} with {prefix:?} on /openapi");
                    attacks.push(get(case, "/openapi/smuggled", &lines, 401));
                }
                if !(is_own && name == "Authorization") {
                    let case = format!("{case} in {name} with {prefix:?} on /api");
                    attacks.push(get(case, "/api/smuggled", &lines, 401));
                }
                if !(is_own && name == "token") {
                    let bytes = handshake("/ws", &lines);
                    attacks.push(attack(
                        format!("{case} in {name} with {prefix:?} on /ws"),
                        bytes,
                        401,
                    ));
                }
            }
        }
    }
    arena.check(attacks);
    arena.expect_open("a key", "/openapi/x", KEY);
    arena.expect_open("a key for its route", "/reports/x", LIMITED_KEY);
    arena.expect_open("a member", "/api/x", &member(&[]));
}

#[test]
fn a_device_type_that_is_not_the_tokens_own_does_not_count() {
    let arena = arena();
    let plain = format!("token: {}\r\n", sa_token("im_user:7"));
    let on_ios = format!(
        "token: {}\r\n",
        sa_token_mixin("im_user:7", "im_app_ios", 3600)
    );
    let member_on_ios = bearer_as("Authorization", "7", &[("dev", "im_app_ios")]);
    let huge = "x".repeat(6_000);
    let mut attacks = Vec::new();
    #[rustfmt::skip]
    let devices = [
        ("none", ""), ("empty", "deviceType:\r\n"), ("unknown", "deviceType: toaster\r\n"), ("in capitals", "deviceType: IM_WEB\r\n"),
        ("a list", "deviceType: im_web,im_app_ios\r\n"), ("quoted", "deviceType: \"im_web\"\r\n"), ("with more", "deviceType: im_web2\r\n"),
        ("with less", "deviceType: im_we\r\n"), ("a parameter", "deviceType: im_web;q=1\r\n"), ("escaped", "deviceType: im%5Fweb\r\n"),
        ("a wildcard", "deviceType: *\r\n"), ("under another name", "device_type: im_web\r\n"), ("under a look-alike", "device-Type: im_web\r\n"),
    ];
    for (case, line) in devices {
        for (target, token) in [
            ("/device", &plain),
            ("/member-device", &bearer_as("Authorization", "7", &[])),
        ] {
            let lines = format!("{token}{line}");
            attacks.push(get(
                format!("{case} on {target}"),
                &format!("{target}/smuggled"),
                &lines,
                403,
            ));
        }
        let bytes = handshake("/ws", &format!("{plain}{line}"));
        attacks.push(attack(format!("{case} on a socket"), bytes, 403));
    }
    attacks.push(get(
        "oversized",
        "/device/smuggled",
        &format!("{plain}deviceType: {huge}\r\n"),
        403,
    ));
    let target = format!("/device/smuggled?deviceType={huge}");
    attacks.push(get("oversized in the query", &target, &plain, 403));
    attacks.push(get(
        "another than the token's",
        "/device/smuggled",
        &format!("{on_ios}deviceType: im_web\r\n"),
        403,
    ));
    attacks.push(get(
        "another than the token's, in the query",
        "/device/smuggled?deviceType=im_web",
        &on_ios,
        403,
    ));
    attacks.push(get(
        "another than the member's",
        "/member-device/smuggled",
        &format!("{member_on_ios}deviceType: im_web\r\n"),
        403,
    ));
    arena.check(attacks);
    arena.expect_open(
        "its own",
        "/device/x",
        &format!("{on_ios}deviceType: im_app_ios\r\n"),
    );
    arena.expect_open(
        "one of those",
        "/device/x",
        &format!("{plain}deviceType: im_web\r\n"),
    );
    arena.expect_open(
        "the member's own",
        "/member-device/x",
        &format!("{member_on_ios}deviceType: im_app_ios\r\n"),
    );
}

#[test]
fn a_device_type_that_is_claimed_twice_does_not_count() {
    let arena = arena();
    let plain = format!("token: {}\r\n", sa_token("im_user:7"));
    let mut attacks = Vec::new();
    for (case, target, line) in [
        (
            "twice",
            "/device/smuggled",
            "deviceType: im_web\r\ndeviceType: im_web\r\n",
        ),
        (
            "twice in two spellings",
            "/device/smuggled",
            "deviceType: im_web\r\nDEVICETYPE: im_app_ios\r\n",
        ),
        (
            "twice in the query",
            "/device/smuggled?deviceType=im_web&deviceType=im_web",
            "",
        ),
        (
            "twice in the query, once escaped",
            "/device/smuggled?deviceType=im_web&device%54ype=im_app_ios",
            "",
        ),
        (
            "twice in the query, once empty",
            "/device/smuggled?deviceType=im_web&deviceType",
            "",
        ),
        (
            "twice in two cases",
            "/device/smuggled?deviceType=im_web&devicetype=im_app_ios",
            "",
        ),
        (
            "once more in a list",
            "/device/smuggled?deviceType=im_web&deviceType[]=im_app_ios",
            "",
        ),
        (
            "in a header, and in another case in the query",
            "/device/smuggled?DEVICETYPE=im_app_ios",
            "deviceType: im_web\r\n",
        ),
        (
            "once more behind a semicolon",
            "/device/smuggled?deviceType=im_web&a=1;deviceType=im_app_ios",
            "",
        ),
        (
            "in header and query",
            "/device/smuggled?deviceType=im_app_ios",
            "deviceType: im_web\r\n",
        ),
    ] {
        attacks.push(get(case, target, &format!("{plain}{line}"), 400));
    }
    arena.check(attacks);
}

#[test]
fn a_token_of_one_app_does_not_pass_with_the_key_of_another() {
    let arena = arena();
    let key = |app: &str| format!("X-App-Key: key-of-{app}\r\n");
    let of = |app: &str| bearer_as("Authorization", "7", &[("app_id", app)]);
    let target = "/both/smuggled";
    let mut attacks = vec![
        get(
            "shop's key, chat's token",
            target,
            &(key("shop") + &of("chat")),
            403,
        ),
        get(
            "chat's key, shop's token",
            target,
            &(key("chat") + &of("shop")),
            403,
        ),
        get("a key alone", target, &key("shop"), 401),
        get("a token alone", target, &of("shop"), 401),
        get("nothing", target, "", 401),
        get(
            "a token for a key",
            target,
            &(of("shop").replace("Authorization: Bearer", "X-App-Key:") + &of("shop")),
            401,
        ),
        get(
            "a key for a token",
            target,
            &(key("shop") + "Authorization: Bearer key-of-shop\r\n"),
            401,
        ),
        get("a bad key", target, &(key("nobody") + &of("shop")), 401),
        get(
            "a bad token",
            target,
            &(key("shop") + "Authorization: Bearer a.b.c\r\n"),
            401,
        ),
        get(
            "two keys",
            target,
            &(key("shop") + &key("chat") + &of("shop")),
            400,
        ),
    ];
    for app in ["SHOP", "shop ", "shopx", "sho", "Shop", "shop,chat"] {
        attacks.push(get(
            format!("an app like shop: {app}"),
            target,
            &(key("shop") + &of(app)),
            403,
        ));
    }
    arena.check(attacks);
    arena.expect_open("shop's both", "/both/x", &(key("shop") + &of("shop")));
    arena.expect_open("chat's both", "/both/x", &(key("chat") + &of("chat")));
}

#[test]
fn a_token_of_one_user_does_not_pass_beside_anothers() {
    let arena = arena();
    let first = |subject: &str| bearer_as("Authorization", subject, &[]);
    let second = |subject: &str| bearer_as("X-Second", subject, &[]);
    let with = |header: &str, name: &str, value: &str| bearer_as(header, "7", &[(name, value)]);
    let target = "/two/smuggled";
    arena.check([
        get("7 and 8", target, &(first("7") + &second("8")), 403),
        get("8 and 7", target, &(first("8") + &second("7")), 403),
        get("7 and 07", target, &(first("7") + &second("07")), 403),
        get(
            "7 twice in one place",
            target,
            &(first("7") + &first("7")),
            400,
        ),
        get("one alone", target, &first("7"), 401),
        get("the other alone", target, &second("7"), 401),
        get(
            "two apps",
            target,
            &(with("Authorization", "app_id", "shop") + &with("X-Second", "app_id", "chat")),
            403,
        ),
        // A bad one is a reason to refuse beside a good one, too.
        get(
            "good and bad",
            "/either/smuggled",
            &(first("7") + "X-Second: Bearer e30.e30.e30\r\n"),
            401,
        ),
        get(
            "bad and good",
            "/either/smuggled",
            &(second("7") + "Authorization: Bearer e30.e30.e30\r\n"),
            401,
        ),
    ]);
    arena.expect_open("7 and 7", "/two/x", &(first("7") + &second("7")));
    // With either, the first that is configured says who it is, in whatever order they come.
    for lines in [first("7") + &second("8"), second("8") + &first("7")] {
        let answer = arena.gate().get("/either/x", &lines);
        assert_eq!(answer.status(), 200);
        let arrived = arena.expect_arrived(&["GET /either/x"]);
        assert_eq!(arrived[0].head.all("x-auth-subject"), ["7"]);
        assert_eq!(arrived[0].head.all("x-auth-authenticator"), ["member"]);
    }
}

//! A policy in YAML, a raw request, one line of outcome.

use std::time::Duration;

use super::*;
use crate::policy::testing::policy;
use crate::request::testing;
use crate::scheme::sa_token::{Mint, Mixin, mint};
use crate::secret::Secret;

mod readings;
mod tls;

const POLICY: &str = r#"
authenticators:
  partners:
    from: [{ header: X-App-Key }]
    app_key:
      keys:
        - { id: a, secret: { value: key-a } }
        - { id: old, secret: { value: key-old }, not_after: 2020-01-01T00:00:00Z }
        - { id: narrow, secret: { value: key-narrow }, routes: [other] }
  users:
    from: [{ header: token, prefix: Bearer }, { query: token }]
    sa_token:
      secret: { value: "0123456789abcdef0123456789abcdef" }
      user_types: [im_user]
      sessions: { none: { max_age: 12h } }
  others:
    from: [{ header: token2 }]
    sa_token:
      secret: { value: "0123456789abcdef0123456789abcdef" }
      user_types: [im_user]
      sessions: { none: { max_age: 12h } }
  cookie-users:
    from: [{ cookie: im, origins: [https://chat.example.com] }, { header: token3 }]
    sa_token:
      secret: { value: "0123456789abcdef0123456789abcdef" }
      user_types: [im_user]
      sessions: { none: { max_age: 12h } }
  bearer-users:
    from: [{ header: Authorization, prefix: Bearer }]
    sa_token:
      secret: { value: "0123456789abcdef0123456789abcdef" }
      user_types: [im_user]
      sessions: { none: { max_age: 12h } }
  prefixed-partners:
    from: [{ header: Authorization, prefix: ApiKey }]
    app_key: { keys: [{ id: b, secret: { value: key-b } }] }
  remote:
    from: [{ header: remote }]
    sa_token:
      secret: { value: "0123456789abcdef0123456789abcdef" }
      user_types: [im_user]
      sessions: { redis: { address: "127.0.0.1:6379", key: "k:{token}" } }
routes:
  - { name: openapi, match: { path: /openapi/** }, require: { any_of: [partners] }, upstream: im }
  - { name: other, match: { path: /other/** }, require: { any_of: [partners] }, upstream: im }
  - { name: either, match: { path: /either }, require: { any_of: [partners, users] }, upstream: im }
  - { name: both, match: { path: /both }, require: { all_of: [partners, users] }, upstream: im }
  - name: devices
    match: { path: /devices }
    require: { any_of: [users, others], device_type: { from: [{ header: deviceType }], one_of: [im_web, im_pc_mac], aliases: { web: im_web } } }
    upstream: im
  - { name: prefixes, match: { path: /prefixes }, require: { any_of: [bearer-users, prefixed-partners] }, upstream: im }
  - { name: cookies, match: { path: /cookies }, require: { any_of: [cookie-users] }, upstream: im }
  - { name: cookie-and-key, match: { path: /cookie-and-key }, require: { all_of: [partners, cookie-users] }, upstream: im }
  - { name: remote, match: { path: /remote }, require: { any_of: [remote] }, upstream: im }
  - name: ws
    match: { path: /ws }
    websocket: true
    require:
      any_of: [users]
      device_type:
        from: [{ header: deviceType }, { query: deviceType }]
        one_of: [im_web, im_pc_mac]
        aliases: { web: im_web }
    upstream: im
  - { name: health, match: { path: /health, methods: [GET] }, require: public, upstream: im }
"#;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOW: i64 = 1_800_000_000;

fn token(user_type: &str, device: Option<&str>) -> String {
    let lifetime = Some(Duration::from_mins(1));
    let claims = Mint {
        login_type: "login".to_owned(),
        user_type: user_type.to_owned(),
        separator: ':',
        user: "7".to_owned(),
        random: "r".repeat(32),
        mixin: Some(Mixin::new(
            device.map(str::to_owned),
            lifetime,
            UnixTime::from_secs(NOW),
        )),
    };
    mint(&Secret::new(SECRET), &claims)
}

#[track_caller]
fn check(request_text: &str, expected: &str) {
    check_with(request_text, Handshake::NotAsked, expected);
}

#[track_caller]
fn check_with(request_text: &str, handshake: Handshake, expected: &str) {
    let bytes = testing::bytes(request_text);
    let head = testing::head(&bytes);
    let request = testing::request(&head);
    let policy = policy(POLICY);
    let decided = decide(&policy, &request, handshake, UnixTime::from_secs(NOW));
    let Decision { outcome, .. } = testing::block_on(decided);
    let line = match outcome {
        Ok(ruling) => {
            let permit = ruling.permit();
            let who = permit.admission.as_ref().map_or("anybody", |admission| {
                let principal = &admission.principal;
                principal
                    .subject
                    .as_deref()
                    .or(principal.app.as_deref())
                    .unwrap_or("?")
            });
            let device = permit.device_type().map_or("-", |device| device);
            format!("{} {who} {device}", permit.route.name)
        }
        Err(denial) => format!("{} {}", denial.status(), denial.reason()),
    };
    assert_eq!(line, expected, "{request_text}");
}

#[test]
fn an_app_key_opens_its_routes_only() {
    check("GET /openapi/x HTTP/1.1\nX-App-Key: key-a", "openapi a -");
    check("GET /openapi/x HTTP/1.1", "401 no_credential");
    check(
        "GET /openapi/x HTTP/1.1\nX-App-Key: key-b",
        "401 unknown_key",
    );
    check("GET /openapi/x HTTP/1.1\nX-App-Key: key-old", "401 expired");
    check(
        "GET /openapi/x HTTP/1.1\nX-App-Key: key-narrow",
        "403 wrong_app",
    );
    check(
        "GET /other/x HTTP/1.1\nX-App-Key: key-narrow",
        "other narrow -",
    );
    check(
        "GET /openapi/x HTTP/1.1\nX-App-Key: key-a\nx-app-key: key-a",
        "400 conflict",
    );
}

#[test]
fn unknown_paths_and_methods_have_their_own_answers() {
    check("GET /nowhere HTTP/1.1\nX-App-Key: key-a", "404 no_route");
    check("GET /health HTTP/1.1", "health anybody -");
    check("POST /health HTTP/1.1", "405 method");
}

#[test]
fn a_bad_credential_denies_even_beside_a_good_one() {
    let good = token("im_user", None);
    let forged = format!("{}x", token("im_user", None));
    check(
        &format!("GET /either HTTP/1.1\ntoken: {good}"),
        "either 7 -",
    );
    check("GET /either HTTP/1.1\nX-App-Key: key-a", "either a -");
    check(
        &format!("GET /either HTTP/1.1\nX-App-Key: key-a\ntoken: Bearer {forged}"),
        "401 bad_signature",
    );
    check("GET /either HTTP/1.1\ntoken: not-a-jwt", "401 malformed");
    // Where the route asks for the key alone, the token is nobody's business here.
    check(
        &format!("GET /openapi/x HTTP/1.1\nX-App-Key: key-a\ntoken: {forged}"),
        "openapi a -",
    );
}

#[test]
fn all_of_wants_every_credential() {
    let good = token("im_user", None);
    check(
        &format!("GET /both HTTP/1.1\nX-App-Key: key-a\ntoken: {good}"),
        "both 7 -",
    );
    check(
        &format!("GET /both HTTP/1.1\ntoken: {good}"),
        "401 no_credential",
    );
    check("GET /both HTTP/1.1\nX-App-Key: key-a", "401 no_credential");
}

#[test]
fn a_websocket_route_asks_for_the_handshake_first() {
    check_with("GET /ws HTTP/1.1", Handshake::NotAsked, "426 upgrade");
    check_with("GET /ws HTTP/1.1", Handshake::Malformed, "400 upgrade");
    check_with("GET /ws HTTP/1.1", Handshake::Valid, "401 no_credential");
    check_with("POST /ws HTTP/1.1", Handshake::NotAsked, "426 upgrade");
}

#[test]
fn user_type_and_device_type_are_refused_after_the_proof() {
    let user = token("im_user", Some("im_web"));
    let admin = token("sys_user", Some("im_web"));
    for (case, headers, expected) in [
        (
            "fine",
            format!("token: {user}\ndeviceType: im_web"),
            "ws 7 im_web",
        ),
        (
            "an alias",
            format!("token: {user}\ndeviceType: web"),
            "ws 7 im_web",
        ),
        (
            "another user type",
            format!("token: {admin}\ndeviceType: im_web"),
            "403 user_type",
        ),
        (
            "no device type",
            format!("token: {user}"),
            "403 device_type",
        ),
        (
            "an unlisted one",
            format!("token: {user}\ndeviceType: android"),
            "403 device_type",
        ),
        (
            "unlike the token's",
            format!("token: {user}\ndeviceType: im_pc_mac"),
            "403 device_type",
        ),
        (
            "doubled",
            format!("token: {user}\ndeviceType: im_web\ndeviceType: im_web"),
            "400 conflict",
        ),
        (
            "no token comes first",
            "deviceType: android".to_owned(),
            "401 no_credential",
        ),
    ] {
        let text = format!("GET /ws HTTP/1.1\n{headers}");
        println!("{case}");
        check_with(&text, Handshake::Valid, expected);
    }
    let query = format!("GET /ws?token={user}&deviceType=im_pc_mac HTTP/1.1\ndeviceType: im_web");
    check_with(&query, Handshake::Valid, "400 conflict");
}

#[test]
fn an_outage_is_neither_a_rejection_nor_an_admission() {
    let good = token("im_user", None);
    check(
        &format!("GET /remote HTTP/1.1\nremote: {good}"),
        "503 unavailable",
    );
    check("GET /remote HTTP/1.1\nremote: a.b.c", "401 malformed");
}

#[test]
fn nothing_secret_shows_in_debug() {
    let good = token("im_user", None);
    let bytes = testing::bytes(&format!("GET /either HTTP/1.1\ntoken: {good}"));
    let head = testing::head(&bytes);
    let request = testing::request(&head);
    let policy = policy(POLICY);
    let now = UnixTime::from_secs(NOW);
    let decision = testing::block_on(decide(&policy, &request, Handshake::NotAsked, now));
    assert!(decision.outcome.is_ok());
    let shown = format!("{decision:?} {policy:?} {request:?}");
    assert!(!shown.contains(&good) && !shown.contains("key-a") && !shown.contains(SECRET));
}

//! A policy, a request, and the head that the upstream sees.

use super::*;
use crate::gate::{self, Handshake};
use crate::policy::testing::policy;
use crate::request::testing;
use crate::scheme::sa_token::{Mint, Mixin, mint};
use crate::secret::Secret;

mod owners;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOW: i64 = 1_800_000_000;

const AUTHENTICATORS: &str = r#"
authenticators:
  partners: { from: [{ header: X-App-Key }], app_key: { keys: [{ id: shop, secret: { value: key-a } }] } }
  users:
    from:
      - { header: token, prefix: Bearer }
      - { query: token }
      - { subprotocol: imgate.bearer. }
      - { cookie: im, origins: [https://chat.example.com] }
    sa_token:
      secret: { value: "0123456789abcdef0123456789abcdef" }
      user_types: [im_user]
      sessions: { none: { max_age: 12h } }
  internal: { from: [{ header: app_token }], app_key: { keys: [{ id: inner, secret: { value: key-i } }] } }
identity: { prefix: X-Auth-, remove: [SA-SAME-TOKEN] }
"#;

fn token() -> String {
    let claims = Mint {
        login_type: "login".to_owned(),
        user_type: "im_user".to_owned(),
        separator: ':',
        user: "7".to_owned(),
        random: "r".repeat(32),
        mixin: Some(Mixin::new(None, None, UnixTime::from_secs(NOW))),
    };
    mint(&Secret::new(SECRET), &claims)
}

/// The head for one route with `require`, as text; the forwarding headers are left off.
fn forwarded(route: &str, request_text: &str, websocket: bool) -> String {
    let yaml = format!(
        "{AUTHENTICATORS}routes:\n  - {{ match: {{ path: /r }}, upstream: im, {route} }}\n"
    );
    let policy = policy(&yaml);
    let bytes = testing::bytes(request_text);
    let head = testing::head(&bytes);
    let request = testing::request(&head);
    let handshake = if websocket {
        Handshake::Valid
    } else {
        Handshake::NotAsked
    };
    let decided = gate::decide(&policy, &request, handshake, UnixTime::from_secs(NOW));
    let permit = testing::block_on(decided).outcome.unwrap().permit();
    let nominated: Vec<&str> = head.tokens("connection").flatten().collect();
    let facts = Facts {
        peer: "192.0.2.1",
        trusted: false,
        nominated: &nominated,
        request_id: "id",
        now: UnixTime::from_secs(NOW),
        session: websocket.then_some(SessionId(1)),
    };
    let sent = request_head(&policy, &permit, &request, facts).text(&bytes);
    let ours = "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: chat\r\n\
                X-Request-Id: id\r\n";
    assert!(sent.contains(ours), "{sent}");
    sent.replace(ours, "")
        .replace("\r\n", "\n")
        .trim_end()
        .to_owned()
}

#[track_caller]
fn check(route: &str, request: &str, expected: &str) {
    let token = token();
    let sent = forwarded(route, &request.replace("TOKEN", &token), false);
    assert_eq!(sent, expected.trim().replace("TOKEN", &token));
}

const BY_KEY: &str = "require: { any_of: [partners] }";
const BY_TOKEN: &str = "require: { any_of: [users] }";

#[test]
fn a_verified_credential_stays_where_it_was() {
    check(
        BY_KEY,
        "GET /r?a=%2F&b HTTP/1.1\nHost: chat\nX-App-Key: key-a\nAccept: */*",
        "GET /r?a=%2F&b HTTP/1.1\nHost: chat\nX-App-Key: key-a\nAccept: */*\n\
         X-Auth-App-Id: shop\nX-Auth-Authenticator: partners",
    );
}

#[test]
fn an_unverified_credential_never_passes_from_any_place() {
    check(
        BY_KEY,
        "GET /r?a=1&token=forged&%74oken=x&b=2 HTTP/1.1\nHost: chat\ntoken: forged\n\
         X-App-Key: key-a\nSec-WebSocket-Protocol: imgate.bearer.eA",
        "GET /r?a=1&b=2 HTTP/1.1\nHost: chat\nX-App-Key: key-a\n\
         X-Auth-App-Id: shop\nX-Auth-Authenticator: partners",
    );
    check(
        "require: public",
        "GET /r?token=forged HTTP/1.1\nHost: chat\ntoken: forged\nx_app_key: a",
        "GET /r HTTP/1.1\nHost: chat",
    );
}

#[test]
fn a_route_may_wave_an_unverified_credential_through() {
    check(
        "require: public, pass_unverified: [users]",
        "GET /r?token=t HTTP/1.1\nHost: chat\ntoken: t\nX-App-Key: k",
        "GET /r?token=t HTTP/1.1\nHost: chat\ntoken: t",
    );
}

#[test]
fn the_credential_takes_the_form_and_the_place_that_the_route_names() {
    let identity = "X-Auth-Subject: 7\nX-Auth-User-Type: im_user\nX-Auth-Authenticator: users";
    for (case, rule, carried, expected) in [
        (
            "keep",
            "",
            "token: bearer  TOKEN",
            "token: bearer  TOKEN\nIDENTITY",
        ),
        (
            "bare",
            ", credential: { form: bare }",
            "token: Bearer TOKEN",
            "IDENTITY_AFTER token: TOKEN",
        ),
        (
            "bearer",
            ", credential: { form: bearer }",
            "token: TOKEN",
            "IDENTITY_AFTER token: Bearer TOKEN",
        ),
        (
            "strip",
            ", credential: { form: strip }",
            "token: TOKEN",
            "IDENTITY",
        ),
        (
            "another place",
            ", credential: { form: bearer, as: { header: Authorization } }",
            "Authorization: Basic eve\ntoken: TOKEN",
            "IDENTITY_AFTER Authorization: Bearer TOKEN",
        ),
    ] {
        let expected = match expected.strip_prefix("IDENTITY_AFTER ") {
            Some(first) => format!("{first}\n{identity}"),
            None => expected.replace("IDENTITY", identity),
        };
        let request = format!("GET /r HTTP/1.1\nHost: chat\n{carried}");
        println!("{case}");
        check(
            &format!("{BY_TOKEN}{rule}"),
            &request,
            &format!("GET /r HTTP/1.1\nHost: chat\n{expected}"),
        );
    }
}

#[test]
fn an_unverified_cookie_is_cut_out_of_its_header() {
    for (case, cookies, expected) in [
        (
            "among others",
            "a=1; im=forged;  b=\"2, 3\"",
            "Cookie: a=1;  b=\"2, 3\"\n",
        ),
        ("the only one", "im=forged", ""),
        (
            "twice, and look-alikes",
            "im=a; IM=b; %69m=c; im; x=1",
            "Cookie: x=1\n",
        ),
        ("none", "a=1,2; imx=1;b=2", "Cookie: a=1,2; imx=1;b=2\n"),
    ] {
        println!("{case}");
        for (route, key, identity) in [
            (
                BY_KEY,
                "X-App-Key: key-a\n",
                "\nX-Auth-App-Id: shop\nX-Auth-Authenticator: partners",
            ),
            ("require: public", "", ""),
        ] {
            check(
                route,
                &format!("GET /r HTTP/1.1\nHost: chat\n{key}Cookie: {cookies}\nAccept: a"),
                &format!("GET /r HTTP/1.1\nHost: chat\n{key}{expected}Accept: a{identity}"),
            );
        }
    }
    check(
        "require: public, pass_unverified: [users]",
        "GET /r HTTP/1.1\nHost: chat\nCookie: a=1; im=forged",
        "GET /r HTTP/1.1\nHost: chat\nCookie: a=1; im=forged",
    );
}

#[test]
fn a_verified_cookie_arrives_in_a_header() {
    let identity = "X-Auth-Subject: 7\nX-Auth-User-Type: im_user\nX-Auth-Authenticator: users";
    let request = "GET /r HTTP/1.1\nHost: chat\nOrigin: https://chat.example.com\n\
                   Cookie: a=1; im=\"TOKEN\"; b=2";
    for (case, rule, target, added) in [
        ("the first of its authenticator", "", "/r", "token: TOKEN\n"),
        (
            "with a word",
            ", credential: { form: bearer }",
            "/r",
            "token: Bearer TOKEN\n",
        ),
        (
            "another",
            ", credential: { form: bare, as: { header: Authorization } }",
            "/r",
            "Authorization: TOKEN\n",
        ),
        (
            "a parameter",
            ", credential: { as: { query: t } }",
            "/r?t=QUERY",
            "",
        ),
        ("nowhere", ", credential: { form: strip }", "/r", ""),
    ] {
        println!("{case}");
        let target = target.replace(
            "QUERY",
            &percent_encode(token().as_bytes(), percent_encoding::NON_ALPHANUMERIC).to_string(),
        );
        check(
            &format!("{BY_TOKEN}{rule}"),
            request,
            &format!(
                "GET {target} HTTP/1.1\nHost: chat\nOrigin: https://chat.example.com\n\
                 Cookie: a=1; b=2\n{added}{identity}"
            ),
        );
    }
}

#[test]
fn a_cookie_beside_the_same_token_is_a_copy() {
    for origin in ["https://chat.example.com", "https://evil.example.com"] {
        check(
            BY_TOKEN,
            &format!(
                "GET /r HTTP/1.1\nHost: chat\nOrigin: {origin}\ntoken: TOKEN\nCookie: im=TOKEN"
            ),
            &format!(
                "GET /r HTTP/1.1\nHost: chat\nOrigin: {origin}\ntoken: TOKEN\n\
                 X-Auth-Subject: 7\nX-Auth-User-Type: im_user\nX-Auth-Authenticator: users"
            ),
        );
    }
}

#[test]
fn a_query_token_can_become_a_header_and_leaves_the_query() {
    check(
        &format!("{BY_TOKEN}, credential: {{ form: bare, as: {{ header: token }} }}"),
        "GET /r?token=TOKEN&room=1 HTTP/1.1\nHost: chat",
        "GET /r?room=1 HTTP/1.1\nHost: chat\ntoken: TOKEN\n\
         X-Auth-Subject: 7\nX-Auth-User-Type: im_user\nX-Auth-Authenticator: users",
    );
}

#[test]
fn all_other_copies_of_a_verified_credential_are_removed() {
    check(
        BY_TOKEN,
        "GET /r?token=TOKEN HTTP/1.1\nHost: chat\ntoken: TOKEN",
        "GET /r HTTP/1.1\nHost: chat\ntoken: TOKEN\n\
         X-Auth-Subject: 7\nX-Auth-User-Type: im_user\nX-Auth-Authenticator: users",
    );
}

#[test]
fn identity_hop_by_hop_and_nominated_headers_end_here() {
    check(
        BY_KEY,
        "GET /r HTTP/1.1\nHost: chat\nX-App-Key: key-a\nX-Auth-Subject: evil\nX_Auth_Subject: evil\n\
         x.auth.app.id: evil\nsa-same-token: evil\nX-Forwarded-For: 1.1.1.1\nForwarded: for=1.1.1.1\n\
         Connection: close, X-Custom\nX-Custom: 1\nTE: trailers\nKeep-Alive: 5\nUpgrade: h2c\n\
         HTTP2-Settings: AAA\nAccept: a",
        "GET /r HTTP/1.1\nHost: chat\nX-App-Key: key-a\nAccept: a\n\
         X-Auth-App-Id: shop\nX-Auth-Authenticator: partners",
    );
}

#[test]
fn set_headers_replace_the_clients_copy() {
    check(
        &format!("{BY_KEY}, set_headers: {{ X-App-Key: {{ value: backend-key }} }}"),
        "GET /r HTTP/1.1\nHost: chat\nx-app-key: key-a",
        "GET /r HTTP/1.1\nHost: chat\nX-Auth-App-Id: shop\nX-Auth-Authenticator: partners\n\
         X-App-Key: backend-key",
    );
}

#[test]
fn a_websocket_handshake_asks_for_exactly_one_upgrade() {
    let token = token();
    let entry = base64::Engine::encode(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD,
        token.as_bytes(),
    );
    let request = format!(
        "GET /r HTTP/1.1\nHost: chat\nConnection: keep-alive, Upgrade\nUpgrade: WebSocket\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Version: 13\n\
         Sec-WebSocket-Protocol: imgate.bearer.{entry}, chat, json"
    );
    let sent = forwarded(&format!("{BY_TOKEN}, websocket: true"), &request, true);
    let expected = format!(
        "GET /r HTTP/1.1\nHost: chat\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\
         Sec-WebSocket-Version: 13\ntoken: {token}\nSec-WebSocket-Protocol: chat, json\n\
         X-Auth-Subject: 7\nX-Auth-User-Type: im_user\nX-Auth-Authenticator: users\n\
         X-Auth-Session-Id: 00000000000000000000000000000001\n\
         Connection: Upgrade\nUpgrade: websocket"
    );
    assert_eq!(sent, expected);
}

#[test]
fn an_alias_of_a_device_type_goes_out_under_its_configured_name() {
    let route = "require: { any_of: [users], device_type: { from: [{ header: deviceType }, \
                 { query: deviceType }], one_of: [im_web], aliases: { web: im_web } } }";
    check(
        route,
        "GET /r?deviceType=web&x=1 HTTP/1.1\nHost: chat\ntoken: TOKEN",
        "GET /r?x=1 HTTP/1.1\nHost: chat\ntoken: TOKEN\ndeviceType: im_web\n\
         X-Auth-Subject: 7\nX-Auth-User-Type: im_user\nX-Auth-Device-Type: im_web\n\
         X-Auth-Authenticator: users",
    );
    check(
        route,
        "GET /r HTTP/1.1\nHost: chat\ntoken: TOKEN\ndeviceType: im_web",
        "GET /r HTTP/1.1\nHost: chat\ntoken: TOKEN\ndeviceType: im_web\n\
         X-Auth-Subject: 7\nX-Auth-User-Type: im_user\nX-Auth-Device-Type: im_web\n\
         X-Auth-Authenticator: users",
    );
}

const OBSERVED: &str = "mode: observe, until: 2027-01-31T00:00:00Z";

#[test]
fn whoever_passes_as_nobody_gets_nothing_from_the_gate() {
    let route = format!(
        "{BY_TOKEN}, {OBSERVED}, credential: {{ form: bare, as: {{ header: X-Token }} }}, \
         set_headers: {{ X-App-Key: {{ value: backend }}, X-Tenant: {{ value: one }} }}"
    );
    let request = "GET /r?token=forged&a=1 HTTP/1.1\nHost: chat\ntoken: Bearer forged\n\
                   X-App-Key: theirs\nX-Tenant: theirs\nX-Token: theirs\nX-Auth-Subject: 1\n\
                   X_Auth_Subject: 1\nsa-same-token: 1\nCookie: im=forged; a=b";
    check(
        &route,
        request,
        "GET /r?a=1 HTTP/1.1\nHost: chat\nCookie: a=b",
    );
    // What is theirs may pass as such, also where the gate puts its own for those whom it lets in.
    check(
        &format!("{route}, pass_unverified: [users, partners]"),
        request,
        "GET /r?token=forged&a=1 HTTP/1.1\nHost: chat\ntoken: Bearer forged\nX-App-Key: theirs\n\
         Cookie: im=forged; a=b",
    );
    check(
        &format!(
            "{BY_TOKEN}, {OBSERVED}, pass_unverified: [users], \
             credential: {{ form: bare, as: {{ header: token }} }}"
        ),
        "GET /r?token=forged HTTP/1.1\nHost: chat\ntoken: Bearer forged",
        "GET /r?token=forged HTTP/1.1\nHost: chat\ntoken: Bearer forged",
    );
    check(
        &format!("{BY_KEY}, {OBSERVED}"),
        "GET /r HTTP/1.1\nHost: chat\nX-App-Key: key-a\ntoken: forged",
        "GET /r HTTP/1.1\nHost: chat\nX-App-Key: key-a\nX-Auth-App-Id: shop\n\
         X-Auth-Authenticator: partners",
    );
}

//! A request with claims, one line of outcome; and the same again for sessions.

use serde_json::json;

use super::*;
use crate::clock::UnixTime;
use crate::gate::first_message::{Entrance, Occasion, Presented};
use crate::gate::standing::Standing;
use crate::gate::{self, Handshake, Ruling};
use crate::policy::Policy;
use crate::policy::testing::policy;
use crate::request::testing;

const AUTHENTICATORS: &str = r#"
authenticators:
  users:
    from: [{ header: token }]
    jwt:
      keys: [{ algorithm: HS256, secret: { value: "0123456789abcdef0123456789abcdef" } }]
      issuer: any
      audience: any
      claims: { subject: sub, user_type: typ, device_type: dev, app: app }
  others:
    from: [{ header: other }]
    jwt: { keys: [{ algorithm: HS256, secret: { value: "0123456789abcdef0123456789abcdef" } }], issuer: any, audience: any }
"#;

const ROUTES: &str = r#"
routes:
  - { name: query, match: { path: /query }, require: { any_of: [users, others], match: { subject: { query: sendID } } }, upstream: im }
  - { name: header, match: { path: /header }, require: { any_of: [users], match: { subject: { header: X-User } } }, upstream: im }
  - { name: path, match: { path: "/orgs/{app}/users/{user}/**" }, require: { any_of: [users], match: { app: { path: app }, subject: { path: user } } }, upstream: im }
  - { name: all, match: { path: /all }, require: { any_of: [users], match: { app: { query: a }, device_type: { query: d }, user_type: { query: t } } }, upstream: im }
  - { name: message, match: { path: /message }, websocket: true, require: { first_message: { json: { pointer: /token, any_of: [others] } }, match: { subject: { query: sendID } } }, upstream: im }
  - { name: ws, match: { path: /ws }, websocket: true, require: { any_of: [users], match: { subject: { query: sendID } } }, session: { renew: /ws/renew }, upstream: im }
"#;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

fn the_policy() -> Policy {
    policy(&format!("{AUTHENTICATORS}{ROUTES}"))
}

fn token(claims: &serde_json::Value) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(b"0123456789abcdef0123456789abcdef");
    let mut claims = claims.clone();
    claims["exp"] = 1_800_000_060_u64.into();
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

/// User 7 with everything that a token can say.
fn seven() -> String {
    token(&json!({ "sub": "7", "typ": "im_user", "dev": "web", "app": "acme" }))
}

#[track_caller]
fn check(lines: &str, expected: &str) {
    let lines = lines
        .replace("SEVEN", &seven())
        .replace("EIGHT", &token(&json!({ "sub": "8" })));
    let bytes = testing::bytes(&lines);
    let head = testing::head(&bytes);
    let request = testing::request(&head);
    let policy = the_policy();
    let deciding = gate::decide(&policy, &request, Handshake::NotAsked, NOW);
    let line = match testing::block_on(deciding).outcome {
        Ok(ruling) => ruling.permit().route.name.to_string(),
        Err(denial) => format!("{} {}", denial.status(), denial.reason()),
    };
    assert_eq!(line, expected, "{lines}");
}

#[test]
fn a_claimed_user_is_the_proven_one() {
    check("GET /query?sendID=7 HTTP/1.1\ntoken: SEVEN", "query");
    check("GET /query?a=b&sendID=%37 HTTP/1.1\ntoken: SEVEN", "query");
    for (case, target) in [
        ("another", "/query?sendID=8"),
        ("nobody", "/query"),
        ("an empty name", "/query?sendID="),
        ("a longer name", "/query?sendID=77"),
        ("a blank behind it", "/query?sendID=7+"),
        ("another spelling", "/query?sendID=07"),
        ("a name in another place", "/query?sendid2=7"),
        ("an escaped parameter of another name", "/query?send%5FID=7"),
    ] {
        let lines = format!("GET {target} HTTP/1.1\ntoken: SEVEN");
        check(&lines, "403 subject");
        assert!(!case.is_empty());
    }
}

#[test]
fn what_some_server_reads_otherwise_is_refused() {
    for target in [
        "/query?sendID=7&sendID=7",
        "/query?sendID=7&sendID=8",
        "/query?sendID=7&sendid=8",
        "/query?SENDID=8&sendID=7",
        "/query?sendID=7&sendID[]=8",
        "/query?sendID=7&sendID%5B0%5D=8",
        "/query?sendID=7;sendID=8",
        "/query?a=;sendID=8&sendID=7",
        "/query?send%49D=8&sendID=7",
    ] {
        let lines = format!("GET {target} HTTP/1.1\ntoken: SEVEN");
        check(&lines, "400 conflict");
    }
    for header in ["X_User: 8", "x.user: 8", "X-USER: 8", "X-User: 7"] {
        let lines = format!("GET /header HTTP/1.1\ntoken: SEVEN\nX-User: 7\n{header}");
        check(&lines, "400 conflict");
    }
    check("GET /header HTTP/1.1\ntoken: SEVEN\nX-User: 7", "header");
    check(
        "GET /header HTTP/1.1\ntoken: SEVEN\nX-User: 7, 8",
        "403 subject",
    );
    check(
        "GET /header HTTP/1.1\ntoken: SEVEN\nX_User: 7",
        "400 conflict",
    );
}

#[test]
fn who_is_not_known_at_all_is_told_so_first() {
    check("GET /query?sendID=8 HTTP/1.1", "401 no_credential");
    check(
        "GET /query?sendID=8 HTTP/1.1\ntoken: x.y.z",
        "401 malformed",
    );
}

#[test]
fn every_proof_has_to_agree() {
    check(
        "GET /query?sendID=7 HTTP/1.1\ntoken: SEVEN\nother: SEVEN",
        "query",
    );
    for sender in ["7", "8"] {
        let lines = format!("GET /query?sendID={sender} HTTP/1.1\ntoken: SEVEN\nother: EIGHT");
        check(&lines, "403 subject");
    }
}

#[test]
fn segments_of_the_path_are_claims_too() {
    check("GET /orgs/acme/users/7/x HTTP/1.1\ntoken: SEVEN", "path");
    check("GET /orgs/acme/users/%37 HTTP/1.1\ntoken: SEVEN", "path");
    check(
        "GET /orgs/other/users/7 HTTP/1.1\ntoken: SEVEN",
        "403 wrong_app",
    );
    check(
        "GET /orgs/acme/users/8 HTTP/1.1\ntoken: SEVEN",
        "403 subject",
    );
    // A token that names no app proves none.
    check(
        "GET /orgs/acme/users/8 HTTP/1.1\ntoken: EIGHT",
        "403 wrong_app",
    );
}

#[test]
fn each_claim_has_its_own_reason() {
    let all = |query: &str| format!("GET /all?{query} HTTP/1.1\ntoken: SEVEN");
    check(&all("a=acme&d=web&t=im_user"), "all");
    check(&all("a=x&d=web&t=im_user"), "403 wrong_app");
    check(&all("a=acme&d=x&t=im_user"), "403 device_type");
    check(&all("a=acme&d=web&t=x"), "403 user_type");
}

#[test]
fn the_handshake_claims_what_the_first_message_proves() {
    let policy = the_policy();
    for (target, user, expected) in [
        ("/message?sendID=7", "7", "message"),
        ("/message?sendID=7", "8", "403 subject"),
        ("/message", "7", "403 subject"),
    ] {
        let bytes = testing::bytes(&format!("GET {target} HTTP/1.1"));
        let head = testing::head(&bytes);
        let request = testing::request(&head);
        let deciding = gate::decide(&policy, &request, Handshake::Valid, NOW);
        let entrance: Result<Entrance, _> = match testing::block_on(deciding).outcome {
            Ok(Ruling::FirstMessage(awaited)) => Ok(awaited.entrance),
            Ok(Ruling::Permit(_)) => panic!("nothing has been proven"),
            Err(denial) => Err(denial),
        };
        let message = json!({ "token": token(&json!({ "sub": user })) });
        let outcome = entrance.and_then(|entrance| {
            let presented = Presented::Json(&message);
            let judging = gate::decide_message(&policy, &entrance, presented, Occasion::First, NOW);
            let permit = testing::block_on(judging).outcome?;
            Ok(permit.route.name.to_string())
        });
        let line =
            outcome.unwrap_or_else(|denial| format!("{} {}", denial.status(), denial.reason()));
        assert_eq!(line, expected, "{target} {user}");
    }
}

#[test]
fn a_session_stands_on_its_claims_whatever_is_reloaded() {
    let before = the_policy();
    let bytes = testing::bytes(&format!("GET /ws?sendID=7 HTTP/1.1\ntoken: {}", seven()));
    let head = testing::head(&bytes);
    let request = testing::request(&head);
    let deciding = gate::decide(&before, &request, Handshake::Valid, NOW);
    let permit = testing::block_on(deciding).outcome.unwrap().permit();
    let standing = Standing::of(&permit, &before, &request);
    let judged = |routes: &str| {
        let policy = policy(&format!("{AUTHENTICATORS}{routes}"));
        let judged = standing.judge_again(&policy, NOW);
        judged.map_or_else(|denial| denial.reason(), |_| "stays")
    };
    assert_eq!(judged(ROUTES), "stays");
    let route = |requirement: &str| {
        format!(
            "routes: [{{ name: ws, match: {{ path: /ws }}, websocket: true, \
             require: {{ any_of: [users]{requirement} }}, upstream: im }}]"
        )
    };
    assert_eq!(judged(&route("")), "stays");
    // What the handshake has not been asked for cannot be told any more.
    let asks = route(", match: { subject: { query: userId } }");
    assert_eq!(judged(&asks), "subject");
    // A renewal is of the same user and has nothing to claim.
    let bytes = testing::bytes(&format!("POST /ws/renew HTTP/1.1\ntoken: {}", seven()));
    let head = testing::head(&bytes);
    let request = testing::request(&head);
    let deciding = gate::decide(&before, &request, Handshake::NotAsked, NOW);
    let renewal = testing::block_on(deciding).outcome.unwrap().permit();
    let mut renewed = standing.clone();
    renewed.take_over(&Standing::of(&renewal, &before, &request));
    assert!(renewed.judge_again(&before, NOW).is_ok());
}

#[test]
fn nothing_that_was_claimed_is_shown() {
    let bytes = testing::bytes("GET /query?sendID=somebody HTTP/1.1");
    let head = testing::head(&bytes);
    let request = testing::request(&head);
    let policy = the_policy();
    let route = policy.routes().choose("chat", "/query", "GET").unwrap();
    let claims = Claims::read(route.require.matches(), &request).unwrap();
    assert_eq!(format!("{claims:?}"), "[Subject]");
}

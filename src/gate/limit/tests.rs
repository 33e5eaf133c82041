//! Who is counted together, and which bodies say by whom they are counted.

use proptest::prelude::*;

use super::*;
use crate::clock::UnixTime;
use crate::gate::{self, Handshake};
use crate::policy::testing::policy;
use crate::request::testing;

const POLICY: &str = r#"
authenticators:
  partners: { from: [{ header: X-App-Key }], app_key: { keys: [{ id: a, secret: { value: key-a } }, { id: b, secret: { value: key-b } }] } }
  servers: { from: [{ header: X-Server-Key }], app_key: { keys: [{ id: a, secret: { value: key-s } }] } }
  users:
    from: [{ header: token }]
    jwt: { keys: [{ algorithm: HS256, secret: { value: "0123456789abcdef0123456789abcdef" } }], issuer: any, audience: any }
routes:
  - { name: address, match: { path: /address }, require: public, limit: { requests: 1, per: 1m, by: client_ip }, upstream: im }
  - { name: org, match: { path: "/orgs/{org}/{app}/**" }, require: public, limit: { requests: 1, per: 1m, by: path.app }, upstream: im }
  - { name: key, match: { path: /key }, require: { any_of: [partners, servers] }, limit: { requests: 1, per: 1m, by: app_key }, upstream: im }
  - { name: user, match: { path: /user }, require: { all_of: [partners, users] }, limit: { requests: 1, per: 1m, by: subject }, upstream: im }
  - { name: body, match: { path: /body }, require: public, limit: { requests: 1, per: 1m, by: json./client/id }, upstream: im }
"#;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

fn token(user: &str) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(b"0123456789abcdef0123456789abcdef");
    let claims = serde_json::json!({ "sub": user, "exp": 1_800_000_060_u64 });
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

struct Counter(Policy);

impl Counter {
    fn new() -> Self {
        Self(policy(POLICY))
    }

    /// What a request is told, all of them in one moment.
    fn send_with(&self, lines: &str, client: &str, body: &[u8]) -> String {
        let bytes = testing::bytes(lines);
        let head = testing::head(&bytes);
        let request = Request {
            client: client.parse().unwrap(),
            ..testing::request(&head)
        };
        let deciding = gate::decide(&self.0, &request, Handshake::NotAsked, NOW);
        let permit = testing::block_on(deciding).outcome.unwrap().permit();
        let counted = admit(
            &self.0,
            &request,
            &permit,
            body,
            Steady::from_millis(1_000_000),
        );
        counted.map_or_else(
            |denial| format!("{} {}", denial.status(), denial.reason()),
            |()| "passes".to_owned(),
        )
    }

    #[track_caller]
    fn check(&self, lines: &str, expected: &str) {
        assert_eq!(self.send_with(lines, "192.0.2.1", b""), expected, "{lines}");
    }
}

#[test]
fn clients_are_counted_by_address_and_by_network_of_ipv6() {
    let counter = Counter::new();
    for (client, expected) in [
        ("192.0.2.1", "passes"),
        ("192.0.2.1", "429 limited"),
        ("::ffff:192.0.2.1", "429 limited"),
        ("192.0.2.2", "passes"),
        ("2001:db8:1:1::1", "passes"),
        ("2001:db8:1:1:ffff::", "429 limited"),
        ("2001:db8:1:2::1", "passes"),
    ] {
        let told = counter.send_with("GET /address HTTP/1.1", client, b"");
        assert_eq!(told, expected, "{client}");
    }
}

#[test]
fn segments_that_some_upstream_takes_for_equal_are_counted_as_one() {
    let counter = Counter::new();
    counter.check("GET /orgs/one/app HTTP/1.1", "passes");
    counter.check("GET /orgs/two/app/x HTTP/1.1", "429 limited");
    counter.check("GET /orgs/one/APP HTTP/1.1", "429 limited");
    counter.check("GET /orgs/one/%61pp HTTP/1.1", "429 limited");
    counter.check("GET /orgs/one/other HTTP/1.1", "passes");
}

#[test]
fn keys_and_users_are_counted_by_what_was_verified() {
    let counter = Counter::new();
    counter.check("GET /key HTTP/1.1\nX-App-Key: key-a", "passes");
    counter.check("GET /key?x HTTP/1.1\nX-App-Key: key-a", "429 limited");
    counter.check("GET /key HTTP/1.1\nX-App-Key: key-b", "passes");
    // Another authenticator's key of the same id is another key.
    counter.check("GET /key HTTP/1.1\nX-Server-Key: key-s", "passes");
    let user = |name: &str, key: &str| {
        format!(
            "GET /user HTTP/1.1\ntoken: {}\nX-App-Key: {key}",
            token(name)
        )
    };
    counter.check(&user("7", "key-a"), "passes");
    counter.check(&user("7", "key-a"), "429 limited");
    counter.check(&user("8", "key-a"), "passes");
    // The same name in another app is somebody else.
    counter.check(&user("7", "key-b"), "passes");
}

#[test]
fn equal_names_in_bodies_are_counted_as_one_however_they_are_written() {
    let counter = Counter::new();
    let told = |body: &str| {
        let lines = "POST /body HTTP/1.1\nContent-Type: application/json";
        counter.send_with(lines, "192.0.2.1", body.as_bytes())
    };
    assert_eq!(told(r#"{"client":{"id":"shop"}}"#), "passes");
    for same in [
        r#"{"client":{"id":"shop"}}"#,
        r#" { "x": [1], "client" : { "\u0069d" : "sh\u006fp" } } "#,
        r#"{"client":{"id":" SHOP\n"}}"#,
    ] {
        assert_eq!(told(same), "429 limited", "{same}");
    }
    assert_eq!(told(r#"{"client":{"id":"7"}}"#), "passes");
    assert_eq!(told(r#"{"client":{"id":7}}"#), "429 limited");
}

#[test]
fn a_body_without_the_member_is_counted_by_its_network() {
    let counter = Counter::new();
    let told = |client: &str, body: &str| {
        let lines = "POST /body HTTP/1.1\nContent-Type: application/json";
        counter.send_with(lines, client, body.as_bytes())
    };
    assert_eq!(told("192.0.2.1", r#"{"grant_type":"password"}"#), "passes");
    assert_eq!(told("192.0.2.1", r#"{"client":{}}"#), "429 limited");
    assert_eq!(told("192.0.2.2", r#"{"client":{}}"#), "passes");
    let named = r#"{"client":{"id":"shop"}}"#;
    assert_eq!(told("192.0.2.1", named), "passes", "counted apart");
}

#[test]
fn a_body_that_could_name_another_is_refused() {
    let counter = Counter::new();
    for (case, body) in [
        ("nothing", ""),
        ("no JSON", "client=shop"),
        ("no object", r#"{"client":["id"]}"#),
        ("a member in another case", r#"{"client":{"ID":"shop"}}"#),
        ("twice", r#"{"client":{"id":"a","id":"b"}}"#),
        ("twice, escaped", r#"{"client":{"id":"a","\u0069d":"b"}}"#),
        (
            "twice, further out",
            r#"{"client":{"id":"a"},"client":{"id":"b"}}"#,
        ),
        (
            "twice in another case, as Go reads it",
            r#"{"client":{"id":"a","ID":"b"}}"#,
        ),
        (
            "with other marks, as fastjson reads it",
            r#"{"client":{"id":"a","i_d":"b"}}"#,
        ),
        (
            "with the sign for Kelvin",
            "{\"client\":{\"id\":\"a\"},\"\u{212a}\":1,\"k\":2,\"CLIENT\":{}}",
        ),
        ("a list", r#"{"client":{"id":["a"]}}"#),
        ("nothing by name", r#"{"client":{"id":null}}"#),
        ("a fraction", r#"{"client":{"id":7.0}}"#),
        ("an exponent", r#"{"client":{"id":7e0}}"#),
        (
            "something behind it",
            r#"{"client":{"id":"a"}} {"client":{"id":"b"}}"#,
        ),
        ("a byte order mark", "\u{feff}{\"client\":{\"id\":\"a\"}}"),
        ("too deep", &format!("{}{}", "[".repeat(99), "]".repeat(99))),
    ] {
        let lines = "POST /body HTTP/1.1\nContent-Type: application/json";
        let told = counter.send_with(lines, "192.0.2.1", body.as_bytes());
        assert_eq!(told, "400 syntax", "{case}");
    }
}

#[test]
fn a_body_that_is_announced_otherwise_is_refused() {
    for (headers, is_fine) in [
        ("Content-Type: application/json", true),
        ("Content-Type: Application/JSON; charset=UTF-8", true),
        ("Content-Type: application/json;charset=\"utf-8\"", true),
        ("Content-Type: application/vnd.im+json; version=1", true),
        ("Accept: application/json", false),
        ("Content-Type: application/x-www-form-urlencoded", false),
        ("Content-Type: text/json", false),
        ("Content-Type: application/jsonp", false),
        ("Content-Type: application/json; charset=utf-7", false),
        ("Content-Type: application/json, text/plain", false),
        ("Content-Type: application/json; a=b, text/plain", false),
        (
            "Content-Type: application/json\nContent-Type: application/json",
            false,
        ),
        (
            "Content-Type: application/json\nContent-Encoding: gzip",
            false,
        ),
    ] {
        let lines = format!("POST /body HTTP/1.1\n{headers}");
        let told = Counter::new().send_with(&lines, "192.0.2.1", br#"{"client":{"id":"a"}}"#);
        let expected = if is_fine { "passes" } else { "415 syntax" };
        assert_eq!(told, expected, "{headers}");
    }
}

proptest! {
    #[test]
    fn any_body_is_survived(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = named_in(&body, "/client/id");
    }

    /// What we find is what a lenient reader finds, so nobody is counted as one and served as another.
    #[test]
    fn what_is_found_is_what_others_find(name in "[ -~]{0,12}", other in "[a-zA-Z_]{1,6}") {
        let object = serde_json::json!({ other: "x", "client_id": name });
        let body = object.to_string();
        if let Some(found) = named_in(body.as_bytes(), "/client_id") {
            prop_assert_eq!(found, Named::One(folded(&name)));
        }
    }
}

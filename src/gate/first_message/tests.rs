//! A handshake, then a message, then one line of outcome.

use super::*;
use crate::clock::UnixTime;
use crate::gate::{self, Handshake, Ruling};
use crate::policy::testing::policy;
use crate::request::testing;
use crate::wire::socketio::{self, FromClient};

const POLICY: &str = r#"
authenticators:
  client: { from: [{ header: IM-CLIENT-KEY }], app_key: { keys: [{ id: shop, secret: { value: client-key } }] } }
  user:
    from: [{ header: IM-Authorization }]
    jwt: { keys: [{ algorithm: HS256, secret: { value: "0123456789abcdef0123456789abcdef" } }], issuer: any, audience: any, claims: { device_type: dev } }
  partners: { from: [{ header: X-App-Key, prefix: Key }], app_key: { keys: [{ id: a, secret: { value: key-a } }] } }
  others: { from: [{ query: other }], app_key: { keys: [{ id: b, secret: { value: key-b } }] } }
routes:
  - { name: json, match: { path: /json }, websocket: true, require: { first_message: { json: { pointer: /data/token, any_of: [partners, others] } } }, upstream: im }
  - name: devices
    match: { path: /devices }
    websocket: true
    require: { first_message: { json: { pointer: /0, any_of: [user] } }, device_type: { from: [{ header: deviceType }, { query: deviceType }], one_of: [im_web, im_pc], aliases: { web: im_web } } }
    upstream: im
  - { name: socket, match: { path: /socket.io/ }, websocket: true, require: { first_message: { socketio_auth2: { all_of: [client, user] }, deadline: 3s } }, upstream: im }
  - { name: users, match: { path: /users/ }, websocket: true, require: { first_message: { socketio_auth2: { all_of: [user] } } }, upstream: im }
  - { name: secure, match: { path: /secure }, websocket: true, require_tls: true, require: { first_message: { json: { pointer: "", any_of: [partners] } } }, upstream: im }
"#;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

/// HS256 with the policy's secret: `{"sub":"7","dev":"im_web"}` until a minute after [`NOW`].
fn token() -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(b"0123456789abcdef0123456789abcdef");
    let claims = serde_json::json!({ "sub": "7", "dev": "im_web", "exp": 1_800_000_060_u64 });
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

/// What the handshake is told, and what is kept of it.
fn enter(policy: &Policy, lines: &str) -> Result<Entrance, String> {
    let bytes = testing::bytes(lines);
    let head = testing::head(&bytes);
    let request = testing::request(&head);
    let deciding = gate::decide(policy, &request, Handshake::Valid, NOW);
    match testing::block_on(deciding).outcome {
        Ok(Ruling::FirstMessage(awaited)) => {
            if let AwaitedForm::SocketioAuth2(provisional) = &awaited.form {
                let permit = provisional.for_the_handshake();
                assert!(permit.admission.is_none(), "nobody is admitted yet");
            }
            Ok(awaited.entrance)
        }
        Ok(Ruling::Permit(_)) => panic!("nothing has been proven"),
        Err(denial) => Err(format!("{} {}", denial.status(), denial.reason())),
    }
}

fn judge(policy: &Policy, entrance: &Entrance, presented: Presented<'_>) -> String {
    let deciding = gate::decide_message(policy, entrance, presented, Occasion::First, NOW);
    match testing::block_on(deciding).outcome {
        Ok(permit) => {
            let device = permit.device_type().map_or("-", |device| device).to_owned();
            let admission = permit.admission.expect("somebody is admitted");
            let subject = admission.principal.subject.as_deref().unwrap_or("-");
            let app = admission.principal.app.as_deref().unwrap_or("-");
            format!("{} {subject} {app} {device}", permit.route.name)
        }
        Err(denial) => format!("{} {}", denial.status(), denial.reason()),
    }
}

#[track_caller]
fn check(handshake: &str, message: &str, expected: &str) {
    let policy = policy(POLICY);
    let (handshake, message) = (handshake.to_owned(), message.replace("TOKEN", &token()));
    let outcome = match enter(&policy, &handshake) {
        Err(refused) => refused,
        Ok(entrance) if message.starts_with('4') => {
            let Ok(FromClient::Auth2 { credentials, .. }) =
                socketio::from_client(message.as_bytes())
            else {
                panic!("not an `auth2` event: {message}")
            };
            judge(&policy, &entrance, Presented::Auth2(&credentials.unwrap()))
        }
        Ok(entrance) => {
            let value = json::value(message.as_bytes()).unwrap();
            judge(&policy, &entrance, Presented::Json(&value))
        }
    };
    assert_eq!(outcome, expected, "{handshake} {message}");
}

const JSON: &str = "GET /json HTTP/1.1\nHost: chat";
const SOCKET: &str = "GET /socket.io/?EIO=4&transport=websocket&b64=1 HTTP/1.1\nHost: chat";

#[test]
fn a_json_message_brings_one_credential_for_whoever_knows_it() {
    for (message, expected) in [
        (r#"{"data":{"token":"key-a"},"more":1}"#, "json - a -"),
        (r#"{"data":{"token":"Key key-a"}}"#, "json - a -"),
        (r#"{"data":{"token":"key key-a"}}"#, "json - a -"),
        (
            r#"{"data":{"token":"Key Key key-a"}}"#,
            "401 doubled_prefix",
        ),
        (r#"{"data":{"token":"key-b"}}"#, "json - b -"),
        (r#"{"data":{"token":"key-c"}}"#, "401 unknown_key"),
        (r#"{"data":{"token":""}}"#, "401 no_credential"),
        (r#"{"data":{"token":"key-a\n"}}"#, "401 malformed"),
        (r#"{"data":{"token":["key-a"]}}"#, "401 malformed"),
        (r#"{"data":{"token":null}}"#, "401 malformed"),
        (r#"{"data":{}}"#, "401 no_credential"),
        (r#"{"token":"key-a"}"#, "401 no_credential"),
        (r#""key-a""#, "401 no_credential"),
    ] {
        check(JSON, message, expected);
    }
}

#[test]
fn what_the_handshake_itself_brings_counts_for_nothing() {
    let with_key = format!("{JSON}\nX-App-Key: key-a");
    check(&with_key, r#"{"data":{}}"#, "401 no_credential");
    check(
        &with_key,
        r#"{"data":{"token":"key-c"}}"#,
        "401 unknown_key",
    );
}

#[test]
fn the_device_type_comes_with_the_handshake() {
    let message = r#"["TOKEN"]"#;
    for (target, headers, expected) in [
        ("/devices", "deviceType: im_web", "devices 7 - im_web"),
        ("/devices?deviceType=web", "A: b", "devices 7 - im_web"),
        ("/devices", "A: b", "403 device_type"),
        ("/devices", "deviceType: tv", "403 device_type"),
        // Allowed, but the token is for another one.
        ("/devices", "deviceType: im_pc", "403 device_type"),
        (
            "/devices?deviceType=im_pc",
            "deviceType: im_web",
            "400 conflict",
        ),
    ] {
        check(
            &format!("GET {target} HTTP/1.1\nHost: chat\n{headers}"),
            message,
            expected,
        );
    }
    // Not even a message is awaited then.
    let policy = policy(POLICY);
    let refused = enter(&policy, "GET /devices HTTP/1.1\nHost: chat").unwrap_err();
    assert_eq!(refused, "403 device_type");
}

#[test]
fn auth2_brings_a_client_key_and_a_token() {
    for (message, expected) in [
        (
            r#"42["auth2","TOKEN",{"CLIENT_KEY":"client-key","Authorization":"TOKEN"}]"#,
            "socket 7 shop im_web",
        ),
        (
            r#"421["auth2","TOKEN",{"IM-CLIENT-KEY":"client-key","IM-Authorization":"TOKEN"}]"#,
            "socket 7 shop im_web",
        ),
        (
            r#"42["auth2","TOKEN",{"IM-CLIENT-KEY":"client-key"}]"#,
            "socket 7 shop im_web",
        ),
        (r#"42["auth2","TOKEN",{}]"#, "401 no_credential"),
        (
            r#"42["auth2","TOKEN",{"CLIENT_KEY":"other"}]"#,
            "401 unknown_key",
        ),
        (
            r#"42["auth2","TOKENx",{"CLIENT_KEY":"client-key"}]"#,
            "401 bad_signature",
        ),
        // The two are not taken for one another.
        (
            r#"42["auth2","client-key",{"CLIENT_KEY":"TOKEN"}]"#,
            "401 unknown_key",
        ),
    ] {
        check(SOCKET, message, expected);
    }
}

#[test]
fn a_client_key_that_nobody_proves_is_refused() {
    let users = "GET /users/?transport=websocket&EIO=4 HTTP/1.1\nHost: chat";
    check(
        users,
        r#"42["auth2","TOKEN",{"deviceId":"d"}]"#,
        "users 7 - im_web",
    );
    check(
        users,
        r#"42["auth2","TOKEN",{"CLIENT_KEY":"client-key"}]"#,
        "401 malformed",
    );
}

#[test]
fn only_engine_io_4_over_websocket_is_spoken() {
    let policy = policy(POLICY);
    for (query, is_spoken) in [
        ("EIO=4&transport=websocket", true),
        ("transport=websocket&t=x&EIO=4", true),
        ("EIO=4&transport=%77ebsocket", true),
        ("EIO=3&transport=websocket", false),
        ("EIO=4&transport=polling", false),
        ("EIO=4&transport=webtransport", false),
        ("EIO=4", false),
        ("transport=websocket", false),
        ("EIO=4&EIO=4&transport=websocket", false),
        ("EIO=4&transport=websocket&transport=polling", false),
        // An upgrade of what began elsewhere, perhaps as somebody else.
        ("EIO=4&transport=websocket&sid=abc", false),
        ("EIO=4&transport=websocket&sid=", false),
        ("EIO=4&transport=websocket;sid=abc", false),
        ("EIO=4&transport=websocket&x=1;EIO=3", false),
        ("", false),
    ] {
        let entered = enter(
            &policy,
            &format!("GET /socket.io/?{query} HTTP/1.1\nHost: chat"),
        );
        assert_eq!(entered.is_ok(), is_spoken, "{query}");
        if let Err(refused) = entered {
            assert_eq!(refused, "400 upgrade", "{query}");
        }
    }
}

#[test]
fn what_holds_is_the_policy_of_the_message() {
    let old = policy(POLICY);
    let entrance = enter(&old, JSON).unwrap();
    let message = json::value(br#"{"data":{"token":"key-a"}}"#).unwrap();
    let presented = Presented::Json(&message);
    assert_eq!(judge(&old, &entrance, presented), "json - a -");
    for (from, to, expected) in [
        ("value: key-a", "value: key-z", "401 unknown_key"),
        ("/data/token", "/token", "401 no_credential"),
        ("path: /json", "path: /elsewhere", "404 no_route"),
        (
            "path: /json }, websocket: true",
            "path: /json }, websocket: true, require_tls: true",
            "426 upgrade",
        ),
        (
            "{ first_message: { json: { pointer: /data/token, any_of: [partners, others] } } }",
            "public",
            "404 no_route",
        ),
        (
            "{ first_message: { json: { pointer: /data/token, any_of: [partners, others] } } }",
            "{ any_of: [partners] }",
            "404 no_route",
        ),
        (
            "{ first_message: { json: { pointer: /data/token, any_of: [partners, others] } } }",
            "{ first_message: { socketio_auth2: { all_of: [user] } } }",
            "404 no_route",
        ),
    ] {
        assert!(POLICY.contains(from));
        let new = policy(&POLICY.replace(from, to));
        assert_eq!(judge(&new, &entrance, presented), expected, "{to}");
    }
}

#[test]
fn plain_text_stays_out_where_tls_is_asked_for() {
    check(
        "GET /secure HTTP/1.1\nHost: chat",
        r#""key-a""#,
        "426 upgrade",
    );
}

#[test]
fn debug_shows_no_credential() {
    let entrance = enter(&policy(POLICY), &format!("{JSON}\nX-App-Key: s3cret")).unwrap();
    assert!(!format!("{entrance:?}").contains("s3cret"));
    let event = socketio::from_client(br#"42["auth2","s3cret",{"CLIENT_KEY":"s3cret"}]"#);
    let Ok(FromClient::Auth2 {
        credentials: Ok(event),
        ..
    }) = event
    else {
        panic!("an `auth2` event");
    };
    assert!(!format!("{:?}", Presented::Auth2(&event)).contains("s3cret"));
    let message = json::value(br#""s3cret""#).unwrap();
    assert!(!format!("{:?}", Presented::Json(&message)).contains("s3cret"));
}

//! Every vector through the running gate, at the moment that it is about: what the unit tests of a
//! scheme find out about a token, a client is told with a status.
//!
//! The gate's clock runs on while it is asked, so what is good or bad for some seconds only is left
//! to the unit tests; how much that is stands in each test.

#[path = "../vectors/credentials.rs"]
mod credentials;

mod easemob;
mod imkit;
mod zego;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::support::{Gate, Recorder};

/// A gate that takes tokens in the header `Authorization` and the query parameter `token`.
const POLICY: &str = "
authenticators:
  users:
    from: [{ header: Authorization, prefix: Bearer }, { query: token }]
    $SCHEME
routes:
  - { name: plain, match: { path: /plain }, require: { any_of: [users] }, upstream: im }
";

fn policy(scheme: &str) -> String {
    POLICY.replace("$SCHEME", scheme)
}

/// So many seconds a test may take; nothing that ends or begins within is sent.
const WINDOW: i64 = 300;

/// What the gate says to a token: the user that it tells the backend, or the reason for a 401.
#[track_caller]
fn verdict(gate: &Gate, backend: &Recorder, token: &str) -> String {
    let in_header = token.bytes().all(|byte| byte.is_ascii_graphic()) && !token.is_empty();
    let answer = if in_header {
        gate.get("/plain", &format!("Authorization: Bearer {token}\r\n"))
    } else {
        let encoded = utf8_percent_encode(token, NON_ALPHANUMERIC);
        gate.get(&format!("/plain?token={encoded}"), "")
    };
    match answer.status() {
        200 => {
            let head = backend.last().head;
            head.header("x-auth-subject").expect("a subject").to_owned()
        }
        401 | 403 => answer.reason(),
        other => panic!("{other} for {token}"),
    }
}

/// Whether a signed token's own times say something else in the next minutes than now.
fn changes_soon(token: &str, now: i64) -> bool {
    let claims = token
        .split('.')
        .nth(1)
        .and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
    let claims: Option<Value> = claims.and_then(|json| serde_json::from_slice(&json).ok());
    let Some(claims) = claims else { return false };
    let in_seconds = [("exp", 1.0), ("nbf", 1.0), ("eff", 1000.0)].map(|(name, unit)| {
        let time = claims.get(name).and_then(Value::as_f64)?;
        Some(time / unit)
    });
    #[expect(clippy::cast_precision_loss, reason = "times of this century")]
    let (start, end) = (now as f64, (now + WINDOW) as f64);
    in_seconds
        .into_iter()
        .flatten()
        .any(|time| time > start && time <= end)
}

/// Sends all cases but those that time would change, and says how many these are.
#[track_caller]
fn send_all(
    gate: &Gate,
    backend: &Recorder,
    cases: &[Value],
    now: i64,
    expected: impl Fn(&Value) -> String,
) -> usize {
    let text = |case: &Value, name: &str| case[name].as_str().unwrap().to_owned();
    let (left_out, sent): (Vec<_>, Vec<_>) = cases
        .iter()
        .partition(|case| changes_soon(&text(case, "token"), now));
    for case in sent {
        let found = verdict(gate, backend, &text(case, "token"));
        assert_eq!(found, expected(case), "{}", case["case"]);
    }
    left_out.len()
}

#[test]
fn signed_tokens_of_every_algorithm() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/jwt/vectors.json")).unwrap();
    let backend = Recorder::ok();
    let gate = jwt_gate(&vectors, &backend);
    let (cases, now) = (
        vectors["cases"].as_array().unwrap(),
        vectors["now"].as_i64(),
    );
    let left_out = send_all(&gate, &backend, cases, now.unwrap(), expected);
    assert_eq!(left_out, 3, "of {}", cases.len());
}

#[test]
fn sa_tokens() {
    let vectors: Value =
        serde_json::from_str(include_str!("../vectors/sa_token/vectors.json")).unwrap();
    let now = vectors["now_ms"].as_i64().unwrap() / 1000;
    let policy = policy(
        "sa_token: { secret: { file: secret, previous: [{ file: old, not_after: 2030-01-01T00:00:00Z }] }, \
         allow_weak_secret: true, user_types: [im_user], sessions: { none: { max_age: 12h } } }",
    );
    let backend = Recorder::ok();
    let gate = Gate::with(&policy)
        .file("secret", vectors["secret"].as_str().unwrap())
        .file("old", vectors["old_secret"].as_str().unwrap())
        .clock(now)
        .upstream("im", backend.address())
        .start();
    let cases = vectors["cases"].as_array().unwrap();
    let left_out = send_all(&gate, &backend, cases, now, |case| {
        let text = |name: &str| case[name].as_str().unwrap().to_owned();
        match text("expected").as_str() {
            "ok" if text("user_type") == "im_user" => text("subject"),
            "ok" => "user_type".to_owned(),
            expected => expected.to_owned(),
        }
    });
    assert_eq!(left_out, 1, "of {}", cases.len());

    for case in credentials::sa_token() {
        let found = verdict(&gate, &backend, &case.token);
        let expected = match (&case.subject, case.id.split(' ').next()) {
            (Some(subject), _) => subject.as_str(),
            (None, Some("s-5")) => "expired",
            (None, Some("s-6")) => "user_type",
            (None, _) => "wrong_algorithm",
        };
        assert_eq!(found, expected, "{}", case.id);
    }
}

/// A gate for signed tokens of all algorithms, each with the key that a file of vectors has for it.
fn jwt_gate(made: &Value, backend: &Recorder) -> Gate {
    let public = made["public_keys"].as_object().unwrap();
    let hmac = ["HS256", "HS384", "HS512"]
        .map(|name| format!("{{ kid: {name}, algorithm: {name}, secret: {{ file: secret }} }}"));
    let others = public.keys().map(|name| {
        format!("{{ kid: {name}, algorithm: {name}, public_key: {{ file: {name}.pem }} }}")
    });
    let keys = hmac
        .into_iter()
        .chain(others)
        .collect::<Vec<_>>()
        .join(", ");
    let policy = policy(&format!(
        "jwt: {{ keys: [{keys}], issuer: \"https://id.example.com\", audience: im, \
         claims: {{ subject: sub, user_type: typ, device_type: dev, app: app_id }} }}"
    ));
    let builder = Gate::with(&policy)
        .file("secret", made["secret"].as_str().unwrap())
        .clock(made["now"].as_i64().unwrap());
    public
        .iter()
        .fold(builder, |builder, (name, pem)| {
            builder.file(&format!("{name}.pem"), pem.as_str().unwrap())
        })
        .upstream("im", backend.address())
        .start()
}

/// The user, where a token is good, or the reason.
fn expected(case: &Value) -> String {
    let expected = case["expected"].as_str().unwrap();
    let subject = case["subject"].as_str().unwrap_or("7");
    if expected == "ok" { subject } else { expected }.to_owned()
}

/// What the libraries made that programs use: jose, golang-jwt, and Sa-Token in two versions.
#[test]
fn tokens_of_published_libraries() {
    let backend = Recorder::ok();
    for made in [
        include_str!("../vectors/jwt/published/jose/vectors.json"),
        include_str!("../vectors/jwt/published/golang/vectors.json"),
    ] {
        let made: Value = serde_json::from_str(made).unwrap();
        let gate = jwt_gate(&made, &backend);
        let (cases, now) = (made["cases"].as_array().unwrap(), made["now"].as_i64());
        let left_out = send_all(&gate, &backend, cases, now.unwrap(), expected);
        assert_eq!(left_out, 0);
    }

    let made: Value =
        serde_json::from_str(include_str!("../vectors/sa_token/published/vectors.json")).unwrap();
    let now = made["now_ms"].as_i64().unwrap() / 1000;
    let scheme = "sa_token: { secret: { file: secret }, user_types: [im_user, sys_user], \
                  sessions: { none: { max_age: 12h } } }";
    let gate = Gate::with(&policy(scheme))
        .file("secret", made["secret"].as_str().unwrap())
        .clock(now)
        .upstream("im", backend.address())
        .start();
    let cases = made["cases"].as_array().unwrap();
    assert_eq!(send_all(&gate, &backend, cases, now, expected), 0);
}

#[test]
fn a_token_of_openim() {
    let case = credentials::openim();
    let policy = policy(
        "jwt: { keys: [{ algorithm: HS256, secret: { file: secret }, allow_weak_secret: true }], \
         issuer: any, audience: any, claims: { subject: UserID, device_type: PlatformID } }",
    );
    let backend = Recorder::ok();
    let gate = Gate::with(&policy)
        .file("secret", "openIM123")
        .clock(case.from)
        .upstream("im", backend.address())
        .start();
    let subject = case.subject.unwrap();
    assert_eq!(verdict(&gate, &backend, &case.token), subject);
    assert_eq!(backend.last().head.header("x-auth-device-type"), Some("5"));
}

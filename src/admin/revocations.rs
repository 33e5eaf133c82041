//! `POST /revocations` and `DELETE /revocations/{id}`.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::admin::{Asked, Desk, Reply};
use crate::clock::{self, UnixTime};
use crate::config;
use crate::replicas;
use crate::revocation::{Revocation, RevocationId, Target};
use crate::scheme::json::Object;
use crate::scheme::token_digest;

/// The keys of a revocation.
pub(super) const KEYS: &[&str] = &[
    "app_key",
    "device_type",
    "for",
    "issued_before",
    "jti",
    "token",
    "user",
    "user_type",
];

/// Exactly one of these says what is revoked.
const TARGETS: [&str; 4] = ["token", "jti", "user", "app_key"];

/// How long a revocation holds unless told otherwise: as long as the longest token of the systems
/// that the gate knows.
const HOLDS: Duration = Duration::from_hours(30 * 24);
const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

/// Revokes.
pub(super) async fn add(desk: &Desk, asked: &Asked) -> Reply {
    let now = clock::now();
    let revocation = match asked.body.as_ref().map(|body| read(body, now)) {
        Some(Ok(revocation)) => revocation,
        Some(Err(message)) => return Reply::syntax(message),
        None => return Reply::syntax("expected a JSON object"),
    };
    let expires_at = revocation.expires_at.as_secs();
    match replicas::revoke(&desk.shared, revocation).await {
        Ok(revoked) => Reply::new(
            StatusCode::OK,
            json!({
                "id": revoked.id.to_string(),
                "sessions_closed": revoked.sessions_closed,
                "verdicts_evicted": revoked.verdicts_evicted,
                "expires_at": expires_at,
                "durable": revoked.durable,
            }),
        ),
        Err(full) => Reply::refused(
            StatusCode::INSUFFICIENT_STORAGE,
            "limited",
            full.to_string(),
        ),
    }
}

/// Lifts a revocation.
pub(super) async fn lift(desk: &Desk, asked: &Asked) -> Reply {
    let id = asked.segments.first();
    let Some(id) = id.and_then(|text| RevocationId::parse(text)) else {
        return Reply::syntax("expected the id that a revocation was answered with");
    };
    let lifted = replicas::lift(&desk.shared, id).await;
    if lifted.was_there {
        let answer = json!({ "lifted": 1, "durable": lifted.durable });
        Reply::new(StatusCode::OK, answer)
    } else {
        let message = "there is no such revocation";
        Reply::refused(StatusCode::NOT_FOUND, "no_route", message)
    }
}

/// What is to be revoked, or what was expected.
fn read(body: &Object, now: UnixTime) -> Result<Revocation, &'static str> {
    let named: Vec<&str> = TARGETS
        .into_iter()
        .filter(|key| body.contains_key(*key))
        .collect();
    let [target] = named.as_slice() else {
        return Err("expected exactly one of `token`, `jti`, `user` and `app_key`");
    };
    if *target != "user" && (body.contains_key("user_type") || body.contains_key("device_type")) {
        return Err("expected `user_type` and `device_type` only beside `user`");
    }
    let is_one_token = ["token", "jti"].contains(target);
    if is_one_token && body.contains_key("issued_before") {
        return Err("expected `issued_before` only beside `user` or `app_key`");
    }
    let target = match *target {
        "token" => Target::Token(token_digest(bare(&text(body, "token")?).as_bytes())),
        "jti" => Target::TokenId(text(body, "jti")?),
        "app_key" => Target::App(text(body, "app_key")?),
        _ => Target::User {
            subject: text(body, "user")?,
            user_type: optional(body, "user_type")?,
            device_type: optional(body, "device_type")?,
        },
    };
    let issued_before = match body.get("issued_before") {
        None => now,
        Some(value) => moment(value)
            .ok_or("expected `issued_before` as seconds since 1970 or as an RFC 3339 time")?,
    };
    let holds = match body.get("for") {
        None => HOLDS,
        Some(value) => value
            .as_str()
            .and_then(config::duration)
            .filter(|holds| (Duration::from_secs(1)..=LONGEST).contains(holds))
            .ok_or("expected `for` as a duration such as `12h` or `30d`, of ten years at most")?,
    };
    Ok(Revocation {
        target,
        issued_before,
        expires_at: now.plus(holds),
    })
}

/// A token as it was copied out of a header.
fn bare(token: &str) -> &str {
    let token = token.trim();
    match token.split_at_checked(7) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("bearer ") => rest.trim_start(),
        _ => token,
    }
}

fn optional(body: &Object, key: &str) -> Result<Option<Arc<str>>, &'static str> {
    match body.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(_) => text(body, key).map(Some),
    }
}

/// A name. Identifiers that are numbers may be written as numbers.
fn text(body: &Object, key: &str) -> Result<Arc<str>, &'static str> {
    match body.get(key) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.as_str().into()),
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => {
            Ok(number.to_string().into())
        }
        _ => Err("expected the value as a string that is not empty"),
    }
}

fn moment(value: &Value) -> Option<UnixTime> {
    match value {
        Value::Number(number) => number.as_i64().map(UnixTime::from_secs),
        Value::String(text) => config::timestamp(text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Digest;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn revocation(text: &str) -> Result<Revocation, &'static str> {
        read(&serde_json::from_str(text).unwrap(), NOW)
    }

    #[test]
    fn a_revocation_says_what_it_is_about() {
        let user = |user_type: Option<&str>, device_type: Option<&str>| Target::User {
            subject: Arc::from("7"),
            user_type: user_type.map(Arc::from),
            device_type: device_type.map(Arc::from),
        };
        for (text, target) in [
            (
                r#"{"token":"opaque"}"#,
                Target::Token(Digest::of(b"opaque")),
            ),
            (
                r#"{"token":"bEARER  opaque"}"#,
                Target::Token(Digest::of(b"opaque")),
            ),
            (r#"{"jti":"a"}"#, Target::TokenId(Arc::from("a"))),
            (
                r#"{"app_key":"partner-a"}"#,
                Target::App(Arc::from("partner-a")),
            ),
            (r#"{"user":"7"}"#, user(None, None)),
            (r#"{"user":7,"user_type":null}"#, user(None, None)),
            (
                r#"{"user":"7","user_type":"im_user","device_type":"im_web"}"#,
                user(Some("im_user"), Some("im_web")),
            ),
        ] {
            let expected = Revocation {
                target,
                issued_before: NOW,
                expires_at: NOW.plus(HOLDS),
            };
            assert_eq!(revocation(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn its_times_are_what_was_asked_for() {
        let read = |text| revocation(text).unwrap();
        let one = read(r#"{"user":"7","issued_before":1700000000,"for":"12h"}"#);
        assert_eq!(one.issued_before, UnixTime::from_secs(1_700_000_000));
        assert_eq!(one.expires_at, NOW.plus(Duration::from_hours(12)));
        let two = read(r#"{"app_key":"a","issued_before":"2027-01-15T08:00:00Z"}"#);
        assert_eq!(two.issued_before, NOW);
    }

    #[test]
    fn what_has_no_clear_meaning_is_refused() {
        for text in [
            "{}",
            r#"{"user":"7","jti":"a"}"#,
            r#"{"user":""}"#,
            r#"{"user":1.5}"#,
            r#"{"user":["7"]}"#,
            r#"{"jti":"a","user_type":"im_user"}"#,
            r#"{"token":"a","issued_before":1}"#,
            r#"{"user":"7","issued_before":"yesterday"}"#,
            r#"{"user":"7","for":"a while"}"#,
            r#"{"user":"7","for":30}"#,
            r#"{"user":"7","for":"0s"}"#,
            r#"{"user":"7","for":"99999d"}"#,
        ] {
            assert!(revocation(text).is_err(), "{text}");
        }
    }
}

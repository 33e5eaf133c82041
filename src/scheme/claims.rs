//! Reads single claims strictly: a claim of the wrong type is refused, never taken as absent.
//!
//! A library that parsed `"exp": "1"` as no expiry at all is why (CVE-2026-25537). Every error
//! here is [`Rejection::Malformed`], [`Rejection::Expired`] or [`Rejection::NotYetValid`].

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::clock::UnixTime;
use crate::scheme::Rejection;
use crate::scheme::json::Object;

/// Beyond this a double cannot tell one second from the next.
const EXACT_SECONDS: f64 = 9_007_199_254_740_992.0;

/// Checks `exp`, `nbf` and `iat` (RFC 7519 §4.1.4 to §4.1.6); the answer is the end of validity,
/// leeway included, when there is an `exp`.
///
/// `iat` must be a number and says nothing else: a clock that runs ahead at the issuer is no
/// reason to refuse, and an `nbf` is there for those who mean it.
pub(super) fn validity(
    claims: &Object,
    leeway: Duration,
    now: UnixTime,
) -> Result<Option<UnixTime>, Rejection> {
    let expires = numeric_date(claims, "exp")?.map(|exp| exp.plus(leeway));
    let not_before = numeric_date(claims, "nbf")?.map(|nbf| nbf.minus(leeway));
    numeric_date(claims, "iat")?;
    if expires.is_some_and(|end| now >= end) {
        return Err(Rejection::Expired);
    }
    if not_before.is_some_and(|start| now < start) {
        return Err(Rejection::NotYetValid);
    }
    Ok(expires)
}

/// A `NumericDate` (RFC 7519 §2): seconds since the epoch, possibly with a fraction, which is cut
/// to whole milliseconds downwards.
pub(super) fn numeric_date(claims: &Object, name: &str) -> Result<Option<UnixTime>, Rejection> {
    claims.get(name).map(date).transpose()
}

/// The same of a value.
pub(super) fn date(value: &Value) -> Result<UnixTime, Rejection> {
    let Value::Number(number) = value else {
        return Err(Rejection::Malformed);
    };
    if let Some(secs) = number.as_i64() {
        return Ok(UnixTime::from_secs(secs));
    }
    if number.is_u64() {
        return Ok(UnixTime::NEVER);
    }
    match number.as_f64() {
        Some(secs) if secs.abs() <= EXACT_SECONDS => Ok(from_fraction(secs)),
        Some(_) | None => Err(Rejection::Malformed),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the caller has bounded it to 2^53 seconds"
)]
fn from_fraction(secs: f64) -> UnixTime {
    UnixTime::from_millis((secs * 1000.0).floor() as i64)
}

/// A claim that names somebody or something: a string that is not empty and has no control
/// character, or an integer, which becomes its decimal text. Absent and `null` are the same.
pub(super) fn name(claims: &Object, claim: &str) -> Result<Option<Arc<str>>, Rejection> {
    name_of(claims.get(claim))
}

/// The same of a value.
pub(super) fn name_of(value: Option<&Value>) -> Result<Option<Arc<str>>, Rejection> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if is_name(text) => Ok(Some(text.as_str().into())),
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => {
            Ok(Some(number.to_string().into()))
        }
        Some(_) => Err(Rejection::Malformed),
    }
}

/// Whether a text can stand in a header and a log line without doing harm there.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests;

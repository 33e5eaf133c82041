//! Whether a permitted request is one too many: by whom it is counted, and where that stands.
//!
//! Only what is permitted is counted. So nobody uses up what is another's without being let in, and
//! what a request costs that is refused is the business of `throttle` and of connection limits.

use std::cell::Cell;

use serde_json::Value;

use crate::clock::Steady;
use crate::config::document::LimitBy;
use crate::gate::denial::{Denial, UnfitBody};
use crate::gate::permit::{Admission, Permit};
use crate::policy::Policy;
use crate::policy::limit::{Exhausted, Key, Limiter};
use crate::policy::route::Route;
use crate::request::{Network, Request};
use crate::wire::head::RequestHead;
use crate::wire::json::{self, Step};

/// What of a body is read to find the key. Longer ones are refused where the body is asked for.
pub const MOST_BODY: usize = 64 * 1024;

/// Whether the body has to be there before [`admit`] can tell.
pub fn reads_body(limiter: &Limiter) -> bool {
    matches!(limiter.by(), LimitBy::Json { .. })
}

/// Counts a request. `body` is whole, and without the framing of chunks; empty where nobody reads it.
///
/// # Errors
///
/// It is one too many, or does not say by what it is to be counted.
pub fn admit(
    policy: &Policy,
    request: &Request<'_>,
    permit: &Permit<'_>,
    body: &[u8],
    now: Steady,
) -> Result<(), Denial> {
    let Some(limiter) = &permit.route.limit else {
        return Ok(());
    };
    let proven = permit
        .admission
        .as_ref()
        .map(|admission| (policy, admission));
    count(limiter, key(limiter, request, proven, body)?, now)
}

/// Counts a socket whose credential is still to come. Only what the handshake says counts there, as
/// the configuration has made sure.
///
/// # Errors
///
/// It is one too many.
pub fn admit_unproven(route: &Route, request: &Request<'_>, now: Steady) -> Result<(), Denial> {
    let Some(limiter) = &route.limit else {
        return Ok(());
    };
    count(limiter, key(limiter, request, None, b"")?, now)
}

fn count(limiter: &Limiter, key: Key, now: Steady) -> Result<(), Denial> {
    let counted = limiter.admit(key, now);
    counted.map_err(|Exhausted { retry_after }| Denial::Limited { retry_after })
}

/// By whom a request is counted.
fn key(
    limiter: &Limiter,
    request: &Request<'_>,
    proven: Option<(&Policy, &Admission<'_>)>,
    body: &[u8],
) -> Result<Key, Denial> {
    // What the configuration has made sure of is there; if it is not, nobody passes uncounted.
    match limiter.by() {
        LimitBy::AppKey => {
            let key = proven.and_then(|(policy, admission)| admission.app_key(policy));
            Ok(key.map_or_else(|| nobody(limiter, request), |key| limiter.key(key)))
        }
        LimitBy::ClientIp => Ok(limiter.key(Network::of(request.client))),
        LimitBy::Json { pointer } => {
            check_announced(request.head)?;
            match named_in(body, pointer) {
                Some(Named::One(name)) => Ok(limiter.key(name)),
                // Some requests of a route need not have it.
                Some(Named::Nobody) => Ok(nobody(limiter, request)),
                None => Err(Denial::UnfitBody(UnfitBody::Malformed)),
            }
        }
        LimitBy::Path { segment } => {
            let value = request.segment(*segment).unwrap_or_default();
            Ok(limiter.key(folded(&String::from_utf8_lossy(&value))))
        }
        LimitBy::Subject => {
            let who = proven.map(|(_, admission)| {
                let principal = &admission.principal;
                let (app, kind) = (principal.app.as_deref(), principal.user_type.as_deref());
                (&*admission.realm, app, kind, principal.subject.as_deref())
            });
            Ok(who.map_or_else(|| nobody(limiter, request), |who| limiter.key(who)))
        }
    }
}

/// Who does not say who they are, or could not prove it to a route that only observes, shares with
/// nobody but their own network: so none can use up what is everybody's.
fn nobody(limiter: &Limiter, request: &Request<'_>) -> Key {
    limiter.key((Network::of(request.client), "nobody"))
}

/// Whether the upstream reads the same bytes as JSON in UTF-8, too: a form in which some value looks
/// like JSON would name one to us and another to the upstream.
fn check_announced(head: &RequestHead<'_>) -> Result<(), Denial> {
    let media_type = head.single("content-type").ok().flatten();
    let is_json = media_type.is_some_and(is_plain_json);
    let is_encoded = head.header("content-encoding").next().is_some();
    if is_json && !is_encoded {
        Ok(())
    } else {
        Err(Denial::UnfitBody(UnfitBody::MediaType))
    }
}

/// RFC 8259 §8.1: always UTF-8. Some servers obey another `charset` all the same.
fn is_plain_json(media_type: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(media_type) else {
        return false;
    };
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_json = essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    is_json
        && !text.contains(',')
        && parts.all(|part| {
            part.split_once('=').is_none_or(|(name, value)| {
                !name.trim().eq_ignore_ascii_case("charset")
                    || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            })
        })
}

/// By whom a body asks to be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// An object on the way has no such member, under any name that some reader would take for it.
    Nobody,
    One(String),
}

/// What stands at the pointer, so that whatever some upstream would take for equal is equal.
///
/// `None` if that is no string and no whole number, or if another reader could find something else:
/// a key twice, or one that differs only in case or marks (Go and fastjson take it as well).
pub fn named_in(body: &[u8], pointer: &str) -> Option<Named> {
    let whole = json::value(body).ok()?;
    let is_missing = Cell::new(false);
    let found = json::walk(&whole, pointer, |step| match step {
        Step::Key { object, key } => {
            let alike = json::count_alike(object, key);
            is_missing.set(alike == 0);
            alike == 1
        }
        Step::Index => true,
    });
    let Some(found) = found else {
        return is_missing.get().then_some(Named::Nobody);
    };
    match found {
        Value::String(text) => Some(Named::One(folded(text))),
        Value::Number(number) if number.is_i64() || number.is_u64() => {
            Some(Named::One(number.to_string()))
        }
        Value::Array(_) | Value::Bool(_) | Value::Null | Value::Number(_) | Value::Object(_) => {
            None
        }
    }
}

/// Without case and the blanks around it: those who differ in nothing else are counted as one.
fn folded(text: &str) -> String {
    text.trim().to_uppercase().to_lowercase()
}

#[cfg(test)]
mod tests;

//! What the gate changes about a head, seen by comparing what comes in with what goes out.

use std::borrow::Cow;

use serde::Serialize;

use crate::policy::Policy;
use crate::request::fold_byte;
use crate::wire::head::{self, HeadLimits, MOST_HEADERS, RequestHead};

/// What the upstream would see otherwise than the gate does.
#[derive(Debug, Default, Serialize)]
pub struct Rewriting {
    pub removed: Vec<Change>,
    pub added: Vec<Change>,
}

/// A header or a query parameter. One that is changed is removed and added.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `header` or `query`.
    pub place: &'static str,
    pub name: String,
    /// Only of what the gate itself says of who asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Room for whatever the gate adds.
const LIMITS: HeadLimits = HeadLimits {
    head_bytes: 1 << 20,
    headers: MOST_HEADERS,
    target_bytes: 1 << 20,
};

/// Compares a head that came in with the bytes that would go out.
pub(super) fn between(policy: &Policy, incoming: &RequestHead<'_>, outgoing: &[u8]) -> Rewriting {
    let Ok(Some(outgoing)) = head::request(outgoing, &LIMITS) else {
        return Rewriting::default();
    };
    let mut rewriting = Rewriting::default();
    let (before, after) = (parameters(incoming.target), parameters(outgoing.target));
    let query = |(name, _): &(Cow<'_, str>, &str)| Change {
        place: "query",
        name: name.clone().into_owned(),
        value: None,
    };
    let gone = only_in(&before, &after);
    rewriting.removed.extend(gone.map(query));
    rewriting.added.extend(only_in(&after, &before).map(query));

    let (before, after) = (headers(incoming), headers(&outgoing));
    let gone = only_in(&before, &after).map(|(name, _)| header(name, None));
    rewriting.removed.extend(gone);
    rewriting
        .added
        .extend(only_in(&after, &before).map(|(name, value)| {
            let value = is_about_the_client(policy, name).then_some(*value);
            header(name, value)
        }));
    rewriting
}

fn header(name: &str, value: Option<&[u8]>) -> Change {
    Change {
        place: "header",
        name: name.to_owned(),
        value: value.map(|value| String::from_utf8_lossy(value).into_owned()),
    }
}

/// Whether a header that the gate adds says who asks, and nothing that would prove it.
fn is_about_the_client(policy: &Policy, name: &str) -> bool {
    let folded = |text: &str| text.bytes().map(fold_byte).collect::<Vec<_>>();
    let is = |known: String| folded(name) == folded(&known);
    let prefix = &policy.headers.identity_prefix;
    let identity = [
        "Subject",
        "User-Type",
        "Device-Type",
        "App-Id",
        "Authenticator",
    ];
    let forwarding = ["X-Forwarded-For", "X-Forwarded-Proto"];
    identity
        .iter()
        .any(|suffix| is(format!("{prefix}{suffix}")))
        || forwarding.iter().any(|known| is((*known).to_owned()))
}

fn headers<'b>(head: &RequestHead<'b>) -> Vec<(&'b str, &'b [u8])> {
    let headers = head.headers.iter();
    headers.map(|header| (header.name, header.value)).collect()
}

fn parameters(target: &str) -> Vec<(Cow<'_, str>, &str)> {
    let (_, query) = target.split_once('?').unwrap_or_default();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (
                percent_encoding::percent_decode_str(name).decode_utf8_lossy(),
                value,
            )
        })
        .collect()
}

/// What one list has more than the other, each entry as often as it stands there.
fn only_in<'l, T: PartialEq>(one: &'l [T], other: &'l [T]) -> impl Iterator<Item = &'l T> {
    let mut rest: Vec<&T> = other.iter().collect();
    one.iter().filter(move |entry| {
        let same = rest.iter().position(|known| known == entry);
        same.map(|position| rest.swap_remove(position)).is_none()
    })
}

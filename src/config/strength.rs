//! Secrets that verify something: how strong they must be, and which older ones still count.
//!
//! A settings key such as `previous` or `allow_weak_secret` may stand beside the secret or inside
//! its map; in both places at once it is a contradiction.

use super::cursor::{Cursor, Fields, Keys};
use super::source;
use crate::clock::UnixTime;
use crate::secret::Secret;

/// A secret and its predecessors.
pub(super) struct Rotating {
    pub(super) current: Secret,
    /// Each counts until its own end.
    pub(super) previous: Vec<(Secret, UnixTime)>,
}

/// Reads an HMAC secret; `beside` is the map that holds it under `key`.
pub(super) fn rotating_hmac(beside: &Fields<'_>, key: &str) -> Option<Rotating> {
    let cursor = beside.required(key)?;
    let inside = source::map(&cursor, &ROTATING)?;
    let weak_is_allowed = setting(beside, &inside, "allow_weak_secret")
        .and_then(|allow| allow.boolean())
        .unwrap_or(false);
    with_previous(beside, &inside, |place, secret| {
        is_strong(place, secret, weak_is_allowed)
    })
}

/// Reads a secret that a vendor has made, for which there is no minimum; `beside` is the map that holds
/// it under `key`. What does not fit, `is_fit` reports.
pub(super) fn rotating(
    beside: &Fields<'_>,
    key: &str,
    is_fit: impl Fn(&Cursor<'_>, &Secret) -> bool,
) -> Option<Rotating> {
    let inside = source::map(&beside.required(key)?, &VENDORS)?;
    with_previous(beside, &inside, is_fit)
}

/// The secret in the map `inside`, and older ones that are listed there or `beside` it.
fn with_previous(
    beside: &Fields<'_>,
    inside: &Fields<'_>,
    is_fit: impl Fn(&Cursor<'_>, &Secret) -> bool,
) -> Option<Rotating> {
    let mut previous = Vec::new();
    for element in setting(beside, inside, "previous")
        .and_then(|list| list.list())
        .into_iter()
        .flatten()
    {
        let Some(fields) = source::map(&element, &PREVIOUS) else {
            continue;
        };
        let not_after = fields.required("not_after").and_then(|end| end.timestamp());
        let secret = source::from_fields(&fields).filter(|secret| is_fit(&element, secret));
        previous.extend(secret.zip(not_after));
    }
    let current = source::from_fields(inside)?;
    is_fit(&inside.cursor, &current).then_some(Rotating { current, previous })
}

/// The value of a key that may stand beside a secret or inside its map.
pub(super) fn setting<'a>(
    beside: &Fields<'a>,
    inside: &Fields<'a>,
    key: &str,
) -> Option<Cursor<'a>> {
    match (beside.get(key), inside.get(key)) {
        (Some(_), Some(inner)) => {
            inner.problem(format!("`{key}` is already set beside the secret"));
            None
        }
        (outer, inner) => outer.or(inner),
    }
}

/// Reports an HMAC secret that could be guessed.
pub(super) fn is_strong(cursor: &Cursor<'_>, secret: &Secret, weak_is_allowed: bool) -> bool {
    let Some(weakness) = weakness(secret.expose()) else {
        return true;
    };
    if weak_is_allowed {
        cursor.warn(format!("{weakness}; anyone who guesses it can sign tokens"));
    } else {
        cursor.problem(format!(
            "{weakness}, expected at least {MIN_HMAC_BYTES} random bytes \
             (`allow_weak_secret: true` accepts it nevertheless)"
        ));
    }
    weak_is_allowed
}

/// The keys of a secret that can be rotated.
pub(super) const ROTATING: Keys = Keys {
    known: &[
        "allow_weak_secret",
        "env",
        "file",
        "key",
        "previous",
        "value",
        "yaml",
    ],
    later: &[],
};

/// The keys of a vendor's secret.
const VENDORS: Keys = Keys {
    known: &["env", "file", "key", "previous", "value", "yaml"],
    later: &[],
};

/// The keys of an older secret.
pub(super) const PREVIOUS: Keys = Keys {
    known: &["env", "file", "key", "not_after", "value", "yaml"],
    later: &[],
};

/// The output of SHA-256; RFC 7518, section 3.2 asks for as much.
const MIN_HMAC_BYTES: usize = 32;

/// Published in a framework's templates or documentation, so known to everyone.
const DEFAULTS: [&str; 4] = [
    // jwt.io.
    "a-string-secret-at-least-256-bits-long",
    // RuoYi and its descendants.
    "abcdefghijklmnopqrstuvwxyz",
    // JHipster.
    "my-secret-token-to-change-in-production",
    // jwt.io, formerly.
    "your-256-bit-secret",
];

fn weakness(secret: &[u8]) -> Option<&'static str> {
    if DEFAULTS
        .iter()
        .any(|default| secret.eq_ignore_ascii_case(default.as_bytes()))
    {
        return Some("a published default of a framework");
    }
    (secret.len() < MIN_HMAC_BYTES).then_some("this secret is too short")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_secrets_are_told_by_length_and_fame() {
        for (case, secret, weak) in [
            ("RuoYi's default", "abcdefghijklmnopqrstuvwxyz", true),
            ("31 bytes", "0f8c2e94b7a35d61c0f8e2b49a7d365", true),
            ("32 bytes", "0f8c2e94b7a35d61c0f8e2b49a7d3651", false),
            (
                "long and published",
                "a-string-secret-at-least-256-bits-long",
                true,
            ),
            (
                "in upper case",
                "A-STRING-SECRET-AT-LEAST-256-BITS-LONG",
                true,
            ),
            (
                "a phrase",
                "correct horse battery staple, said the llama",
                false,
            ),
        ] {
            assert_eq!(weakness(secret.as_bytes()).is_some(), weak, "{case}");
        }
    }
}

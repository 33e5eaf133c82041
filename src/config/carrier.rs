//! Places in a request where something can be: `cookie`, `header`, `query`, `subprotocol`.

use super::cursor::{Cursor, Fields, Keys};
use super::{header, notation, origin};
use crate::credential::Carrier;

/// Where a credential can be; at least one place, none of them twice.
pub(super) fn credential_carriers(cursor: &Cursor<'_>) -> Option<Vec<Carrier>> {
    carriers(cursor, &CREDENTIAL)
}

/// Where a claim can be: a header without a prefix, or a query parameter.
pub(super) fn claim_carriers(cursor: &Cursor<'_>) -> Option<Vec<Carrier>> {
    carriers(cursor, &CLAIM)
}

/// The one place where a credential arrives: a header without a prefix, or a query parameter.
pub(super) fn destination(cursor: &Cursor<'_>) -> Option<Carrier> {
    carrier(cursor, &CLAIM)
}

const CREDENTIAL: Keys = Keys {
    known: &[
        "cookie",
        "header",
        "origins",
        "prefix",
        "query",
        "subprotocol",
    ],
    later: &[],
};
const CLAIM: Keys = Keys {
    known: &["header", "query"],
    later: &[],
};

fn carriers(cursor: &Cursor<'_>, keys: &'static Keys) -> Option<Vec<Carrier>> {
    let mut carriers: Vec<Carrier> = Vec::new();
    for element in cursor.non_empty_list()? {
        let Some(carrier) = carrier(&element, keys) else {
            continue;
        };
        if carriers.iter().any(|known| is_same_place(known, &carrier)) {
            element.problem("this place is already listed above");
            continue;
        }
        carriers.push(carrier);
    }
    (!carriers.is_empty()).then_some(carriers)
}

/// The header or the query parameter in a map whose keys were looked at already.
pub(super) fn claim_carrier(fields: &Fields<'_>) -> Option<Carrier> {
    of_fields(fields, &CLAIM)
}

fn carrier(cursor: &Cursor<'_>, keys: &'static Keys) -> Option<Carrier> {
    of_fields(&cursor.map(keys)?, keys)
}

fn of_fields(fields: &Fields<'_>, keys: &'static Keys) -> Option<Carrier> {
    let kinds: Vec<&'static str> = keys
        .known
        .iter()
        .copied()
        .filter(|key| !OF_ONE_KIND.iter().any(|(of, _)| of == key) && fields.has(key))
        .collect();
    if let [kind] = kinds.as_slice()
        && !belongs_together(fields, kind)
    {
        return None;
    }
    match kinds.as_slice() {
        ["cookie"] => {
            let name = fields.get("cookie")?.parsed(COOKIE_NAME, |text| {
                let is_name = notation::is_token(text) && !text.starts_with('$');
                is_name.then(|| text.to_owned())
            });
            // Whoever could leave it out would let every page speak for its visitors.
            let origins = fields
                .required("origins")
                .and_then(|list| origin::origins(&list));
            Some(Carrier::Cookie {
                name: name?,
                origins: origins?,
            })
        }
        ["header"] => {
            let name = header::name(&fields.get("header")?)?;
            let prefix = match fields.get("prefix") {
                Some(prefix) => Some(prefix.parsed("a word such as `Bearer`", |text| {
                    notation::is_token(text).then(|| text.to_owned())
                })?),
                None => None,
            };
            Some(Carrier::Header { name, prefix })
        }
        ["query"] => {
            let name = fields.get("query")?.non_empty_text()?.to_owned();
            Some(Carrier::Query { name })
        }
        ["subprotocol"] => {
            let expected = "a token of RFC 9110, such as `imgate.bearer.`";
            let prefix = fields.get("subprotocol")?.parsed(expected, |text| {
                notation::is_token(text).then(|| text.to_owned())
            })?;
            Some(Carrier::Subprotocol { prefix })
        }
        _ => {
            let expected = if keys.known.contains(&"subprotocol") {
                "one of `cookie`, `header`, `query` and `subprotocol`"
            } else {
                "one of `header` and `query`"
            };
            fields.choose(kinds.len(), expected)
        }
    }
}

/// Keys that say more about one kind of place, and the kind.
const OF_ONE_KIND: [(&str, &str); 2] = [("origins", "cookie"), ("prefix", "header")];

/// RFC 6265, section 4.1.1; names with a dollar sign are attributes to some servers (RFC 2965).
const COOKIE_NAME: &str = "the name of a cookie, a token that does not begin with `$`";

/// Reports a key that says something about another kind of place.
fn belongs_together(fields: &Fields<'_>, kind: &str) -> bool {
    let mut strangers = OF_ONE_KIND
        .iter()
        .filter(|(key, of)| *of != kind && fields.has(key))
        .peekable();
    let is_fine = strangers.peek().is_none();
    for (key, of) in strangers {
        fields.problem(format!("`{key}` is for a {of}, not beside `{kind}`"));
    }
    is_fine
}

/// A header is one place, whatever its prefix; so are two subprotocols of which one begins like the
/// other.
fn is_same_place(a: &Carrier, b: &Carrier) -> bool {
    match (a, b) {
        (Carrier::Header { name: a, .. }, Carrier::Header { name: b, .. }) => {
            a.eq_ignore_ascii_case(b)
        }
        (Carrier::Cookie { name: a, .. }, Carrier::Cookie { name: b, .. })
        | (Carrier::Query { name: a }, Carrier::Query { name: b }) => a == b,
        (Carrier::Subprotocol { prefix: a }, Carrier::Subprotocol { prefix: b }) => {
            a.starts_with(b.as_str()) || b.starts_with(a.as_str())
        }
        (
            Carrier::Cookie { .. }
            | Carrier::Header { .. }
            | Carrier::Query { .. }
            | Carrier::Subprotocol { .. },
            _,
        ) => false,
    }
}

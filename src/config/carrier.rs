//! Places in a request where something can be: `header`, `query`, `subprotocol`.

use super::cursor::{Cursor, Keys};
use super::{header, notation};
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
    known: &["header", "prefix", "query", "subprotocol"],
    later: &["cookie", "origins"],
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

fn carrier(cursor: &Cursor<'_>, keys: &'static Keys) -> Option<Carrier> {
    let fields = cursor.map(keys)?;
    let kinds: Vec<&'static str> = keys
        .known
        .iter()
        .copied()
        .filter(|key| *key != "prefix" && fields.has(key))
        .collect();
    match kinds.as_slice() {
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
        [kind] if fields.has("prefix") => {
            fields.problem(format!("`prefix` is for headers, not beside `{kind}`"));
            None
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
                "one of `header`, `query` and `subprotocol`"
            } else {
                "one of `header` and `query`"
            };
            fields.choose(kinds.len(), expected)
        }
    }
}

/// A header is one place, whatever its prefix; so are two subprotocols of which one begins like the
/// other.
fn is_same_place(a: &Carrier, b: &Carrier) -> bool {
    match (a, b) {
        (Carrier::Header { name: a, .. }, Carrier::Header { name: b, .. }) => {
            a.eq_ignore_ascii_case(b)
        }
        (Carrier::Query { name: a }, Carrier::Query { name: b }) => a == b,
        (Carrier::Subprotocol { prefix: a }, Carrier::Subprotocol { prefix: b }) => {
            a.starts_with(b.as_str()) || b.starts_with(a.as_str())
        }
        (Carrier::Header { .. } | Carrier::Query { .. } | Carrier::Subprotocol { .. }, _) => false,
    }
}

//! `require`: the word `public`, or authenticators and what their principal has to be.

use std::sync::Arc;

use crate::config::carrier;
use crate::config::cursor::{Cursor, Keys};
use crate::config::document::Located;
use crate::config::document::{Combine, DeviceType, Requirement};
use crate::config::names::{self, Names};
use crate::config::route::first_message::{self, FirstMessageRule};
use crate::config::spelling;

pub(super) fn requirement(cursor: &Cursor<'_>, names: &Names<'_>) -> Option<Requirement> {
    if cursor.is_word("public") {
        return Some(Requirement::Public);
    }
    let Some(mut fields) = cursor.as_map() else {
        cursor.problem("expected `public`, or a map with `any_of`, `all_of` or `first_message`");
        return None;
    };
    fields.refuse_unknown(&REQUIRE);
    let device_type = fields.optional("device_type", device_type);
    if let Some(place) = fields.get("first_message") {
        if fields.has("any_of") || fields.has("all_of") {
            fields.problem("`first_message` names its authenticators itself, expected no others");
        }
        let FirstMessageRule {
            combine,
            authenticators,
            first_message,
        } = first_message::first_message(&place, names)?;
        return Some(Requirement::Credentials {
            combine,
            authenticators,
            device_type,
            first_message: Some(first_message),
        });
    }
    let (combine, list) = match (fields.get("any_of"), fields.get("all_of")) {
        (Some(list), None) => (Combine::AnyOf, list),
        (None, Some(list)) => (Combine::AllOf, list),
        (Some(_), Some(_)) => {
            fields.problem("`any_of` and `all_of` exclude each other");
            return None;
        }
        (None, None) => {
            let expected = "`any_of` or `all_of` with the names of authenticators";
            return fields.choose(0, expected);
        }
    };
    let authenticators = authenticators(&list, names)?;
    Some(Requirement::Credentials {
        combine,
        authenticators,
        device_type,
        first_message: None,
    })
}

/// Names of authenticators, each once, at least one.
pub(super) fn authenticators(
    cursor: &Cursor<'_>,
    names: &Names<'_>,
) -> Option<Vec<Located<Arc<str>>>> {
    let declared = names.authenticators.as_ref();
    let mut authenticators: Vec<Located<Arc<str>>> = Vec::new();
    let mut all_known = true;
    for element in cursor.non_empty_list()? {
        let Some(name) = names::reference(&element, "authenticator", declared) else {
            all_known = false;
            continue;
        };
        if authenticators.iter().any(|known| known.value == name.value) {
            element.problem("already listed above");
            continue;
        }
        authenticators.push(name);
    }
    all_known.then_some(authenticators)
}

const REQUIRE: Keys = Keys {
    known: &["all_of", "any_of", "device_type", "first_message"],
    later: &["match"],
};

const DEVICE_TYPE: Keys = Keys {
    known: &["aliases", "from", "one_of"],
    later: &[],
};

fn device_type(cursor: &Cursor<'_>) -> Option<DeviceType> {
    let fields = cursor.map(&DEVICE_TYPE)?;
    let from = fields
        .required("from")
        .and_then(|from| carrier::claim_carriers(&from));
    let one_of = fields.required("one_of").and_then(|list| list.names());
    let aliases = fields.or_default("aliases", Vec::new(), |map| {
        let aliases = map.entries()?.into_iter();
        Some(
            aliases
                .filter_map(|(name, target)| alias(name, &target, one_of.as_deref()))
                .collect(),
        )
    });
    Some(DeviceType {
        from: from?,
        one_of: one_of?,
        aliases,
    })
}

fn alias(
    name: &str,
    target: &Cursor<'_>,
    one_of: Option<&[Arc<str>]>,
) -> Option<(String, Located<Arc<str>>)> {
    let text = target.non_empty_text()?;
    let known = one_of?;
    if known.iter().any(|known| **known == *name) {
        target.problem("an alias is another spelling, but `one_of` has this one already");
        return None;
    }
    if !known.iter().any(|known| **known == *text) {
        let known: Vec<&str> = known.iter().map(|known| &**known).collect();
        target.problem(spelling::unknown("device type", text, &known));
        return None;
    }
    Some((name.to_owned(), target.locate(Arc::from(text))))
}

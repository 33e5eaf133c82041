//! `require`: the word `public`, or authenticators and what their principal has to be.

use std::sync::Arc;

use crate::config::carrier;
use crate::config::cursor::{Cursor, Keys};
use crate::config::document::Located;
use crate::config::document::{ClaimPlace, ClaimRule, Combine, DeviceType, Requirement};
use crate::config::names::{self, Names};
use crate::config::route::first_message::{self, FirstMessageRule};
use crate::config::route::path;
use crate::config::spelling;
use crate::principal::Claim;

/// `pattern` is the route's path, if that can be read.
pub(super) fn requirement(
    cursor: &Cursor<'_>,
    names: &Names<'_>,
    pattern: Option<&str>,
) -> Option<Requirement> {
    if cursor.is_word("public") {
        return Some(Requirement::Public);
    }
    let Some(mut fields) = cursor.as_map() else {
        cursor.problem("expected `public`, or a map with `any_of`, `all_of` or `first_message`");
        return None;
    };
    fields.refuse_unknown(&REQUIRE);
    let device_type = fields.optional("device_type", device_type);
    let matches = fields.or_default("match", Vec::new(), |map| matches(map, pattern));
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
            first_message: Some(Box::new(first_message)),
            matches,
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
        matches,
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
    known: &["all_of", "any_of", "device_type", "first_message", "match"],
    later: &[],
};

const MATCH: Keys = Keys {
    known: &["app", "device_type", "subject", "user_type"],
    later: &[],
};

const CLAIM_PLACE: Keys = Keys {
    known: &["header", "path", "query"],
    // A body is not read before it is forwarded, except for `limit`.
    later: &["json"],
};

const DEVICE_TYPE: Keys = Keys {
    known: &["aliases", "from", "one_of"],
    later: &[],
};

/// What the request claims and the credential has to prove.
fn matches(cursor: &Cursor<'_>, pattern: Option<&str>) -> Option<Vec<ClaimRule>> {
    let fields = cursor.map(&MATCH)?;
    let claims = [
        ("app", Claim::App),
        ("device_type", Claim::DeviceType),
        ("subject", Claim::Subject),
        ("user_type", Claim::UserType),
    ];
    let claims = claims
        .into_iter()
        .filter_map(|(key, claim)| Some((fields.get(key)?, claim)));
    let claims: Vec<_> = claims.collect();
    if claims.is_empty() {
        return fields.choose(0, "`subject`, `device_type`, `app` or `user_type`");
    }
    let rules = claims.into_iter().filter_map(|(cursor, claim)| {
        let place = claim_place(&cursor, pattern)?;
        Some(ClaimRule { claim, place })
    });
    Some(rules.collect())
}

fn claim_place(cursor: &Cursor<'_>, pattern: Option<&str>) -> Option<ClaimPlace> {
    let fields = cursor.map(&CLAIM_PLACE)?;
    match fields.among(CLAIM_PLACE.known)[..] {
        ["path"] => {
            let name = fields.get("path")?;
            let segment = path::parameter(&name, pattern?, name.non_empty_text()?)?;
            Some(ClaimPlace::Path { segment })
        }
        ["header" | "query"] => Some(ClaimPlace::Carrier(carrier::claim_carrier(&fields)?)),
        ref found => fields.choose(found.len(), "one of `header`, `path` and `query`"),
    }
}

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

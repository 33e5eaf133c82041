//! `authenticators`: named pairs of places and a scheme.

mod app_key;
mod easemob_dynamic;
mod easemob_token;
mod imkit_client_key;
mod introspection;
mod jwk;
mod jwt;
mod public_key;
mod sa_token;
mod withdrawal;
mod zego_token04;

use std::sync::Arc;

use super::carrier;
use super::cursor::{Cursor, Keys, NAME};
use super::document::{Authenticator, SchemeConfig};
use super::names::Names;
use super::spelling;

pub(super) fn authenticators(section: &Cursor<'_>, names: &Names<'_>) -> Vec<Authenticator> {
    let entries = section.entries().unwrap_or_default();
    entries
        .iter()
        .filter_map(|(name, cursor)| authenticator(name, cursor, names))
        .collect()
}

const KEYS: Keys = Keys {
    known: &[
        "app_key",
        "easemob_dynamic",
        "easemob_token",
        "from",
        "imkit_client_key",
        "introspection",
        "jwt",
        "realm",
        "sa_token",
        "zego_token04",
    ],
    later: &[],
};

const SCHEMES: [&str; 8] = [
    "app_key",
    "easemob_dynamic",
    "easemob_token",
    "imkit_client_key",
    "introspection",
    "jwt",
    "sa_token",
    "zego_token04",
];

fn authenticator(name: &str, cursor: &Cursor<'_>, names: &Names<'_>) -> Option<Authenticator> {
    if !spelling::is_name(name) {
        cursor.problem(format!("expected {NAME} as the key"));
    }
    let fields = cursor.map(&KEYS)?;
    let from = fields
        .required("from")
        .and_then(|from| carrier::credential_carriers(&from));
    let scheme = match fields.among(&SCHEMES).as_slice() {
        [kind] if fields.among(KEYS.later).is_empty() => {
            let cursor = fields.get(kind)?;
            let scheme = match *kind {
                "app_key" => app_key::decode(&cursor, names).map(SchemeConfig::AppKey),
                "easemob_dynamic" => {
                    easemob_dynamic::decode(&cursor).map(SchemeConfig::EasemobDynamic)
                }
                "easemob_token" => easemob_token::decode(&cursor, names)
                    .map(|config| SchemeConfig::EasemobToken(Box::new(config))),
                "imkit_client_key" => {
                    imkit_client_key::decode(&cursor).map(SchemeConfig::ImkitClientKey)
                }
                "introspection" => introspection::decode(&cursor)
                    .map(|config| SchemeConfig::Introspection(Box::new(config))),
                "jwt" => jwt::decode(&cursor).map(SchemeConfig::Jwt),
                "zego_token04" => zego_token04::decode(&cursor).map(SchemeConfig::ZegoToken04),
                _ => sa_token::decode(&cursor, names).map(SchemeConfig::SaToken),
            };
            scheme.map(|scheme| (scheme, cursor.place()))
        }
        schemes => {
            let expected = format!("exactly one scheme: {}", spelling::list(&SCHEMES));
            fields.choose(schemes.len(), &expected)
        }
    };
    let (scheme, scheme_place) = scheme?;
    let name = cursor.locate(Arc::from(name));
    let realm = fields.or_default("realm", Arc::clone(&name.value), Cursor::name);
    Some(Authenticator {
        name,
        from: from?,
        realm,
        scheme,
        scheme_place,
    })
}

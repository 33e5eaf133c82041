//! `authenticators`: named pairs of places and a scheme.

mod app_key;
mod imkit_client_key;
mod jwk;
mod jwt;
mod public_key;
mod sa_token;

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
        "from",
        "imkit_client_key",
        "jwt",
        "realm",
        "sa_token",
    ],
    later: &[
        "easemob_dynamic",
        "easemob_token",
        "introspection",
        "zego_token04",
    ],
};

const SCHEMES: [&str; 4] = ["app_key", "imkit_client_key", "jwt", "sa_token"];

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
                "imkit_client_key" => {
                    imkit_client_key::decode(&cursor).map(SchemeConfig::ImkitClientKey)
                }
                "jwt" => jwt::decode(&cursor).map(SchemeConfig::Jwt),
                _ => sa_token::decode(&cursor).map(SchemeConfig::SaToken),
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

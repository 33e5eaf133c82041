//! `imkit_client_key`: the apps, each with its client key or the secret that signs it.

use std::collections::HashSet;
use std::sync::Arc;

use crate::clock::UnixTime;
use crate::config::cursor::{Cursor, Fields, Keys};
use crate::config::{notation, source, strength};
use crate::scheme::imkit_client_key::{self, App, Config};
use crate::secret::Digest;

const IMKIT_CLIENT_KEY: Keys = Keys {
    known: &["apps"],
    later: &[],
};

const APP: Keys = Keys {
    known: &[
        "allow_weak_secret",
        "client_id",
        "client_key",
        "domains",
        "id",
        "previous",
        "secret",
    ],
    later: &[],
};

const CLIENT_KEY: Keys = Keys {
    known: &["env", "file", "key", "previous", "value", "yaml"],
    later: &[],
};

pub(super) fn decode(cursor: &Cursor<'_>) -> Option<Config> {
    let fields = cursor.map(&IMKIT_CLIENT_KEY)?;
    let apps = fields.required("apps")?;
    let mut ids = HashSet::new();
    let apps: Vec<App> = apps
        .non_empty_list()?
        .iter()
        .filter_map(|element| app(element, &mut ids))
        .collect();
    (!apps.is_empty()).then_some(Config { apps })
}

fn app(cursor: &Cursor<'_>, ids: &mut HashSet<Arc<str>>) -> Option<App> {
    let fields = cursor.map(&APP)?;
    let id = fields.required("id").and_then(|id| {
        let name = id.name()?;
        if !ids.insert(Arc::clone(&name)) {
            id.problem("another app above has the same `id`");
        }
        Some(name)
    });
    let domains = fields.optional("domains", domains);
    let keys = match (fields.get("client_key"), fields.get("secret")) {
        (Some(place), None) => {
            for key in ["client_id", "allow_weak_secret"] {
                if let Some(misplaced) = fields.get(key) {
                    misplaced.problem("expected only beside a `secret`");
                }
            }
            listed(&fields, &place)
        }
        (None, Some(_)) => signed(&fields),
        (Some(_), Some(secret)) => {
            secret.problem("`client_key` and `secret` exclude each other");
            None
        }
        (None, None) => fields.choose(0, "`client_key`, or the `secret` that signs it"),
    };
    Some(App {
        id: id?,
        keys: keys?,
        domains,
    })
}

/// The key itself, and the one before it for as long as it still counts.
fn listed(fields: &Fields<'_>, place: &Cursor<'_>) -> Option<imkit_client_key::Keys> {
    let inside = source::map(place, &CLIENT_KEY)?;
    let mut keys: Vec<(Digest, Option<UnixTime>)> = Vec::new();
    let previous = strength::setting(fields, &inside, "previous");
    for element in previous.iter().flat_map(one_or_more) {
        let Some(older) = source::map(&element, &strength::PREVIOUS) else {
            continue;
        };
        let end = older.required("not_after").and_then(|end| end.timestamp());
        keys.extend(source::key_digest(&older).zip(end.map(Some)));
    }
    keys.push((source::key_digest(&inside)?, None));
    Some(imkit_client_key::Keys::Listed(keys))
}

/// There is one key before the key as a rule, so it need not be a list.
fn one_or_more<'a>(cursor: &Cursor<'a>) -> Vec<Cursor<'a>> {
    match cursor.as_map() {
        Some(_) => vec![cursor.clone()],
        None => cursor.list().unwrap_or_default(),
    }
}

fn signed(fields: &Fields<'_>) -> Option<imkit_client_key::Keys> {
    let client_id = fields.optional("client_id", Cursor::non_empty_text);
    let secrets = strength::rotating_hmac(fields, "secret")?;
    let previous = secrets.previous.into_iter();
    let older = previous.map(|(secret, end)| (secret, Some(end)));
    Some(imkit_client_key::Keys::Signed {
        secrets: std::iter::once((secrets.current, None))
            .chain(older)
            .collect(),
        client_id: client_id.map(Arc::from),
    })
}

fn domains(cursor: &Cursor<'_>) -> Option<Arc<[Arc<str>]>> {
    let domains = cursor.non_empty_list()?;
    let domain = |domain: &Cursor<'_>| {
        domain.parsed("a host name without a port", |text| {
            notation::is_host(text).then(|| Arc::from(text.to_ascii_lowercase()))
        })
    };
    Some(domains.iter().filter_map(domain).collect())
}

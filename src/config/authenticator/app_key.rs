//! `app_key`: keys of partners, inline or in a `keys_file` with the same list at its top level.

use std::collections::HashSet;
use std::sync::Arc;

use crate::clock::UnixTime;
use crate::config::cursor::{Cursor, Fields, Keys, Source};
use crate::config::names::{self, Names};
use crate::config::tree::Tree;
use crate::config::{notation, source, strength, yaml};
use crate::scheme::app_key::{Config, Key};
use crate::secret::Digest;

pub(super) fn decode(cursor: &Cursor<'_>, names: &Names<'_>) -> Option<Config> {
    let fields = cursor.map(&APP_KEY)?;
    let mut list = List {
        keys: Vec::new(),
        digests: HashSet::new(),
        names,
    };
    let is_empty = match (fields.get("keys"), fields.get("keys_file")) {
        (Some(keys), None) => list.take(&keys)?,
        (None, Some(file)) => list.take_file(&file)?,
        (Some(_), Some(file)) => {
            file.problem("`keys` and `keys_file` exclude each other");
            return None;
        }
        (None, None) => return fields.choose(0, "`keys` or `keys_file`"),
    };
    if is_empty && !fields.or_default("allow_empty", false, Cursor::boolean) {
        fields.problem(
            "expected at least one key, nobody could come in \
             (`allow_empty: true` accepts it nevertheless)",
        );
        return None;
    }
    Some(Config { keys: list.keys })
}

const APP_KEY: Keys = Keys {
    known: &["allow_empty", "keys", "keys_file"],
    later: &[],
};

const KEY: Keys = Keys {
    known: &[
        "id",
        "not_after",
        "not_before",
        "previous",
        "routes",
        "secret",
        "sha256",
    ],
    later: &[],
};

const PREVIOUS: Keys = Keys {
    known: &["env", "file", "key", "not_after", "sha256", "value", "yaml"],
    later: &[],
};

const SECRET: Keys = Keys {
    known: &["env", "file", "key", "previous", "value", "yaml"],
    later: &[],
};

/// A hundred thousand keys take some 15 MiB.
const MAX_KEYS_FILE: usize = 128 * 1024 * 1024;

struct List<'n> {
    keys: Vec<Key>,
    digests: HashSet<Digest>,
    names: &'n Names<'n>,
}

impl List<'_> {
    /// Decodes a list and says whether it was empty.
    fn take(&mut self, cursor: &Cursor<'_>) -> Option<bool> {
        let elements = cursor.list()?;
        for element in &elements {
            self.take_key(element);
        }
        Some(elements.is_empty())
    }

    fn take_file(&mut self, cursor: &Cursor<'_>) -> Option<bool> {
        let (path, bytes) = source::read_file(cursor, MAX_KEYS_FILE)?;
        let source = Source::new(&path);
        let tree: Tree = yaml::parse(&bytes, &source, cursor.findings)?;
        let is_empty = self.take(&Cursor::root(&tree.root, &source, cursor.findings));
        yaml::report_form(&tree, &source, cursor.findings);
        is_empty
    }

    /// Decodes one element: a key, and its predecessors as further keys of the same id.
    fn take_key(&mut self, cursor: &Cursor<'_>) -> Option<()> {
        let fields = cursor.map(&KEY)?;
        let id = fields.required("id").and_then(|id| id.name());
        let not_before = fields.optional("not_before", Cursor::timestamp);
        let not_after = fields.optional("not_after", Cursor::timestamp);
        if let (Some(start), Some(end)) = (not_before, not_after)
            && start >= end
        {
            fields.problem("expected `not_before` to be earlier than `not_after`");
        }
        let entry_end = not_after;
        let routes = fields.optional("routes", |routes| self.routes(routes));
        let (current, previous) = self.digests(&fields);
        let id = id?;
        if let Some(digest) = current {
            let (id, routes) = (Arc::clone(&id), routes.clone());
            self.keys.push(Key {
                id,
                digest,
                not_before,
                not_after,
                routes,
            });
        }
        for (digest, not_after) in previous {
            let (id, routes) = (Arc::clone(&id), routes.clone());
            self.keys.push(Key {
                id,
                digest,
                not_before: None,
                // With the entry its older keys end too.
                not_after: Some(entry_end.map_or(not_after, |end| not_after.min(end))),
                routes,
            });
        }
        Some(())
    }

    fn routes(&self, cursor: &Cursor<'_>) -> Option<Arc<[Arc<str>]>> {
        let declared = self.names.routes.as_ref();
        let routes = cursor.non_empty_list()?;
        Some(
            routes
                .iter()
                .filter_map(|route| names::reference(route, "route", declared))
                .map(|route| route.value)
                .collect(),
        )
    }

    /// The digest of the key itself and those of its predecessors.
    fn digests(&mut self, fields: &Fields<'_>) -> (Option<Digest>, Vec<(Digest, UnixTime)>) {
        let secret = fields.optional("secret", |secret| source::map(secret, &SECRET));
        let current = match (fields.get("secret"), fields.get("sha256")) {
            (Some(_), None) => secret.as_ref().and_then(source::key_digest),
            (None, Some(digest)) => written_digest(&digest),
            (Some(_), Some(digest)) => {
                digest.problem("`secret` and `sha256` exclude each other");
                None
            }
            (None, None) => fields.choose(0, "`secret` or `sha256`"),
        };
        let current = current.filter(|digest| self.is_new(&fields.cursor, *digest));
        let list = match &secret {
            Some(inside) => strength::setting(fields, inside, "previous"),
            None => fields.get("previous"),
        };
        let elements = list.and_then(|list| list.list()).unwrap_or_default();
        let previous = elements
            .iter()
            .filter_map(|element| self.previous(element))
            .collect();
        (current, previous)
    }

    fn previous(&mut self, cursor: &Cursor<'_>) -> Option<(Digest, UnixTime)> {
        let fields = source::map(cursor, &PREVIOUS)?;
        let not_after = fields.required("not_after").and_then(|end| end.timestamp());
        let digest = match fields.get("sha256") {
            Some(digest) if fields.among(source::SECRET.known).is_empty() => {
                written_digest(&digest)
            }
            Some(digest) => {
                digest.problem("a secret and `sha256` exclude each other");
                None
            }
            None => source::key_digest(&fields),
        };
        let digest = digest.filter(|digest| self.is_new(cursor, *digest))?;
        Some((digest, not_after?))
    }

    /// Two entries with one key would leave open whose it is and how long it holds.
    fn is_new(&mut self, cursor: &Cursor<'_>, digest: Digest) -> bool {
        let is_new = self.digests.insert(digest);
        if !is_new {
            cursor.problem("the same key is already listed above");
        }
        is_new
    }
}

fn written_digest(cursor: &Cursor<'_>) -> Option<Digest> {
    let expected = "the SHA-256 digest of the key as 64 hexadecimal digits";
    let digest = Digest::from_bytes(cursor.parsed(expected, notation::sha256_digits)?);
    if digest.matches(&Digest::of(b"")) {
        cursor.problem("expected the digest of a key that is not empty");
        return None;
    }
    Some(digest)
}

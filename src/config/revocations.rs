//! `revocations`: what is revoked for good, in a file of its own or in place.

use std::sync::Arc;

use super::cursor::{Cursor, Fields, Keys, Source};
use super::{notation, source, yaml};
use crate::clock::UnixTime;
use crate::revocation::{MOST_REVOCATIONS, Revocation, Target};
use crate::secret::Digest;

const REVOCATIONS: Keys = Keys {
    known: &["file", "list"],
    later: &[],
};

const REVOCATION: Keys = Keys {
    known: &[
        "app_key",
        "device_type",
        "issued_before",
        "jti",
        "token_sha256",
        "until",
        "user",
        "user_type",
    ],
    later: &[],
};

/// Exactly one of these says what a revocation is about.
const TARGETS: [&str; 4] = ["app_key", "jti", "token_sha256", "user"];

/// A hundred thousand entries take some 10 MiB.
const MAX_FILE: usize = 128 * 1024 * 1024;

pub(super) fn revocations(cursor: &Cursor<'_>) -> Option<Vec<Revocation>> {
    let fields = cursor.map(&REVOCATIONS)?;
    match (fields.get("file"), fields.get("list")) {
        (Some(file), None) => from_file(&file),
        (None, Some(list)) => from_list(&list),
        (Some(_), Some(list)) => {
            list.problem("`file` and `list` exclude each other");
            None
        }
        (None, None) => fields.choose(0, "`file` or `list`"),
    }
}

fn from_file(cursor: &Cursor<'_>) -> Option<Vec<Revocation>> {
    let (path, bytes) = source::read_file(cursor, MAX_FILE)?;
    let source = Source::new(&path);
    let tree = yaml::parse(&bytes, &source, cursor.findings)?;
    let revocations = from_list(&Cursor::root(&tree.root, &source, cursor.findings));
    yaml::report_form(&tree, &source, cursor.findings);
    revocations
}

fn from_list(cursor: &Cursor<'_>) -> Option<Vec<Revocation>> {
    let elements = cursor.list()?;
    if elements.len() > MOST_REVOCATIONS {
        cursor.problem(format!("expected at most {MOST_REVOCATIONS} elements"));
        return None;
    }
    Some(elements.iter().filter_map(revocation).collect())
}

fn revocation(cursor: &Cursor<'_>) -> Option<Revocation> {
    let fields = cursor.map(&REVOCATION)?;
    let issued_before = fields.optional("issued_before", Cursor::timestamp);
    let expires_at = fields.or_default("until", UnixTime::NEVER, Cursor::timestamp);
    let found = fields.among(&TARGETS);
    let [kind] = found.as_slice() else {
        return fields.choose(
            found.len(),
            "exactly one of `app_key`, `jti`, `token_sha256` and `user`",
        );
    };
    only_beside(
        &fields,
        *kind == "user",
        &["user_type", "device_type"],
        "`user`",
    );
    let is_many = ["user", "app_key"].contains(kind);
    only_beside(&fields, is_many, &["issued_before"], "`user` or `app_key`");
    let value = fields.get(kind)?;
    let text = |key: &str| fields.optional(key, |value| value.non_empty_text().map(Arc::from));
    let target = match *kind {
        "app_key" => Target::App(text(kind)?),
        "jti" => Target::TokenId(text(kind)?),
        "token_sha256" => Target::Token(Digest::from_bytes(value.parsed(
            "the SHA-256 digest that `imgate token inspect` prints, as 64 hexadecimal digits",
            notation::sha256_digits,
        )?)),
        _ => Target::User {
            subject: text(kind)?,
            user_type: text("user_type"),
            device_type: text("device_type"),
        },
    };
    Some(Revocation {
        target,
        issued_before: issued_before.unwrap_or(UnixTime::NEVER),
        expires_at,
    })
}

fn only_beside(fields: &Fields<'_>, is_there: bool, keys: &[&str], what: &str) {
    if is_there {
        return;
    }
    for key in keys {
        if let Some(misplaced) = fields.get(key) {
            misplaced.problem(format!("expected only beside {what}"));
        }
    }
}

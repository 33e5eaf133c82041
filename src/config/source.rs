//! Where a secret comes from: `{ file }`, `{ env }`, `{ yaml, key }` or `{ value }`.
//!
//! An empty secret is a mistake wherever it stands, and so is one that cannot be read. Whether it
//! is strong enough is the question of [`super::strength`].

use super::cursor::{Cursor, Fields, Keys};
use super::findings::unreadable;
use super::{spelling, spring};
use crate::secret::{Digest, Secret};

/// The keys of every secret.
pub(super) const SECRET: Keys = Keys {
    known: &["env", "file", "key", "value", "yaml"],
    later: &[],
};

/// A secret that stands alone.
pub(super) fn secret(cursor: &Cursor<'_>) -> Option<Secret> {
    from_fields(&map(cursor, &SECRET)?)
}

/// The map of a secret. Whoever writes the secret itself there is told how to refer to it.
pub(super) fn map<'a>(cursor: &Cursor<'a>, keys: &'static Keys) -> Option<Fields<'a>> {
    if cursor.as_text().is_some() {
        cursor.problem("expected a map such as `{ file: keys/name }`");
        return None;
    }
    cursor.map(keys)
}

/// A secret among further keys.
pub(super) fn from_fields(fields: &Fields<'_>) -> Option<Secret> {
    let secret = read(fields, true)?;
    if secret.is_empty() {
        fields.problem("expected a secret that is not empty");
        return None;
    }
    Some(secret)
}

/// The digest of a key that requests carry as it is, among further keys.
pub(super) fn key_digest(fields: &Fields<'_>) -> Option<Digest> {
    let key = from_fields(fields)?;
    if key.expose().iter().any(u8::is_ascii_control) {
        fields.problem(
            "expected a key without control characters, such as a second line end: \
             no request can carry one",
        );
        return None;
    }
    Some(Digest::of(key.expose()))
}

/// What anyone may see, such as a public key.
pub(super) fn public(cursor: &Cursor<'_>) -> Option<Secret> {
    read(&map(cursor, &SECRET)?, false)
}

/// Resolves a path against the file that names it, reads it, and reports it when that fails.
pub(super) fn read_file(cursor: &Cursor<'_>, limit: usize) -> Option<(std::path::PathBuf, Bytes)> {
    let name = cursor.non_empty_text()?;
    if name.contains('\0') {
        cursor.problem("expected the path of a file");
        return None;
    }
    let path = cursor.source.directory.join(name);
    match cursor.findings.read(&path, limit) {
        Ok(bytes) => Some((path, bytes)),
        Err(error) => {
            cursor.problem(format!("{} {}", shown(name), unreadable(&error)));
            None
        }
    }
}

/// The content of a file, wiped when dropped.
type Bytes = zeroize::Zeroizing<Vec<u8>>;

const SOURCES: &str = "exactly one of `file`, `env`, `yaml` with `key`, and `value`";

/// No key is larger; it keeps a wrong path from filling the memory.
const MAX_SECRET_FILE: usize = 64 * 1024;

/// Spring files hold whole applications.
const MAX_YAML_FILE: usize = 4 * 1024 * 1024;

fn read(fields: &Fields<'_>, is_secret: bool) -> Option<Secret> {
    match fields.among(&["env", "file", "value", "yaml"]).as_slice() {
        [kind] if *kind != "yaml" && fields.has("key") => {
            fields.problem(format!("`key` is for `yaml`, not beside `{kind}`"));
            None
        }
        ["env"] => from_env(&fields.get("env")?),
        ["file"] => {
            let (_, bytes) = read_file(&fields.get("file")?, MAX_SECRET_FILE)?;
            Some(Secret::new(without_line_end(&bytes)))
        }
        ["value"] => {
            let cursor = fields.get("value")?;
            let value = cursor.text()?;
            if is_secret {
                cursor.warn("a secret in the configuration itself, better name a `file` or `env`");
            }
            Some(Secret::new(value))
        }
        ["yaml"] => {
            let key = fields.required("key")?;
            let (_, bytes) = read_file(&fields.get("yaml")?, MAX_YAML_FILE)?;
            match spring::look_up(&bytes, key.non_empty_text()?) {
                Ok(value) => Some(value),
                Err(reason) => {
                    key.problem(reason.message());
                    None
                }
            }
        }
        kinds => fields.choose(kinds.len(), SOURCES),
    }
}

fn from_env(cursor: &Cursor<'_>) -> Option<Secret> {
    let name = cursor.parsed("the name of an environment variable", |text| {
        (!text.is_empty() && !text.contains(['=', '\0'])).then_some(text)
    })?;
    match std::env::var(name) {
        Ok(value) => Some(Secret::new(value)),
        Err(std::env::VarError::NotPresent) => {
            cursor.problem(format!("environment variable {} is not set", shown(name)));
            None
        }
        Err(std::env::VarError::NotUnicode(_)) => {
            cursor.problem("this environment variable is not UTF-8 text");
            None
        }
    }
}

/// Editors and `echo` end a file with a line end, which is not part of the secret.
fn without_line_end(bytes: &[u8]) -> &[u8] {
    bytes
        .strip_suffix(b"\r\n")
        .or_else(|| bytes.strip_suffix(b"\n"))
        .unwrap_or(bytes)
}

/// A path or a variable, if each of its parts looks like a name. Anything else could be a secret
/// that was put where only its name belongs.
fn shown(name: &str) -> String {
    let parts = name.strip_prefix('/').unwrap_or(name);
    if parts.split('/').all(spelling::is_name) {
        format!("`{name}`")
    } else {
        "this".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_is_dropped() {
        for (case, bytes, expected) in [
            ("none", b"s3cret".as_slice(), b"s3cret".as_slice()),
            ("a line feed", b"s3cret\n", b"s3cret"),
            ("carriage return and line feed", b"s3cret\r\n", b"s3cret"),
            ("only one of two", b"s3cret\n\n", b"s3cret\n"),
            ("a carriage return alone stays", b"s3cret\r", b"s3cret\r"),
            ("spaces stay", b" s3cret \n", b" s3cret "),
            ("nothing else", b"\n", b""),
        ] {
            assert_eq!(without_line_end(bytes), expected, "{case}");
        }
    }

    #[test]
    fn only_what_looks_like_a_path_is_shown() {
        for (name, expected) in [
            ("keys/partner-a", "`keys/partner-a`"),
            ("/etc/imgate/keys/a.pem", "`/etc/imgate/keys/a.pem`"),
            ("../keys/a", "`../keys/a`"),
            ("IM_APP_KEY", "`IM_APP_KEY`"),
            ("q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQ+83vEg==", "this"),
            ("two words", "this"),
        ] {
            assert_eq!(shown(name), expected, "{name}");
        }
    }
}

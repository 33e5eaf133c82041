//! One key of an existing Spring configuration file.
//!
//! Spring lets every key be nested, dotted, or both, spread over several documents, and filled in
//! from placeholders. A key is read only where it can mean one thing: written once, as a plain
//! string. Spring's relaxed spellings (`appKey` for `app-key`) are not followed.

use serde::Deserialize as _;
use serde_yaml::Value;

use crate::secret::Secret;

/// Why a key gave no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Ambiguous,
    NotFound,
    NotText,
    NotYaml,
    Placeholder,
}

impl Missing {
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Ambiguous => "this key is set more than once in the file, expected exactly one",
            Self::NotFound => "expected a key of the file, nested or dotted",
            Self::NotText => "expected the key of a string, put the value in quotes in the file",
            Self::NotYaml => "the file is not valid YAML",
            Self::Placeholder => "the value is a placeholder that only Spring can fill in",
        }
    }
}

/// Reads the value of a dotted key, such as `sa-token.jwt-secret-key`.
pub(super) fn look_up(bytes: &[u8], key: &str) -> Result<Secret, Missing> {
    let segments: Vec<&str> = key.split('.').collect();
    if segments.len() > MAX_SEGMENTS {
        return Err(Missing::NotFound);
    }
    let mut found = Vec::new();
    let mut documents = Vec::new();
    for document in serde_yaml::Deserializer::from_slice(bytes) {
        documents.push(Value::deserialize(document).map_err(|_| Missing::NotYaml)?);
    }
    for document in &documents {
        collect(document, &segments, &mut found);
    }
    match found.as_slice() {
        [] => Err(Missing::NotFound),
        [Value::String(text)] if text.contains("${") => Err(Missing::Placeholder),
        [Value::String(text)] => Ok(Secret::new(text.as_str())),
        [
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Sequence(_)
            | Value::Mapping(_)
            | Value::Tagged(_),
        ] => Err(Missing::NotText),
        [_, _, ..] => Err(Missing::Ambiguous),
    }
}

/// The ways to cut a key into nested parts double with each dot.
const MAX_SEGMENTS: usize = 10;

/// Collects every value that the rest of a key names, however its segments are joined by dots.
fn collect<'v>(value: &'v Value, segments: &[&str], found: &mut Vec<&'v Value>) {
    if segments.is_empty() {
        found.push(value);
        return;
    }
    let Value::Mapping(map) = value else { return };
    for length in 1..=segments.len() {
        let Some((joined, rest)) = segments.split_at_checked(length) else {
            return;
        };
        if let Some(inner) = map.get(joined.join(".")) {
            collect(inner, rest, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_however_it_is_nested() {
        for (case, text, expected) in [
            ("nested", "im:\n  app-key: x\n", Ok("x")),
            ("dotted", "im.app-key: x\n", Ok("x")),
            ("quoted number", "im: { app-key: '12' }\n", Ok("12")),
            (
                "beside other documents",
                "a: 1\n---\nim:\n  app-key: x\n",
                Ok("x"),
            ),
            (
                "both ways",
                "im.app-key: x\nim:\n  app-key: y\n",
                Err(Missing::Ambiguous),
            ),
            (
                "per profile",
                "im.app-key: x\n---\nim.app-key: y\n",
                Err(Missing::Ambiguous),
            ),
            ("absent", "im:\n  other: x\n", Err(Missing::NotFound)),
            ("relaxed", "im:\n  appKey: x\n", Err(Missing::NotFound)),
            (
                "a number",
                "im:\n  app-key: 012345678\n  x: 1\n",
                Ok("012345678"),
            ),
            (
                "a plain number",
                "im:\n  app-key: 12345678\n",
                Err(Missing::NotText),
            ),
            ("a map", "im:\n  app-key: { a: b }\n", Err(Missing::NotText)),
            (
                "a placeholder",
                "im:\n  app-key: ${IM_KEY:x}\n",
                Err(Missing::Placeholder),
            ),
            ("no YAML", "im: [\n", Err(Missing::NotYaml)),
            ("not UTF-8", "\u{1}", Err(Missing::NotYaml)),
            ("empty", "", Err(Missing::NotFound)),
        ] {
            let found = look_up(text.as_bytes(), "im.app-key");
            let found = found.map(|secret| String::from_utf8_lossy(secret.expose()).into_owned());
            assert_eq!(found, expected.map(str::to_owned), "{case}");
        }
    }

    #[test]
    fn a_key_may_be_dotted_in_part() {
        let found = look_up(b"a.b:\n  c.d: x\n", "a.b.c.d");
        assert_eq!(
            found.map(|secret| secret.expose().to_vec()).ok(),
            Some(b"x".to_vec())
        );
    }
}

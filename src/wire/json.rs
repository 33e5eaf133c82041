//! JSON that holds a credential, or is one: strictly one reading.
//!
//! Parsers disagree about an object that names a key twice, so whoever checks such a token and
//! whoever uses it may see different claims. Such an object is refused here, at every level,
//! and so is one nested deeper than any real claim. The bytes are bounded by the caller.
//!
//! [`at`] finds a value in it by a JSON Pointer (RFC 6901).

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// An object without duplicate keys, at any level.
pub type Object = Map<String, Value>;

/// It is no JSON, or could be read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not json with one reading only")]
pub struct NotStrict;

/// How many arrays and objects may stand inside one another, the outermost included.
const MAX_DEPTH: usize = 16;

/// Decodes one JSON value and nothing after it.
pub fn value(bytes: &[u8]) -> Result<Value, NotStrict> {
    let mut decoder = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: MAX_DEPTH }
        .deserialize(&mut decoder)
        .map_err(|_| NotStrict)?;
    decoder.end().map_err(|_| NotStrict)?;
    Ok(value)
}

/// The value that a pointer names, such as `/data/token`.
pub fn at<'v>(value: &'v Value, pointer: &str) -> Option<&'v Value> {
    value.pointer(pointer)
}

/// One step of a pointer.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// Into an array.
    Index,
    /// Into an object that has this key.
    Key { object: &'a Object, key: &'a str },
}

/// As [`at`], if every step on the way is a good one.
pub fn walk<'v>(
    value: &'v Value,
    pointer: &str,
    is_good: impl Fn(Step<'_>) -> bool,
) -> Option<&'v Value> {
    let mut here = value;
    for token in pointer.split('/').skip(1) {
        let key = token.replace("~1", "/").replace("~0", "~");
        let step = match here {
            Value::Object(object) => Step::Key { object, key: &key },
            Value::Array(_) => Step::Index,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
        };
        if !is_good(step) {
            return None;
        }
        // One step by the same rules as all of them.
        here = here.pointer(&format!("/{token}"))?;
    }
    Some(here)
}

/// How many members of an object some reader would take for the one of this name: Go and fastjson,
/// for example, pass over its case, and others over marks.
pub fn count_alike(object: &Object, key: &str) -> usize {
    let folded = bare(key);
    object.keys().filter(|other| bare(other) == folded).count()
}

/// A key's letters and digits, without case.
fn bare(key: &str) -> String {
    let letters: String = key.chars().filter(|c| c.is_alphanumeric()).collect();
    letters.to_uppercase().to_lowercase()
}

/// Whether a text is a pointer (RFC 6901 §3): each step begins with `/`, and a `~` stands only in
/// `~0` (for `~`) and `~1` (for `/`). The empty pointer names the whole.
pub fn is_pointer(text: &str) -> bool {
    let mut rest = text.split('~');
    let begins = text.is_empty() || text.starts_with('/');
    rest.next();
    begins && rest.all(|step| step.starts_with(['0', '1']))
}

/// Decodes any value in which at most `depth` arrays and objects stand inside one another.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn inner<E: Error>(self) -> Result<Self, E> {
        let depth = self
            .depth
            .checked_sub(1)
            .ok_or_else(|| E::custom("nested too deep"))?;
        Ok(Self { depth })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate keys")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(inner)?;
            if object.insert(key, value).is_some() {
                return Err(A::Error::custom("a key stands twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_one_reading_is_accepted() {
        let deep = |levels: usize| {
            format!(
                "{{\"a\":{}1{}}}",
                "[".repeat(levels - 1),
                "]".repeat(levels - 1)
            )
        };
        for (case, text, accepted) in [
            (
                "a plain object",
                r#"{"a":1,"b":[true,null,"x",-1,1.5]}"#.to_owned(),
                true,
            ),
            ("space around it", " {\"a\":1}\n".to_owned(), true),
            ("the deepest allowed", deep(MAX_DEPTH), true),
            ("one level too deep", deep(MAX_DEPTH + 1), false),
            ("far too deep", deep(100_000), false),
            ("a duplicate key", r#"{"a":1,"a":1}"#.to_owned(), false),
            (
                "a duplicate key under an escape",
                r#"{"exp":1,"\u0065xp":2}"#.to_owned(),
                false,
            ),
            (
                "a duplicate key inside",
                r#"{"a":{"b":1,"b":2}}"#.to_owned(),
                false,
            ),
            (
                "a duplicate key in an array",
                r#"{"a":[{"b":1,"b":2}]}"#.to_owned(),
                false,
            ),
            ("something behind it", r#"{"a":1}{"a":2}"#.to_owned(), false),
            ("a number without end", r#"{"a":1e999}"#.to_owned(), false),
            ("a comment", "{\"a\":1 /**/}".to_owned(), false),
            ("a trailing comma", r#"{"a":1,}"#.to_owned(), false),
            (
                "half a surrogate pair",
                r#"{"a":"\ud800"}"#.to_owned(),
                false,
            ),
            ("an array", "[1]".to_owned(), true),
            ("nothing", String::new(), false),
        ] {
            assert_eq!(value(text.as_bytes()).is_ok(), accepted, "{case}");
        }
        assert!(value(b"{\"a\":\"\xff\"}").is_err(), "not UTF-8");
    }

    #[test]
    fn a_pointer_names_one_value() {
        // The examples of RFC 6901 §5, and what they leave open.
        let text = r#"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"m~n":8," ":7,"01":3}"#;
        let whole = value(text.as_bytes()).unwrap();
        for (pointer, expected) in [
            ("", Some(text)),
            ("/foo", Some(r#"["bar","baz"]"#)),
            ("/foo/0", Some(r#""bar""#)),
            ("/", Some("0")),
            ("/a~1b", Some("1")),
            ("/c%d", Some("2")),
            ("/m~0n", Some("8")),
            ("/ ", Some("7")),
            ("/01", Some("3")),
            ("/foo/2", None),
            ("/foo/-", None),
            ("/foo/00", None),
            ("/foo/+1", None),
            ("/foo/0/b", None),
            ("/FOO", None),
        ] {
            let expected = expected.map(|json| value(json.as_bytes()).unwrap());
            assert_eq!(at(&whole, pointer), expected.as_ref(), "{pointer:?}");
            assert_eq!(
                walk(&whole, pointer, |_| true),
                expected.as_ref(),
                "{pointer:?}"
            );
            let is_whole = pointer.is_empty();
            assert_eq!(walk(&whole, pointer, |_| false).is_some(), is_whole);
        }
        for (text, is_one) in [
            ("", true),
            ("/", true),
            ("/data/token", true),
            ("/a~0b~1c/~01", true),
            ("data/token", false),
            ("#/data", false),
            ("/a~", false),
            ("/a~2", false),
            ("/~~0", false),
        ] {
            assert_eq!(is_pointer(text), is_one, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_repeated_key_is_refused(key in "[a-z]{0,8}", one in any::<i64>(), two in any::<i64>()) {
            let text = format!("{{\"{key}\":{one},\"x1\":0,\"{key}\":{two}}}");
            prop_assert_eq!(value(text.as_bytes()), Err(NotStrict));
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            if let Ok(value) = value(&bytes) {
                prop_assert_eq!(value, serde_json::from_slice::<Value>(&bytes).unwrap());
            }
        }
    }
}

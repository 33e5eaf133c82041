//! JSON as a token may contain it: strictly one reading.
//!
//! Parsers disagree about an object that names a key twice, so whoever checks such a token and
//! whoever uses it may see different claims. Such an object is refused here, at every level,
//! and so is one nested deeper than any real claim. The bytes are bounded by the caller.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::scheme::Rejection;

/// An object without duplicate keys, at any level.
pub(crate) type Object = Map<String, Value>;

/// How many arrays and objects may stand inside one another, the outermost included.
const MAX_DEPTH: usize = 16;

/// Decodes one JSON object and nothing after it. The only error is [`Rejection::Malformed`].
pub(crate) fn object(bytes: &[u8]) -> Result<Object, Rejection> {
    let mut decoder = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: MAX_DEPTH }
        .deserialize(&mut decoder)
        .map_err(|_| Rejection::Malformed)?;
    decoder.end().map_err(|_| Rejection::Malformed)?;
    match value {
        Value::Object(object) => Ok(object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(Rejection::Malformed)
        }
    }
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
            ("an array", "[1]".to_owned(), false),
            ("nothing", String::new(), false),
        ] {
            assert_eq!(object(text.as_bytes()).is_ok(), accepted, "{case}");
        }
        assert!(object(b"{\"a\":\"\xff\"}").is_err(), "not UTF-8");
    }

    proptest! {
        #[test]
        fn a_repeated_key_is_refused(key in "[a-z]{0,8}", one in any::<i64>(), two in any::<i64>()) {
            let text = format!("{{\"{key}\":{one},\"x1\":0,\"{key}\":{two}}}");
            prop_assert_eq!(object(text.as_bytes()), Err(Rejection::Malformed));
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            if let Ok(object) = object(&bytes) {
                prop_assert_eq!(Value::Object(object), serde_json::from_slice::<Value>(&bytes).unwrap());
            }
        }
    }
}

//! The values of a YAML text, read by `serde_yaml` along a known shape.
//!
//! Aliases and tagged nodes are skipped, never resolved, so no text can grow while it is read.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

use super::{Content, Fault, Node, SyntaxError};

/// Fills the scalars below `root`, whose shape was read from the same `text`.
pub(super) fn fill(root: &mut Node, text: &str) -> Result<(), SyntaxError> {
    // A text without a document, such as only comments.
    let Some(document) = serde_yaml::Deserializer::from_str(text).next() else {
        return Ok(());
    };
    Fill(root)
        .deserialize(document)
        .map_err(|error| SyntaxError {
            line: error.location().map(|location| location.line()),
            message: "two YAML parsers read this differently, write it more plainly",
        })
}

/// Fills one node.
struct Fill<'t>(&'t mut Node);

/// Never shown: every error of this module becomes the same sentence.
const OTHER_SHAPE: &str = "another shape";

impl Fill<'_> {
    fn scalar<E: Error>(self, content: Content) -> Result<(), E> {
        if !matches!(self.0.content, Content::Null) {
            return Err(E::custom(OTHER_SHAPE));
        }
        self.0.content = content;
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Fill<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if matches!(self.0.content, Content::Broken) {
            return deserializer.deserialize_ignored_any(IgnoredAny).map(|_| ());
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Fill<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(OTHER_SHAPE)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.scalar(Content::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.scalar(Content::Integer(value.into()))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<(), E> {
        self.scalar(Content::Integer(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.scalar(Content::Integer(value.into()))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<(), E> {
        self.scalar(Content::Integer(i128::try_from(value).unwrap_or(i128::MAX)))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.scalar(Content::Float)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.scalar(Content::Text(Zeroizing::new(value.to_owned())))
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.scalar(Content::Null)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.scalar(Content::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let Content::List(nodes) = &mut self.0.content else {
            return Err(A::Error::custom(OTHER_SHAPE));
        };
        for node in nodes {
            if elements.next_element_seed(Fill(node))?.is_none() {
                return Err(A::Error::custom(OTHER_SHAPE));
            }
        }
        match elements.next_element::<IgnoredAny>()? {
            Some(_) => Err(A::Error::custom(OTHER_SHAPE)),
            None => Ok(()),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Content::Map(entries) = &mut self.0.content else {
            return Err(A::Error::custom(OTHER_SHAPE));
        };
        for entry in entries {
            match map.next_key_seed(SameKey(&entry.key))? {
                Some(KeyIs::Text) => {}
                Some(KeyIs::Other) => {
                    entry.value.fault.get_or_insert(Fault::KeyIsNotText);
                }
                None => return Err(A::Error::custom(OTHER_SHAPE)),
            }
            map.next_value_seed(Fill(&mut entry.value))?;
        }
        match map.next_key::<IgnoredAny>()? {
            Some(_) => Err(A::Error::custom(OTHER_SHAPE)),
            None => Ok(()),
        }
    }
}

/// Checks that the second parser sees the same key.
struct SameKey<'t>(&'t str);

enum KeyIs {
    Text,
    /// Such as `1:` or `true:`, which YAML does not take for a string.
    Other,
}

impl<'de> DeserializeSeed<'de> for SameKey<'_> {
    type Value = KeyIs;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<KeyIs, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for SameKey<'_> {
    type Value = KeyIs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(OTHER_SHAPE)
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<KeyIs, E> {
        if key == self.0 {
            Ok(KeyIs::Text)
        } else {
            Err(E::custom(OTHER_SHAPE))
        }
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<KeyIs, E> {
        Ok(KeyIs::Other)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<KeyIs, E> {
        Ok(KeyIs::Other)
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<KeyIs, E> {
        Ok(KeyIs::Other)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<KeyIs, E> {
        Ok(KeyIs::Other)
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<KeyIs, E> {
        Ok(KeyIs::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<KeyIs, E> {
        Ok(KeyIs::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<KeyIs, E> {
        Ok(KeyIs::Other)
    }
}

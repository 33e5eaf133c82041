//! A JSON text as a tree, without lines.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

use super::{Content, Entry, Node, SyntaxError, mark_duplicates};

/// Reads one value; a repeated member is marked, and the first one counts.
pub(super) fn read(text: &str) -> Result<Node, SyntaxError> {
    serde_json::from_str::<Json>(text)
        .map(|json| json.0)
        .map_err(|error| SyntaxError {
            line: Some(error.line()),
            message: "not valid JSON",
        })
}

struct Json(Node);

impl From<Content> for Json {
    fn from(content: Content) -> Self {
        Self(Node::new(None, content))
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Content::Bool(value).into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Content::Integer(value.into()).into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(Content::Integer(value.into()).into())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Json, E> {
        Ok(Content::Float.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
        Ok(Content::Text(Zeroizing::new(value.to_owned())).into())
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Content::Null.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json, A::Error> {
        let mut nodes = Vec::new();
        while let Some(Json(node)) = elements.next_element()? {
            nodes.push(node);
        }
        Ok(Content::List(nodes).into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, Json(value))) = map.next_entry()? {
            entries.push(Entry { key, value });
        }
        mark_duplicates(&mut entries);
        Ok(Content::Map(entries).into())
    }
}

//! A JSON patch (RFC 6902) made of `add`s alone.
//!
//! `add` creates a member, replaces one that is there, and inserts into an array; so it can do
//! everything that is needed here, and cannot take anything away. Arrays are never replaced: what
//! others put there stays.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

/// One operation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Add {
    op: Op,
    pub path: String,
    pub value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Op {
    Add,
}

/// Grows along an object that stays as it is.
#[derive(Debug)]
pub(super) struct Patch<'a> {
    original: &'a Value,
    adds: Vec<Add>,
    /// Parents that the patch has made so far.
    made: BTreeSet<String>,
}

impl<'a> Patch<'a> {
    pub(super) fn of(original: &'a Value) -> Self {
        Self {
            original,
            adds: Vec::new(),
            made: BTreeSet::new(),
        }
    }

    /// Sets a member of the map at this pointer, which is made if it is not there.
    pub(super) fn put(&mut self, map: &str, key: &str, value: Value) {
        self.ensure(map, json!({}));
        self.add(format!("{map}/{}", escape(key)), value);
    }

    /// Adds to the end of the list at this pointer, which is made if it is not there.
    pub(super) fn append(&mut self, list: &str, value: Value) {
        self.ensure(list, json!([]));
        self.add(format!("{list}/-"), value);
    }

    /// Adds to the beginning of the list at this pointer, which is made if it is not there.
    pub(super) fn insert_first(&mut self, list: &str, value: Value) {
        self.ensure(list, json!([]));
        self.add(format!("{list}/0"), value);
    }

    pub(super) fn into_adds(self) -> Vec<Add> {
        self.adds
    }

    /// Makes what should be there, and everything around it. `null` is nothing: the API server
    /// reads it so.
    fn ensure(&mut self, pointer: &str, empty: Value) {
        let is_there = self
            .original
            .pointer(pointer)
            .is_some_and(|value| !value.is_null());
        if pointer.is_empty() || is_there || self.made.contains(pointer) {
            return;
        }
        if let Some((parent, _)) = pointer.rsplit_once('/') {
            self.ensure(parent, json!({}));
        }
        self.made.insert(pointer.to_owned());
        self.add(pointer.to_owned(), empty);
    }

    fn add(&mut self, path: String, value: Value) {
        let op = Op::Add;
        self.adds.push(Add { op, path, value });
    }
}

/// Applies a patch that was made for this very object.
///
/// What does not fit is left out; that cannot be, since every parent is made first.
pub(super) fn apply(object: &mut Value, patch: Vec<Add>) {
    for Add { op: _, path, value } in patch {
        let Some((parent, key)) = path.rsplit_once('/') else {
            continue;
        };
        match object.pointer_mut(parent) {
            Some(Value::Array(list)) => {
                let index = key.parse().unwrap_or(list.len()).min(list.len());
                list.insert(index, value);
            }
            Some(Value::Object(map)) => {
                map.insert(unescape(key), value);
            }
            Some(Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_)) | None => {}
        }
    }
}

fn unescape(key: &str) -> String {
    key.replace("~1", "/").replace("~0", "~")
}

/// A key as a pointer has it (RFC 6901, section 3).
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(original: &Value, build: impl FnOnce(&mut Patch<'_>)) -> (Value, Vec<String>) {
        let mut patch = Patch::of(original);
        build(&mut patch);
        let adds = patch.into_adds();
        let paths = adds.iter().map(|add| add.path.clone()).collect();
        let operations: json_patch::Patch = serde_json::from_value(json!(adds)).unwrap();
        let mut object = original.clone();
        json_patch::patch(&mut object, &operations).unwrap();
        let mut by_us = original.clone();
        apply(&mut by_us, adds);
        assert_eq!(by_us, object);
        (object, paths)
    }

    #[test]
    fn parents_are_made_once_and_only_where_they_are_missing() {
        let (object, paths) = applied(&json!({ "spec": {} }), |patch| {
            patch.put("/metadata/annotations", "a/b~c", "1".into());
            patch.put("/metadata/annotations", "d", "2".into());
            patch.append("/spec/volumes", json!({ "name": "v" }));
        });
        assert_eq!(
            paths,
            [
                "/metadata",
                "/metadata/annotations",
                "/metadata/annotations/a~1b~0c",
                "/metadata/annotations/d",
                "/spec/volumes",
                "/spec/volumes/-",
            ]
        );
        let expected = json!({
            "metadata": { "annotations": { "a/b~c": "1", "d": "2" } },
            "spec": { "volumes": [{ "name": "v" }] },
        });
        assert_eq!(object, expected);
    }

    #[test]
    fn what_is_there_stays_and_null_is_nothing() {
        let original = json!({ "list": [1, 2], "none": null, "map": { "k": "old", "x": "y" } });
        let (object, _) = applied(&original, |patch| {
            patch.insert_first("/list", 0.into());
            patch.append("/list", 3.into());
            patch.append("/none", 1.into());
            patch.put("/map", "k", "new".into());
        });
        let expected =
            json!({ "list": [0, 1, 2, 3], "none": [1], "map": { "k": "new", "x": "y" } });
        assert_eq!(object, expected);
    }

    #[test]
    fn an_operation_is_written_as_the_rfc_has_it() {
        let original = json!({});
        let mut patch = Patch::of(&original);
        patch.put("", "a", true.into());
        let text = serde_json::to_string(&patch.into_adds()).unwrap();
        assert_eq!(text, r#"[{"op":"add","path":"/a","value":true}]"#);
    }
}

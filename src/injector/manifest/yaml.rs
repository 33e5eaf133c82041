//! YAML in and out.
//!
//! It is written so that readers of YAML 1.1 (`kubectl` is one) and of 1.2 see the same: a text is
//! bare only if it cannot be anything else, and in JSON's quotes otherwise.

use std::fmt::Write as _;

use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::NotYaml;

/// All documents that are not empty.
pub(super) fn read(text: &str) -> Result<Vec<Value>, NotYaml> {
    let mut documents = Vec::new();
    for (index, document) in serde_yaml::Deserializer::from_str(text).enumerate() {
        let document = value(document).ok_or(NotYaml {
            document: index + 1,
        })?;
        if !document.is_null() {
            documents.push(document);
        }
    }
    Ok(documents)
}

fn value(document: serde_yaml::Deserializer<'_>) -> Option<Value> {
    let mut value = serde_yaml::Value::deserialize(document).ok()?;
    // `<<: *defaults`, which JSON does not know.
    value.apply_merge().ok()?;
    serde_json::to_value(value).ok()
}

/// Writes one document.
pub(super) fn write(value: &Value, into: &mut String) {
    match value {
        Value::Array(list) if !list.is_empty() => write_list(list, 0, into),
        Value::Object(map) if !map.is_empty() => write_map(map, 0, into),
        Value::Array(_)
        | Value::Bool(_)
        | Value::Null
        | Value::Number(_)
        | Value::Object(_)
        | Value::String(_) => {
            write_scalar(value, into);
            into.push('\n');
        }
    }
}

fn write_map(map: &Map<String, Value>, depth: usize, into: &mut String) {
    for (index, (key, value)) in map.iter().enumerate() {
        // The first one stands behind whatever led here.
        if index > 0 {
            indent(depth, into);
        }
        write_text(key, into);
        into.push(':');
        match value {
            Value::Object(map) if !map.is_empty() => {
                into.push('\n');
                indent(depth + 1, into);
                write_map(map, depth + 1, into);
            }
            Value::Array(list) if !list.is_empty() => {
                into.push('\n');
                indent(depth, into);
                write_list(list, depth, into);
            }
            Value::Array(_)
            | Value::Bool(_)
            | Value::Null
            | Value::Number(_)
            | Value::Object(_)
            | Value::String(_) => {
                into.push(' ');
                write_scalar(value, into);
                into.push('\n');
            }
        }
    }
}

fn write_list(list: &[Value], depth: usize, into: &mut String) {
    for (index, value) in list.iter().enumerate() {
        if index > 0 {
            indent(depth, into);
        }
        into.push_str("- ");
        match value {
            Value::Object(map) if !map.is_empty() => write_map(map, depth + 1, into),
            Value::Array(list) if !list.is_empty() => write_list(list, depth + 1, into),
            Value::Array(_)
            | Value::Bool(_)
            | Value::Null
            | Value::Number(_)
            | Value::Object(_)
            | Value::String(_) => {
                write_scalar(value, into);
                into.push('\n');
            }
        }
    }
}

fn write_scalar(value: &Value, into: &mut String) {
    match value {
        Value::String(text) => write_text(text, into),
        Value::Array(_) | Value::Bool(_) | Value::Null | Value::Number(_) | Value::Object(_) => {
            into.push_str(&value.to_string());
        }
    }
}

fn write_text(text: &str, into: &mut String) {
    if is_plain(text) {
        into.push_str(text);
    } else {
        write_quoted(text, into);
    }
}

/// As JSON has it, but for what YAML does not count as printable (YAML 1.2, section 5.1).
fn write_quoted(text: &str, into: &mut String) {
    into.push('"');
    for c in text.chars() {
        let code = u32::from(c);
        match c {
            '"' | '\\' => into.extend(['\\', c]),
            '\n' => into.push_str("\\n"),
            '\t' => into.push_str("\\t"),
            _ if !is_hidden(c) => into.push(c),
            // Writing to a `String` cannot fail.
            _ if code <= 0xFFFF => drop(write!(into, "\\u{code:04X}")),
            _ => drop(write!(into, "\\U{code:08X}")),
        }
    }
    into.push('"');
}

/// Not printable, or a break for some reader.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

/// A letter first and no word with a meaning, in any version of YAML.
fn is_plain(text: &str) -> bool {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@".contains(&byte);
    text.strip_prefix("--")
        .unwrap_or(text)
        .starts_with(|first: char| first.is_ascii_alphabetic() || first == '/')
        && text.bytes().all(is_safe)
        && !text.ends_with(':')
        && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
}

const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

fn indent(depth: usize, into: &mut String) {
    into.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn written(value: &Value) -> String {
        let mut text = String::new();
        write(value, &mut text);
        text
    }

    #[test]
    fn a_document_looks_as_people_write_it() {
        let value = json!({
            "kind": "Pod",
            "metadata": { "annotations": { "imgate.dev/port": "9688" }, "labels": {} },
            "spec": { "containers": [{ "name": "app", "args": ["a b", "yes"], "tty": true }, {}], "x": [[1, [2]], []], "nothing": null },
        });
        let text = "\
kind: Pod
metadata:
  annotations:
    imgate.dev/port: \"9688\"
  labels: {}
spec:
  containers:
  - args:
    - \"a b\"
    - \"yes\"
    name: app
    tty: true
  - {}
  nothing: null
  x:
  - - 1
    - - 2
  - []
";
        assert_eq!(written(&value), text);
        assert_eq!(read(text).unwrap(), [value]);
    }

    #[test]
    fn anchors_and_merges_are_resolved() {
        let text = "a: &a {b: 1}\nc: {<<: *a, d: 2}\n---\n# nothing\n---\n- e\n";
        let expected = [
            json!({ "a": { "b": 1 }, "c": { "b": 1, "d": 2 } }),
            json!(["e"]),
        ];
        assert_eq!(read(text).unwrap(), expected);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            ".*",
            "[a-zA-Z0-9~:#-]{0,6}",
            Just("Yes".to_owned()),
            Just("1e3".to_owned())
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".{0,8}", inner, 0..4).prop_map(|map| Value::Object(
                    map.into_iter().filter(|(key, _)| key != "<<").collect()
                )),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_the_same(value in any_value()) {
            prop_assume!(!value.is_null());
            let text = written(&value);
            prop_assert_eq!(read(&text).unwrap(), [value], "{}", text);
        }
    }
}

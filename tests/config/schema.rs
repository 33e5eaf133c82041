//! `imgate schema` describes what the decoder takes: no more, and no less.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::Value;

type Keys = BTreeSet<String>;

fn schema() -> Value {
    serde_json::from_str(imgate::config::SCHEMA).unwrap()
}

/// What is wrong with a file by the schema; nothing is said of one that is not YAML.
fn mistakes(validator: &Validator, path: &Path) -> Option<Vec<String>> {
    let text = fs::read_to_string(path).unwrap();
    let value: Value = serde_yaml::from_str(&text).ok()?;
    let errors = validator.iter_errors(&value);
    Some(
        errors
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect(),
    )
}

fn files(directory: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|kind| kind == "yaml"))
        .collect()
}

#[test]
fn what_loads_fits_the_schema() {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let good = files("tests/config").into_iter().filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("good-")
    });
    let all: Vec<_> = files("conf").into_iter().chain(good).collect();
    assert!(all.len() > 20, "{}", all.len());
    for path in all {
        let mistakes = mistakes(&validator, &path).unwrap();
        assert!(mistakes.is_empty(), "{}: {mistakes:#?}", path.display());
    }
}

/// Of mistakes that are more than a matter of form the schema knows nothing.
const BEYOND: [&str; 6] = [
    // The reader of this test lets the last one win.
    "duplicate-keys.yaml",
    // In another file.
    "keys-file.yaml",
    // Between two values.
    "metrics-address.yaml",
    "shutdown.yaml",
    "unknown-names.yaml",
    // Of what is in a file.
    "weak-secrets.yaml",
];

#[test]
fn what_has_a_mistake_of_form_does_not_fit_the_schema() {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let mut refused = 0;
    for path in files("tests/config") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("good-") || BEYOND.contains(&name.as_str()) {
            continue;
        }
        let Some(mistakes) = mistakes(&validator, &path) else {
            continue;
        };
        assert!(!mistakes.is_empty(), "{name} fits");
        refused += 1;
    }
    assert!(refused > 30, "{refused}");
}

/// The keys of every map that the decoder reads, as its sources list them.
fn decoders_keys() -> BTreeSet<Keys> {
    let mut found = BTreeSet::new();
    let mut places = vec![PathBuf::from("src/config.rs"), PathBuf::from("src/config")];
    while let Some(place) = places.pop() {
        // A document of its own: the injector's template.
        if place.file_stem().is_some_and(|name| name == "sidecar") {
            continue;
        }
        if place.is_dir() {
            places.extend(fs::read_dir(place).unwrap().map(|one| one.unwrap().path()));
            continue;
        }
        if place.extension().is_none_or(|kind| kind != "rs") {
            continue;
        }
        let text = fs::read_to_string(&place).unwrap();
        for list in text.split("known: &[").skip(1) {
            let list = list.split(']').next().unwrap();
            let keys: Keys = list
                .split('"')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect();
            if !keys.is_empty() {
                found.insert(keys);
            }
        }
    }
    found
}

/// The keys of every map that the schema closes.
fn schemas_keys(node: &Value, found: &mut BTreeSet<Keys>) {
    if node.get("additionalProperties") == Some(&Value::Bool(false)) {
        let properties = node["properties"].as_object().unwrap();
        found.insert(properties.keys().cloned().collect());
    }
    let inner: Vec<&Value> = match node {
        Value::Array(elements) => elements.iter().collect(),
        Value::Object(members) => members.values().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for node in inner {
        schemas_keys(node, found);
    }
}

#[test]
fn the_schema_has_the_decoders_keys() {
    let mut described = BTreeSet::new();
    schemas_keys(&schema(), &mut described);
    let decoded = decoders_keys();
    assert!(decoded.len() > 40, "{}", decoded.len());
    let only_decoded: Vec<_> = decoded.difference(&described).collect();
    let only_described: Vec<_> = described.difference(&decoded).collect();
    assert!(
        only_decoded.is_empty() && only_described.is_empty(),
        "only decoded: {only_decoded:#?}\nonly described: {only_described:#?}"
    );
}

//! What the threat model says of tests: each that it names is there. The table of attacks has tests of its
//! own for that, beside it.

use std::collections::HashSet;
use std::fs;

use super::support::sources::rust_files;

/// Test functions, as `module::name`, with the name of their file as the module, and as `name`.
fn tests() -> HashSet<String> {
    let mut names = HashSet::new();
    for file in rust_files("tests").into_iter().chain(rust_files("src")) {
        let text = fs::read_to_string(&file).unwrap();
        let module = file.file_stem().unwrap().to_string_lossy().into_owned();
        for (before, after) in text.match_indices("fn ").map(|(at, _)| text.split_at(at)) {
            if !before.trim_end().ends_with(']') {
                continue;
            }
            let name: String = after[3..]
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            names.insert(format!("{module}::{name}"));
            names.insert(name);
        }
    }
    names
}

/// What stands in backticks in the columns `tests` of its tables.
fn named(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut header = None;
    for line in text.lines() {
        let last = line
            .strip_prefix('|')
            .and_then(|row| row.trim_end_matches('|').rsplit('|').next());
        let Some(last) = last.map(str::trim) else {
            header = None;
            continue;
        };
        if *header.get_or_insert(last) == "tests" {
            let paths = last.split('`').skip(1).step_by(2);
            names.extend(paths.map(str::to_owned));
        }
    }
    names
}

#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let tests = tests();
    let named = named(include_str!("../../SECURITY.md"));
    assert!(named.len() >= 25, "{} are named", named.len());
    for path in named {
        let mut parts = path.rsplit("::");
        let name = parts.next().unwrap_or_default();
        let is_there = match parts.next() {
            Some(module) => tests.contains(&format!("{module}::{name}")),
            None => tests.contains(name),
        };
        assert!(is_there, "there is no test `{path}`");
    }
}

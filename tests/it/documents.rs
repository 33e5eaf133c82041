//! What the documents say of tests: each that they name is there.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// All files with tests.
fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !["target", "node_modules", "corpus"].contains(&&*name) {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// Test functions, as `module::name`, with the name of their file as the module, and as `name`.
fn tests() -> HashSet<String> {
    let mut files = Vec::new();
    sources(&Path::new(ROOT).join("tests"), &mut files);
    sources(&Path::new(ROOT).join("src"), &mut files);
    let mut names = HashSet::new();
    for file in files {
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

/// What stands in backticks in the columns `tests` of a document's tables.
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
fn every_test_that_a_document_names_is_there() {
    let tests = tests();
    for (document, least) in [("SECURITY.md", 25), ("tests/attacks/README.md", 60)] {
        let text = fs::read_to_string(Path::new(ROOT).join(document)).unwrap();
        let named = named(&text);
        assert!(named.len() >= least, "{document} names {}", named.len());
        for path in named {
            let mut parts = path.rsplit("::");
            let name = parts.next().unwrap_or_default();
            let is_there = match parts.next() {
                Some(module) => {
                    // As a path of modules, or of the file.
                    let module = module.rsplit('/').next().unwrap_or_default();
                    let module = module.trim_end_matches(".rs");
                    tests.contains(&format!("{module}::{name}"))
                }
                None => tests.contains(name),
            };
            assert!(is_there, "{document}: there is no test `{path}`");
        }
    }
}

//! The project's own code, for tests that look through it.

use std::fs;
use std::path::{Path, PathBuf};

/// All Rust files in a folder of the project and below.
pub(crate) fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut left = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut files = Vec::new();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            // What others have written is not ours to look through.
            if !path.ends_with("node_modules") && !path.ends_with("target") {
                let entries = fs::read_dir(&path).unwrap();
                left.extend(entries.map(|entry| entry.unwrap().path()));
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

//! From bytes to a tree, and what is wrong with its form.

use std::sync::Arc;

use super::cursor::{Cursor, Source};
use super::findings::Findings;
use super::tree::{SyntaxError, Tree};
use crate::problem::Place;

/// Parses a file that the configuration names. A syntax error becomes a problem like any other.
pub(super) fn parse(bytes: &[u8], source: &Source, findings: &Findings) -> Option<Tree> {
    match parse_strictly(bytes) {
        Ok(tree) => Some(tree),
        Err(error) => {
            findings.problem(error_place(&error, source), error.message);
            None
        }
    }
}

/// Parses the configuration itself, where a syntax error leaves nothing else to say.
pub(super) fn parse_strictly(bytes: &[u8]) -> Result<Tree, SyntaxError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = good.split(|byte| *byte == b'\n').count();
        SyntaxError {
            line: Some(line),
            message: "expected UTF-8 text",
        }
    })?;
    Tree::from_yaml(text)
}

/// Reports everything that YAML allows and a configuration does not; to be called after decoding.
pub(super) fn report_form(tree: &Tree, source: &Source, findings: &Findings) {
    let root = Cursor::root(&tree.root, source, findings);
    if tree.root.has_fault() {
        root.report_faults();
    }
    if let Some(line) = tree.second_document {
        let place = Place {
            line: Some(line),
            ..root.place()
        };
        findings.problem(place, "expected one document, a second one begins here");
    }
}

pub(super) fn error_place(error: &SyntaxError, source: &Source) -> Place {
    Place {
        file: Arc::clone(&source.file),
        path: String::new(),
        line: error.line,
    }
}

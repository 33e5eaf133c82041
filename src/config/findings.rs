//! What comes to light while a configuration is decoded: problems, warnings, and files read.
//!
//! Decoding never stops at the first mistake; whoever finds one reports it here and gives nothing
//! back. All reading of files goes through here as well, so that the list of files to watch is
//! complete.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use zeroize::Zeroizing;

use super::cursor::Keys;
use super::files::FileState;
use crate::problem::{Place, Problem};

/// Collects, in any order.
#[derive(Default)]
pub(super) struct Findings {
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
    files: RefCell<Vec<FileState>>,
    vocabularies: RefCell<Vec<&'static Keys>>,
    names: RefCell<BTreeSet<String>>,
}

/// More than anyone corrects in one go.
const MAX_PROBLEMS: usize = 1000;

impl Findings {
    pub(super) fn problem(&self, place: Place, message: impl Into<String>) {
        self.problems
            .borrow_mut()
            .push(Problem::new(place, message));
    }

    pub(super) fn warn(&self, place: Place, message: impl Into<String>) {
        self.warnings
            .borrow_mut()
            .push(Problem::new(place, message));
    }

    /// Remembers keys that the decoder knows. Only these may stand in a path that nobody decoded.
    pub(super) fn learn_keys(&self, keys: &'static Keys) {
        let mut known = self.vocabularies.borrow_mut();
        if !known.iter().any(|known| std::ptr::eq(*known, keys)) {
            known.push(keys);
        }
    }

    /// Remembers a name that the configuration gives.
    pub(super) fn learn_name(&self, name: &str) {
        self.names.borrow_mut().insert(name.to_owned());
    }

    pub(super) fn knows(&self, word: &str) -> bool {
        self.names.borrow().contains(word)
            || self
                .vocabularies
                .borrow()
                .iter()
                .any(|keys| keys.known.contains(&word))
    }

    /// Reads a whole file of at most `limit` bytes; larger ones are
    /// [`io::ErrorKind::FileTooLarge`].
    ///
    /// The file is on the list from then on, also when it cannot be read: it may appear later.
    pub(super) fn read(&self, path: &Path, limit: usize) -> io::Result<Zeroizing<Vec<u8>>> {
        let (state, bytes) = FileState::read(path, limit);
        let mut files = self.files.borrow_mut();
        // A file that changed between two readings is there twice, and is not current any more.
        if !files.contains(&state) {
            files.push(state);
        }
        bytes
    }

    /// Problems and warnings in file order, and the files in the order of their reading.
    pub(super) fn finish(self) -> (Vec<Problem>, Vec<Problem>, Vec<FileState>) {
        let files = self.files.into_inner();
        let problems = in_file_order(self.problems.into_inner(), &files);
        let warnings = in_file_order(self.warnings.into_inner(), &files);
        (problems, warnings, files)
    }
}

/// Why a file could not be read, in our own words.
pub(super) fn unreadable(error: &io::Error) -> &'static str {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "io::ErrorKind has dozens of variants"
    )]
    match error.kind() {
        io::ErrorKind::NotFound => "does not exist",
        io::ErrorKind::PermissionDenied => "may not be read by this user",
        io::ErrorKind::IsADirectory => "is a directory",
        io::ErrorKind::FileTooLarge => "is too large",
        _ => "cannot be read",
    }
}

fn in_file_order(mut problems: Vec<Problem>, files: &[FileState]) -> Vec<Problem> {
    problems.sort_by_cached_key(|problem| {
        let file = files
            .iter()
            .position(|file| *file.path() == *problem.place.file);
        (file.unwrap_or(usize::MAX), problem.place.line)
    });
    if problems.len() > MAX_PROBLEMS {
        problems.truncate(MAX_PROBLEMS);
        if let Some(last) = problems.last_mut() {
            "more than a thousand problems, the rest is not shown".clone_into(&mut last.message);
        }
    }
    problems
}

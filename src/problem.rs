//! What is wrong with a configuration: where, and what was expected. Never what was found.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A place in a configuration file: the file, the YAML path and the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: Arc<Path>,
    /// Such as `routes[1].require.any_of[0]`; empty for the whole document.
    pub path: String,
    /// Counted from 1.
    pub line: Option<usize>,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub place: Place,
    /// Lower case, no final period; says what was expected and never quotes a value.
    pub message: String,
}

impl Problem {
    pub fn new(place: Place, message: impl Into<String>) -> Self {
        Self {
            place,
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place.file.display())?;
        if let Some(line) = self.place.line {
            write!(f, ":{line}")?;
        }
        if !self.place.path.is_empty() {
            write!(f, ": {}", self.place.path)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Why a configuration could not be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    /// What was read belongs to no one moment.
    #[error("the files of `{}` keep changing while they are read", path.display())]
    Unsettled { path: PathBuf },
    /// All of them, in file order.
    #[error("{}", list(problems))]
    Problems { problems: Vec<Problem> },
}

fn list(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(Problem::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

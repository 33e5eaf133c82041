//! What tests need of a server: answers as they are told.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::{HttpError, Reply};

/// What comes of a question.
pub(crate) type Said = Result<Reply, HttpError>;

/// Answers one after the other; the last holds.
#[derive(Debug)]
pub(crate) struct Script(Mutex<VecDeque<Said>>);

impl Script {
    pub(crate) fn new(answers: impl IntoIterator<Item = Said>) -> Self {
        Self(Mutex::new(answers.into_iter().collect()))
    }

    /// From now on this one.
    pub(crate) fn replace(&self, answer: Said) {
        *self.0.lock() = [answer].into();
    }

    pub(crate) fn next(&self) -> Said {
        let mut answers = self.0.lock();
        let first = answers.pop_front().unwrap();
        if answers.is_empty() {
            answers.push_back(first.clone());
        }
        first
    }
}

//! The entries of a map with known keys.

use super::{Cursor, Step};
use crate::config::spelling;
use crate::config::tree::{Entry, Fault};

/// The keys that a map may have.
pub(in crate::config) struct Keys {
    pub(in crate::config) known: &'static [&'static str],
    /// Keys whose behaviour does not exist yet. They are refused by name, never ignored.
    pub(in crate::config) later: &'static [&'static str],
}

/// A map, ready to be asked key by key.
pub(in crate::config) struct Fields<'a> {
    pub(in crate::config) cursor: Cursor<'a>,
    entries: &'a [Entry],
    /// Known keys that a misspelt one probably means.
    meant: Vec<&'static str>,
    has_strangers: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn new(cursor: Cursor<'a>, entries: &'a [Entry]) -> Self {
        Self {
            cursor,
            entries,
            meant: Vec::new(),
            has_strangers: false,
        }
    }

    /// Reports every key that is none of these.
    pub(in crate::config) fn refuse_unknown(&mut self, keys: &'static Keys) {
        self.cursor.findings.learn_keys(keys);
        for entry in self.entries {
            let key = entry.key.as_str();
            if keys.known.contains(&key) || entry.value.fault == Some(Fault::KeyIsNotText) {
                continue;
            }
            self.has_strangers = true;
            let child = self.child(entry);
            if keys.later.contains(&key) {
                child.problem("not supported yet");
            } else {
                child.outer_problem(spelling::unknown("key", key, keys.known));
                self.meant.extend(spelling::nearest(key, keys.known));
            }
        }
    }

    /// The value of a key, when the key is there.
    pub(in crate::config) fn get(&self, key: &str) -> Option<Cursor<'a>> {
        self.entries
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| self.child(entry))
    }

    /// The value of a key that has to be there. It is not called missing as well where a misspelt
    /// one was reported.
    pub(in crate::config) fn required(&self, key: &str) -> Option<Cursor<'a>> {
        let value = self.get(key);
        if value.is_none() && !self.meant.contains(&key) {
            self.problem(format!("missing key `{key}`"));
        }
        value
    }

    pub(in crate::config) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// Reports that no key, or not exactly one, of several is there; unless a key was refused that
    /// may well be the one.
    pub(in crate::config) fn choose<T>(&self, found: usize, expected: &str) -> Option<T> {
        if found > 0 || !self.has_strangers {
            self.problem(format!("expected {expected}"));
        }
        None
    }

    /// Which of these keys are there, in the order given.
    pub(in crate::config) fn among(&self, keys: &[&'static str]) -> Vec<&'static str> {
        keys.iter().copied().filter(|key| self.has(key)).collect()
    }

    /// The decoded value of a key, or the default when it is absent or wrong: after a problem the
    /// document is never used.
    pub(in crate::config) fn or_default<T>(
        &self,
        key: &str,
        default: T,
        decode: impl FnOnce(&Cursor<'a>) -> Option<T>,
    ) -> T {
        self.get(key)
            .and_then(|value| decode(&value))
            .unwrap_or(default)
    }

    /// The decoded value of a key, `None` when it is absent or wrong.
    pub(in crate::config) fn optional<T>(
        &self,
        key: &str,
        decode: impl FnOnce(&Cursor<'a>) -> Option<T>,
    ) -> Option<T> {
        self.get(key).and_then(|value| decode(&value))
    }

    pub(in crate::config) fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.entries.iter().map(|entry| entry.key.as_str())
    }

    /// Keys and values; of equal keys the first.
    pub(super) fn entries(&self) -> Vec<(&'a str, Cursor<'a>)> {
        let first = self
            .entries
            .iter()
            .filter(|e| e.value.fault != Some(Fault::DuplicateKey));
        first
            .map(|entry| (entry.key.as_str(), self.child(entry)))
            .collect()
    }

    pub(super) fn report_faults(&self) {
        for entry in self.entries {
            let shown = if self.cursor.findings.knows(&entry.key) {
                &entry.key
            } else {
                "?"
            };
            self.cursor
                .child(&entry.value, Step::Key(shown))
                .report_faults();
        }
    }

    /// Reports a mistake of the map as a whole.
    pub(in crate::config) fn problem(&self, message: impl Into<String>) {
        self.cursor.problem(message);
    }

    fn child(&self, entry: &'a Entry) -> Cursor<'a> {
        self.cursor.child(&entry.value, Step::Key(&entry.key))
    }
}

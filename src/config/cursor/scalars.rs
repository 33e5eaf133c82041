//! Single values, read from a node by type.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::Cursor;
use crate::clock::UnixTime;
use crate::config::tree::Content;
use crate::config::{notation, spelling};

impl<'a> Cursor<'a> {
    pub(in crate::config) fn text(&self) -> Option<&'a str> {
        match &self.node.content {
            Content::Text(text) => Some(text),
            Content::Bool(_) | Content::Float | Content::Integer(_) => {
                self.expected("a string, put the value in quotes")
            }
            Content::Broken | Content::List(_) | Content::Map(_) | Content::Null => {
                self.expected("a string")
            }
        }
    }

    pub(in crate::config) fn non_empty_text(&self) -> Option<&'a str> {
        let text = self.text()?;
        if text.is_empty() {
            self.expected("a string that is not empty")
        } else {
            Some(text)
        }
    }

    /// A text that `accept` turns into something, or else was not what was expected.
    pub(in crate::config) fn parsed<T>(
        &self,
        expected: &str,
        accept: impl FnOnce(&'a str) -> Option<T>,
    ) -> Option<T> {
        self.as_text()
            .and_then(accept)
            .or_else(|| self.expected(expected))
    }

    /// A single value as JSON would have it; fractions are none.
    pub(in crate::config) fn scalar(&self, expected: &str) -> Option<Value> {
        match &self.node.content {
            Content::Bool(value) => Some(Value::Bool(*value)),
            Content::Integer(number) => i64::try_from(*number)
                .map(Value::from)
                .ok()
                .or_else(|| self.expected(expected)),
            Content::Text(text) => Some(Value::from(text.as_str())),
            Content::Broken
            | Content::Float
            | Content::List(_)
            | Content::Map(_)
            | Content::Null => self.expected(expected),
        }
    }

    pub(in crate::config) fn boolean(&self) -> Option<bool> {
        if let Content::Bool(value) = self.node.content {
            return Some(value);
        }
        self.expected("`true` or `false`")
    }

    /// Whether this is the plain word, which is no mistake if it is not.
    pub(in crate::config) fn is_word(&self, word: &str) -> bool {
        self.as_text() == Some(word)
    }

    pub(in crate::config) fn integer<T>(&self, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i128> + PartialOrd + std::fmt::Display,
    {
        let value = match self.node.content {
            Content::Integer(value) => T::try_from(value).ok(),
            Content::Bool(_)
            | Content::Broken
            | Content::Float
            | Content::List(_)
            | Content::Map(_)
            | Content::Null
            | Content::Text(_) => None,
        };
        value.filter(|value| range.contains(value)).or_else(|| {
            self.expected(&format!(
                "a whole number from {} to {}",
                range.start(),
                range.end()
            ))
        })
    }

    /// `500ms`, `30s`, `5m`, `24h`, `30d`, within the range.
    pub(in crate::config) fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let Some(value) = self.as_text().and_then(notation::duration) else {
            return self.expected("a duration such as `500ms`, `30s`, `5m`, `24h` or `30d`");
        };
        if range.contains(&value) {
            return Some(value);
        }
        self.expected(&format!(
            "a duration from {} to {}",
            notation::format_duration(*range.start()),
            notation::format_duration(*range.end())
        ))
    }

    /// `512B`, `8KiB`, `1MiB`, within the range.
    pub(in crate::config) fn size(&self, range: RangeInclusive<usize>) -> Option<usize> {
        let value = self.as_text().and_then(notation::size);
        value.filter(|value| range.contains(value)).or_else(|| {
            self.expected(&format!(
                "a size such as `8KiB`, from {} to {}",
                notation::format_size(*range.start()),
                notation::format_size(*range.end())
            ))
        })
    }

    /// RFC 3339, in UTC or with an offset.
    pub(in crate::config) fn timestamp(&self) -> Option<UnixTime> {
        self.parsed("a time such as `2027-01-01T00:00:00Z`", notation::timestamp)
    }

    /// An address to listen on.
    pub(in crate::config) fn socket_address(&self) -> Option<SocketAddr> {
        self.parsed(
            "an IP address and a port, such as `127.0.0.1:9688`",
            |text| text.parse().ok(),
        )
    }

    /// An address to connect to, as written.
    pub(in crate::config) fn host_port(&self) -> Option<String> {
        self.parsed(
            "a host and a port, such as `127.0.0.1:8080` or `im.internal:8080`",
            |text| notation::is_host_port(text).then(|| text.to_owned()),
        )
    }

    /// A name that the configuration gives to something.
    pub(in crate::config) fn name(&self) -> Option<Arc<str>> {
        // A number is no name, though it may look like one; that has a message of its own.
        self.text()?;
        self.parsed(NAME, |text| {
            spelling::is_name(text).then(|| Arc::from(text))
        })
    }

    /// One of a few words.
    pub(in crate::config) fn word<T: Copy>(
        &self,
        words: &[(&str, T)],
        later: &[&str],
    ) -> Option<T> {
        let text = self.text()?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        if later.contains(&text) {
            self.problem("not supported yet");
            return None;
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.problem(spelling::unknown("word", text, &known));
        None
    }
}

/// What a name must look like.
pub(in crate::config) const NAME: &str = "a name of at most 64 letters, digits, `_`, `.` and `-`";

//! The header lines of one head, in the order in which they stand.

use std::fmt;
use std::ops::{Deref, Range};

/// So many lines are kept in place; a head with more costs one allocation.
const IN_PLACE: usize = 24;

const EMPTY: Header<'static> = Header {
    name: "",
    value: b"",
    line: 0..0,
    is_plain: true,
};

/// One header line.
#[derive(Clone, PartialEq, Eq)]
pub struct Header<'b> {
    /// A token, as written.
    pub name: &'b str,
    /// Without the blanks around it. It may be a credential.
    pub value: &'b [u8],
    /// Where the line stands in the buffer, from the name's first byte to the next line's first
    /// byte: without these bytes the head is the same head without this header.
    pub line: Range<usize>,
    /// Written as `name: value` or `name:value`. Other blanks around a value change nothing by
    /// the standard, but not every server knows it.
    pub is_plain: bool,
}

/// The lines of a head. As a slice they are in order, and their ranges leave no gap.
//
// A `SmallVec` of borrowing items would be invariant in its lifetime and dropped by code that may
// look at them, which forbids a struct to hold both a head and what was found in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Headers<'b> {
    in_place: [Header<'b>; IN_PLACE],
    /// All of them, when there are more than fit in place.
    spilled: Vec<Header<'b>>,
    len: usize,
}

/// A header that must stand alone stands twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a header stands more than once")]
pub struct Doubled;

/// An element of a list of tokens is something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a list element is not a token")]
pub struct NotAToken;

impl<'b> Headers<'b> {
    /// The values of all headers of that name, in any case.
    pub fn all<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'b [u8]> {
        self.iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value)
    }

    /// The value of the one header of that name.
    pub fn single(&self, name: &str) -> Result<Option<&'b [u8]>, Doubled> {
        let mut values = self.all(name);
        let value = values.next();
        if values.next().is_some() {
            Err(Doubled)
        } else {
            Ok(value)
        }
    }

    /// The elements of all headers of that name, read as one comma-separated list of tokens.
    ///
    /// Empty elements are left out, as RFC 9110 §5.6.1.2 demands.
    pub fn tokens<'h>(&'h self, name: &'h str) -> impl Iterator<Item = Result<&'b str, NotAToken>> {
        self.all(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|element| !element.is_empty())
            .map(|element| {
                if element.iter().all(|byte| super::is_token_byte(*byte)) {
                    str::from_utf8(element).map_err(|_| NotAToken)
                } else {
                    Err(NotAToken)
                }
            })
    }

    pub(super) fn push(&mut self, header: Header<'b>) {
        if let Some(slot) = self.in_place.get_mut(self.len) {
            *slot = header;
        } else {
            if self.spilled.is_empty() {
                self.spilled.extend_from_slice(&self.in_place);
            }
            self.spilled.push(header);
        }
        self.len += 1;
    }
}

impl Default for Headers<'_> {
    fn default() -> Self {
        Self {
            in_place: [EMPTY; IN_PLACE],
            spilled: Vec::new(),
            len: 0,
        }
    }
}

impl<'b> Deref for Headers<'b> {
    type Target = [Header<'b>];

    fn deref(&self) -> &Self::Target {
        if self.spilled.is_empty() {
            self.in_place.get(..self.len).unwrap_or_default()
        } else {
            &self.spilled
        }
    }
}

impl fmt::Debug for Header<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("name", &self.name)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

/// The names only.
impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|header| header.name))
            .finish()
    }
}

//! The cookies of a request, read in one way: that of RFC 6265 §4.2.1, which browsers write.
//!
//! Browsers send back whatever a server once set, so other cookies may hold anything. Where a name
//! matters, [`Request::cookie_ambiguous`] tells whether another usual reader would find it
//! elsewhere, or another value under it: one that also parts cookies at commas or blanks, lets a
//! quoted value run across semicolons, obeys `$Version` (RFC 2965), trims names, or passes over a
//! name that is empty.

use super::{Request, is_alike};

/// One cookie, as it stands between two semicolons.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cookie<'r> {
    /// Without the blanks before it.
    piece: &'r [u8],
    pub name: &'r [u8],
    /// As sent; empty without a `=`. It may be a credential.
    pub value: &'r [u8],
}

impl<'r> Cookie<'r> {
    fn read(piece: &'r [u8]) -> Self {
        let piece = piece.trim_ascii_start();
        let end = piece.iter().position(|byte| *byte == b'=');
        let (name, value) = piece.split_at(end.unwrap_or(piece.len()));
        Self {
            piece,
            name,
            value: value.get(1..).unwrap_or_default(),
        }
    }

    /// The value without the quotes that may stand around it (RFC 6265 §4.1.1). Nothing in it is
    /// decoded; `None` if it holds a byte that no value has.
    pub fn content(&self) -> Option<&'r [u8]> {
        let quoted = self.value.strip_prefix(b"\"");
        let content = quoted
            .and_then(|rest| rest.strip_suffix(b"\""))
            .unwrap_or(self.value);
        content
            .iter()
            .all(|byte| is_cookie_octet(*byte))
            .then_some(content)
    }

    /// Whether a quoted value is still open behind this cookie.
    fn leaves_open(&self, is_open: bool) -> bool {
        let text = if is_open {
            self.piece
        } else {
            self.value.trim_ascii_start()
        };
        if !is_open && !text.starts_with(b"\"") {
            return false;
        }
        let mut is_escaped = false;
        text.iter().fold(is_open, |is_open, byte| {
            let is_quote = *byte == b'"' && !is_escaped;
            is_escaped = *byte == b'\\' && !is_escaped;
            is_open != is_quote
        })
    }

    /// Whether the name stands in the piece where another reader may begin a cookie.
    fn hides(&self, name: &str) -> bool {
        let mut is_first = true;
        let mut is_beginning = true;
        let mut parts = self.piece.split(|byte| b"=[".contains(byte)).peekable();
        while let Some(part) = parts.next() {
            // A name is what stands before `=` or an index.
            if parts.peek().is_none() {
                return false;
            }
            let end = part.iter().rposition(|byte| !is_gap(*byte));
            let written = part.get(..end.map_or(0, |end| end + 1)).unwrap_or_default();
            let word = written.rsplit(|byte| is_gap(*byte)).next();
            let word = word.unwrap_or_default();
            let is_where_all_see_it = is_first && word.len() == part.len();
            if (is_beginning || word.len() < written.len())
                && !is_where_all_see_it
                && is_alike(word, name)
            {
                return true;
            }
            is_first = false;
            is_beginning &= written.is_empty();
        }
        false
    }
}

impl<'r> Request<'r> {
    /// The cookies of all `Cookie` headers, in order.
    pub fn cookies(&self) -> impl Iterator<Item = Cookie<'r>> {
        self.head.header("cookie").flat_map(all)
    }

    /// Whether a server might read something else than we do under this name.
    pub fn cookie_ambiguous(&self, name: &str) -> bool {
        self.head
            .header("cookie")
            .any(|line| is_ambiguous(line, name))
    }
}

/// The cookies of one header value; empty pieces are none.
fn all(line: &[u8]) -> impl Iterator<Item = Cookie<'_>> {
    line.split(|byte| *byte == b';')
        .map(Cookie::read)
        .filter(|cookie| !cookie.piece.is_empty())
}

/// Whether another reader of this header value would see another value under the name.
fn is_ambiguous(line: &[u8], name: &str) -> bool {
    let mut is_named = false;
    let mut is_open = false;
    // Names that begin so are not cookies to those who read RFC 2965.
    let mut has_attributes = false;
    for cookie in all(line) {
        if cookie.hides(name) {
            return true;
        }
        if is_alike(cookie.name, name) {
            if is_open || cookie.content().is_none() {
                return true;
            }
            is_named = true;
        }
        is_open = cookie.leaves_open(is_open);
        has_attributes |= cookie.name.starts_with(b"$");
    }
    is_named && has_attributes
}

/// A header value without the cookies that `goes` names, or `None` if all of them stay. The others
/// keep their bytes and their order; nothing is left where none stays.
pub fn without(line: &[u8], goes: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let is_out = |piece: &&[u8]| goes(Cookie::read(piece).name);
    let pieces = || line.split(|byte| *byte == b';');
    if !pieces().any(|piece| is_out(&piece)) {
        return None;
    }
    let kept: Vec<&[u8]> = pieces().filter(|piece| !is_out(piece)).collect();
    if kept.iter().all(|piece| piece.trim_ascii().is_empty()) {
        return Some(Vec::new());
    }
    Some(kept.join(&b';').trim_ascii().to_vec())
}

/// RFC 6265 §4.1.1: visible ASCII without `"`, `,`, `;` and `\`.
const fn is_cookie_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\')
}

/// What some take for the end of a cookie, or for a blank: everything beyond ASCII may be a part of
/// one that is.
const fn is_gap(byte: u8) -> bool {
    !byte.is_ascii_graphic() || matches!(byte, b'"' | b',')
}

/// Shows nothing that could be a credential.
impl std::fmt::Debug for Cookie<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cookie").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

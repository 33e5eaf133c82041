//! A request as the gate sees it: a head whose syntax was checked, and where it came from.
//!
//! Here are also the parameters of its query and its cookies. They are read in one way, the way of
//! HTML forms and of browsers, and [`Request::query_ambiguous`] and [`Request::cookie_ambiguous`]
//! tell when another usual way would read another value. What they prove is decided elsewhere.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::ops::Range;

use crate::wire::head::RequestHead;

pub mod cookies;
mod network;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use network::{Census, Network};

/// The methods that are served. Any other is 405 on every route.
pub const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// A byte of a header name as backends may see it that turn names into variables: in lower case,
/// and with one mark for all. Most fold `-` into `_`, some `.` as well, and some every byte that
/// is neither a letter nor a digit.
pub const fn fold_byte(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() {
        byte.to_ascii_lowercase()
    } else {
        b'-'
    }
}

/// Whether some server would take one name of a cookie or a parameter for the other: in any case, with the marks for each
/// other, with escapes undone, or with an index behind it.
pub fn is_alike(found: &[u8], name: &str) -> bool {
    if found == name.as_bytes() {
        return true;
    }
    let decoded: Cow<'_, [u8]> = percent_encoding::percent_decode(found).into();
    let plain = decoded.split(|byte| *byte == b'[').next();
    let plain = plain.unwrap_or_default().trim_ascii();
    plain.len() == name.len()
        && plain
            .iter()
            .zip(name.bytes())
            .all(|(found, known)| fold_byte(*found) == fold_byte(known))
}

/// One request head, checked, with its parts named.
#[derive(Clone, Copy)]
pub struct Request<'r> {
    pub head: &'r RequestHead<'r>,
    /// The path as sent, escapes and all.
    pub path: &'r str,
    /// What follows the first `?` of the target.
    pub query: Option<&'r str>,
    /// Host and port as sent; case is not folded.
    pub host: &'r str,
    /// The client, after trusted proxies were believed.
    pub client: IpAddr,
    /// Whether the client came over TLS, after trusted proxies were believed.
    pub secure: bool,
}

/// One parameter of a query.
#[derive(Clone, PartialEq, Eq)]
pub struct QueryPair<'r> {
    /// Where `name=value` stands in the target, without the `&` around it.
    pub range: Range<usize>,
    pub name: Cow<'r, [u8]>,
    /// The value as sent; empty without a `=`.
    pub raw_value: &'r str,
    /// The value that form decoders see. It may be a credential.
    pub value: Cow<'r, [u8]>,
}

impl<'r> Request<'r> {
    /// The host without its port.
    pub fn host_name(&self) -> &'r str {
        match self.host.rsplit_once(':') {
            // The colons of a bare IPv6 address stand inside brackets.
            Some((name, port)) if !port.ends_with(']') => name,
            _ => self.host,
        }
    }

    /// The origin of the page that asks (RFC 6454 §7), as the browser names it.
    pub fn origin(&self) -> Option<&'r [u8]> {
        self.head.single("origin").ok().flatten()
    }

    /// The parameters of the query in order, split at `&` alone.
    ///
    /// Names and values are percent-decoded once, and `+` is a space in both, as in every server
    /// that reads forms (`application/x-www-form-urlencoded`): what is judged must be what the
    /// upstream sees. A token with a `+` has to be sent with `%2B`; the alphabets of tokens have
    /// no space, so a bare `+` makes a token malformed and never another token. A `%` without two
    /// hexadecimal digits stands for itself.
    pub fn query_pairs(&self) -> impl Iterator<Item = QueryPair<'r>> {
        // The query follows the path and its `?`.
        pairs(self.query.unwrap_or_default(), self.path.len() + 1)
    }

    /// The segment of the path at this position, counted from 0, with its escapes undone. The syntax
    /// has refused those that would make two segments of it.
    pub fn segment(&self, position: usize) -> Option<Cow<'r, [u8]>> {
        let written = self.path.strip_prefix('/')?.split('/').nth(position)?;
        Some(percent_encoding::percent_decode_str(written).into())
    }

    /// Whether a server that splits the query at `;` as well would see other values under this name,
    /// or under one like it.
    pub fn query_ambiguous(&self, name: &str) -> bool {
        let query = self.query.unwrap_or_default();
        if !query.contains(';') {
            return false;
        }
        let usual = pairs(query, 0)
            .filter(|pair| is_alike(&pair.name, name))
            .map(|pair| pair.value);
        let other = query
            .split(['&', ';'])
            .filter_map(|piece| pair(piece, 0))
            .filter(|pair| is_alike(&pair.name, name))
            .map(|pair| pair.value);
        !usual.eq(other)
    }

    /// Whether there is another parameter that some server would take for the one of this name: some
    /// pass over case, and some make one of all elements of a list.
    pub fn has_query_like(&self, name: &str) -> bool {
        self.query_pairs()
            .any(|pair| *pair.name != *name.as_bytes() && is_alike(&pair.name, name))
    }
}

fn pairs(query: &str, start: usize) -> impl Iterator<Item = QueryPair<'_>> {
    let mut next = start;
    query.split('&').filter_map(move |piece| {
        let at = next;
        next += piece.len() + 1;
        pair(piece, at)
    })
}

/// Reads one piece of a query that stands at `at`; an empty piece is no parameter.
fn pair(piece: &str, at: usize) -> Option<QueryPair<'_>> {
    if piece.is_empty() {
        return None;
    }
    let (name, raw_value) = piece.split_once('=').unwrap_or((piece, ""));
    Some(QueryPair {
        range: at..at + piece.len(),
        name: decode(name.as_bytes()),
        raw_value,
        value: decode(raw_value.as_bytes()),
    })
}

/// Undoes form encoding, once.
fn decode(encoded: &[u8]) -> Cow<'_, [u8]> {
    if !encoded.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(encoded);
    }
    let spaced: Vec<u8> = encoded
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    Cow::Owned(percent_encoding::percent_decode(&spaced).collect())
}

/// Shows nothing that could be a credential.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("head", &self.head)
            .field("path", &self.path)
            .field("host", &self.host)
            .field("client", &self.client)
            .field("secure", &self.secure)
            .finish_non_exhaustive()
    }
}

/// Shows where it stands only.
impl fmt::Debug for QueryPair<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryPair")
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

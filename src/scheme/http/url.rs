//! URLs of the configuration, in which a credential or a part of it may take a place.
//!
//! A variable such as `{token}` is a whole segment of the path, or the whole value of a parameter
//! of the query; what it stands for is percent-encoded, so it is one segment or one value whatever
//! is in it. `.`, `..` and nothing are no segment: servers take them for a way to another path.

use std::fmt;

use http::Uri;
use http::uri::Scheme;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// A URL with places for variables.
#[derive(Clone, PartialEq, Eq)]
pub struct UrlTemplate {
    text: String,
    pieces: Vec<Piece>,
    is_secure: bool,
    is_loopback: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(String),
}

/// What is wrong with a URL: what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub struct UrlProblem(pub &'static str);

const EXPECTED: UrlProblem = UrlProblem("an `https://` URL without user, password and fragment");
const EXPECTED_PLACE: UrlProblem = UrlProblem(
    "variables such as `{token}` as whole segments of the path or whole values in the query",
);

/// Everything but what stands for itself in a URL (RFC 3986 §2.3), and so in a form.
pub(in crate::scheme) const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

impl UrlTemplate {
    /// Reads an absolute `http` or `https` URL.
    ///
    /// # Errors
    ///
    /// What was expected.
    pub fn parse(text: &str) -> Result<Self, UrlProblem> {
        let rest = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"))
            .ok_or(EXPECTED)?;
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"#<>\\^`|".contains(&byte);
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        if !text.bytes().all(is_plain) || authority.contains(['@', '{', '}']) {
            return Err(EXPECTED);
        }
        let path = rest.get(authority.len()..).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        if path.split('/').any(is_way) {
            return Err(UrlProblem("a path without `.` and `..`"));
        }
        let pieces = split(text)?;
        let template = Self {
            text: text.to_owned(),
            pieces,
            is_secure: text.starts_with("https:"),
            is_loopback: false,
        };
        let sample = template.fill(|_| Some(b"x")).ok_or(EXPECTED)?;
        let (host, port) = match authority.rsplit_once(':') {
            // The colons of a bare IPv6 address stand inside brackets.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port != 0);
        if sample.host() != Some(host) || host.is_empty() || !port.is_none_or(is_port) {
            return Err(EXPECTED);
        }
        Ok(Self {
            is_loopback: is_loopback(host),
            ..template
        })
    }

    /// The names of its variables, in order.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Variable(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether what is sent there is protected from others: by TLS, or since it never leaves this
    /// machine.
    pub const fn is_protected(&self) -> bool {
        self.is_secure || self.is_loopback
    }

    /// The URL with every variable in its place; `None` if one has no value, or one that cannot
    /// stand there.
    pub fn fill<'v>(&self, value: impl Fn(&str) -> Option<&'v [u8]>) -> Option<Uri> {
        let mut url = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => url.push_str(text),
                Piece::Variable(name) => {
                    let value = value(name)?;
                    if matches!(value, b"" | b"." | b"..") {
                        return None;
                    }
                    url.extend(percent_encode(value, ENCODED));
                }
            }
        }
        let uri: Uri = url.parse().ok()?;
        let is_http = [Some(&Scheme::HTTP), Some(&Scheme::HTTPS)].contains(&uri.scheme());
        is_http.then_some(uri)
    }
}

/// The text has no secret of its own, but whatever is in a URL is nobody's business.
impl fmt::Debug for UrlTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variables: Vec<_> = self.variables().collect();
        f.debug_struct("UrlTemplate")
            .field("variables", &variables)
            .finish_non_exhaustive()
    }
}

fn split(text: &str) -> Result<Vec<Piece>, UrlProblem> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or(EXPECTED_PLACE)?;
        let is_name = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        // Where the query begins, if it has begun before.
        let so_far = text.get(..text.len() - rest.len() + before.len());
        let in_query = so_far.is_some_and(|so_far| so_far.contains('?'));
        let fits = if in_query {
            before.ends_with('=') && (after.is_empty() || after.starts_with('&'))
        } else {
            before.ends_with('/') && (after.is_empty() || after.starts_with(['/', '?']))
        };
        if !is_name || !fits || before.contains('}') {
            return Err(EXPECTED_PLACE);
        }
        pieces.push(Piece::Text(before.to_owned()));
        pieces.push(Piece::Variable(name.to_owned()));
        rest = after;
    }
    if rest.contains('}') {
        return Err(EXPECTED_PLACE);
    }
    pieces.push(Piece::Text(rest.to_owned()));
    Ok(pieces)
}

/// Whether a segment is not a name but a way, however it is spelt.
fn is_way(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    matches!(plain.as_str(), "." | "..")
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;

//! Finds a credential (or a claim) in a request: where it is, never whether it is good.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::percent_decode;

use crate::credential::Carrier;
use crate::policy::authenticator::Authenticator;
use crate::request::Request;
use crate::scheme::Rejection;

/// What stands in the places of one authenticator.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'r> {
    Absent,
    /// Only a cookie, in a request from a page that it is not for. It is no credential.
    OfAnotherPage,
    Present(Extracted<'r>),
    /// Filled in a way that no credential can be.
    Unusable(Rejection),
}

/// A credential as it was found.
#[derive(Clone, PartialEq, Eq)]
pub struct Extracted<'r> {
    /// Without prefix, decoded.
    pub token: Cow<'r, [u8]>,
    /// As the client wrote it there, prefix included and undecoded.
    pub written: &'r [u8],
    /// The first place in file order that holds it. `None` when it came in a message.
    pub carrier: Option<usize>,
}

impl std::fmt::Debug for Extracted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Extracted")
            .field("carrier", &self.carrier)
            .finish_non_exhaustive()
    }
}

impl Extracted<'_> {
    /// Whether both were read from the same place, or are equal.
    ///
    /// Prefixes are taken off at the beginning, so two readings of one place end at one byte.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let end = |extracted: &Self| extracted.written.as_ptr_range().end;
        end(self) == end(other) || self.token == other.token
    }
}

/// One place is filled twice, or two places disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous;

/// What a `+` in a query is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plus {
    /// For credentials with a `+` in them, which pages put into an address as they are. There is no
    /// other reading: such a credential has no space.
    Itself,
    /// As servers see it that read forms.
    Space,
}

impl Plus {
    /// In the credentials of this authenticator.
    pub fn of(authenticator: &Authenticator) -> Self {
        if authenticator.has_plus() {
            Self::Itself
        } else {
            Self::Space
        }
    }
}

/// Looks at every carrier.
///
/// # Errors
///
/// One place twice, even with equal values, or two places with different values.
pub fn credential<'r>(
    carriers: &[Carrier],
    plus: Plus,
    request: &Request<'r>,
) -> Result<Found<'r>, Ambiguous> {
    let mut found = Found::Absent;
    for (position, carrier) in carriers.iter().enumerate() {
        let here = match carrier {
            Carrier::Cookie { name, .. } => cookie(name, carrier, position, request)?,
            Carrier::Header { name, prefix } => header(name, prefix.as_deref(), position, request)?,
            Carrier::Query { name } => query(name, plus, position, request)?,
            Carrier::Subprotocol { prefix } => subprotocol(prefix, position, request)?,
        };
        found = match (found, here) {
            (Found::Absent, here) => here,
            (found, Found::Absent | Found::OfAnotherPage) => found,
            (Found::OfAnotherPage, here) => here,
            (Found::Present(first), Found::Present(second)) if first.token == second.token => {
                Found::Present(first)
            }
            _ => return Err(Ambiguous),
        };
    }
    Ok(found)
}

/// Browsers send cookies with every request to their host, whichever page makes it. So the page has
/// to be one that the cookie is for, and a request that names none proves nothing.
fn cookie<'r>(
    name: &str,
    carrier: &Carrier,
    position: usize,
    request: &Request<'r>,
) -> Result<Found<'r>, Ambiguous> {
    let mut cookies = request
        .cookies()
        .filter(|cookie| cookie.name == name.as_bytes());
    let Some(cookie) = cookies.next() else {
        return Ok(Found::Absent);
    };
    // Of several headers some servers read one, and others join them with commas.
    let is_doubled = cookies.next().is_some() || request.head.header("cookie").nth(1).is_some();
    let token = cookie.content().ok_or(Ambiguous)?;
    if is_doubled {
        return Err(Ambiguous);
    }
    if token.is_empty() {
        return Ok(Found::Absent);
    }
    if !carrier.counts_from(request.origin()) {
        return Ok(Found::OfAnotherPage);
    }
    Ok(present(Cow::Borrowed(token), cookie.value, Some(position)))
}

/// A credential from a message, read as it would be in the header that the carriers name.
pub fn from_message<'m>(carriers: &[Carrier], written: &'m [u8]) -> Found<'m> {
    let prefix = carriers.iter().find_map(|carrier| match carrier {
        Carrier::Header { prefix, .. } => prefix.as_deref(),
        Carrier::Cookie { .. } | Carrier::Query { .. } | Carrier::Subprotocol { .. } => None,
    });
    // The text may hold anything. No credential does, and none of it may end a header.
    if written.iter().any(|byte| !matches!(byte, b' '..=b'~')) {
        return Found::Unusable(Rejection::Malformed);
    }
    header_value(written, prefix, None)
}

fn header<'r>(
    name: &str,
    prefix: Option<&str>,
    carrier: usize,
    request: &Request<'r>,
) -> Result<Found<'r>, Ambiguous> {
    let mut values = request.head.header(name);
    let Some(written) = values.next() else {
        return Ok(Found::Absent);
    };
    if values.next().is_some() {
        return Err(Ambiguous);
    }
    Ok(header_value(written, prefix, Some(carrier)))
}

fn header_value<'r>(written: &'r [u8], prefix: Option<&str>, carrier: Option<usize>) -> Found<'r> {
    if written.is_empty() {
        return Found::Absent;
    }
    let Some(prefix) = prefix else {
        return present(Cow::Borrowed(written), written, carrier);
    };
    let token = without_prefix(written, prefix).unwrap_or(written);
    if without_prefix(token, prefix).is_some() && token.len() < written.len() {
        return Found::Unusable(Rejection::DoubledPrefix);
    }
    present(Cow::Borrowed(token), written, carrier)
}

/// `Bearer x` → `x`. The prefix may be in any case and must be followed by a blank or nothing.
fn without_prefix<'v>(value: &'v [u8], prefix: &str) -> Option<&'v [u8]> {
    let (word, rest) = value.split_at_checked(prefix.len())?;
    let separated = rest.is_empty() || rest.first().is_some_and(|b| *b == b' ' || *b == b'\t');
    (separated && word.eq_ignore_ascii_case(prefix.as_bytes())).then(|| rest.trim_ascii_start())
}

fn query<'r>(
    name: &str,
    plus: Plus,
    carrier: usize,
    request: &Request<'r>,
) -> Result<Found<'r>, Ambiguous> {
    if request.query.is_none() {
        return Ok(Found::Absent);
    }
    if request.query_ambiguous(name) {
        return Err(Ambiguous);
    }
    let mut pairs = request
        .query_pairs()
        .filter(|pair| *pair.name == *name.as_bytes());
    let Some(pair) = pairs.next() else {
        return Ok(Found::Absent);
    };
    if pairs.next().is_some() {
        return Err(Ambiguous);
    }
    if pair.value.is_empty() {
        return Ok(Found::Absent);
    }
    let written = pair.raw_value.as_bytes();
    let token = match plus {
        Plus::Itself => percent_decode(written).into(),
        Plus::Space => pair.value,
    };
    Ok(present(token, written, Some(carrier)))
}

/// Browsers can set no header, but offer subprotocols: `<prefix><unpadded base64url>`.
fn subprotocol<'r>(
    prefix: &str,
    carrier: usize,
    request: &Request<'r>,
) -> Result<Found<'r>, Ambiguous> {
    let mut found = None;
    for entry in request.head.tokens("sec-websocket-protocol") {
        // Who cannot read one entry cannot say what the others are.
        let entry = entry.map_err(|_| Ambiguous)?;
        if let Some(token) = entry.strip_prefix(prefix)
            && found.replace(token.as_bytes()).is_some()
        {
            return Err(Ambiguous);
        }
    }
    let Some(written) = found else {
        return Ok(Found::Absent);
    };
    // The strict engine refuses padding, other alphabets and stray trailing bits.
    Ok(match URL_SAFE_NO_PAD.decode(written) {
        Ok(token) if !token.is_empty() => present(Cow::Owned(token), written, Some(carrier)),
        Ok(_) | Err(_) => Found::Unusable(Rejection::Malformed),
    })
}

fn present<'r>(token: Cow<'r, [u8]>, written: &'r [u8], carrier: Option<usize>) -> Found<'r> {
    // What was decoded may hold anything. No credential does, and none of it may end a header.
    if matches!(token, Cow::Owned(_)) && token.iter().any(|byte| !matches!(byte, b' '..=b'~')) {
        return Found::Unusable(Rejection::Malformed);
    }
    Found::Present(Extracted {
        token,
        written,
        carrier,
    })
}

#[cfg(test)]
mod tests;

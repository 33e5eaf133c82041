//! HTTP/1 heads: from bytes to a start line and header lines (RFC 9112 §2 to §5).
//!
//! httparse finds the parts; a walk over the same bytes then proves that these parts, single
//! spaces and CRLF line ends are all there is. Only then can lines be cut out and others be added
//! without changing what the rest means. httparse alone is too lenient for that: it takes bare
//! line feeds, and empty lines before a request.
//!
//! What a target, a method or a header means is not judged here.

use std::fmt;
use std::mem::MaybeUninit;
use std::ops::Range;

use httparse::Status;

use self::walk::Walk;

mod error;
mod headers;
#[cfg(test)]
mod tests;
mod walk;

pub use self::error::HeadError;
pub use self::headers::{Doubled, Header, Headers, NotAToken};

/// The most header lines in one head, whatever the limits say.
pub const MOST_HEADERS: usize = 256;

/// How large a head may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the whole head, the empty line included.
    pub head_bytes: usize,
    /// Header lines, never more than [`MOST_HEADERS`].
    pub headers: usize,
    /// Bytes of a request target; responses have none.
    pub target_bytes: usize,
}

/// The versions that are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Http10,
    Http11,
}

/// The head of a request, borrowed from the buffer it was read into.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestHead<'b> {
    /// A token in any case; not yet known to be a method that is served.
    pub method: &'b str,
    /// Never empty and without blanks. It may hold a credential, so it is never logged.
    pub target: &'b str,
    /// Where the target stands in the buffer.
    pub target_range: Range<usize>,
    pub version: Version,
    pub headers: Headers<'b>,
    /// Bytes of the head, the empty line included; the body begins there.
    pub len: usize,
}

/// The head of a response, borrowed from the buffer it was read into.
#[derive(Clone, PartialEq, Eq)]
pub struct ResponseHead<'b> {
    pub version: Version,
    /// From 100 to 999: clients know what to do with a class they do not know (RFC 9110 §15).
    pub status: u16,
    /// As sent; often empty.
    pub reason: &'b [u8],
    pub headers: Headers<'b>,
    /// Bytes of the head, the empty line included; the body begins there.
    pub len: usize,
}

/// Reads the head of a request at the start of `buf`; `None` means that bytes are missing.
///
/// A head that cannot come within its limits any more is an error at once, so a buffer of
/// `head_bytes` always suffices.
pub fn request<'b>(
    buf: &'b [u8],
    limits: &HeadLimits,
) -> Result<Option<RequestHead<'b>>, HeadError> {
    // httparse would skip empty lines, and they would be forwarded.
    match buf.first() {
        None => return Ok(None),
        Some(first) if !is_token_byte(*first) => return Err(HeadError::StartLine),
        Some(_) => {}
    }
    let mut slots = [const { MaybeUninit::uninit() }; MOST_HEADERS];
    let slots = slots
        .get_mut(..limits.headers.min(MOST_HEADERS))
        .unwrap_or_default();
    let mut parsed = httparse::Request::new(&mut []);
    let outcome = parsed.parse_with_uninit_headers(buf, slots);

    if outcome.is_ok() && target_bytes_so_far(buf, &parsed) > limits.target_bytes {
        return Err(HeadError::TargetTooLong);
    }
    let Some(len) = head_bytes(outcome, buf, 2, limits)? else {
        return Ok(None);
    };
    let (Some(method), Some(target)) = (parsed.method, parsed.path) else {
        return Err(HeadError::StartLine);
    };

    let mut walk = Walk::new(buf);
    walk.pass(method.len())?;
    walk.literal(b" ").ok_or(HeadError::StartLine)?;
    let target_range = walk.pass(target.len())?;
    walk.literal(b" ").ok_or(HeadError::StartLine)?;
    let version = walk.version()?;
    walk.literal(b"\r\n").ok_or(HeadError::LineEnd)?;
    let headers = walk.headers(parsed.headers, len)?;

    // Most heads are ASCII throughout.
    let is_ascii = buf.get(..len).is_some_and(<[u8]>::is_ascii);
    if !is_ascii && !headers.iter().all(|header| is_text(header.value)) {
        return Err(HeadError::HeaderValue);
    }
    Ok(Some(RequestHead {
        method,
        target,
        target_range,
        version,
        headers,
        len,
    }))
}

/// Reads the head of a response at the start of `buf`; `None` means that bytes are missing.
///
/// The rules are those of requests, but a value may hold any bytes above 0x7f: old servers write
/// file names in Latin-1, and nobody decides anything by them.
pub fn response<'b>(
    buf: &'b [u8],
    limits: &HeadLimits,
) -> Result<Option<ResponseHead<'b>>, HeadError> {
    match buf.first() {
        None => return Ok(None),
        Some(b'H') => {}
        Some(_) => return Err(HeadError::StartLine),
    }
    let mut slots = [const { MaybeUninit::uninit() }; MOST_HEADERS];
    let slots = slots
        .get_mut(..limits.headers.min(MOST_HEADERS))
        .unwrap_or_default();
    let mut parsed = httparse::Response::new(&mut []);
    let outcome = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut parsed,
        buf,
        slots,
    );
    let Some(len) = head_bytes(outcome, buf, 0, limits)? else {
        return Ok(None);
    };
    let Some(status @ 100..) = parsed.code else {
        return Err(HeadError::StartLine);
    };

    let mut walk = Walk::new(buf);
    let version = walk.version()?;
    walk.literal(b" ").ok_or(HeadError::StartLine)?;
    walk.pass(3)?;
    // Without a reason some servers leave out the space as well; there is no other way to read it.
    let reason = match walk.literal(b" ") {
        Some(()) => walk.reason()?,
        None => b"",
    };
    walk.literal(b"\r\n").ok_or(HeadError::LineEnd)?;
    let headers = walk.headers(parsed.headers, len)?;

    Ok(Some(ResponseHead {
        version,
        status,
        reason,
        headers,
        len,
    }))
}

/// Whether the byte may stand in a token: a method, a header name, an option of `Connection`
/// (RFC 9110 §5.6.2).
pub const fn is_token_byte(byte: u8) -> bool {
    matches!(byte,
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z'
        | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+'
        | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

impl<'b> RequestHead<'b> {
    /// See [`Headers::all`].
    pub fn header<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'b [u8]> {
        self.headers.all(name)
    }

    /// See [`Headers::single`].
    pub fn single(&self, name: &str) -> Result<Option<&'b [u8]>, Doubled> {
        self.headers.single(name)
    }

    /// See [`Headers::tokens`].
    pub fn tokens<'h>(&'h self, name: &'h str) -> impl Iterator<Item = Result<&'b str, NotAToken>> {
        self.headers.tokens(name)
    }
}

impl<'b> ResponseHead<'b> {
    /// See [`Headers::all`].
    pub fn header<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'b [u8]> {
        self.headers.all(name)
    }

    /// See [`Headers::single`].
    pub fn single(&self, name: &str) -> Result<Option<&'b [u8]>, Doubled> {
        self.headers.single(name)
    }

    /// See [`Headers::tokens`].
    pub fn tokens<'h>(&'h self, name: &'h str) -> impl Iterator<Item = Result<&'b str, NotAToken>> {
        self.headers.tokens(name)
    }
}

impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", &self.method)
            .field("version", &self.version)
            .field("headers", &self.headers)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ResponseHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseHead")
            .field("version", &self.version)
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// Bytes of the target as far as it has come.
fn target_bytes_so_far(buf: &[u8], parsed: &httparse::Request<'_, '_>) -> usize {
    match (parsed.method, parsed.path) {
        (_, Some(target)) => target.len(),
        (Some(method), None) => buf.len().saturating_sub(method.len() + 1),
        (None, None) => 0,
    }
}

/// The length of the head if it is complete; the version is the word `version_word` of a line.
fn head_bytes(
    outcome: httparse::Result<usize>,
    buf: &[u8],
    version_word: usize,
    limits: &HeadLimits,
) -> Result<Option<usize>, HeadError> {
    match outcome {
        Ok(Status::Complete(len)) if len <= limits.head_bytes => Ok(Some(len)),
        // At least one more byte must come.
        Ok(Status::Partial) if buf.len() < limits.head_bytes => Ok(None),
        Ok(Status::Complete(_) | Status::Partial) => Err(HeadError::HeadTooLarge),
        Err(error) => Err(match error {
            httparse::Error::HeaderName => HeadError::HeaderName,
            httparse::Error::HeaderValue => HeadError::HeaderValue,
            httparse::Error::NewLine => HeadError::LineEnd,
            httparse::Error::TooManyHeaders => HeadError::TooManyHeaders,
            httparse::Error::Version if names_a_version(buf, version_word) => HeadError::Version,
            httparse::Error::Status | httparse::Error::Token | httparse::Error::Version => {
                HeadError::StartLine
            }
        }),
    }
}

/// Whether a word of the first line looks like a version, rather than like a mistake.
fn names_a_version(buf: &[u8], word: usize) -> bool {
    buf.split(|byte| matches!(byte, b' ' | b'\r' | b'\n'))
        .nth(word)
        .and_then(|word| word.strip_prefix(b"HTTP/"))
        .and_then(<[u8]>::first)
        .is_some_and(u8::is_ascii_digit)
}

/// Whether every reader sees the same text: ASCII, or UTF-8 without the control characters above
/// ASCII (some readers take U+0085 for a line end).
fn is_text(value: &[u8]) -> bool {
    value.is_ascii()
        || str::from_utf8(value)
            .is_ok_and(|text| !text.contains(|c| matches!(c, '\u{80}'..='\u{9f}')))
}

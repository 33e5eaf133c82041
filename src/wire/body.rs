//! Where a body ends (RFC 9112 §6 and §7).
//!
//! The framing is read from a head once; then [`Body`] is shown the bytes as they pass and says
//! how many of them belong to the body. They are forwarded as they are, so a chunked body is
//! checked byte by byte against its grammar: the next reader must find the same end. [`Dechunk`]
//! finds the payload in it for clients that do not know chunks. Nothing is buffered here.

use crate::wire::head::{Headers, RequestHead, ResponseHead, Version};

mod chunks;
#[cfg(test)]
mod tests;

pub use self::chunks::{Dechunk, Dechunked};

use self::chunks::Chunks;

/// How a message says where its body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body, whatever the head says.
    None,
    /// So many bytes.
    Length(u64),
    Chunked,
    /// Everything until the connection closes. Responses only.
    UntilClose,
}

/// Whose body it is. Requests are judged more strictly: their sender is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Request,
    Response,
}

/// Why a head does not say in one way where its body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    #[error("`content-length` and `transfer-encoding` stand together")]
    Both,
    #[error("a response without a body announces one")]
    Bodiless,
    #[error("`content-length` is not one decimal number")]
    ContentLength,
    #[error("`content-length` stands more than once")]
    ContentLengthDoubled,
    #[error("`transfer-encoding` is not exactly `chunked`")]
    TransferEncoding,
    #[error("`transfer-encoding` stands more than once")]
    TransferEncodingDoubled,
    #[error("`transfer-encoding` in HTTP/1.0")]
    TransferEncodingInHttp10,
}

/// Why the bytes of a body are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("the data of a chunk is not followed by CRLF")]
    ChunkData,
    #[error("a chunk extension is not allowed here, too long or malformed")]
    ChunkExtension,
    #[error("a chunk size is not 1 to 16 hexadecimal digits and CRLF")]
    ChunkSize,
    #[error("a trailer is not allowed here, too long or malformed")]
    Trailer,
    #[error("the connection ended before the body did")]
    Truncated,
}

/// What one piece of input meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fed {
    /// So many of the bytes belong to the body; the rest comes after it.
    pub taken: usize,
    /// The body has ended.
    pub done: bool,
}

/// Reads from a request's head where its body ends; without `Content-Length` and
/// `Transfer-Encoding` there is none.
pub fn request_framing(head: &RequestHead<'_>) -> Result<Framing, FramingError> {
    let announced = announced(&head.headers, head.version, Side::Request)?;
    Ok(announced.unwrap_or(Framing::None))
}

/// Reads from a response's head where its body ends. `request_method` is the method it answers.
///
/// A 1xx or 204 that announces a body is an error: a server that means it sends bytes that would
/// be taken for the next response. A HEAD or 304 response announces a body that it does not have.
pub fn response_framing(
    head: &ResponseHead<'_>,
    request_method: &str,
) -> Result<Framing, FramingError> {
    let announced = announced(&head.headers, head.version, Side::Response)?;
    let interim_or_empty = matches!(head.status, ..200 | 204);
    if interim_or_empty && announced.is_some_and(|framing| !framing.is_empty()) {
        return Err(FramingError::Bodiless);
    }
    if interim_or_empty || head.status == 304 || request_method == "HEAD" {
        return Ok(Framing::None);
    }
    Ok(announced.unwrap_or(Framing::UntilClose))
}

impl Framing {
    /// Whether the body has no bytes.
    pub const fn is_empty(self) -> bool {
        matches!(self, Self::None | Self::Length(0))
    }
}

/// Finds the end of one body in the bytes that pass.
#[derive(Debug)]
pub struct Body {
    progress: Progress,
    /// Bytes of it so far, without the framing of chunks.
    payload: u64,
}

#[derive(Debug)]
enum Progress {
    Length { left: u64 },
    Chunked(Chunks),
    UntilClose,
}

impl Body {
    pub const fn new(framing: Framing, side: Side) -> Self {
        let progress = match framing {
            Framing::None => Progress::Length { left: 0 },
            Framing::Length(left) => Progress::Length { left },
            Framing::Chunked => Progress::Chunked(Chunks::new(side)),
            Framing::UntilClose => Progress::UntilClose,
        };
        Self {
            progress,
            payload: 0,
        }
    }

    /// How many bytes of it have come, without the framing of chunks.
    pub const fn payload(&self) -> u64 {
        self.payload
    }

    /// Looks at the next bytes. After an error every call is the same error.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Fed, BodyError> {
        let taken = match &mut self.progress {
            Progress::Length { left } => {
                let taken = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                *left -= taken as u64;
                self.payload += taken as u64;
                taken
            }
            Progress::Chunked(chunks) => {
                chunks.feed(bytes, |range| self.payload += range.len() as u64)?
            }
            Progress::UntilClose => {
                self.payload += bytes.len() as u64;
                bytes.len()
            }
        };
        Ok(Fed {
            taken,
            done: self.is_done(),
        })
    }

    /// Whether the body has ended; true from the start for an empty one.
    pub const fn is_done(&self) -> bool {
        match &self.progress {
            Progress::Length { left } => *left == 0,
            Progress::Chunked(chunks) => chunks.is_done(),
            Progress::UntilClose => false,
        }
    }

    /// Hears that the connection has ended, and says whether the body had.
    pub const fn finish(&self) -> Result<(), BodyError> {
        match &self.progress {
            Progress::UntilClose => Ok(()),
            Progress::Length { .. } | Progress::Chunked(_) if self.is_done() => Ok(()),
            Progress::Length { .. } | Progress::Chunked(_) => Err(BodyError::Truncated),
        }
    }
}

/// What `Content-Length` or `Transfer-Encoding` announce.
fn announced(
    headers: &Headers<'_>,
    version: Version,
    side: Side,
) -> Result<Option<Framing>, FramingError> {
    let length = headers
        .single("content-length")
        .map_err(|_| FramingError::ContentLengthDoubled)?;
    let coding = headers
        .single("transfer-encoding")
        .map_err(|_| FramingError::TransferEncodingDoubled)?;
    match (length, coding) {
        (None, None) => Ok(None),
        (Some(digits), None) => decimal(digits)
            .map(|n| Some(Framing::Length(n)))
            .ok_or(FramingError::ContentLength),
        (None, Some(_)) if version == Version::Http10 => {
            Err(FramingError::TransferEncodingInHttp10)
        }
        (None, Some(coding)) if is_chunked(coding, side) => Ok(Some(Framing::Chunked)),
        (None, Some(_)) => Err(FramingError::TransferEncoding),
        (Some(_), Some(_)) => Err(FramingError::Both),
    }
}

/// In a request only as everybody writes it: a server that compares case would see no body.
fn is_chunked(coding: &[u8], side: Side) -> bool {
    match side {
        Side::Request => coding == b"chunked",
        Side::Response => coding.eq_ignore_ascii_case(b"chunked"),
    }
}

/// Reads digits only, without leading zeros, up to what a signed reader can hold.
fn decimal(digits: &[u8]) -> Option<u64> {
    if matches!(digits, [] | [b'0', _, ..]) {
        return None;
    }
    let number = digits.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })?;
    i64::try_from(number).is_ok().then_some(number)
}

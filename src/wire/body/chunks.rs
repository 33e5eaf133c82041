//! The grammar of a chunked body (RFC 9112 §7.1), one state for each place in it.
//!
//! ```text
//! 1a;name=value CRLF  <0x1a bytes> CRLF  0 CRLF  Trailer: value CRLF  CRLF
//! ```
//!
//! In requests extensions and trailers are refused: nobody sends them honestly, and proxies
//! have been led apart by them. In responses they pass within bounds.

use std::ops::Range;

use smallvec::SmallVec;

use self::texts::{Quotes, TrailerName};
use super::{BodyError, Side};
use crate::wire::head::is_token_byte;

mod texts;

const SIZE_DIGITS: u8 = 16;
/// A size above it takes no further digit: it would not fit readers that count in 63 bits.
const LARGEST_PREFIX: u64 = i64::MAX.unsigned_abs() >> 4;
/// Bytes of one chunk's extensions and padding.
const EXTENSION_BYTES: u16 = 256;
/// Bytes of all trailer lines.
const TRAILER_BYTES: u16 = 8 * 1024;

/// Finds the payload of a chunked body, for those who do not know chunks.
#[derive(Debug)]
pub struct Dechunk(Chunks);

/// What one piece of input meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dechunked {
    /// So many of the bytes belong to the body; the rest comes after it.
    pub taken: usize,
    /// The body has ended.
    pub done: bool,
    /// Where payload stands in the bytes, in order.
    pub payload: SmallVec<[Range<usize>; 8]>,
}

impl Dechunk {
    /// Of a response.
    pub const fn new() -> Self {
        Self::of(Side::Response)
    }

    pub const fn of(side: Side) -> Self {
        Self(Chunks::new(side))
    }

    /// Looks at the next bytes. After an error every call is the same error.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Dechunked, BodyError> {
        let mut payload = SmallVec::new();
        let taken = self.0.feed(bytes, |range| payload.push(range))?;
        Ok(Dechunked {
            taken,
            done: self.0.is_done(),
            payload,
        })
    }

    /// Hears that the connection has ended, and says whether the body had.
    pub const fn finish(&self) -> Result<(), BodyError> {
        if self.0.is_done() {
            Ok(())
        } else {
            Err(BodyError::Truncated)
        }
    }
}

impl Default for Dechunk {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Debug)]
pub(super) struct Chunks {
    side: Side,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Before or between the digits of a size.
    Size {
        size: u64,
        digits: u8,
    },
    /// Blanks after a size, which some servers write instead of fewer digits.
    Padding {
        size: u64,
        bytes: u16,
    },
    Extension {
        size: u64,
        bytes: u16,
        quotes: Quotes,
    },
    SizeLf {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    TrailerStart {
        bytes: u16,
    },
    TrailerName {
        bytes: u16,
        name: TrailerName,
    },
    TrailerValue {
        bytes: u16,
    },
    TrailerLf {
        bytes: u16,
    },
    FinalLf,
    Done,
    Failed(BodyError),
}

impl Chunks {
    pub(super) const fn new(side: Side) -> Self {
        Self {
            side,
            state: State::Size { size: 0, digits: 0 },
        }
    }

    pub(super) const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Says how many of the bytes belong to the body, and shows the payload among them.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        mut payload: impl FnMut(Range<usize>),
    ) -> Result<usize, BodyError> {
        if let State::Failed(error) = self.state {
            return Err(error);
        }
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if let State::Data { left } = self.state {
                let here = bytes.len() - at;
                let taken = usize::try_from(left).unwrap_or(usize::MAX).min(here);
                payload(at..at + taken);
                at += taken;
                self.state = data(left - taken as u64);
                continue;
            }
            if self.is_done() {
                break;
            }
            match self.step(*byte) {
                Ok(next) => self.state = next,
                Err(error) => {
                    self.state = State::Failed(error);
                    return Err(error);
                }
            }
            at += 1;
        }
        Ok(at)
    }

    /// Passes one byte that is not payload.
    fn step(&self, byte: u8) -> Result<State, BodyError> {
        let tolerant = self.side == Side::Response;
        Ok(match self.state {
            State::Size { size, digits } => match byte {
                b'\r' if digits > 0 => State::SizeLf { size },
                b' ' | b'\t' if digits > 0 && tolerant => State::Padding { size, bytes: 1 },
                b';' if digits > 0 && tolerant => extension(size, 1),
                b';' if digits > 0 => return Err(BodyError::ChunkExtension),
                _ if size <= LARGEST_PREFIX && digits < SIZE_DIGITS => {
                    let digit = hex(byte).ok_or(BodyError::ChunkSize)?;
                    State::Size {
                        size: size << 4 | digit,
                        digits: digits + 1,
                    }
                }
                _ => return Err(BodyError::ChunkSize),
            },
            State::Padding { size, bytes } => match byte {
                b'\r' => State::SizeLf { size },
                b' ' | b'\t' if bytes < EXTENSION_BYTES => State::Padding {
                    size,
                    bytes: bytes + 1,
                },
                b';' if bytes < EXTENSION_BYTES => extension(size, bytes + 1),
                _ => return Err(BodyError::ChunkExtension),
            },
            State::Extension {
                size,
                bytes,
                quotes,
            } => match byte {
                // Within quotes a reader may not take it for the end of the line.
                b'\r' if quotes == Quotes::Outside => State::SizeLf { size },
                b'\t' | b' '..=b'~' if bytes < EXTENSION_BYTES => State::Extension {
                    size,
                    bytes: bytes + 1,
                    quotes: quotes.after(byte),
                },
                _ => return Err(BodyError::ChunkExtension),
            },
            State::SizeLf { size } => match (byte, size) {
                (b'\n', 0) => State::TrailerStart { bytes: 0 },
                (b'\n', _) => State::Data { left: size },
                _ => return Err(BodyError::ChunkSize),
            },
            State::DataCr if byte == b'\r' => State::DataLf,
            State::DataLf if byte == b'\n' => State::Size { size: 0, digits: 0 },
            State::DataCr | State::DataLf => return Err(BodyError::ChunkData),
            State::TrailerStart { bytes } => match byte {
                b'\r' => State::FinalLf,
                _ if tolerant && is_token_byte(byte) && bytes < TRAILER_BYTES => {
                    State::TrailerName {
                        bytes: bytes + 1,
                        name: TrailerName::of(byte),
                    }
                }
                _ => return Err(BodyError::Trailer),
            },
            State::TrailerName { bytes, name } if bytes < TRAILER_BYTES => match byte {
                b':' if !name.is_reserved() => State::TrailerValue { bytes: bytes + 1 },
                _ if is_token_byte(byte) => State::TrailerName {
                    bytes: bytes + 1,
                    name: name.with(byte),
                },
                _ => return Err(BodyError::Trailer),
            },
            State::TrailerValue { bytes } => match byte {
                b'\r' => State::TrailerLf { bytes },
                b'\t' | b' '..=b'~' | 0x80.. if bytes < TRAILER_BYTES => {
                    State::TrailerValue { bytes: bytes + 1 }
                }
                _ => return Err(BodyError::Trailer),
            },
            State::TrailerLf { bytes } if byte == b'\n' => State::TrailerStart { bytes },
            State::FinalLf if byte == b'\n' => State::Done,
            State::TrailerName { .. } | State::TrailerLf { .. } | State::FinalLf => {
                return Err(BodyError::Trailer);
            }
            // `feed` does not ask.
            State::Data { .. } | State::Done | State::Failed(_) => self.state,
        })
    }
}

/// Behind the first semicolon of a chunk.
const fn extension(size: u64, bytes: u16) -> State {
    State::Extension {
        size,
        bytes,
        quotes: Quotes::Outside,
    }
}

/// After a chunk's last byte its line end is due.
const fn data(left: u64) -> State {
    if left == 0 {
        State::DataCr
    } else {
        State::Data { left }
    }
}

fn hex(digit: u8) -> Option<u64> {
    char::from(digit).to_digit(16).map(u64::from)
}

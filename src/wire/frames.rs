//! WebSocket frames as they pass (RFC 6455 §5), and the two values of a handshake.
//!
//! ```text
//!  byte 0          byte 1          then, if length is 126 / 127   then, if masked
//! +-+---+-------+ +-+-------------+ +--------------------------+ +-------------+ +---------+
//! |F|RSV|opcode | |M| length 0-125| | 16 / 64 bits, big-endian | | 4-byte mask | | payload |
//! +-+---+-------+ +-+-------------+ +--------------------------+ +-------------+ +---------+
//! ```
//!
//! [`Frames`] reads only headers, to know where frames and messages end: there the gate may say
//! something of its own. Payload is counted and never unmasked. The RSV bits pass, since they
//! belong to extensions that the two ends have agreed on.

use std::mem;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

mod make;
#[cfg(test)]
mod tests;

pub use make::{answers_ping, close_frame, ping_frame, pong_frame, text_frame};

/// The longest header: two bytes, a 64-bit length and a mask.
pub const HEADER_BYTES: usize = 14;
/// The largest payload of a control frame (RFC 6455 §5.5).
const CONTROL_BYTES: u8 = 125;
const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
/// RFC 6455 §1.3.
const ACCEPT_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Who sends the frames: a client masks every one of them, a server none (RFC 6455 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    Client,
    Server,
}

/// Why bytes are not frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("a control frame is fragmented")]
    ControlFragmented,
    #[error("a control frame is longer than 125 bytes")]
    ControlTooLong,
    #[error("a frame length has its highest bit set")]
    Length,
    #[error("a client's frame is not masked, or a server's is")]
    Mask,
    #[error("an opcode is reserved")]
    Opcode,
    #[error("a frame continues no message, or a message begins inside another")]
    Order,
    #[error("a message is longer than it may be")]
    TooLong,
}

/// Follows the frames of one direction.
#[derive(Clone, Debug)]
pub struct Frames {
    sender: Sender,
    header: [u8; HEADER_BYTES],
    /// Bytes of `header` that have come.
    have: u8,
    /// Payload bytes of the current frame that have not come.
    left: u64,
    in_message: bool,
    /// Payload bytes of the message so far, those of its current frame included.
    message: u64,
    /// How many there may be.
    most: u64,
    saw_close: bool,
    met_pong: bool,
    failed: Option<FrameError>,
}

impl Frames {
    pub const fn new(sender: Sender) -> Self {
        Self {
            sender,
            header: [0; HEADER_BYTES],
            have: 0,
            left: 0,
            in_message: false,
            message: 0,
            most: u64::MAX,
            saw_close: false,
            met_pong: false,
            failed: None,
        }
    }

    /// Lets no message be longer than this: its payload as it is sent, compressed perhaps.
    #[must_use]
    pub const fn with_most(self, most: u64) -> Self {
        Self { most, ..self }
    }

    /// Looks at the next bytes, in pieces of any size. After an error every call is the same
    /// error.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        while let [first, after_first @ ..] = bytes {
            if self.left > 0 {
                let taken = to_usize(self.left).min(bytes.len());
                self.left -= taken as u64;
                bytes = bytes.get(taken..).unwrap_or_default();
                continue;
            }
            if let Some(slot) = self.header.get_mut(usize::from(self.have)) {
                *slot = *first;
            }
            self.have += 1;
            bytes = after_first;
            if let Err(error) = self.advance() {
                self.failed = Some(error);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Whether the last frame is complete and no byte of the next one has come.
    pub const fn at_boundary(&self) -> bool {
        self.have == 0 && self.left == 0
    }

    /// Whether a header has begun and is not complete.
    pub const fn in_header(&self) -> bool {
        self.have > 0
    }

    /// The bytes of a header that is not complete.
    pub fn header(&self) -> &[u8] {
        self.header
            .get(..usize::from(self.have))
            .unwrap_or_default()
    }

    /// As it was before the header that is not complete began.
    #[must_use]
    pub fn before_header(&self) -> Self {
        Self {
            have: 0,
            ..self.clone()
        }
    }

    /// Whether messages may only be so long.
    pub const fn is_bounded(&self) -> bool {
        self.most < u64::MAX
    }

    /// Whether the last message is complete too, so that another may stand here. Control frames
    /// may stand at any boundary.
    pub const fn between_messages(&self) -> bool {
        self.at_boundary() && !self.in_message
    }

    /// Whether the header of a Close frame has come.
    pub const fn saw_close(&self) -> bool {
        self.saw_close
    }

    /// Whether a Pong frame is under way, or has ended since this was asked before.
    pub fn met_pong(&mut self) -> bool {
        let under_way = !self.at_boundary() && self.header[0] & 0x0f == PONG;
        mem::replace(&mut self.met_pong, under_way) || under_way
    }

    /// Payload bytes of the current frame that have not come; 0 also within a header.
    pub(super) const fn left(&self) -> u64 {
        self.left
    }

    /// How many bytes can be read without reading past the end of the current frame or, at a
    /// boundary, of the next one. Never 0.
    ///
    /// Reading so many at a time, until [`Frames::at_boundary`], ends exactly at a boundary.
    pub fn max_take(&self) -> usize {
        if self.left > 0 {
            return to_usize(self.left);
        }
        let short_payload = match self.length() {
            length @ ..126 if self.have >= 2 => usize::from(length),
            _ => 0,
        };
        self.header_bytes() - usize::from(self.have) + short_payload
    }

    /// Judges the header as far as it has come, and opens the payload once it is complete.
    fn advance(&mut self) -> Result<(), FrameError> {
        let [first, _, high, ..] = self.header;
        let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
        match self.have {
            2 => self.judge(fin, opcode)?,
            3 if self.length() == 127 && high & 0x80 != 0 => return Err(FrameError::Length),
            _ => {}
        }
        if self.have >= 2 && usize::from(self.have) == self.header_bytes() {
            self.left = self.payload_bytes();
            self.have = 0;
            if matches!(opcode, 0x0..=0x2) {
                let before = if opcode == 0x0 { self.message } else { 0 };
                self.message = before.saturating_add(self.left);
                if self.message > self.most {
                    return Err(FrameError::TooLong);
                }
            }
            match opcode {
                0x0..=0x2 => self.in_message = !fin,
                CLOSE => self.saw_close = true,
                PONG => self.met_pong = true,
                _ => {}
            }
        }
        Ok(())
    }

    /// Judges the first two bytes.
    fn judge(&self, fin: bool, opcode: u8) -> Result<(), FrameError> {
        match opcode {
            0x0 if !self.in_message => return Err(FrameError::Order),
            0x1 | 0x2 if self.in_message => return Err(FrameError::Order),
            0x8..=0xa if !fin => return Err(FrameError::ControlFragmented),
            0x8..=0xa if self.length() > CONTROL_BYTES => return Err(FrameError::ControlTooLong),
            0x0..=0x2 | 0x8..=0xa => {}
            _ => return Err(FrameError::Opcode),
        }
        match (self.sender, self.masked()) {
            (Sender::Client, true) | (Sender::Server, false) => Ok(()),
            (Sender::Client, false) | (Sender::Server, true) => Err(FrameError::Mask),
        }
    }

    /// How long the header is, as far as that is known: at least the two bytes that tell.
    fn header_bytes(&self) -> usize {
        if self.have < 2 {
            return 2;
        }
        let length = match self.length() {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + length + if self.masked() { 4 } else { 0 }
    }

    fn payload_bytes(&self) -> u64 {
        let extended = |bytes| {
            let digits = self.header.iter().skip(2).take(bytes);
            digits.fold(0, |length, digit| length << 8 | u64::from(*digit))
        };
        match self.length() {
            126 => extended(2),
            127 => extended(8),
            length => u64::from(length),
        }
    }

    /// The seven bits of length in the second byte.
    const fn length(&self) -> u8 {
        self.header[1] & 0x7f
    }

    const fn masked(&self) -> bool {
        self.header[1] & 0x80 != 0
    }
}

/// The `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key` (RFC 6455 §4.2.2).
pub fn accept_key(sec_websocket_key: &[u8]) -> [u8; 28] {
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(sec_websocket_key);
    context.update(ACCEPT_GUID);
    let mut accept = [0; 28];
    // 20 bytes are 28 characters of base64: it always fits.
    let _ = STANDARD.encode_slice(context.finish(), &mut accept);
    accept
}

/// Whether a `Sec-WebSocket-Key` is what clients send: the base64 of 16 bytes, canonical.
pub fn is_key(sec_websocket_key: &[u8]) -> bool {
    // The decoder asks for room for 18 bytes, since 24 characters could hold so many.
    let mut key = [0; 18];
    sec_websocket_key.len() == 24 && STANDARD.decode_slice(sec_websocket_key, &mut key) == Ok(16)
}

fn to_usize(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

//! WebSocket frames as bytes (RFC 6455 §5.2), one at a time and never put together.

use std::io;

use super::wire::Wire;

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xa;

/// In place of a length: 2 or 8 bytes with the length follow.
const LENGTH_16: u8 = 0x7e;
const LENGTH_64: u8 = 0x7f;

/// The code that stands for a Close frame without one (RFC 6455 §7.1.5).
pub(crate) const NO_CODE: u16 = 1005;

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) last: bool,
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn new(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            last: true,
            opcode,
            payload: payload.into(),
        }
    }

    /// A frame that is not the last of its message.
    pub(crate) fn part(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            last: false,
            opcode,
            payload: payload.into(),
        }
    }

    pub(crate) fn close(code: u16) -> Self {
        Self::new(CLOSE, code.to_be_bytes())
    }

    /// The code of a Close frame.
    pub(crate) fn close_code(&self) -> u16 {
        assert_eq!(self.opcode, CLOSE, "a Close frame, not {self:?}");
        self.payload
            .first_chunk()
            .map_or(NO_CODE, |code| u16::from_be_bytes(*code))
    }

    /// As a server sends it.
    pub(crate) fn unmasked(&self) -> Vec<u8> {
        let mut bytes = self.header(0);
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    /// As a client sends it. The key is fixed: what arrives is compared after unmasking.
    pub(crate) fn masked(&self) -> Vec<u8> {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let mut bytes = self.header(0x80);
        bytes.extend_from_slice(&key);
        let start = bytes.len();
        bytes.extend_from_slice(&self.payload);
        mask(&mut bytes[start..], key);
        bytes
    }

    fn header(&self, mask_bit: u8) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.last) << 7 | self.opcode];
        match self.payload.len() {
            length @ 0..=125 => bytes.push(mask_bit | u8::try_from(length).unwrap()),
            length @ 126..=0xffff => {
                bytes.push(mask_bit | LENGTH_16);
                bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            length => {
                bytes.push(mask_bit | LENGTH_64);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = String::from_utf8_lossy(&self.payload[..self.payload.len().min(80)]);
        write!(
            f,
            "frame {:#x} last={} {} bytes: {shown}",
            self.opcode,
            self.last,
            self.payload.len()
        )
    }
}

/// The next frame, unmasked; `None` at the end of the stream between two frames.
pub(crate) fn read(wire: &mut Wire) -> io::Result<Option<Frame>> {
    let Some(first) = wire.byte()? else {
        return Ok(None);
    };
    let second = wire.exactly(1)?[0];
    let length = match second & 0x7f {
        LENGTH_16 => usize::from(u16::from_be_bytes(*wire.exactly(2)?.first_chunk().unwrap())),
        LENGTH_64 => {
            usize::try_from(u64::from_be_bytes(*wire.exactly(8)?.first_chunk().unwrap())).unwrap()
        }
        short => usize::from(short),
    };
    let key = if second & 0x80 == 0 {
        None
    } else {
        wire.exactly(4)?.first_chunk().copied()
    };
    let mut payload = wire.exactly(length)?;
    if let Some(key) = key {
        mask(&mut payload, key);
    }
    Ok(Some(Frame {
        last: first & 0x80 != 0,
        opcode: first & 0x0f,
        payload,
    }))
}

fn mask(payload: &mut [u8], key: [u8; 4]) {
    for (byte, key) in payload.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

//! Whole WebSocket messages out of frames (RFC 6455 §5.4), where the gate itself is the reader.
//!
//! [`Messages`] takes bytes as they come and gives out messages: unmasked, and each with the very
//! bytes that it came in, so that what is not consumed goes on as it was. It reads within a
//! budget and is stricter than [`Frames`]: no extension is agreed on where the gate reads, so the
//! RSV bits are refused, and a text must be UTF-8 (§8.1). What a Close frame says is not judged.

use std::collections::VecDeque;
use std::fmt;
use std::mem;

use smallvec::SmallVec;

use crate::wire::frames::{FrameError, Frames, Sender};

#[cfg(test)]
mod tests;

/// How much may be fed in all, messages that were given out included unless they are refunded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Of payload: what is on the wire besides is at most a header for each frame.
    pub bytes: usize,
    pub frames: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Binary,
    Close,
    Ping,
    Pong,
    Text,
}

/// A whole message. Control frames are messages of their own, even between the frames of another.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    pub kind: Kind,
    /// Without masks.
    pub payload: Vec<u8>,
    /// The message's own frames as they came, without those that stood between them.
    pub raw: Vec<u8>,
    pub is_fragmented: bool,
    /// How many frames it came in.
    frames: usize,
    /// For a control frame between the frames of another message: how many bytes of that one, the
    /// next message that is no control frame, came before it. Otherwise 0.
    pub interrupts_at: usize,
}

/// Why bytes are not messages, or not as few as they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("a reserved bit is set, but no extension is agreed on")]
    Reserved,
    #[error("a text is not utf-8")]
    Text,
    #[error("the messages have more bytes than allowed")]
    TooLong,
    #[error("the messages have more frames than allowed")]
    TooMany,
}

/// Puts messages together. They are taken out as from any iterator; `None` means that no further
/// one is complete yet.
pub struct Messages {
    sender: Sender,
    frames: Frames,
    left: Budget,
    /// The header that is under way.
    header: SmallVec<[u8; 14]>,
    mask: [u8; 4],
    /// Payload bytes of the current frame that have come.
    unmasked: usize,
    /// The data message that is under way.
    data: Option<Message>,
    /// How many of its bytes are whole characters.
    characters: usize,
    /// The control frame that is under way.
    control: Option<Message>,
    whole: VecDeque<Message>,
    failed: Option<MessageError>,
    /// What was fed behind the failure.
    unread: Vec<u8>,
}

impl Messages {
    pub fn new(sender: Sender, budget: Budget) -> Self {
        Self {
            sender,
            frames: Frames::new(sender),
            left: budget,
            header: SmallVec::new(),
            mask: [0; 4],
            unmasked: 0,
            data: None,
            characters: 0,
            control: None,
            whole: VecDeque::new(),
            failed: None,
            unread: Vec::new(),
        }
    }

    /// Takes the next bytes, in pieces of any size. A frame that would exceed the budget is
    /// refused by its header.
    ///
    /// # Errors
    ///
    /// After an error every call is the same error, and what is fed then is not kept. Messages
    /// that were complete before it can still be taken.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), MessageError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        while !bytes.is_empty() {
            if let Err(error) = self.advance(&mut bytes) {
                self.failed = Some(error);
                self.unread = bytes.to_vec();
                return Err(error);
            }
        }
        Ok(())
    }

    /// A message that was given out no longer counts. One that the budget had no room for stays
    /// refused.
    pub fn refund(&mut self, message: &Message) {
        self.left.bytes = self.left.bytes.saturating_add(message.payload.len());
        self.left.frames = self.left.frames.saturating_add(message.frames);
    }

    /// All bytes that were fed and not given out in messages, in the order in which they came; of
    /// a failed reader also those that it did not read.
    pub fn into_rest(mut self) -> Vec<u8> {
        let unfinished = self.data.take().map(|message| message.raw);
        let mut rest = Vec::new();
        let mut inside = Vec::new();
        for message in mem::take(&mut self.whole) {
            if message.kind.is_control() {
                inside.push(message);
            } else {
                put_together(&mut rest, &message.raw, &mut inside);
            }
        }
        put_together(&mut rest, &unfinished.unwrap_or_default(), &mut inside);
        rest.extend(self.control.map(|message| message.raw).unwrap_or_default());
        rest.extend_from_slice(&self.header);
        rest.extend_from_slice(&self.unread);
        rest
    }

    /// Takes the next byte of a header, or the next bytes of a payload.
    fn advance(&mut self, bytes: &mut &[u8]) -> Result<(), MessageError> {
        let left = usize::try_from(self.frames.left()).unwrap_or(usize::MAX);
        let (piece, rest) = bytes.split_at(left.clamp(1, bytes.len()));
        *bytes = rest;
        if left > 0 {
            self.frames.feed(piece)?;
            self.take_payload(piece);
        } else {
            self.header.extend_from_slice(piece);
            self.frames.feed(piece)?;
            if !self.frames.at_boundary() && self.frames.left() == 0 {
                return Ok(());
            }
            self.open()?;
        }
        self.check_text()?;
        if self.frames.at_boundary() {
            self.end_frame();
        }
        Ok(())
    }

    /// Judges a header that is complete, and begins a message or goes on with it.
    fn open(&mut self) -> Result<(), MessageError> {
        let first = self.header.first().copied().unwrap_or_default();
        if first & 0x70 != 0 {
            return Err(MessageError::Reserved);
        }
        let payload = usize::try_from(self.frames.left()).unwrap_or(usize::MAX);
        let frames = self.left.frames.checked_sub(1);
        let bytes = self.left.bytes.checked_sub(payload);
        self.left = Budget {
            frames: frames.ok_or(MessageError::TooMany)?,
            bytes: bytes.ok_or(MessageError::TooLong)?,
        };
        self.mask = match (self.sender, self.header.last_chunk()) {
            (Sender::Client, Some(mask)) => *mask,
            _ => [0; 4],
        };
        self.unmasked = 0;
        let header = mem::take(&mut self.header);
        let begin = |kind, interrupts_at| Message {
            kind,
            payload: Vec::new(),
            raw: header.to_vec(),
            is_fragmented: first & 0x80 == 0,
            frames: 1,
            interrupts_at,
        };
        match (first & 0x0f, &mut self.data) {
            (0x0, Some(message)) => {
                message.raw.extend_from_slice(&header);
                message.frames += 1;
            }
            (0x0..=0x2, _) => {
                let kind = if first & 0x0f == 0x1 {
                    Kind::Text
                } else {
                    Kind::Binary
                };
                self.characters = 0;
                self.data = Some(begin(kind, 0));
            }
            (opcode, data) => {
                let kind = match opcode {
                    0x8 => Kind::Close,
                    0x9 => Kind::Ping,
                    _ => Kind::Pong,
                };
                let interrupts_at = data.as_ref().map_or(0, |message| message.raw.len());
                self.control = Some(begin(kind, interrupts_at));
            }
        }
        Ok(())
    }

    /// Takes payload of the current frame.
    fn take_payload(&mut self, piece: &[u8]) {
        let Some(message) = self.control.as_mut().or(self.data.as_mut()) else {
            return;
        };
        message.raw.extend_from_slice(piece);
        let mask = self.mask.iter().cycle().skip(self.unmasked % 4);
        message
            .payload
            .extend(piece.iter().zip(mask).map(|(byte, mask)| byte ^ mask));
        self.unmasked += piece.len();
    }

    /// Judges the text that has come so far; its last character may be incomplete until its end.
    fn check_text(&mut self) -> Result<(), MessageError> {
        let is_whole = self.frames.between_messages();
        let Some(message) = self.data.as_ref().filter(|data| data.kind == Kind::Text) else {
            return Ok(());
        };
        let new = message.payload.get(self.characters..).unwrap_or_default();
        match std::str::from_utf8(new) {
            Ok(_) => self.characters = message.payload.len(),
            Err(error) if error.error_len().is_none() && !is_whole => {
                self.characters += error.valid_up_to();
            }
            Err(_) => return Err(MessageError::Text),
        }
        Ok(())
    }

    /// Gives out the message whose last frame is complete.
    fn end_frame(&mut self) {
        let message = match self.control.take() {
            None if self.frames.between_messages() => self.data.take(),
            control => control,
        };
        self.whole.extend(message);
    }
}

impl Iterator for Messages {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        self.whole.pop_front()
    }
}

impl Kind {
    const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// Puts control frames back to where they stood in a message.
fn put_together(into: &mut Vec<u8>, raw: &[u8], inside: &mut Vec<Message>) {
    let mut at = 0;
    for control in inside.drain(..) {
        into.extend_from_slice(raw.get(at..control.interrupts_at).unwrap_or_default());
        into.extend_from_slice(&control.raw);
        at = control.interrupts_at;
    }
    into.extend_from_slice(raw.get(at..).unwrap_or_default());
}

// What a message says is nobody's business; it may be a credential.

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("kind", &self.kind)
            .field("bytes", &self.payload.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages")
            .field("whole", &self.whole.len())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

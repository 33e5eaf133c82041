//! What a client sends and the upstream does not get, or not at once.
//!
//! That is the Pong to the gate's own Ping, and texts until they have been inspected. Most sessions
//! have no sieve. Control frames overtake the frames of a text that is not complete yet: they may
//! stand anywhere in a message (RFC 6455 §5.4), and the upstream should not wait for them.

use std::mem;
use std::task::{Context, Poll, ready};

use smallvec::SmallVec;

use crate::tunnel::direction::Broken;
use crate::tunnel::inspection::{Beyond, Desk, Inspected, Inspection};
use crate::wire::frames::{Frames, Sender, answers_ping};
use crate::wire::message::{Budget, MessageError, Messages};

/// Frames of a text may be empty; so many of those are no text any more.
const EMPTY_FRAMES: usize = 64;

#[derive(Debug)]
pub(super) struct Sieve {
    /// Of what has been sifted.
    frames: Frames,
    /// Where the frame goes that is under way.
    aim: Aim,
    /// The payload of the gate's own Ping, if one was sent.
    ping: Option<[u8; 16]>,
    /// A Pong that may be the answer.
    pong: SmallVec<[u8; 22]>,
    inspecting: Option<Box<Inspecting>>,
}

#[derive(Debug)]
struct Inspecting {
    limit: usize,
    beyond: Beyond,
    desk: Desk,
    /// The text that is not complete yet.
    text: Option<Box<Messages>>,
    /// The text that is being inspected, as it came.
    raw: Vec<u8>,
    /// What has been read behind it.
    behind: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aim {
    Inspect,
    Pass,
    Pong,
}

impl Sieve {
    /// A sieve for a session that begins.
    pub(super) fn inspecting(inspection: Inspection) -> Self {
        Self {
            inspecting: Some(Box::new(Inspecting {
                limit: inspection.limit,
                beyond: inspection.beyond,
                desk: Desk::new(inspection.inspector),
                text: None,
                raw: Vec::new(),
                behind: Vec::new(),
            })),
            ..Self::after(Frames::new(Sender::Client))
        }
    }

    /// A sieve for a session of which so much has passed.
    pub(super) fn after(frames: Frames) -> Self {
        Self {
            frames,
            aim: Aim::Pass,
            ping: None,
            pong: SmallVec::new(),
            inspecting: None,
        }
    }

    /// From now on, the Pong to this Ping does not pass.
    pub(super) fn expect_pong(&mut self, ping: [u8; 16]) {
        self.ping = Some(ping);
    }

    /// Whether what was read up to `read` passes as it is, which is then taken for done.
    pub(super) fn lets_pass(&mut self, read: &mut Frames) -> bool {
        let met_pong = read.met_pong() && self.ping.is_some();
        let passes = !met_pong && self.inspecting.is_none();
        if passes {
            // A header whose message may prove too long has not passed yet.
            self.frames = if read.is_bounded() {
                read.before_header()
            } else {
                read.clone()
            };
            self.aim = Aim::Pass;
        }
        passes
    }

    /// Takes bytes whose framing has been judged. What passes is put behind `passed`.
    pub(super) fn sift(&mut self, mut bytes: &[u8], passed: &mut Vec<u8>) -> Result<(), Broken> {
        while let Some(first) = bytes.first() {
            if self.frames.at_boundary() {
                self.aim = self.aim_of(*first);
            }
            let (piece, rest) = bytes.split_at(self.frames.max_take().min(bytes.len()));
            bytes = rest;
            self.frames.feed(piece).map_err(|_| Broken::Framing)?;
            match self.aim {
                Aim::Pass => passed.extend_from_slice(piece),
                Aim::Pong => self.take_pong(piece, passed),
                Aim::Inspect => {
                    self.take_text(piece, passed)?;
                    if let Some(inspecting) = &mut self.inspecting
                        && inspecting.desk.is_busy()
                    {
                        inspecting.behind = bytes.to_vec();
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Ready when nothing is being inspected. Then `passed` has what passed.
    pub(super) fn poll_inspected(
        &mut self,
        cx: &mut Context<'_>,
        passed: &mut Vec<u8>,
    ) -> Poll<Result<(), Broken>> {
        while let Some(inspecting) = &mut self.inspecting
            && inspecting.desk.is_busy()
        {
            let inspected = ready!(inspecting.desk.poll_inspected(cx));
            let raw = mem::take(&mut inspecting.raw);
            let behind = mem::take(&mut inspecting.behind);
            match inspected {
                Inspected::Pass => passed.extend_from_slice(&raw),
                Inspected::Consume => {}
                Inspected::Close(reason) => return Poll::Ready(Err(Broken::Told(reason))),
            }
            self.sift(&behind, passed)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Whether what has passed ends with a frame.
    pub(super) fn passed_whole_frames(&self) -> bool {
        self.frames.at_boundary() || self.aim != Aim::Pass
    }

    /// Whether a Close frame has passed, or begun to.
    pub(super) const fn passed_close(&self) -> bool {
        self.frames.saw_close()
    }

    /// Where the frame goes that begins with this byte.
    fn aim_of(&mut self, first: u8) -> Aim {
        let inspecting = self.inspecting.as_deref_mut();
        let is_text_under_way = inspecting.as_ref().is_some_and(|it| it.text.is_some());
        match first & 0x0f {
            0x0 if is_text_under_way => Aim::Inspect,
            // With a reserved bit it is in an extension's own code, deflated for example.
            0x1 if inspecting.is_some() && first & 0x70 == 0 => Aim::Inspect,
            0x8 => {
                // A text that was not finished before this never will be.
                if let Some(inspecting) = inspecting {
                    inspecting.text = None;
                }
                Aim::Pass
            }
            0xa if self.ping.is_some() => Aim::Pong,
            _ => Aim::Pass,
        }
    }

    /// Holds a Pong back until it is clear whose it is.
    fn take_pong(&mut self, piece: &[u8], passed: &mut Vec<u8>) {
        self.pong.extend_from_slice(piece);
        let is_whole = self.frames.at_boundary();
        if !is_whole && self.pong.len() < self.pong.inline_size() {
            return;
        }
        let is_ours = self.ping.is_some_and(|ping| answers_ping(&self.pong, ping));
        if !is_ours {
            passed.extend_from_slice(&self.pong);
            self.aim = Aim::Pass;
        }
        self.pong = SmallVec::new();
    }

    /// Puts a text together; a complete one goes to the inspector, a long one passes.
    fn take_text(&mut self, piece: &[u8], passed: &mut Vec<u8>) -> Result<(), Broken> {
        let Some(inspecting) = &mut self.inspecting else {
            return Ok(());
        };
        let budget = Budget {
            bytes: inspecting.limit,
            frames: inspecting.limit.saturating_add(EMPTY_FRAMES),
        };
        let text = inspecting
            .text
            .get_or_insert_with(|| Box::new(Messages::new(Sender::Client, budget)));
        match text.feed(piece) {
            Ok(()) => {
                if let Some(message) = text.next() {
                    inspecting.text = None;
                    inspecting.raw = message.raw;
                    inspecting.desk.lay(message.payload);
                }
                Ok(())
            }
            Err(MessageError::TooLong) if let Beyond::Close(reason) = inspecting.beyond => {
                Err(Broken::Told(reason))
            }
            Err(MessageError::TooLong) => {
                if let Some(text) = inspecting.text.take() {
                    passed.extend(text.into_rest());
                }
                self.aim = Aim::Pass;
                Ok(())
            }
            Err(_) => Err(Broken::Framing),
        }
    }
}

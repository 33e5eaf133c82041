//! One direction of a tunnel.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use smallvec::SmallVec;
use tokio::io::ReadBuf;

use crate::session::CloseReason;
use crate::tunnel::Side;
use crate::tunnel::inspection::Inspection;
use crate::tunnel::scratch::with_scratch;
use crate::tunnel::sieve::Sieve;
use crate::wire::frames::{FrameError, Frames, HEADER_BYTES, Sender};

mod ending;
mod speak;

pub(super) use speak::ping_payload;

/// What has been read and not yet written, and where in a frame it stands.
#[derive(Debug)]
pub(super) struct Direction {
    frames: Frames,
    /// What does not pass, or not at once; mostly everything passes.
    sieve: Option<Box<Sieve>>,
    /// Read, but not yet accepted by the other side; empty and unallocated most of the time.
    pending: Vec<u8>,
    mode: Mode,
    /// How much may be read of the source when its sink takes no more, before it is cut.
    may_discard: usize,
}

/// So much is read of a client for nobody.
const MOST_OF_CLIENT: usize = 1 << 20;
/// So much of an upstream, which may have to answer all that the sockets hold before it comes to its
/// Close frame.
const MOST_OF_UPSTREAM: usize = 32 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Carrying,
    /// The source has ended; the sink is to be told.
    Finishing,
    /// The sink takes no more; the source is read only so that it can end.
    Discarding,
    Ended,
}

/// Why a direction cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    Framing,
    /// The writing side is gone.
    Sink,
    /// The reading side is gone (end of file or error).
    Source,
    /// What was read ends the session.
    Told(CloseReason),
}

impl Broken {
    fn of(error: FrameError) -> Self {
        match error {
            FrameError::TooLong => Self::Told(CloseReason::TooLarge),
            FrameError::ControlFragmented
            | FrameError::ControlTooLong
            | FrameError::Length
            | FrameError::Mask
            | FrameError::Opcode
            | FrameError::Order => Self::Framing,
        }
    }
}

impl Direction {
    pub(super) fn new(sender: Sender) -> Self {
        Self {
            frames: Frames::new(sender),
            sieve: None,
            pending: Vec::new(),
            mode: Mode::Carrying,
            may_discard: match sender {
                Sender::Client => MOST_OF_CLIENT,
                Sender::Server => MOST_OF_UPSTREAM,
            },
        }
    }

    /// The direction from a client whose texts are inspected.
    pub(super) fn inspected(inspection: Inspection) -> Self {
        Self {
            sieve: Some(Box::new(Sieve::inspecting(inspection))),
            ..Self::new(Sender::Client)
        }
    }

    /// Lets no message be longer than this.
    pub(super) fn bounded(self, most: Option<u64>) -> Self {
        match most {
            Some(most) => Self {
                frames: self.frames.with_most(most),
                ..self
            },
            None => self,
        }
    }

    /// Takes bytes that arrived with the handshake.
    pub(super) fn begin(&mut self, mut early: Vec<u8>) -> Result<(), Broken> {
        let (good, result) = self.follow(&early);
        early.truncate(good);
        early.truncate(early.len().saturating_sub(self.held().len()));
        match &mut self.sieve {
            Some(sieve) => sieve.sift(&early, &mut self.pending)?,
            None => self.pending = early,
        }
        result.map_err(Broken::of)
    }

    /// Keeps the Pong to this Ping from the upstream.
    pub(super) fn expect_pong(&mut self, ping: [u8; 16]) {
        let passed = self.frames_passed();
        self.sieve
            .get_or_insert_with(|| Box::new(Sieve::after(passed)))
            .expect_pong(ping);
    }

    /// Whether a Close frame has passed, or begun to.
    pub(super) fn saw_close(&self) -> bool {
        self.frames.saw_close()
    }

    /// Ready only when the direction cannot go on.
    pub(super) fn poll_carry(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut impl Side,
        to: &mut impl Side,
        moved: impl Fn(usize),
    ) -> Poll<Broken> {
        loop {
            let is_inspecting = match &mut self.sieve {
                Some(sieve) => match sieve.poll_inspected(cx, &mut self.pending) {
                    Poll::Ready(Err(broken)) => return Poll::Ready(self.broke(broken)),
                    Poll::Ready(Ok(())) => false,
                    Poll::Pending => true,
                },
                None => false,
            };
            // Nothing more is read while the other side is behind: that is the backpressure.
            let step = match ready!(self.poll_flush(cx, to)) {
                Ok(()) if is_inspecting => return Poll::Pending,
                Ok(()) => ready!(self.poll_fill(cx, from, to, usize::MAX)),
                Err(_) => Err(Broken::Sink),
            };
            match step {
                Ok(n) => moved(n),
                Err(broken) => return Poll::Ready(self.broke(broken)),
            }
        }
    }

    /// Notes what there is still to do after this.
    fn broke(&mut self, broken: Broken) -> Broken {
        self.mode = match broken {
            Broken::Framing | Broken::Told(_) => self.mode,
            Broken::Sink => Mode::Discarding,
            Broken::Source => Mode::Finishing,
        };
        broken
    }

    /// Reads once and writes at once as much as the other side takes. Never `Ok(0)`.
    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut impl Side,
        to: &mut impl Side,
        limit: usize,
    ) -> Poll<Result<usize, Broken>> {
        with_scratch(|scratch| {
            let room = scratch.len().min(limit);
            let mut buffer = ReadBuf::new(scratch.get_mut(..room).unwrap_or_default());
            let read = ready!(Pin::new(&mut *from).poll_read(cx, &mut buffer));
            let bytes = buffer.filled();
            if read.is_err() || bytes.is_empty() {
                return Poll::Ready(Err(Broken::Source));
            }
            let before: SmallVec<[u8; HEADER_BYTES]> = self.held().into();
            let (good, followed) = self.follow(bytes);
            let mut bytes = bytes.get(..good).unwrap_or_default();
            let mut joined = Vec::new();
            if self.frames.is_bounded() {
                if !before.is_empty() {
                    joined.extend_from_slice(&before);
                    joined.extend_from_slice(bytes);
                    bytes = &joined;
                }
                let end = bytes.len().saturating_sub(self.held().len());
                bytes = bytes.get(..end).unwrap_or_default();
            }
            let mut sifted = Vec::new();
            if let Some(sieve) = &mut self.sieve
                && !sieve.lets_pass(&mut self.frames)
            {
                if let Err(broken) = sieve.sift(bytes, &mut sifted) {
                    self.pending = sifted;
                    return Poll::Ready(Err(broken));
                }
                bytes = &sifted;
            }
            let written = match Pin::new(&mut *to).poll_write(cx, bytes) {
                Poll::Ready(Ok(0)) if !bytes.is_empty() => return Poll::Ready(Err(Broken::Sink)),
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Broken::Sink)),
                Poll::Ready(Ok(n)) => n,
                Poll::Pending => 0,
            };
            self.pending
                .extend_from_slice(bytes.get(written..).unwrap_or_default());
            Poll::Ready(followed.map(|()| good).map_err(Broken::of))
        })
    }

    /// What has come of a header whose message may prove too long. It passes when it is complete, so
    /// that there is a place for a Close frame before it.
    fn held(&self) -> &[u8] {
        if self.frames.is_bounded() {
            self.frames.header()
        } else {
            &[]
        }
    }

    /// Where in a frame that stands which has passed.
    fn frames_passed(&self) -> Frames {
        if self.frames.is_bounded() {
            self.frames.before_header()
        } else {
            self.frames.clone()
        }
    }

    /// Follows the frames in these bytes. Tells how many of the bytes may be passed on: all of
    /// them, or the whole frames in front of a malformed one.
    fn follow(&mut self, bytes: &[u8]) -> (usize, Result<(), FrameError>) {
        let before = self.frames.clone();
        let Err(error) = self.frames.feed(bytes) else {
            return (bytes.len(), Ok(()));
        };
        let (mut frames, mut good, mut at) = (before.clone(), 0, 0);
        self.frames = before;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let take = frames.max_take().min(rest.len());
            if frames.feed(rest.get(..take).unwrap_or_default()).is_err() {
                break;
            }
            at += take;
            if frames.at_boundary() {
                good = at;
                self.frames = frames.clone();
            }
        }
        (good, Err(error))
    }

    /// Writes what is pending and flushes; frees the memory when done.
    fn poll_flush(&mut self, cx: &mut Context<'_>, to: &mut impl Side) -> Poll<io::Result<()>> {
        let mut written = 0;
        while let Some(rest) = self.pending.get(written..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut *to).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(n)) => written += n,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.pending.drain(..written);
                    return Poll::Pending;
                }
            }
        }
        self.pending = Vec::new();
        Pin::new(&mut *to).poll_flush(cx)
    }
}

//! One direction of a tunnel.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::ReadBuf;

use crate::tunnel::Side;
use crate::tunnel::scratch::with_scratch;
use crate::wire::frames::{FrameError, Frames, Sender};

/// What has been read and not yet written, and where in a frame it stands.
#[derive(Debug)]
pub(super) struct Direction {
    frames: Frames,
    /// Read, but not yet accepted by the other side; empty and unallocated most of the time.
    pending: Vec<u8>,
    mode: Mode,
    discarded: usize,
}

/// So much is read of a source whose sink takes no more, before it is cut.
const MOST_DISCARDED: usize = 1 << 20;

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
}

impl Direction {
    pub(super) fn new(sender: Sender) -> Self {
        Self {
            frames: Frames::new(sender),
            pending: Vec::new(),
            mode: Mode::Carrying,
            discarded: 0,
        }
    }

    /// Takes bytes that arrived with the handshake.
    pub(super) fn begin(&mut self, early: Vec<u8>) -> Result<(), Broken> {
        let (good, result) = self.follow(&early);
        self.pending = early;
        self.pending.truncate(good);
        result.map_err(|_| Broken::Framing)
    }

    /// Whether a Close frame has passed, or begun to.
    pub(super) fn saw_close(&self) -> bool {
        self.frames.saw_close()
    }

    /// Whether a Close frame may still be sent in this direction.
    pub(super) fn can_close(&self) -> bool {
        matches!(self.mode, Mode::Carrying | Mode::Finishing)
            && self.pending.is_empty()
            && self.frames.at_boundary()
            && !self.frames.saw_close()
    }

    /// Nothing more is to be written; the source may end.
    pub(super) fn discard(&mut self) {
        if self.mode != Mode::Ended {
            self.pending = Vec::new();
            self.mode = Mode::Discarding;
        }
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
            // Nothing more is read while the other side is behind: that is the backpressure.
            let step = match ready!(self.poll_flush(cx, to)) {
                Ok(()) => ready!(self.poll_fill(cx, from, to, usize::MAX)),
                Err(_) => Err(Broken::Sink),
            };
            match step {
                Ok(n) => moved(n),
                Err(broken) => {
                    self.mode = match broken {
                        Broken::Framing => self.mode,
                        Broken::Sink => Mode::Discarding,
                        Broken::Source => Mode::Finishing,
                    };
                    return Poll::Ready(broken);
                }
            }
        }
    }

    /// Carries on to the end of the frame that is under way. Ready when there, or never to be.
    pub(super) fn poll_to_boundary(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut impl Side,
        to: &mut impl Side,
    ) -> Poll<()> {
        while self.mode == Mode::Carrying {
            if ready!(self.poll_flush(cx, to)).is_err() {
                self.mode = Mode::Discarding;
                break;
            }
            if self.frames.at_boundary() {
                break;
            }
            let limit = self.frames.max_take();
            if ready!(self.poll_fill(cx, from, to, limit)).is_err() {
                self.mode = Mode::Discarding;
            }
        }
        Poll::Ready(())
    }

    /// Carries on to the end of the source, tells the sink, and is then ready. If the sink takes
    /// no more, the source is still read to its end.
    pub(super) fn poll_drain(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut impl Side,
        to: &mut impl Side,
    ) -> Poll<()> {
        loop {
            match self.mode {
                Mode::Carrying => {
                    // The mode has changed when this is ready.
                    let _ = ready!(self.poll_carry(cx, from, to, |_| ()));
                    if self.mode == Mode::Carrying {
                        self.mode = Mode::Discarding;
                    }
                }
                Mode::Finishing => {
                    let told = match ready!(self.poll_flush(cx, to)) {
                        Ok(()) => ready!(Pin::new(&mut *to).poll_shutdown(cx)),
                        Err(error) => Err(error),
                    };
                    // Whether or not it heard, there is nothing more to tell.
                    drop(told);
                    self.mode = Mode::Ended;
                }
                Mode::Discarding => {
                    let read = with_scratch(|scratch| {
                        let mut buffer = ReadBuf::new(scratch);
                        let read = Pin::new(&mut *from).poll_read(cx, &mut buffer);
                        read.map(|result| result.map_or(0, |()| buffer.filled().len()))
                    });
                    let n = ready!(read);
                    self.discarded += n;
                    if n == 0 || self.discarded > MOST_DISCARDED {
                        self.mode = Mode::Ended;
                    }
                }
                Mode::Ended => return Poll::Ready(()),
            }
        }
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
            let (good, followed) = self.follow(bytes);
            let bytes = bytes.get(..good).unwrap_or_default();
            let written = match Pin::new(&mut *to).poll_write(cx, bytes) {
                Poll::Ready(Ok(0)) if !bytes.is_empty() => return Poll::Ready(Err(Broken::Sink)),
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Broken::Sink)),
                Poll::Ready(Ok(n)) => n,
                Poll::Pending => 0,
            };
            self.pending
                .extend_from_slice(bytes.get(written..).unwrap_or_default());
            Poll::Ready(followed.map(|()| good).map_err(|_| Broken::Framing))
        })
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

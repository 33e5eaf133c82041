//! Moves one message body from one stream to another, in bounded memory.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pingora::protocols::Stream;
use tokio::io::AsyncWrite as _;

use crate::proxy::buffer::{Buffer, Leftover};
use crate::proxy::io::poll_read_at;
use crate::proxy::tap::Tap;
use crate::wire::body::{Body, Dechunk};

/// A body on its way. It holds a buffer only while bytes are in it.
#[derive(Debug)]
pub(crate) struct Pump {
    body: Reader,
    buffer: Option<Buffer>,
    /// What has been read and not yet written.
    unsent: std::ops::Range<usize>,
    /// The end of what was read; beyond `unsent` it belongs to the next message.
    read: usize,
    progress: u64,
    /// Where somebody wants to know what passes.
    tap: Option<Box<Tap>>,
}

/// How the body is read, and so what is written.
#[derive(Debug)]
enum Reader {
    /// The bytes pass as they are.
    AsIs(Body),
    /// The chunk framing is taken off, for a reader that does not know it.
    Dechunked { body: Dechunk, done: bool },
}

/// Why a body did not arrive whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PumpError {
    /// The reading side ended or failed too early.
    Source,
    /// The writing side failed.
    Sink,
    /// The bytes are not a body of this kind.
    Body,
}

impl Pump {
    pub(crate) fn new(body: Body) -> Self {
        Self::with(Reader::AsIs(body))
    }

    pub(crate) fn dechunking() -> Self {
        Self::with(Reader::Dechunked {
            body: Dechunk::new(),
            done: false,
        })
    }

    fn with(body: Reader) -> Self {
        Self {
            body,
            buffer: None,
            unsent: 0..0,
            read: 0,
            progress: 0,
            tap: None,
        }
    }

    /// Shows the body to a tap as well.
    #[must_use]
    pub(crate) fn tapped(self, tap: Option<Box<Tap>>) -> Self {
        Self { tap, ..self }
    }

    /// Counts reads and writes: a sign of life for whoever watches the clock.
    pub(crate) fn progress(&self) -> u64 {
        self.progress
    }

    /// Whether bytes beyond the end of the body were read.
    pub(crate) fn has_leftover(&self) -> bool {
        self.is_done() && self.unsent.end < self.read
    }

    /// Takes bytes that were read behind the head. Returns how many belong to the body; those of
    /// them that are to be written as they are stay with the caller.
    pub(crate) fn at_hand(&mut self, bytes: &[u8]) -> Result<usize, PumpError> {
        match &mut self.body {
            Reader::AsIs(body) => {
                let fed = body.feed(bytes).map_err(|_| PumpError::Body)?;
                let taken = bytes.get(..fed.taken).unwrap_or_default();
                show(&mut self.tap, taken, fed.done);
                Ok(fed.taken)
            }
            Reader::Dechunked { .. } => {
                self.buffer = Some(Buffer::copy_of(bytes, 0));
                self.accept(bytes.len())?;
                Ok(bytes.len())
            }
        }
    }

    /// Whether the whole body was read and written.
    pub(crate) fn is_done(&self) -> bool {
        self.unsent.is_empty() && self.is_read()
    }

    /// Whether nothing was read or written beyond what came with the head.
    pub(crate) fn is_untouched(&self) -> bool {
        self.read == 0 && self.progress == 0
    }

    /// Whether it is the reading side that keeps the body waiting.
    pub(crate) fn waits_for_source(&self) -> bool {
        self.unsent.is_empty() && !self.is_read()
    }

    fn is_read(&self) -> bool {
        match &self.body {
            Reader::AsIs(body) => body.is_done(),
            Reader::Dechunked { done, .. } => *done,
        }
    }

    /// What was read beyond the end of the body.
    pub(crate) fn into_leftover(self) -> Leftover {
        match self.buffer {
            Some(buffer) => Leftover::new(buffer, self.unsent.end, self.read),
            None => Leftover::default(),
        }
    }

    /// Moves as much as both sides allow. Ready when the body is through, or cannot be.
    pub(crate) fn poll_pump(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Stream,
        to: &mut Stream,
    ) -> Poll<Result<(), PumpError>> {
        loop {
            ready!(self.poll_told(cx));
            ready!(self.poll_write(cx, to)).map_err(|_| PumpError::Sink)?;
            if self.is_read() {
                return Pin::new(to).poll_flush(cx).map_err(|_| PumpError::Sink);
            }
            let mut buffer = self.buffer.take().unwrap_or_else(|| Buffer::lend(0));
            let Poll::Ready(read) = poll_read_at(cx, from, &mut buffer, 0) else {
                // Nothing to write and nothing to read: the buffer goes back until there is.
                let _ = Pin::new(to).poll_flush(cx).map_err(|_| PumpError::Sink)?;
                return Poll::Pending;
            };
            self.buffer = Some(buffer);
            match read.map_err(|_| PumpError::Source)? {
                0 => return Poll::Ready(self.end_of_stream()),
                n => self.accept(n)?,
            }
        }
    }

    /// Ready when the end of the body may go on, as far as the tap is concerned.
    pub(crate) fn poll_told(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.tap {
            None => Poll::Ready(()),
            Some(tap) => tap.poll_told(cx),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, to: &mut Stream) -> Poll<io::Result<()>> {
        while let Some(buffer) = &self.buffer {
            let Some(bytes) = buffer
                .get(self.unsent.clone())
                .filter(|rest| !rest.is_empty())
            else {
                break;
            };
            let n = ready!(Pin::new(&mut *to).poll_write(cx, bytes))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent.start += n;
            self.progress += 1;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes `n` fresh bytes at the beginning of the buffer.
    fn accept(&mut self, n: usize) -> Result<(), PumpError> {
        let Some(bytes) = self.buffer.as_mut().and_then(|buffer| buffer.get_mut(..n)) else {
            return Ok(());
        };
        match &mut self.body {
            Reader::AsIs(body) => {
                let fed = body.feed(bytes).map_err(|_| PumpError::Body)?;
                let taken = bytes.get(..fed.taken).unwrap_or_default();
                show(&mut self.tap, taken, fed.done);
                self.unsent = 0..fed.taken;
            }
            Reader::Dechunked { body, done } => {
                let piece = body.feed(bytes).map_err(|_| PumpError::Body)?;
                let taken = bytes.get(..piece.taken).unwrap_or_default();
                show(&mut self.tap, taken, piece.done);
                *done = piece.done;
                let mut end = 0;
                for range in piece.payload {
                    let len = range.len();
                    bytes.copy_within(range, end);
                    end += len;
                }
                self.unsent = 0..end;
            }
        }
        self.read = n;
        self.progress += 1;
        Ok(())
    }

    fn end_of_stream(&mut self) -> Result<(), PumpError> {
        match &mut self.body {
            Reader::AsIs(body) => body.finish().map_err(|_| PumpError::Body),
            Reader::Dechunked { .. } => Err(PumpError::Source),
        }
    }
}

fn show(tap: &mut Option<Box<Tap>>, bytes: &[u8], done: bool) {
    if let Some(tap) = tap {
        tap.see(bytes);
        if done {
            tap.end();
        }
    }
}

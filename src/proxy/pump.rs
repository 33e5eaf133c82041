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
    /// How many bytes the body may have, without the framing of chunks.
    most: u64,
    /// Where somebody wants to know what passes.
    tap: Option<Box<Tap>>,
}

/// How the body is read, and so what is written.
#[derive(Debug)]
enum Reader {
    /// The bytes pass as they are.
    AsIs(Body),
    /// The chunk framing is taken off, for a reader that does not know it.
    Dechunked {
        body: Dechunk,
        payload: u64,
        done: bool,
    },
    /// A body without a length gets chunks, so that its end can be told from a cut.
    Chunking { payload: u64, done: bool },
}

/// Room in front of a chunk for its size, and behind it for the end of its line.
const CHUNK_SIZE: usize = "0000\r\n".len();
const CHUNK_END: &[u8] = b"\r\n";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Why a body did not arrive whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PumpError {
    /// The reading side ended or failed too early.
    Source,
    /// The writing side failed.
    Sink,
    /// The bytes are not a body of this kind.
    Body,
    /// There are more of them than there may be.
    TooLarge,
}

impl Pump {
    pub(crate) fn new(body: Body) -> Self {
        Self::with(Reader::AsIs(body))
    }

    pub(crate) fn dechunking() -> Self {
        Self::with(Reader::Dechunked {
            body: Dechunk::new(),
            payload: 0,
            done: false,
        })
    }

    /// For a body that ends with its connection.
    pub(crate) fn chunking() -> Self {
        Self::with(Reader::Chunking {
            payload: 0,
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
            most: u64::MAX,
            tap: None,
        }
    }

    /// Shows the body to a tap as well.
    #[must_use]
    pub(crate) fn tapped(self, tap: Option<Box<Tap>>) -> Self {
        Self { tap, ..self }
    }

    /// Lets the body have so many bytes.
    #[must_use]
    pub(crate) fn bounded(self, most: Option<u64>) -> Self {
        Self {
            most: most.unwrap_or(u64::MAX),
            ..self
        }
    }

    /// Whether more has come than may. Nothing that came with it has passed.
    pub(crate) fn is_too_large(&self) -> bool {
        let payload = match &self.body {
            Reader::AsIs(body) => body.payload(),
            Reader::Chunking { payload, .. } | Reader::Dechunked { payload, .. } => *payload,
        };
        payload > self.most
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
                self.check_size()?;
                Ok(fed.taken)
            }
            Reader::Chunking { .. } if bytes.is_empty() => Ok(0),
            Reader::Chunking { .. } => {
                let mut buffer = Buffer::lend(CHUNK_SIZE + bytes.len() + CHUNK_END.len());
                let end = CHUNK_SIZE + bytes.len();
                if let Some(room) = buffer.get_mut(CHUNK_SIZE..end) {
                    room.copy_from_slice(bytes);
                }
                self.buffer = Some(buffer);
                self.accept(bytes.len())?;
                Ok(bytes.len())
            }
            Reader::Dechunked { .. } => {
                self.buffer = Some(Buffer::copy_of(bytes, 0));
                self.accept(bytes.len())?;
                Ok(bytes.len())
            }
        }
    }

    fn check_size(&self) -> Result<(), PumpError> {
        if self.is_too_large() {
            Err(PumpError::TooLarge)
        } else {
            Ok(())
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
            Reader::Chunking { done, .. } | Reader::Dechunked { done, .. } => *done,
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
            let Poll::Ready(read) = self.poll_read(cx, from, &mut buffer) else {
                // Nothing to write and nothing to read: the buffer goes back until there is.
                let _ = Pin::new(to).poll_flush(cx).map_err(|_| PumpError::Sink)?;
                return Poll::Pending;
            };
            self.buffer = Some(buffer);
            match read.map_err(|_| PumpError::Source)? {
                0 => match self.end_of_stream() {
                    // What says that it has ended is still to be written.
                    Ok(()) if !self.unsent.is_empty() => {}
                    ended => return Poll::Ready(ended),
                },
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

    /// Reads once into the buffer.
    fn poll_read(
        &self,
        cx: &mut Context<'_>,
        from: &mut Stream,
        buffer: &mut Buffer,
    ) -> Poll<io::Result<usize>> {
        match &self.body {
            Reader::AsIs(_) | Reader::Dechunked { .. } => poll_read_at(cx, from, buffer, 0),
            Reader::Chunking { .. } => {
                let end = buffer.len().saturating_sub(CHUNK_END.len());
                let room = buffer.get_mut(..end).unwrap_or_default();
                poll_read_at(cx, from, room, CHUNK_SIZE)
            }
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

    /// Takes `n` fresh bytes at their place in the buffer.
    fn accept(&mut self, n: usize) -> Result<(), PumpError> {
        if let Reader::Chunking { .. } = self.body {
            return self.accept_chunk(n);
        }
        let Some(bytes) = self.buffer.as_mut().and_then(|buffer| buffer.get_mut(..n)) else {
            return Ok(());
        };
        match &mut self.body {
            Reader::Chunking { .. } => {}
            Reader::AsIs(body) => {
                let fed = body.feed(bytes).map_err(|_| PumpError::Body)?;
                let taken = bytes.get(..fed.taken).unwrap_or_default();
                show(&mut self.tap, taken, fed.done);
                self.unsent = 0..fed.taken;
            }
            Reader::Dechunked {
                body,
                payload,
                done,
            } => {
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
                *payload += end as u64;
                self.unsent = 0..end;
            }
        }
        self.took(n)
    }

    /// Makes a chunk of `n` fresh bytes.
    fn accept_chunk(&mut self, n: usize) -> Result<(), PumpError> {
        let (Reader::Chunking { payload, .. }, Some(buffer)) = (&mut self.body, &mut self.buffer)
        else {
            return Ok(());
        };
        *payload += n as u64;
        let end = CHUNK_SIZE + n;
        show(
            &mut self.tap,
            buffer.get(CHUNK_SIZE..end).unwrap_or_default(),
            false,
        );
        let size = format!("{n:x}\r\n");
        let start = CHUNK_SIZE.saturating_sub(size.len());
        if let Some(room) = buffer.get_mut(start..CHUNK_SIZE) {
            room.copy_from_slice(size.as_bytes());
        }
        if let Some(room) = buffer.get_mut(end..end + CHUNK_END.len()) {
            room.copy_from_slice(CHUNK_END);
        }
        self.unsent = start..end + CHUNK_END.len();
        self.took(self.unsent.end)
    }

    /// The bytes up to `read` in the buffer have been dealt with.
    fn took(&mut self, read: usize) -> Result<(), PumpError> {
        self.read = read;
        self.progress += 1;
        let checked = self.check_size();
        if checked.is_err() {
            self.unsent = 0..0;
        }
        checked
    }

    fn end_of_stream(&mut self) -> Result<(), PumpError> {
        match &mut self.body {
            Reader::AsIs(body) => body.finish().map_err(|_| PumpError::Body),
            Reader::Chunking { done, .. } => {
                *done = true;
                self.buffer = Some(Buffer::copy_of(LAST_CHUNK, 0));
                self.unsent = 0..LAST_CHUNK.len();
                self.read = LAST_CHUNK.len();
                self.progress += 1;
                Ok(())
            }
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

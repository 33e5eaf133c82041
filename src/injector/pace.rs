//! How long a connection may take over what it is doing.
//!
//! A head that has begun has to end soon, but a connection that waits for its next request may wait
//! long: the API server keeps connections for a minute and a half, and a request that meets the end of
//! its connection fails there.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// From a head's first byte to its last.
pub(super) const HEAD: Duration = Duration::from_secs(4);
/// Longer than any client of Go keeps a connection (90 s).
pub(super) const IDLE: Duration = Duration::from_secs(150);

/// What a connection is doing, and since when.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Answering has a limit of its own.
    Answering,
    Head(Instant),
    Idle(Instant),
}

/// Shared by a connection's stream and its service.
#[derive(Clone, Debug)]
pub(super) struct Pace(Arc<Mutex<Phase>>);

impl Pace {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Phase::Idle(Instant::now()))))
    }

    pub(super) fn answering(&self) {
        *self.0.lock() = Phase::Answering;
    }

    pub(super) fn answered(&self) {
        *self.0.lock() = Phase::Idle(Instant::now());
    }

    pub(super) fn is_overdue(&self) -> bool {
        match *self.0.lock() {
            Phase::Answering => false,
            Phase::Head(since) => since.elapsed() > HEAD,
            Phase::Idle(since) => since.elapsed() > IDLE,
        }
    }

    fn heard(&self) {
        let mut phase = self.0.lock();
        if matches!(*phase, Phase::Idle(_)) {
            *phase = Phase::Head(Instant::now());
        }
    }
}

/// A stream that tells when something comes.
#[derive(Debug)]
pub(super) struct Paced<S> {
    pub(super) stream: S,
    pub(super) pace: Pace,
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        if buffer.filled().len() > before {
            self.pace.heard();
        }
        Poll::Ready(outcome)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

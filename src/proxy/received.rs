//! What has been read of an upstream's answer, and not yet passed on.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use pingora::protocols::Stream;

use crate::proxy::buffer::Buffer;
use crate::proxy::io::poll_read_at;

/// The beginning of an answer.
#[derive(Debug)]
pub(crate) struct Received {
    buffer: Buffer,
    filled: usize,
}

impl Received {
    pub(crate) fn nothing() -> Self {
        Self {
            buffer: Buffer::lend(0),
            filled: 0,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.filled).unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Reads once. Ready with whether anything came; with nothing, the upstream has closed.
    pub(crate) fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        upstream: &mut Stream,
    ) -> Poll<io::Result<bool>> {
        let n = ready!(poll_read_at(cx, upstream, &mut self.buffer, self.filled))?;
        self.filled += n;
        Poll::Ready(Ok(n > 0))
    }

    /// Reads once, as [`Received::poll_more`].
    pub(crate) async fn more(&mut self, upstream: &mut Stream) -> io::Result<bool> {
        poll_fn(|cx| self.poll_more(cx, upstream)).await
    }

    /// Forgets an interim answer's head.
    pub(crate) fn drop_front(&mut self, n: usize) {
        self.buffer.copy_within(n.min(self.filled)..self.filled, 0);
        self.filled = self.filled.saturating_sub(n);
    }
}

//! Reads and writes on a stream, each with a deadline.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pingora::prelude::timeout;
use pingora::protocols::Stream;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _, ReadBuf};

use crate::proxy::buffer::Buffer;

/// How long a peer may refuse to take bytes.
pub(crate) const WRITE_STALL: Duration = Duration::from_secs(30);
/// How long a connection is read after a refusal, so that the answer is not lost to a reset.
const LINGER: Duration = Duration::from_secs(2);
/// How long a peer may refuse to hear that a connection ends.
const GOODBYE: Duration = Duration::from_secs(1);
/// How much of it.
const LINGER_BYTES: usize = 1 << 20;

/// Reads once into `buffer` from `filled` on. Zero means the end of the stream.
pub(crate) fn poll_read_at(
    cx: &mut Context<'_>,
    stream: &mut Stream,
    buffer: &mut [u8],
    filled: usize,
) -> Poll<io::Result<usize>> {
    let mut room = ReadBuf::new(buffer.get_mut(filled..).unwrap_or_default());
    ready!(Pin::new(stream).poll_read(cx, &mut room))?;
    Poll::Ready(Ok(room.filled().len()))
}

/// Waits for the next message's first bytes without holding a buffer meanwhile.
///
/// `None` when the peer closed, or nothing came in time.
pub(crate) async fn first_bytes(
    stream: &mut Stream,
    buffer_bytes: usize,
    idle: Duration,
) -> Option<(Buffer, usize)> {
    match timeout(idle, next_bytes(stream, buffer_bytes)).await {
        Ok(Ok((buffer, n))) if n > 0 => Some((buffer, n)),
        _ => None,
    }
}

/// The same without a deadline. Zero bytes mean the end of the stream.
pub(crate) async fn next_bytes(
    stream: &mut Stream,
    buffer_bytes: usize,
) -> io::Result<(Buffer, usize)> {
    poll_fn(|cx| {
        let mut buffer = Buffer::lend(buffer_bytes);
        let n = ready!(poll_read_at(cx, stream, &mut buffer, 0))?;
        Poll::Ready(Ok((buffer, n)))
    })
    .await
}

/// Reads more into `buffer`. Zero means the end of the stream.
pub(crate) async fn read_more(
    stream: &mut Stream,
    buffer: &mut [u8],
    filled: usize,
) -> io::Result<usize> {
    poll_fn(|cx| poll_read_at(cx, stream, buffer, filled)).await
}

/// Writes all slices in as few system calls as the kernel allows, then flushes.
pub(crate) async fn write_all(
    stream: &mut Stream,
    slices: &mut [IoSlice<'_>],
    limit: Duration,
) -> io::Result<()> {
    let write = poll_fn(|cx| poll_write_all(cx, stream, slices));
    // The first attempt nearly always takes everything; the timer exists only if it does not.
    timeout(limit, write)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn poll_write_all(
    cx: &mut Context<'_>,
    stream: &mut Stream,
    slices: &mut [IoSlice<'_>],
) -> Poll<io::Result<()>> {
    let mut rest = slices;
    loop {
        let start = rest.iter().position(|slice| !slice.is_empty());
        let Some(start) = start else { break };
        rest = rest.get_mut(start..).unwrap_or_default();
        let n = ready!(Pin::new(&mut *stream).poll_write_vectored(cx, rest))?;
        if n == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        consume(rest, n);
    }
    Pin::new(stream).poll_flush(cx)
}

/// Waits until everything that was written has left: a TLS session keeps what the socket does not
/// take.
pub(crate) async fn flush(stream: &mut Stream, limit: Duration) -> io::Result<()> {
    timeout(limit, poll_fn(|cx| Pin::new(&mut *stream).poll_flush(cx)))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Says that nothing more comes, as far as the peer takes it, and closes.
pub(crate) async fn close(mut stream: Stream) {
    let _ = timeout(GOODBYE, stream.shutdown()).await;
}

/// Shortens the slices in place, so that a write that was interrupted goes on where it stopped.
fn consume(slices: &mut [IoSlice<'_>], mut n: usize) {
    for slice in slices {
        let taken = n.min(slice.len());
        slice.advance(taken);
        n -= taken;
        if n == 0 {
            break;
        }
    }
}

/// Ends a connection whose peer may still be sending: stops writing, reads a while, lets go.
pub(crate) async fn linger(mut stream: Stream) {
    let _ = timeout(LINGER, async {
        if stream.shutdown().await.is_err() {
            return;
        }
        let mut buffer = Buffer::lend(0);
        let mut total = 0;
        while let Ok(n) = stream.read(&mut buffer).await {
            total += n;
            if n == 0 || total > LINGER_BYTES {
                return;
            }
        }
    })
    .await;
}

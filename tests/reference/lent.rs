//! A client's stream that pingora-proxy has for one exchange, and that comes back in any case.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use imgate::wire::head::Version;
use parking_lot::Mutex;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream,
    TimingDigest, UniqueID, UniqueIDType, raw_connect::ProxyDigest,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What pingora says in every answer after which it goes on; HTTP/1.1 needs no such word, and the
/// gate does not say it.
const KEEP_ALIVE: &[u8] = b"\r\nConnection: keep-alive\r\n";

/// A stream that returns to its home when it is dropped.
#[derive(Debug)]
pub(crate) struct Lent {
    stream: Option<Stream>,
    home: Arc<Mutex<Option<Stream>>>,
    /// The answer's head has not gone by; no wish of an HTTP/1.0 client is cut from it.
    cuts: bool,
    /// A head that was changed and is still to be written.
    head: Vec<u8>,
}

impl Lent {
    pub(crate) fn new(stream: Stream, client: Version) -> (Self, Arc<Mutex<Option<Stream>>>) {
        let home = Arc::new(Mutex::new(None));
        let lent = Self {
            stream: Some(stream),
            home: Arc::clone(&home),
            cuts: client == Version::Http11,
            head: Vec::new(),
        };
        (lent, home)
    }

    fn stream(&mut self) -> io::Result<Pin<&mut Stream>> {
        let stream = self.stream.as_mut();
        stream
            .map(Pin::new)
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.head.is_empty() {
            let head = std::mem::take(&mut self.head);
            let written = self.stream()?.poll_write(cx, &head);
            self.head = head;
            let n = ready!(written)?;
            self.head.drain(..n);
        }
        Poll::Ready(Ok(()))
    }

    /// The bytes of an answer's head without what pingora has added, if this is one.
    fn cut(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        if !self.cuts || bytes.starts_with(b"HTTP/1.1 1") {
            return None;
        }
        // A head is written in one piece, before anything of the body.
        self.cuts = false;
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let at = bytes
            .windows(KEEP_ALIVE.len())
            .position(|window| window == KEEP_ALIVE)
            .filter(|at| *at < end)?;
        let (before, from) = bytes.split_at_checked(at)?;
        let behind = from.get(KEEP_ALIVE.len() - 2..)?;
        Some([before, behind].concat())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        *self.home.lock() = self.stream.take();
    }
}

impl AsyncRead for Lent {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream()?.poll_read(cx, buffer)
    }
}

impl AsyncWrite for Lent {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_head(cx))?;
        if let Some(head) = self.cut(bytes) {
            // Taken; what the socket does not take now goes out with the next write or flush.
            self.head = head;
            let _ = self.poll_head(cx)?;
            return Poll::Ready(Ok(bytes.len()));
        }
        self.stream()?.poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_head(cx))?;
        self.stream()?.poll_flush(cx)
    }

    /// The gate ends its connections itself.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

#[async_trait]
impl Shutdown for Lent {
    async fn shutdown(&mut self) {}
}

impl UniqueID for Lent {
    fn id(&self) -> UniqueIDType {
        self.stream.as_ref().map_or(0, |stream| stream.id())
    }
}

impl Ssl for Lent {}
impl Peek for Lent {}

impl GetTimingDigest for Lent {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Lent {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Lent {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        let stream = self.stream.as_ref()?;
        stream.get_socket_digest()
    }
}

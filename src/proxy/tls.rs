//! TLS on a client's connection: the handshake, and the stream that stands behind it.
//!
//! The handshake happens in the connection's own task, so that it is done under the policy of its
//! moment and an idle connection does not carry its state; pingora's acceptor would fix the
//! configuration when the listener starts.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use async_trait::async_trait;
use pingora::prelude::timeout;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream,
    TimingDigest, UniqueID, UniqueIDType,
};
use rustls::server::{Accepted, Acceptor};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio_rustls::StartHandshake;
use tokio_rustls::server::TlsStream;
use tracing::debug;

use crate::proxy::Worker;
use crate::proxy::buffer::Buffer;
use crate::proxy::io::{WRITE_STALL, linger, next_bytes, write_all};

/// Why a handshake came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeFailure {
    /// The client ended it with an alert; mostly it does not trust the certificate.
    Alert,
    /// The client's certificate is missing, or not from the right issuer, or has ended.
    ClientCertificate,
    Closed,
    /// The first byte is not TLS, but plain HTTP for example.
    NotTls,
    /// No version, cipher or protocol in common, or nonsense.
    Protocol,
    Timeout,
}

impl HandshakeFailure {
    pub const ALL: [Self; 6] = [
        Self::Alert,
        Self::ClientCertificate,
        Self::Closed,
        Self::NotTls,
        Self::Protocol,
        Self::Timeout,
    ];

    /// The word for metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::ClientCertificate => "client_certificate",
            Self::Closed => "closed",
            Self::NotTls => "not_tls",
            Self::Protocol => "protocol",
            Self::Timeout => "timeout",
        }
    }

    fn of(error: &io::Error) -> Self {
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
        match cause {
            Some(rustls::Error::AlertReceived(_)) => Self::Alert,
            Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
                Self::ClientCertificate
            }
            Some(_) => Self::Protocol,
            // A hello without end, for example.
            None if matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::Other
            ) =>
            {
                Self::Protocol
            }
            None => Self::Closed,
        }
    }
}

/// Whether these are the first bytes of a handshake (RFC 8446 §5.1).
pub(crate) fn is_handshake(bytes: &[u8]) -> bool {
    const HANDSHAKE: u8 = 22;
    bytes.first() == Some(&HANDSHAKE)
}

/// Does the handshake that begins with these bytes. `None` when it came to nothing, which is
/// counted; the connection is closed then.
pub(crate) async fn accept(
    worker: &Worker,
    stream: Stream,
    first: (Buffer, usize),
    opened: Instant,
) -> Option<Stream> {
    let limit = worker.shared.policy().limits.head_timeout;
    let left = limit.saturating_sub(opened.elapsed());
    let failed = match timeout(left, handshake(worker, stream, first)).await {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(failed)) => failed,
        Err(_) => Failed {
            failure: HandshakeFailure::Timeout,
            error: io::ErrorKind::TimedOut.into(),
            stream: None,
        },
    };
    worker.shared.metrics.handshake_failed(failed.failure);
    debug!(reason = failed.failure.as_str(), error = %failed.error, "TLS handshake failed");
    if let Some(stream) = failed.stream {
        // The alert is on its way; what the client still sends must not reset it away.
        linger(stream).await;
    }
    None
}

/// A handshake that came to nothing.
struct Failed {
    failure: HandshakeFailure,
    error: io::Error,
    /// Where an alert went out.
    stream: Option<Stream>,
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self {
            failure: HandshakeFailure::of(&error),
            error,
            stream: None,
        }
    }
}

async fn handshake(
    worker: &Worker,
    mut stream: Stream,
    first: (Buffer, usize),
) -> Result<Stream, Failed> {
    let accepted = match client_hello(&mut stream, first).await {
        Ok(accepted) => accepted,
        Err(error) => {
            let failed = Failed::from(error);
            let stream = (failed.failure == HandshakeFailure::Protocol).then_some(stream);
            return Err(Failed { stream, ..failed });
        }
    };
    // The policy of now, not of the first byte.
    let Some(config) = worker.tls() else {
        return Err(io::Error::from(io::ErrorKind::ConnectionAborted).into());
    };
    let start = StartHandshake::from_parts(accepted, stream);
    match start.into_stream(config).into_fallible().await {
        Ok(stream) => Ok(Box::new(Secured(stream))),
        Err((error, stream)) => {
            let failed = Failed::from(error);
            let stream = (failed.failure != HandshakeFailure::Closed).then_some(stream);
            Err(Failed { stream, ..failed })
        }
    }
}

/// Reads until the client has said what it wants. A buffer is held only while bytes are in it.
async fn client_hello(stream: &mut Stream, first: (Buffer, usize)) -> io::Result<Accepted> {
    let mut acceptor = Acceptor::default();
    let (mut buffer, mut filled) = first;
    while filled > 0 {
        let mut bytes = buffer.get(..filled).unwrap_or_default();
        while !bytes.is_empty() {
            if acceptor.read_tls(&mut bytes)? == 0 {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        drop(buffer);
        match acceptor.accept() {
            Ok(Some(accepted)) => return Ok(accepted),
            Ok(None) => {}
            Err((error, mut alert)) => {
                let mut bytes = Vec::new();
                alert.write_all(&mut bytes)?;
                write_all(stream, &mut [IoSlice::new(&bytes)], WRITE_STALL).await?;
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
        (buffer, filled) = next_bytes(stream, 0).await?;
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// A client's stream behind its handshake.
struct Secured(TlsStream<Stream>);

impl Secured {
    fn socket(&self) -> &Stream {
        self.0.get_ref().0
    }
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.0).poll_read(cx, buffer);
        // A socket sends what it has taken by itself; a session has to be asked. It may also have
        // something of its own to say, such as the answer to a change of keys. If it cannot be
        // said, the next write will tell.
        if self.0.get_ref().1.wants_write() {
            let _ = Pin::new(&mut self.0).poll_flush(cx);
        }
        read
    }
}

impl AsyncWrite for Secured {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

// === What else pingora asks of a stream ===

#[async_trait]
impl Shutdown for Secured {
    async fn shutdown(&mut self) {
        let _ = self.0.shutdown().await;
    }
}

impl UniqueID for Secured {
    fn id(&self) -> UniqueIDType {
        self.socket().id()
    }
}

impl Ssl for Secured {}

impl Peek for Secured {}

impl GetTimingDigest for Secured {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.socket().get_timing_digest()
    }
}

impl GetProxyDigest for Secured {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.socket().get_proxy_digest()
    }
}

impl GetSocketDigest for Secured {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.socket().get_socket_digest()
    }
}

impl fmt::Debug for Secured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secured").finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod tests;

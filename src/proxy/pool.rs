//! Connections to upstreams, kept for reuse by the worker thread that opened them.
//!
//! Each worker is one thread, so its list needs no lock, and a connection never changes threads.

use std::cell::RefCell;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use pingora::connectors::TransportConnector;
use pingora::prelude::{HttpPeer, timeout};
use pingora::protocols::Stream;
use tokio::io::{AsyncRead as _, ReadBuf};

use crate::policy::upstream::Upstream;
use crate::proxy::keepalive;

/// Idle connections that are kept per upstream and worker.
const KEPT: usize = 128;
/// How long; shorter than what common servers allow, so that they seldom close first.
const IDLE: Duration = Duration::from_secs(15);

thread_local! {
    /// By address, of which there are few; a reload may name the same upstream anew.
    static IDLE_CONNECTIONS: RefCell<Vec<(Arc<str>, Vec<Idle>)>> = const { RefCell::new(Vec::new()) };
}

#[derive(Debug)]
struct Idle {
    stream: Stream,
    since: Instant,
}

/// Why no connection to an upstream could be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("cannot resolve the upstream's host name")]
    Resolve(#[source] io::Error),
    #[error("cannot connect to the upstream: {}", cause(.0))]
    Connect(Box<pingora::Error>),
    #[error("connecting to the upstream takes too long")]
    Timeout,
}

/// What the system says, which is what an operator can do something about.
fn cause(error: &pingora::Error) -> String {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error.root_cause());
    while let Some(one) = cause {
        if let Some(io) = one.downcast_ref::<io::Error>() {
            return io.to_string();
        }
        cause = one.source();
    }
    error.etype().as_str().to_owned()
}

/// An idle connection that still looks alive. It may prove stale all the same.
pub(crate) fn reuse(upstream: &Upstream) -> Option<Stream> {
    IDLE_CONNECTIONS.with(|lists| {
        let mut lists = lists.try_borrow_mut().ok()?;
        let list = list_of(&mut lists, upstream)?;
        while let Some(mut idle) = list.pop() {
            if is_quiet_now(&mut idle.stream) {
                return Some(idle.stream);
            }
        }
        None
    })
}

/// Keeps a connection on which everything was read and written.
pub(crate) fn keep(upstream: &Upstream, stream: Stream) {
    IDLE_CONNECTIONS.with(|lists| {
        let Ok(mut lists) = lists.try_borrow_mut() else {
            return;
        };
        let idle = Idle {
            stream,
            since: Instant::now(),
        };
        match list_of(&mut lists, upstream) {
            Some(list) if list.len() < KEPT => list.push(idle),
            Some(_) => {}
            None => lists.push((Arc::clone(&upstream.address), vec![idle])),
        }
    });
}

fn list_of<'l>(
    lists: &'l mut [(Arc<str>, Vec<Idle>)],
    upstream: &Upstream,
) -> Option<&'l mut Vec<Idle>> {
    lists
        .iter_mut()
        .find(|(address, _)| *address == upstream.address)
        .map(|(_, list)| list)
}

/// Closes what has been idle for too long or was closed by the upstream. Returns how many remain.
pub(crate) fn reap() -> usize {
    IDLE_CONNECTIONS.with(|lists| {
        let Ok(mut lists) = lists.try_borrow_mut() else {
            return 0;
        };
        for (_, list) in lists.iter_mut() {
            list.retain_mut(|idle| idle.since.elapsed() < IDLE && is_quiet(&mut idle.stream));
        }
        lists.retain(|(_, list)| !list.is_empty());
        lists.iter().map(|(_, list)| list.len()).sum()
    })
}

/// Opens a connection; resolving and connecting share the upstream's `connect_timeout`.
///
/// A host name is resolved every time, so a changed address is used at once and nothing is kept
/// beyond what the system's resolver keeps.
pub(crate) async fn connect(
    connector: &TransportConnector,
    upstream: &Upstream,
) -> Result<Stream, ConnectError> {
    let connect = async {
        let addresses: Vec<SocketAddr> = match upstream.address.parse() {
            Ok(address) => vec![address],
            Err(_) => tokio::net::lookup_host(&*upstream.address)
                .await
                .map_err(ConnectError::Resolve)?
                .collect(),
        };
        let mut last = ConnectError::Resolve(io::ErrorKind::NotFound.into());
        for address in addresses {
            let mut peer = HttpPeer::new(address, false, String::new());
            peer.options.tcp_keepalive = Some(keepalive::of_upstream());
            match connector.new_stream(&peer).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = ConnectError::Connect(error),
            }
        }
        Err(last)
    };
    // Boxed: connecting is rare, and its state is nine times that of the exchange around it.
    timeout(upstream.connect_timeout, Box::pin(connect))
        .await
        .unwrap_or(Err(ConnectError::Timeout))
}

/// Neither closed nor sending: an upstream has nothing to say before it is asked.
///
/// The runtime answers from what it knows of the socket since it last looked, which is enough to
/// reap by.
fn is_quiet(stream: &mut Stream) -> bool {
    let mut byte = [0];
    let mut buffer = ReadBuf::new(&mut byte);
    let mut cx = Context::from_waker(Waker::noop());
    matches!(
        Pin::new(stream).poll_read(&mut cx, &mut buffer),
        Poll::Pending
    )
}

/// The same, asked of the kernel: bytes that an upstream sent behind its last answer would be
/// taken for the answer to somebody else's request.
fn is_quiet_now(stream: &mut Stream) -> bool {
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    recv(stream.id(), &mut [0], flags) == Err(Errno::EAGAIN)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpListener;

    use pingora::protocols::l4::stream::Stream as L4Stream;
    use tokio::net::TcpStream;

    use super::*;
    use crate::config::document::OnExposed;

    #[tokio::test]
    async fn an_upstream_has_no_more_idle_connections_than_are_kept() {
        let upstream = Upstream {
            name: Arc::from("im"),
            address: Arc::from("127.0.0.1:1"),
            connect_timeout: IDLE,
            response_timeout: IDLE,
            handshake_timeout: IDLE,
            on_exposed: OnExposed::Warn,
        };
        let mut far = Vec::new();
        for _ in 0..KEPT + 50 {
            let (near, other) = tokio::io::duplex(16);
            keep(&upstream, Box::new(near));
            far.push(other);
        }
        assert_eq!(reap(), KEPT);
        drop(far);
        assert_eq!(reap(), 0);
    }

    /// A connection that the runtime believes to be quiet, and its other end.
    async fn quiet() -> (Stream, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let mut stream: Stream = Box::new(L4Stream::from(stream));
        assert!(is_quiet(&mut stream));
        (stream, listener.accept().unwrap().0)
    }

    #[tokio::test]
    async fn bytes_that_the_runtime_has_not_heard_of_yet_make_a_connection_useless() {
        let (mut stream, mut upstream) = quiet().await;
        assert!(is_quiet_now(&mut stream));
        upstream.write_all(b"poison").unwrap();
        assert!(is_quiet(&mut stream), "the runtime has not looked since");
        assert!(!is_quiet_now(&mut stream));
    }

    #[tokio::test]
    async fn a_connection_that_the_upstream_has_closed_is_useless() {
        let (mut stream, upstream) = quiet().await;
        drop(upstream);
        assert!(!is_quiet_now(&mut stream));
    }
}

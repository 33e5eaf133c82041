//! Connections to upstreams, kept for reuse by the worker thread that opened them.
//!
//! Each worker is one thread, so its list needs no lock, and a connection never changes threads.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use pingora::protocols::Stream;
use tokio::io::{AsyncRead as _, ReadBuf};

/// Idle connections that are kept per address and worker.
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

/// An idle connection that still looks alive. It may prove stale all the same.
pub(crate) fn reuse(address: &Arc<str>) -> Option<Stream> {
    IDLE_CONNECTIONS.with(|lists| {
        let mut lists = lists.try_borrow_mut().ok()?;
        let list = list_of(&mut lists, address)?;
        while let Some(mut idle) = list.pop() {
            if is_quiet_now(&mut idle.stream) {
                return Some(idle.stream);
            }
        }
        None
    })
}

/// Keeps a connection on which everything was read and written.
pub(crate) fn keep(address: &Arc<str>, stream: Stream) {
    IDLE_CONNECTIONS.with(|lists| {
        let Ok(mut lists) = lists.try_borrow_mut() else {
            return;
        };
        let idle = Idle {
            stream,
            since: Instant::now(),
        };
        match list_of(&mut lists, address) {
            Some(list) if list.len() < KEPT => list.push(idle),
            Some(_) => {}
            None => lists.push((Arc::clone(address), vec![idle])),
        }
    });
}

fn list_of<'l>(
    lists: &'l mut [(Arc<str>, Vec<Idle>)],
    address: &Arc<str>,
) -> Option<&'l mut Vec<Idle>> {
    lists
        .iter_mut()
        .find(|(known, _)| known == address)
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

    #[tokio::test]
    async fn an_upstream_has_no_more_idle_connections_than_are_kept() {
        let address = Arc::from("127.0.0.1:1");
        let mut far = Vec::new();
        for _ in 0..KEPT + 50 {
            let (near, other) = tokio::io::duplex(16);
            keep(&address, Box::new(near));
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

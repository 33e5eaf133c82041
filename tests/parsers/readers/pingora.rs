//! A message as pingora's HTTP/1 sessions read it, from memory.

use std::fmt;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use pingora::http::{HMap, RequestHeader};
use pingora::protocols::http::v1::client::HttpSession as ClientSession;
use pingora::protocols::http::v1::server::HttpSession as ServerSession;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use pingora::{BError, ErrorType};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a session read.
#[derive(Debug)]
pub(super) struct Theirs {
    /// Method and target, or the status and nothing.
    pub(super) start: (String, Vec<u8>),
    pub(super) is_http11: bool,
    pub(super) headers: HMap,
    pub(super) head_len: usize,
    pub(super) payload: Vec<u8>,
    pub(super) end: End,
    pub(super) keep_alive: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The body is complete, and so many bytes were left over, if the session tells.
    Complete(Option<usize>),
    /// The connection ended before the message did.
    Open,
    Refused(String),
}

/// Reads a request with the server's session.
pub(super) fn request(bytes: &[u8]) -> Result<Theirs, End> {
    let mut session = ServerSession::new(Box::new(Memory::new(bytes)));
    session.set_read_timeout(None);
    session.set_pipelining_enabled(true);
    let head_len = match at_once(session.read_request()) {
        Ok(Some(len)) => len,
        Ok(None) => return Err(End::Open),
        Err(error) => return Err(ended(&error)),
    };
    let head = session.req_header();
    let mut theirs = Theirs {
        start: (head.method.as_str().to_owned(), head.raw_path().to_vec()),
        is_http11: head.version == http::Version::HTTP_11,
        headers: head.headers.clone(),
        head_len,
        payload: Vec::new(),
        end: End::Open,
        keep_alive: session.will_keepalive(),
    };
    loop {
        match at_once(session.read_body_bytes()) {
            Ok(Some(bytes)) => theirs.payload.extend_from_slice(&bytes),
            Ok(None) if session.is_body_done() => break,
            Ok(None) => return Ok(theirs),
            Err(error) => {
                theirs.end = ended(&error);
                return Ok(theirs);
            }
        }
    }
    theirs.end = End::Complete(match at_once(session.reuse()) {
        Ok(Some(kept)) => {
            let (stream, overread) = kept.into_parts();
            let unread = stream
                .as_any()
                .downcast_ref::<Memory>()
                .map_or(0, Memory::left);
            Some(overread.map_or(0, |bytes| bytes.len()) + unread)
        }
        Ok(None) => None,
        Err(error) => return Err(ended(&error)),
    });
    Ok(theirs)
}

/// Reads the final response, behind any interim ones, with the client's session.
pub(super) fn response(bytes: &[u8], request_method: &str) -> Result<Theirs, End> {
    let mut session = ClientSession::new(Box::new(Memory::new(bytes)));
    let mut asked = RequestHeader::build(request_method, b"/", None).expect("a request");
    asked.insert_header("host", "a").expect("a header");
    at_once(session.write_request_header(Box::new(asked))).expect("a write to memory");
    let head_len = match at_once(session.read_response()) {
        Ok(len) => len,
        Err(error) => return Err(ended(&error)),
    };
    let head = session.resp_header().expect("it was read");
    let is_interim = head.status.is_informational();
    let mut theirs = Theirs {
        start: (head.status.as_str().to_owned(), Vec::new()),
        is_http11: head.version == http::Version::HTTP_11,
        headers: head.headers.clone(),
        head_len,
        payload: Vec::new(),
        end: End::Open,
        keep_alive: false,
    };
    if is_interim {
        // Nothing but a head, by definition; what follows is the next one.
        theirs.end = End::Complete(Some(bytes.len() - head_len));
        return Ok(theirs);
    }
    loop {
        match at_once(session.read_body_bytes()) {
            Ok(Some(bytes)) => theirs.payload.extend_from_slice(&bytes),
            Ok(None) if session.is_body_done() => break,
            Ok(None) => return Ok(theirs),
            Err(error) => {
                theirs.end = ended(&error);
                return Ok(theirs);
            }
        }
    }
    session.respect_keepalive();
    theirs.keep_alive = session.will_keepalive();
    theirs.end = End::Complete(None);
    Ok(theirs)
}

fn ended(error: &BError) -> End {
    if *error.etype() == ErrorType::ConnectionClosed {
        End::Open
    } else {
        End::Refused(error.etype().as_str().to_owned())
    }
}

/// Memory is always ready.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a session waits for something else than its stream"),
    }
}

/// A connection on which the bytes have all come and nothing else will.
struct Memory {
    bytes: Vec<u8>,
    at: usize,
}

impl Memory {
    fn new(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
            at: 0,
        }
    }

    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }
}

impl AsyncRead for Memory {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let taken = self.left().min(into.remaining());
        into.put_slice(&self.bytes[self.at..self.at + taken]);
        self.at += taken;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Memory {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[async_trait]
impl Shutdown for Memory {
    async fn shutdown(&mut self) {}
}

impl UniqueID for Memory {
    fn id(&self) -> UniqueIDType {
        0
    }
}

impl GetTimingDigest for Memory {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Memory {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Memory {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}

impl Ssl for Memory {}

impl Peek for Memory {}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

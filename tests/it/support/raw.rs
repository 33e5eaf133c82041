//! A client that sends what it is told, byte for byte.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};

use rustls::ClientConnection;

use super::frames::{self, Frame};
use super::wire::{Answer, Wire};

#[derive(Debug)]
pub(crate) struct RawClient {
    wire: Wire,
}

impl RawClient {
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self {
            wire: Wire::new(TcpStream::connect(address).expect("the gate accepts")),
        }
    }

    /// Goes on over TLS. The handshake is done when this returns, as far as the client is concerned.
    pub(crate) fn secure(mut self, mut session: ClientConnection) -> io::Result<Self> {
        let mut stream = self.wire.stream().try_clone()?;
        while session.is_handshaking() {
            session.complete_io(&mut stream)?;
        }
        self.wire.secure(session);
        Ok(self)
    }

    /// The session of a client that was secured.
    #[track_caller]
    pub(crate) fn session(&mut self) -> &mut ClientConnection {
        self.wire.tls().expect("TLS").0
    }

    /// The address that the other side sees.
    pub(crate) fn local_address(&self) -> SocketAddr {
        self.wire.stream().local_addr().unwrap()
    }

    /// The address that it is connected to.
    pub(crate) fn peer_address(&self) -> SocketAddr {
        self.wire.stream().peer_addr().unwrap()
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("the gate reads");
    }

    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.wire.send(bytes.as_ref())
    }

    /// Sends a `GET` with these header lines and reads the answer.
    #[track_caller]
    pub(crate) fn get(&mut self, target: &str, headers: &str) -> Answer {
        self.send(request("GET", target, headers));
        self.answer()
    }

    /// Sends a `GET` that may be refused before it is whole, and reads what comes.
    pub(crate) fn try_get(&mut self, target: &str, headers: &str) {
        let _ = self.try_send(request("GET", target, headers));
        self.drain_answer();
    }

    /// Reads an answer, if there is one.
    pub(crate) fn drain_answer(&mut self) {
        let _ = self.try_answer();
    }

    /// The status of a `GET` on a connection that may be refused at once, before or while the
    /// request is sent; `None` if that reset the answer away.
    pub(crate) fn get_or_refused(&mut self, target: &str) -> Option<u16> {
        let _ = self.try_send(request("GET", target, ""));
        self.try_answer().ok().map(|answer| answer.status())
    }

    /// The next answer to a request that was not `HEAD`. An interim answer counts as one.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> Answer {
        self.try_answer().expect("a whole answer")
    }

    /// As [`Self::answer`]; an answer that is cut short is an error.
    pub(crate) fn try_answer(&mut self) -> io::Result<Answer> {
        let head = self.head()?;
        let bodiless = matches!(head.status(), 100..=199 | 204 | 304);
        let body = if bodiless {
            Vec::new()
        } else if let Some(body) = self.wire.framed_body(&head)? {
            body
        } else {
            self.wire.read_to_end()?
        };
        Ok(Answer { head, body })
    }

    /// The next answer to a `HEAD` request: a head and nothing else.
    #[track_caller]
    pub(crate) fn answer_to_head(&mut self) -> Answer {
        Answer {
            head: self.head().expect("an answer"),
            body: Vec::new(),
        }
    }

    /// The socket and what was read ahead, for a test that reads in its own way.
    pub(crate) fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    fn head(&mut self) -> io::Result<super::wire::Head> {
        self.wire
            .head()?
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Reads exactly so many bytes.
    #[track_caller]
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        self.wire.exactly(count).expect("more bytes")
    }

    /// Asserts that the gate ends the connection without another byte.
    #[track_caller]
    pub(crate) fn expect_closed(&mut self) {
        match self.wire.read_to_end() {
            Ok(rest) => assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest)),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}"),
        }
    }

    /// Reads on to the end, whatever comes.
    pub(crate) fn drain(&mut self) {
        let _ = self.wire.read_to_end();
    }

    /// Reads on to the end. Over TLS an end without a `close_notify` is an error.
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        self.wire.read_to_end()
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish_sending(&mut self) {
        if let Some((session, stream)) = self.wire.tls() {
            session.send_close_notify();
            session.complete_io(stream).expect("the gate reads");
        }
        self.wire.stream().shutdown(Shutdown::Write).unwrap();
    }

    /// Sends a frame, masked as a client must.
    #[track_caller]
    pub(crate) fn send_frame(&mut self, frame: &Frame) {
        self.send(frame.masked());
    }

    /// The next frame of the server.
    #[track_caller]
    pub(crate) fn frame(&mut self) -> Frame {
        self.try_frame()
            .expect("a frame")
            .expect("a frame, not the end")
    }

    /// The next frame of the server; `None` at the end of the stream.
    pub(crate) fn try_frame(&mut self) -> io::Result<Option<Frame>> {
        frames::read(&mut self.wire)
    }
}

/// A request without a body. `headers` are whole lines, each with its CRLF.
pub(crate) fn request(method: &str, target: &str, headers: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: im.example.com\r\n{headers}\r\n")
}

/// A `POST` whose body has a length.
pub(crate) fn post(target: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let framing = format!("{headers}Content-Length: {}\r\n", body.len());
    let mut bytes = request("POST", target, &framing).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// A `POST` whose body comes in chunks of `chunk` bytes.
pub(crate) fn post_chunked(target: &str, headers: &str, body: &[u8], chunk: usize) -> Vec<u8> {
    let framing = format!("{headers}Transfer-Encoding: chunked\r\n");
    let mut bytes = request("POST", target, &framing).into_bytes();
    for part in body.chunks(chunk) {
        bytes.extend(format!("{:x}\r\n", part.len()).into_bytes());
        bytes.extend_from_slice(part);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

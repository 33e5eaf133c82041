//! A WebSocket backend: one thread per socket, frame by frame, everything recorded.
//!
//! Each data frame goes back as it came, so fragments stay fragments. The text `close <code>`
//! makes the backend close.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::frames::{self, Frame};
use super::server::Server;
use super::wait::eventually;
use super::wire::{Head, Wire};

/// How a socket ended, as the backend saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A Close frame arrived, with this code.
    Close(u16),
    /// The connection ended without one.
    Gone,
}

#[derive(Debug, Default)]
struct Record {
    handshakes: Mutex<Vec<Head>>,
    ends: Mutex<Vec<End>>,
}

#[derive(Debug)]
pub(crate) struct WsBackend {
    server: Server,
    record: Arc<Record>,
}

impl WsBackend {
    /// Accepts every handshake.
    pub(crate) fn echo() -> Self {
        Self::handshaking(|head| accept(head, ""))
    }

    /// Answers each handshake by `script`; a 101 is followed by the echo.
    pub(crate) fn handshaking(script: impl Fn(&Head) -> String + Send + Sync + 'static) -> Self {
        let record = Arc::new(Record::default());
        let kept = Arc::clone(&record);
        let server = Server::start(move |wire| serve(wire, &record, &script));
        Self {
            server,
            record: kept,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub(crate) fn handshakes(&self) -> Vec<Head> {
        self.record.handshakes.lock().clone()
    }

    /// The handshake that arrived last.
    #[track_caller]
    pub(crate) fn last_handshake(&self) -> Head {
        self.handshakes().pop().expect("a handshake arrived")
    }

    /// How the sockets ended so far, in the order of their ends.
    pub(crate) fn ends(&self) -> Vec<End> {
        self.record.ends.lock().clone()
    }

    /// Waits for the first socket to end.
    #[track_caller]
    pub(crate) fn first_end(&self) -> End {
        eventually("the backend's socket ends", || self.ends().first().copied())
    }
}

/// The 101 for this handshake. `headers` are whole lines, each with its CRLF.
pub(crate) fn accept(head: &Head, headers: &str) -> String {
    let key = head.header("sec-websocket-key").expect("a key");
    let accept = derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{headers}\r\n"
    )
}

fn serve(mut wire: Wire, record: &Record, script: &dyn Fn(&Head) -> String) {
    let Ok(Some(head)) = wire.head() else { return };
    record.handshakes.lock().push(head.clone());
    let answer = script(&head);
    if wire.send(answer.as_bytes()).is_err() || !answer.starts_with("HTTP/1.1 101") {
        return;
    }
    // The socket may be idle for longer than a test's patience with an answer.
    wire.stream().set_read_timeout(None).unwrap();
    let end = echo(&mut wire);
    record.ends.lock().push(end);
}

fn echo(wire: &mut Wire) -> End {
    let mut closing = false;
    while let Ok(Some(frame)) = frames::read(wire) {
        let reply = match frame.opcode {
            frames::CLOSE => {
                if !closing {
                    let _ = wire.send(&frame.unmasked());
                }
                return End::Close(frame.close_code());
            }
            frames::PING => Frame::new(frames::PONG, frame.payload),
            _ => match requested_close(&frame) {
                Some(code) => {
                    closing = true;
                    Frame::close(code)
                }
                None => frame,
            },
        };
        if wire.send(&reply.unmasked()).is_err() {
            break;
        }
    }
    End::Gone
}

fn requested_close(frame: &Frame) -> Option<u16> {
    if frame.opcode != frames::TEXT {
        return None;
    }
    std::str::from_utf8(&frame.payload)
        .ok()?
        .strip_prefix("close ")?
        .parse()
        .ok()
}

//! A Socket.IO server as far as these tests need one: it greets, answers `conf` and `auth2`, and
//! keeps everything that it hears.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::super::support::frames::{self, Frame};
use super::super::support::server::Server;
use super::super::support::wire::{Head, Wire};
use super::super::support::ws_backend::{End, accept};
use super::super::support::{Gate, RawClient, eventually};
use super::{accepted, text};

pub(crate) const SOCKET: &str = "/socket.io/?EIO=4&transport=websocket&b64=1";

/// What it says at once, before anybody has said who they are.
pub(crate) const OPEN: &str =
    r#"0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;

#[derive(Debug, Default)]
struct Record {
    handshakes: Mutex<Vec<Head>>,
    heard: Mutex<Vec<String>>,
    raw: Arc<Mutex<Vec<u8>>>,
    ends: Mutex<Vec<End>>,
}

#[derive(Debug)]
pub(crate) struct Chat {
    server: Server,
    record: Arc<Record>,
}

impl Chat {
    pub(crate) fn start() -> Self {
        Self::saying::<&str>(&[])
    }

    /// A server that says these texts as soon as a client has connected.
    pub(crate) fn saying<T: AsRef<str>>(texts: &[T]) -> Self {
        let texts: Vec<String> = texts.iter().map(|text| text.as_ref().to_owned()).collect();
        let record = Arc::new(Record::default());
        let kept = Arc::clone(&record);
        let server = Server::start(move |wire| serve(wire, &record, &texts));
        Self {
            server,
            record: kept,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    #[track_caller]
    pub(crate) fn last_handshake(&self) -> Head {
        let handshakes = self.record.handshakes.lock();
        handshakes.last().expect("a handshake arrived").clone()
    }

    /// The texts that arrived so far.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.record.heard.lock().clone()
    }

    /// Every byte that arrived so far.
    pub(crate) fn raw(&self) -> Vec<u8> {
        self.record.raw.lock().clone()
    }

    /// Waits until so many texts have arrived.
    #[track_caller]
    pub(crate) fn wait_until_heard(&self, count: usize) -> Vec<String> {
        eventually("the texts arrive", || {
            let heard = self.heard();
            (heard.len() >= count).then_some(heard)
        })
    }

    /// Waits for the first socket to end.
    #[track_caller]
    pub(crate) fn first_end(&self) -> End {
        eventually("the backend's socket ends", || {
            self.record.ends.lock().first().copied()
        })
    }

    /// A client that has connected and has not said who it is.
    #[track_caller]
    pub(crate) fn introduced(gate: &Gate) -> RawClient {
        let mut client = accepted(gate, SOCKET, "");
        assert!(client.frame() == text(OPEN));
        client.send_frame(&text("40"));
        assert!(client.frame() == text(r#"40{"sid":"n"}"#));
        client
    }
}

/// An `auth2` event in the spelling of the SDK for Vue.
pub(crate) fn auth2(ack: &str, client_key: &str, token: &str) -> String {
    format!(
        r#"42{ack}["auth2","{token}",{{"CLIENT_KEY":"{client_key}","Authorization":"{token}"}}]"#
    )
}

fn serve(mut wire: Wire, record: &Record, texts: &[String]) {
    wire.copy_to(Arc::clone(&record.raw));
    let Ok(Some(head)) = wire.head() else { return };
    record.handshakes.lock().push(head.clone());
    if wire.send(accept(&head, "").as_bytes()).is_err() {
        return;
    }
    wire.stream().set_read_timeout(None).unwrap();
    let end = talk(&mut wire, record, texts);
    record.ends.lock().push(end);
}

fn talk(wire: &mut Wire, record: &Record, texts: &[String]) -> End {
    let mut said = vec![OPEN.to_owned()];
    loop {
        for text_ in said.drain(..) {
            if wire.send(&text(text_).unmasked()).is_err() {
                return End::Gone;
            }
        }
        let Ok(Some(frame)) = frames::read(wire) else {
            return End::Gone;
        };
        match frame.opcode {
            frames::CLOSE => {
                let _ = wire.send(&frame.unmasked());
                return End::Close(frame.close_code());
            }
            frames::TEXT => {}
            _ => {
                let pong = Frame::new(frames::PONG, frame.payload).unmasked();
                if frame.opcode == frames::PING && wire.send(&pong).is_err() {
                    return End::Gone;
                }
                continue;
            }
        }
        let heard = String::from_utf8(frame.payload).unwrap();
        record.heard.lock().push(heard.clone());
        if heard == "40" {
            said.push(r#"40{"sid":"n"}"#.to_owned());
            said.extend(texts.iter().cloned());
        } else if let Some((ack, _)) = heard
            .strip_prefix("42")
            .and_then(|event| event.split_once("[\""))
        {
            if !ack.is_empty() {
                said.push(format!(r#"43{ack}["eyJSQyI6MH0="]"#));
            }
        } else if heard == "say ping" {
            said.push("2".to_owned());
        }
    }
}

//! A well-behaved WebSocket client: tungstenite, with its checks of what the gate answers.

use std::io;
use std::net::{SocketAddr, TcpStream};

use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocket};
use tokio_tungstenite::tungstenite::{self, Error, Message};

use super::wait::patience;

/// A handshake to be sent.
#[derive(Debug)]
pub(crate) struct Handshake {
    address: SocketAddr,
    request: Request,
}

impl Handshake {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        self.request
            .headers_mut()
            .append(name, HeaderValue::from_str(value).unwrap());
        self
    }

    pub(crate) fn subprotocols(self, offered: &str) -> Self {
        self.header("sec-websocket-protocol", offered)
    }

    #[track_caller]
    pub(crate) fn connect(self) -> WsClient {
        self.try_connect()
            .unwrap_or_else(|(status, body)| panic!("refused with {status}: {body:?}"))
    }

    /// The socket, or the status and body of a refusal.
    #[track_caller]
    pub(crate) fn try_connect(self) -> Result<WsClient, (u16, Option<Vec<u8>>)> {
        let stream = TcpStream::connect(self.address).expect("the gate accepts");
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(patience())).unwrap();
        match tungstenite::client(self.request, stream) {
            Ok((socket, answer)) => {
                let protocol = answer.headers().get("sec-websocket-protocol");
                let protocol = protocol.map(|value| value.to_str().unwrap().to_owned());
                Ok(WsClient { socket, protocol })
            }
            Err(tungstenite::HandshakeError::Failure(Error::Http(answer))) => {
                let (head, body) = answer.into_parts();
                Err((head.status.as_u16(), body))
            }
            Err(error) => panic!("the handshake failed: {error}"),
        }
    }
}

#[derive(Debug)]
pub(crate) struct WsClient {
    socket: WebSocket<TcpStream>,
    /// The subprotocol that was answered.
    pub(crate) protocol: Option<String>,
}

impl WsClient {
    pub(crate) fn to(address: SocketAddr, target: &str) -> Handshake {
        let request = format!("ws://{address}{target}")
            .into_client_request()
            .unwrap();
        Handshake { address, request }
    }

    #[track_caller]
    pub(crate) fn send(&mut self, message: impl Into<Message>) {
        self.socket.send(message.into()).expect("the gate reads");
    }

    #[track_caller]
    pub(crate) fn receive(&mut self) -> Message {
        self.socket.read().expect("a message")
    }

    /// Sends a message and expects the same one back.
    #[track_caller]
    pub(crate) fn echo(&mut self, message: impl Into<Message>) {
        let message = message.into();
        self.send(message.clone());
        assert!(self.receive() == message, "the backend's echo");
    }

    /// Reads to the Close frame, answers it, and sees the connection end. Gives the code.
    #[track_caller]
    pub(crate) fn expect_close(&mut self) -> u16 {
        let code = loop {
            if let Message::Close(frame) = self.receive() {
                break frame.map_or(super::frames::NO_CODE, |frame| frame.code.into());
            }
        };
        match self.socket.read() {
            Err(Error::ConnectionClosed) => {}
            // The gate need not wait for the answer to its Close.
            Err(Error::Io(error)) if is_gone(&error) => {}
            other => panic!("the connection ends after Close, not {other:?}"),
        }
        code
    }

    /// Begins the closing handshake.
    #[track_caller]
    pub(crate) fn close(&mut self, code: u16) {
        let frame = CloseFrame {
            code: CloseCode::from(code),
            reason: "".into(),
        };
        self.socket.close(Some(frame)).expect("the gate reads");
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}

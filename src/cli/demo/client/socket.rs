//! The WebSocket of the demo's client, and what comes out of it.

use std::fmt;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::ClientError;
use crate::cli::demo::printable;

/// An open WebSocket.
#[derive(Debug)]
pub(in crate::cli::demo) struct Socket(WebSocketStream<TcpStream>);

/// What comes out of a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::demo) enum Event {
    /// So many bytes.
    Binary(usize),
    /// A Close frame; without a code it is empty.
    Closed {
        code: Option<u16>,
        reason: String,
    },
    /// The connection ended without a Close frame.
    Lost,
    Text(String),
}

impl Socket {
    pub(super) fn new(frames: WebSocketStream<TcpStream>) -> Self {
        Self(frames)
    }

    pub(in crate::cli::demo) async fn send(&mut self, text: &str) -> Result<(), ClientError> {
        Ok(self.0.send(Message::text(text)).await?)
    }

    /// Waits for what comes next. Pings are answered and not shown.
    pub(in crate::cli::demo) async fn next(&mut self) -> Event {
        loop {
            return match self.0.next().await {
                Some(Ok(Message::Text(text))) => Event::Text(text.as_str().to_owned()),
                Some(Ok(Message::Binary(bytes))) => Event::Binary(bytes.len()),
                Some(Ok(Message::Close(frame))) => {
                    // Sends the answer to it; whoever closed may be gone already.
                    let _ = self.0.flush().await;
                    let code = frame.as_ref().map(|frame| frame.code.into());
                    let reason = frame.map_or_else(String::new, |frame| frame.reason.to_string());
                    Event::Closed { code, reason }
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Err(_)) | None => Event::Lost,
            };
        }
    }

    /// Starts the closing handshake; its answer is still to come.
    pub(in crate::cli::demo) async fn close(&mut self) -> Result<(), ClientError> {
        let frame = CloseFrame {
            code: CloseCode::Normal,
            reason: "".into(),
        };
        Ok(self.0.close(Some(frame)).await?)
    }
}

impl Event {
    /// Whether nothing more can come.
    pub(in crate::cli::demo) const fn is_end(&self) -> bool {
        match self {
            Self::Closed { .. } | Self::Lost => true,
            Self::Binary(_) | Self::Text(_) => false,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Binary(len) => write!(f, "{len} binary bytes"),
            Self::Closed { code: None, .. } => f.write_str("close"),
            Self::Closed {
                code: Some(code),
                reason,
            } if reason.is_empty() => {
                write!(f, "close {code}")
            }
            Self::Closed {
                code: Some(code),
                reason,
            } => {
                write!(f, "close {code} {}", printable(reason))
            }
            Self::Lost => f.write_str("the connection ended without a Close frame"),
            Self::Text(text) => f.write_str(&printable(text)),
        }
    }
}

//! The chat room: what one says, the others hear, and the sender hears as an echo.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// A slow listener misses what exceeds this.
const BACKLOG: usize = 64;

/// Everybody who is connected.
#[derive(Debug)]
pub(super) struct Room {
    voices: broadcast::Sender<Said>,
    members: AtomicU64,
}

#[derive(Clone, Debug)]
struct Said {
    by: u64,
    line: Arc<str>,
}

impl Room {
    pub(super) fn new() -> Self {
        Self {
            voices: broadcast::Sender::new(BACKLOG),
            members: AtomicU64::new(0),
        }
    }

    /// Lets a member in until it leaves. The others hear what it says as `name: text`.
    pub(super) async fn attend<S>(&self, mut frames: WebSocketStream<S>, name: &str)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let member = self.members.fetch_add(1, Ordering::Relaxed);
        let mut voices = self.voices.subscribe();
        loop {
            let answer = tokio::select! {
                message = frames.next() => match message {
                    Some(Ok(Message::Text(text))) => {
                        let line = format!("{name}: {text}").into();
                        // At least this member listens.
                        let _ = self.voices.send(Said { by: member, line });
                        Message::Text(text)
                    }
                    Some(Ok(Message::Binary(bytes))) => Message::Binary(bytes),
                    // tungstenite answers pings by itself.
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                    Some(Ok(Message::Close(_))) => {
                        // Sends the answer to it.
                        let _ = frames.flush().await;
                        return;
                    }
                    Some(Err(_)) | None => return,
                },
                said = voices.recv() => match said {
                    Ok(Said { by, line }) if by != member => Message::text(&*line),
                    Ok(Said { .. }) | Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => return,
                },
            };
            if frames.send(answer).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::DuplexStream;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    async fn member(room: &Arc<Room>, name: &'static str) -> WebSocketStream<DuplexStream> {
        let (ours, theirs) = tokio::io::duplex(1024);
        let server = WebSocketStream::from_raw_socket(theirs, Role::Server, None).await;
        let room = Arc::clone(room);
        tokio::spawn(async move { room.attend(server, name).await });
        let mut client = WebSocketStream::from_raw_socket(ours, Role::Client, None).await;
        // An echo proves that the member is in.
        client
            .send(Message::Binary(b"in"[..].into()))
            .await
            .unwrap();
        assert_eq!(
            client.next().await.unwrap().unwrap(),
            Message::Binary(b"in"[..].into())
        );
        client
    }

    #[tokio::test]
    async fn the_sender_hears_an_echo_and_the_others_a_name() {
        let room = Arc::new(Room::new());
        let (mut ada, mut bo) = (member(&room, "ada").await, member(&room, "bo").await);
        ada.send(Message::text("hello")).await.unwrap();
        assert_eq!(ada.next().await.unwrap().unwrap(), Message::text("hello"));
        assert_eq!(
            bo.next().await.unwrap().unwrap(),
            Message::text("ada: hello")
        );
        bo.send(Message::text("hi")).await.unwrap();
        assert_eq!(bo.next().await.unwrap().unwrap(), Message::text("hi"));
        assert_eq!(ada.next().await.unwrap().unwrap(), Message::text("bo: hi"));
    }

    #[tokio::test]
    async fn whoever_leaves_is_answered_and_forgotten() {
        let room = Arc::new(Room::new());
        let mut ada = member(&room, "ada").await;
        ada.close(None).await.unwrap();
        assert!(matches!(ada.next().await, Some(Ok(Message::Close(None)))));
        assert!(ada.next().await.is_none());
        assert_eq!(room.voices.receiver_count(), 0);
    }
}

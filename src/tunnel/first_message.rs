//! Sockets that have proven nothing yet, as far as their first message.
//!
//! The gate itself speaks WebSocket here: it answers pings, reads whole messages within a budget,
//! and closes with a code. Two ways lead to the first message: [`text`], while there is no
//! upstream, and [`Introduction`], while an upstream greets. Neither has a deadline of its own:
//! the caller may drop them at any point and close what is left with [`end`].

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncWriteExt as _, ReadBuf};
use tokio::time::timeout;

use crate::session::CloseReason;
use crate::tunnel::Side;
use crate::tunnel::close::{MASK, TO_GOODBYE, TO_HANG_UP};
use crate::tunnel::scratch::with_scratch;
use crate::wire::frames::{Sender, close_frame, pong_frame, text_frame};
use crate::wire::message::{Budget, Kind, Message, MessageError, Messages};

mod introduction;
#[cfg(test)]
mod tests;

pub use introduction::{Auth2Event, Introduction};

/// So much is read of a client before it has proven anything.
const CLIENT: Budget = Budget {
    bytes: 64 * 1024,
    frames: 64,
};

/// So much of what an upstream says before that is held back. What is passed on counts only for as
/// long as it is on its way.
const UPSTREAM: Budget = Budget {
    bytes: 64 * 1024,
    frames: 256,
};

/// So much is read of somebody who has heard the goodbye, before the connection is cut.
const MOST_DISCARDED: usize = 64 * 1024;

/// One end of the socket.
#[derive(Debug)]
pub struct End<S> {
    side: S,
    sender: Sender,
    messages: Messages,
    failed: Option<MessageError>,
    /// A frame is on its way out, so that nothing else may be sent.
    is_writing: bool,
}

/// Why there is no first message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// The client has gone, or has closed.
    ClientGone,
    /// The client broke the framing.
    Framing,
    /// Something came that does not belong there.
    Unexpected,
    /// The upstream has gone, or has closed.
    UpstreamGone,
}

/// Why no further message comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    Gone,
    Unreadable(MessageError),
}

impl<S: Side> End<S> {
    /// A client, with what has come behind its handshake.
    pub fn client(side: S, early: &[u8]) -> Self {
        Self::new(side, (Sender::Client, CLIENT), early)
    }

    /// An upstream, with what has come behind its handshake.
    pub fn upstream(side: S, early: &[u8]) -> Self {
        Self::new(side, (Sender::Server, UPSTREAM), early)
    }

    fn new(side: S, (sender, budget): (Sender, Budget), early: &[u8]) -> Self {
        let mut messages = Messages::new(sender, budget);
        Self {
            failed: messages.feed(early).err(),
            side,
            sender,
            messages,
            is_writing: false,
        }
    }

    /// A message that was given out is not kept, so that there is room for others.
    fn forget(&mut self, message: &Message) {
        self.messages.refund(message);
    }

    /// The stream, and what was read and not given out.
    pub fn into_parts(self) -> (S, Vec<u8>) {
        (self.side, self.messages.into_rest())
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Lost>> {
        loop {
            if let Some(message) = self.messages.next() {
                return Poll::Ready(Ok(message));
            }
            if let Some(error) = self.failed {
                return Poll::Ready(Err(Lost::Unreadable(error)));
            }
            let (side, messages) = (&mut self.side, &mut self.messages);
            let read = with_scratch(|scratch| {
                let mut buffer = ReadBuf::new(scratch);
                ready!(Pin::new(side).poll_read(cx, &mut buffer))?;
                let bytes = buffer.filled();
                // What is complete can be taken in any case.
                Poll::Ready(Ok::<_, io::Error>((bytes.len(), messages.feed(bytes))))
            });
            match ready!(read) {
                Ok((0, _)) | Err(_) => return Poll::Ready(Err(Lost::Gone)),
                Ok((_, fed)) => self.failed = fed.err(),
            }
        }
    }

    /// Sends whole frames.
    async fn send(&mut self, frames: &[u8]) -> io::Result<()> {
        self.is_writing = true;
        self.side.write_all(frames).await?;
        self.side.flush().await?;
        self.is_writing = false;
        Ok(())
    }

    /// Says goodbye, with a Close frame if there is a reason and a place for it, and reads a
    /// while, so that it is not lost to a reset.
    async fn close(&mut self, reason: Option<CloseReason>) {
        let reason = reason.filter(|_| !self.is_writing);
        let mask = match self.sender {
            Sender::Client => None,
            Sender::Server => Some(MASK),
        };
        let goodbye = async {
            if let Some(reason) = reason {
                let frame = close_frame(reason.code(), reason.text(), mask);
                self.side.write_all(&frame).await?;
            }
            self.side.shutdown().await
        };
        if !matches!(timeout(TO_GOODBYE, goodbye).await, Ok(Ok(()))) {
            return;
        }
        let mut discarded = 0;
        let drained = poll_fn(|cx| {
            while discarded < MOST_DISCARDED {
                let read = with_scratch(|scratch| {
                    let mut buffer = ReadBuf::new(scratch);
                    let read = Pin::new(&mut self.side).poll_read(cx, &mut buffer);
                    read.map(|result| result.map_or(0, |()| buffer.filled().len()))
                });
                match ready!(read) {
                    0 => break,
                    n => discarded += n,
                }
            }
            Poll::Ready(())
        });
        let _ = timeout(TO_HANG_UP, drained).await;
    }
}

impl From<Lost> for Unmet {
    /// Of a client.
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Gone => Self::ClientGone,
            Lost::Unreadable(MessageError::Frame(_) | MessageError::Reserved) => Self::Framing,
            Lost::Unreadable(
                MessageError::Text | MessageError::TooLong | MessageError::TooMany,
            ) => Self::Unexpected,
        }
    }
}

/// Waits for the first text of a client; nothing but control frames may come before it.
pub async fn text(client: &mut End<impl Side>) -> Result<Message, Unmet> {
    loop {
        let message = poll_fn(|cx| client.poll_message(cx)).await?;
        match message.kind {
            Kind::Close => return Err(client_closes(client, &message).await),
            Kind::Ping => {
                let pong = pong_frame(&message.payload);
                client.send(&pong).await.map_err(|_| Unmet::ClientGone)?;
            }
            Kind::Pong => {}
            Kind::Text if !message.is_fragmented => return Ok(message),
            Kind::Binary | Kind::Text => return Err(Unmet::Unexpected),
        }
    }
}

/// Sends the client one text of the gate's own.
pub async fn say(client: &mut End<impl Side>, text: &str) {
    let frame = text_frame(text);
    // A client that does not take it is closed, whatever it has heard.
    let _ = timeout(TO_GOODBYE, client.send(&frame)).await;
}

/// Ends a client that has no upstream yet. Without a reason, everything is said already.
pub async fn end(client: &mut End<impl Side>, reason: Option<CloseReason>) {
    client.close(reason).await;
}

/// Ends both sides, each with its reason.
pub async fn end_both(
    client: (&mut End<impl Side>, Option<CloseReason>),
    upstream: (&mut End<impl Side>, Option<CloseReason>),
) {
    tokio::join!(client.0.close(client.1), upstream.0.close(upstream.1));
}

/// Answers a Close frame with the same code (RFC 6455 §5.5.1).
async fn client_closes(client: &mut End<impl Side>, close: &Message) -> Unmet {
    let code = close.payload.first_chunk().copied();
    let code = code.map_or(NORMAL, u16::from_be_bytes);
    let _ = client.send(&close_frame(code, "", None)).await;
    Unmet::ClientGone
}

/// Stands for a Close frame without a code.
const NORMAL: u16 = 1000;

//! One HTTP/1.1 connection, read by whichever end of it.
//!
//! Heads and framing are read by the gate's own [`crate::wire`]; this adds only the waiting for
//! bytes. What was read too much stays for the next message, or for the WebSocket that follows.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::wire::body::{BodyError, Dechunk, Framing, FramingError};
use crate::wire::head::{HeadError, HeadLimits};

/// More than any head needs that a command reads.
pub(super) const LIMITS: HeadLimits = HeadLimits {
    head_bytes: 32 * 1024,
    headers: 100,
    target_bytes: 16 * 1024,
};
/// More than any body needs.
const BODY_BYTES: usize = 1024 * 1024;

/// Why a message could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    #[error("the body of a message is malformed: {0}")]
    Body(#[from] BodyError),
    #[error("a message is too large")]
    BodyTooLarge,
    #[error("the connection ended within a message")]
    Closed,
    #[error("the end of a body cannot be told: {0}")]
    Framing(#[from] FramingError),
    #[error("the head of a message is malformed: {0}")]
    Head(#[from] HeadError),
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
}

/// A byte stream, and what was read of it but not used.
#[derive(Debug)]
pub(super) struct Connection<S> {
    stream: S,
    unused: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            unused: Vec::new(),
        }
    }

    /// Reads until `parse` finds a head, which it gives with its length.
    ///
    /// `None` if the connection ends before the head begins.
    pub(super) async fn head<T>(
        &mut self,
        parse: impl Fn(&[u8]) -> Result<Option<(usize, T)>, HttpError>,
    ) -> Result<Option<T>, HttpError> {
        loop {
            if let Some((len, head)) = parse(&self.unused)? {
                self.unused.drain(..len);
                return Ok(Some(head));
            }
            if !self.read_more().await? {
                return if self.unused.is_empty() {
                    Ok(None)
                } else {
                    Err(HttpError::Closed)
                };
            }
        }
    }

    /// Reads the body that follows a head.
    pub(super) async fn body(&mut self, framing: Framing) -> Result<Vec<u8>, HttpError> {
        match framing {
            Framing::None => Ok(Vec::new()),
            Framing::Length(length) => {
                let length = usize::try_from(length).map_err(|_| HttpError::BodyTooLarge)?;
                while self.unused.len() < length {
                    self.more().await?;
                }
                Ok(self.unused.drain(..length).collect())
            }
            Framing::Chunked => self.chunks().await,
            Framing::UntilClose => {
                while self.read_more().await? {}
                Ok(std::mem::take(&mut self.unused))
            }
        }
    }

    async fn chunks(&mut self) -> Result<Vec<u8>, HttpError> {
        let mut chunks = Dechunk::new();
        let mut body = Vec::new();
        loop {
            let fed = chunks.feed(&self.unused)?;
            for range in &fed.payload {
                body.extend_from_slice(self.unused.get(range.clone()).unwrap_or_default());
            }
            self.unused.drain(..fed.taken);
            if fed.done {
                return Ok(body);
            }
            if body.len() > BODY_BYTES {
                return Err(HttpError::BodyTooLarge);
            }
            self.more().await?;
        }
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), HttpError> {
        self.stream.write_all(bytes).await?;
        Ok(self.stream.flush().await?)
    }

    /// The stream, and what was read of it behind the last message.
    pub(super) fn into_parts(self) -> (S, Vec<u8>) {
        (self.stream, self.unused)
    }

    async fn more(&mut self) -> Result<(), HttpError> {
        if self.read_more().await? {
            Ok(())
        } else {
            Err(HttpError::Closed)
        }
    }

    /// Reads once; false at the end of the stream.
    async fn read_more(&mut self) -> Result<bool, HttpError> {
        if self.unused.len() > BODY_BYTES {
            return Err(HttpError::BodyTooLarge);
        }
        Ok(self.stream.read_buf(&mut self.unused).await? > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::head;

    /// What one end reads when the other writes `bytes` in pieces and closes.
    async fn read(bytes: &[u8], piece: usize, framing: Framing) -> Result<Vec<u8>, HttpError> {
        let (mut writer, reader) = tokio::io::duplex(16);
        let bytes = bytes.to_vec();
        tokio::spawn(async move {
            for piece in bytes.chunks(piece) {
                writer.write_all(piece).await.unwrap();
            }
        });
        let mut connection = Connection::new(reader);
        let parse = |bytes: &[u8]| Ok(head::request(bytes, &LIMITS)?.map(|head| (head.len, ())));
        match connection.head(parse).await? {
            Some(()) => connection.body(framing).await,
            None => Ok(b"nothing came".to_vec()),
        }
    }

    #[tokio::test]
    async fn bodies_end_where_their_framing_says() {
        let head = "POST / HTTP/1.1\r\nHost: a\r\n\r\n";
        for (case, body, framing, expected) in [
            ("no body", "GET", Framing::None, Some("")),
            ("a length", "helloGET", Framing::Length(5), Some("hello")),
            (
                "a length that is not reached",
                "hell",
                Framing::Length(5),
                None,
            ),
            (
                "a length beyond all bounds",
                "hell",
                Framing::Length(1 << 40),
                None,
            ),
            (
                "chunks",
                "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\nGET",
                Framing::Chunked,
                Some("hello"),
            ),
            (
                "chunks without an end",
                "3\r\nhel\r\n",
                Framing::Chunked,
                None,
            ),
            ("chunks of no size", "x\r\nhel\r\n", Framing::Chunked, None),
            ("everything", "hello", Framing::UntilClose, Some("hello")),
        ] {
            for piece in [1, 3, 1000] {
                let read = read(format!("{head}{body}").as_bytes(), piece, framing).await;
                let read = read.ok().map(|body| String::from_utf8(body).unwrap());
                assert_eq!(read.as_deref(), expected, "{case}, {piece} bytes at a time");
            }
        }
    }

    #[tokio::test]
    async fn an_end_between_messages_is_no_error() {
        assert_eq!(read(b"", 1, Framing::None).await.unwrap(), b"nothing came");
        assert!(matches!(
            read(b"GET /", 1, Framing::None).await,
            Err(HttpError::Closed)
        ));
    }
}

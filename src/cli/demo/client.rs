//! The client of the demo: one request per connection, or one WebSocket.
//!
//! A handshake is a request like any other, so a refusal can be shown as it came: status, headers
//! and body. Only plain TCP is spoken.

use std::fmt::{self, Write as _};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::cli::http::{Connection, HttpError, LIMITS};
use crate::wire::body::{self, Framing};
use crate::wire::head::{self, ResponseHead};

mod socket;
mod url;

pub(super) use socket::{Event, Socket};
pub(in crate::cli) use url::Url;

/// For a whole answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum ClientError {
    #[error("cannot connect to `{authority}`: {source}")]
    Connect {
        authority: String,
        source: std::io::Error,
    },
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("no answer in {} seconds", PATIENCE.as_secs())]
    Silence,
    #[error("the connection ended without an answer")]
    Unanswered,
    #[error("a 101 that does not belong to this handshake")]
    WrongAccept,
    #[error("the WebSocket failed: {0}")]
    WebSocket(#[from] tokio_tungstenite::tungstenite::Error),
}

/// A request, or the handshake of a WebSocket.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Ask {
    pub(super) url: Url,
    pub(super) headers: Vec<(String, String)>,
    /// With one it is a POST, as for curl.
    pub(super) body: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub(in crate::cli) struct Answer {
    pub(in crate::cli) status: u16,
    reason: String,
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

/// What became of a handshake.
#[derive(Debug)]
pub(super) enum Opened {
    Socket(Box<Socket>, Answer),
    Refused(Answer),
}

impl Ask {
    pub(in crate::cli) fn get(url: Url) -> Self {
        Self {
            url,
            headers: Vec::new(),
            body: None,
        }
    }

    /// A POST of JSON.
    pub(super) fn post(url: Url, json: impl Into<String>) -> Self {
        Self {
            url,
            headers: Vec::new(),
            body: Some(json.into()),
        }
        .header("Content-Type", "application/json")
    }

    #[must_use]
    pub(super) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The message, with further header lines of the handshake.
    fn message(&self, handshake: &str) -> String {
        let method = if self.body.is_some() { "POST" } else { "GET" };
        let Url {
            authority, target, ..
        } = &self.url;
        let mut text = format!("{method} {target} HTTP/1.1\r\nHost: {authority}\r\n{handshake}");
        for (name, value) in &self.headers {
            text.extend([name.as_str(), ": ", value, "\r\n"]);
        }
        if let Some(body) = &self.body {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "Content-Length: {}\r\n", body.len());
        }
        text.push_str("\r\n");
        text.push_str(self.body.as_deref().unwrap_or_default());
        text
    }
}

impl Answer {
    fn new(head: &ResponseHead<'_>) -> Self {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Self {
            status: head.status,
            reason: text(head.reason),
            headers: head
                .headers
                .iter()
                .map(|h| (h.name.to_owned(), text(h.value)))
                .collect(),
            body: String::new(),
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// The status line, and the body if there is one.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "HTTP/1.1 {} {}",
            self.status,
            super::printable(&self.reason)
        )?;
        match self.body.trim_end() {
            "" => Ok(()),
            body => write!(f, "\n{}", super::printable(body)),
        }
    }
}

/// Sends a request and reads the answer.
pub(in crate::cli) async fn send(ask: &Ask) -> Result<Answer, ClientError> {
    within_patience(async {
        let mut connection = connect(&ask.url).await?;
        connection.write(ask.message("").as_bytes()).await?;
        answer(&mut connection, ask).await
    })
    .await
}

/// Asks for a WebSocket.
pub(super) async fn open(ask: &Ask) -> Result<Opened, ClientError> {
    within_patience(async {
        let mut connection = connect(&ask.url).await?;
        let key = generate_key();
        let handshake = format!(
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: {key}\r\n"
        );
        connection.write(ask.message(&handshake).as_bytes()).await?;
        let answer = answer(&mut connection, ask).await?;
        if answer.status != 101 {
            return Ok(Opened::Refused(answer));
        }
        let expected = derive_accept_key(key.as_bytes());
        if answer.header("sec-websocket-accept") != Some(&expected) {
            return Err(ClientError::WrongAccept);
        }
        let (stream, early) = connection.into_parts();
        let frames = WebSocketStream::from_partially_read(stream, early, Role::Client, None).await;
        Ok(Opened::Socket(Box::new(Socket::new(frames)), answer))
    })
    .await
}

async fn within_patience<T>(
    attempt: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    timeout(PATIENCE, attempt)
        .await
        .unwrap_or(Err(ClientError::Silence))
}

async fn connect(url: &Url) -> Result<Connection<TcpStream>, ClientError> {
    let stream = TcpStream::connect((url.host(), url.port)).await;
    let failed = |source| ClientError::Connect {
        authority: url.authority.clone(),
        source,
    };
    Ok(Connection::new(stream.map_err(failed)?))
}

/// Reads the final answer to a request.
async fn answer(connection: &mut Connection<TcpStream>, ask: &Ask) -> Result<Answer, ClientError> {
    let method = if ask.body.is_some() { "POST" } else { "GET" };
    let parse = |bytes: &[u8]| {
        let Some(head) = head::response(bytes, &LIMITS)? else {
            return Ok(None);
        };
        let framing = match head.status {
            101 => Framing::None,
            _ => body::response_framing(&head, method)?,
        };
        Ok(Some((head.len, (Answer::new(&head), framing))))
    };
    loop {
        let (answer, framing) = connection
            .head(parse)
            .await?
            .ok_or(ClientError::Unanswered)?;
        if (100..200).contains(&answer.status) && answer.status != 101 {
            continue;
        }
        let body = connection.body(framing).await?;
        return Ok(Answer {
            body: String::from_utf8_lossy(&body).into_owned(),
            ..answer
        });
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that reads a head and writes `answer`, and the address to ask.
    async fn server(answer: &'static str) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/x", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = Vec::new();
            while !seen.ends_with(b"\r\n\r\n") {
                assert!(
                    stream.read_buf(&mut seen).await.unwrap() > 0,
                    "a whole head"
                );
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        url.parse().unwrap()
    }

    #[tokio::test]
    async fn answers_are_read_to_their_end() {
        for (case, bytes, shown) in [
            (
                "a length",
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
                "HTTP/1.1 200 OK\nhi",
            ),
            (
                "no length",
                "HTTP/1.1 200 OK\r\n\r\nhi",
                "HTTP/1.1 200 OK\nhi",
            ),
            (
                "an interim answer",
                "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
                "HTTP/1.1 204 No Content",
            ),
            (
                "what a terminal would obey",
                "HTTP/1.1 200 OK\r\n\r\na\u{1b}[2Jb\nc",
                "HTTP/1.1 200 OK\na\\u{1b}[2Jb\nc",
            ),
        ] {
            let answer = send(&Ask::get(server(bytes).await)).await.unwrap();
            assert_eq!(answer.to_string(), shown, "{case}");
        }
    }

    #[tokio::test]
    async fn no_answer_is_an_error() {
        let error = send(&Ask::get(server("").await)).await.unwrap_err();
        assert!(matches!(error, ClientError::Unanswered));
    }

    #[tokio::test]
    async fn a_101_must_prove_that_it_read_the_key() {
        let forged = "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: \
                      s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        let error = open(&Ask::get(server(forged).await)).await.unwrap_err();
        assert!(matches!(error, ClientError::WrongAccept));
    }

    #[test]
    fn a_body_makes_a_post() {
        let url: Url = "http://127.0.0.1:9/a?b".parse().unwrap();
        let ask = Ask::post(url, "{}").header("X-App-Key", "k");
        assert_eq!(
            ask.message(""),
            "POST /a?b HTTP/1.1\r\nHost: 127.0.0.1:9\r\nContent-Type: application/json\r\n\
             X-App-Key: k\r\nContent-Length: 2\r\n\r\n{}"
        );
    }
}

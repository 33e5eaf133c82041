//! HTTP/1.1 as bytes: what both the raw client and the recording backend read.
//!
//! Strict on purpose: a length, a chunk or a line end that is not exactly right fails the test.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::ops::Deref;
use std::sync::Arc;

use parking_lot::Mutex;

use rustls::ClientConnection;

use super::wait::patience;

/// One socket with what was read ahead.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    /// The session over the socket, if there is one.
    tls: Option<Box<ClientConnection>>,
    ahead: Vec<u8>,
    /// What has been taken from `ahead`.
    taken: usize,
    /// Where a copy of every byte goes that is read.
    copy: Option<Arc<Mutex<Vec<u8>>>>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(patience())).unwrap();
        stream.set_write_timeout(Some(patience())).unwrap();
        Self {
            stream,
            tls: None,
            ahead: Vec::new(),
            taken: 0,
            copy: None,
        }
    }

    /// Speaks TLS from now on.
    pub(crate) fn secure(&mut self, session: ClientConnection) {
        self.tls = Some(Box::new(session));
    }

    pub(crate) fn tls(&mut self) -> Option<(&mut ClientConnection, &mut TcpStream)> {
        Some((self.tls.as_deref_mut()?, &mut self.stream))
    }

    /// Keeps a copy of every byte that is read, wherever it belongs.
    pub(crate) fn copy_to(&mut self, copy: Arc<Mutex<Vec<u8>>>) {
        self.copy = Some(copy);
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.tls() {
            Some((session, stream)) => rustls::Stream::new(session, stream).write_all(bytes),
            None => self.stream.write_all(bytes),
        }
    }

    /// Reads more bytes; 0 at the end of the stream.
    fn fill(&mut self) -> io::Result<usize> {
        if self.taken == self.ahead.len() {
            self.ahead.clear();
            self.taken = 0;
        }
        let mut chunk = [0; 16 * 1024];
        let read = match self.tls() {
            Some((session, stream)) => rustls::Stream::new(session, stream).read(&mut chunk),
            None => self.stream.read(&mut chunk),
        };
        let count = read.map_err(|error| {
            // What Linux calls a read timeout.
            let timed_out = error.kind() == io::ErrorKind::WouldBlock;
            if timed_out {
                io::Error::new(io::ErrorKind::TimedOut, "nothing came")
            } else {
                error
            }
        })?;
        self.ahead.extend_from_slice(&chunk[..count]);
        if let Some(copy) = &self.copy {
            copy.lock().extend_from_slice(&chunk[..count]);
        }
        Ok(count)
    }

    fn pending(&self) -> &[u8] {
        &self.ahead[self.taken..]
    }

    /// Everything up to and including `end`; `None` at the end of the stream before any byte.
    fn until(&mut self, end: &[u8]) -> io::Result<Option<Vec<u8>>> {
        loop {
            let found = self
                .pending()
                .windows(end.len())
                .position(|window| window == end);
            if let Some(position) = found {
                return self.exactly(position + end.len()).map(Some);
            }
            if self.fill()? == 0 {
                return if self.pending().is_empty() {
                    Ok(None)
                } else {
                    Err(cut())
                };
            }
        }
    }

    pub(crate) fn exactly(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.pending().len() < count {
            if self.fill()? == 0 {
                return Err(cut());
            }
        }
        let bytes = self.pending()[..count].to_vec();
        self.taken += count;
        Ok(bytes)
    }

    /// The next byte; `None` at the end of the stream.
    pub(crate) fn byte(&mut self) -> io::Result<Option<u8>> {
        if self.pending().is_empty() && self.fill()? == 0 {
            return Ok(None);
        }
        self.exactly(1).map(|bytes| bytes.first().copied())
    }

    /// Everything up to the end of the stream.
    pub(crate) fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        while self.fill()? > 0 {}
        let bytes = self.pending().to_vec();
        self.taken = self.ahead.len();
        Ok(bytes)
    }

    /// Reads and forgets `count` bytes, without keeping them in memory.
    pub(crate) fn discard(&mut self, mut count: usize) -> io::Result<()> {
        while count > 0 {
            if self.pending().is_empty() && self.fill()? == 0 {
                return Err(cut());
            }
            let step = count.min(self.pending().len());
            self.taken += step;
            count -= step;
        }
        Ok(())
    }

    /// A message head; `None` at the end of the stream before any byte.
    pub(crate) fn head(&mut self) -> io::Result<Option<Head>> {
        let bytes = self.until(b"\r\n\r\n")?;
        Ok(bytes.map(|bytes| Head::parse(&bytes)))
    }

    /// The payload of a chunked body, without trailers.
    pub(crate) fn chunked(&mut self) -> io::Result<Vec<u8>> {
        let mut payload = Vec::new();
        loop {
            let line = self.until(b"\r\n")?.ok_or_else(cut)?;
            let digits = std::str::from_utf8(&line[..line.len() - 2]).expect("a chunk size");
            let size = usize::from_str_radix(digits, 16).expect("a chunk size");
            payload.extend(self.exactly(size)?);
            assert_eq!(self.exactly(2)?, b"\r\n", "the end of a chunk");
            if size == 0 {
                return Ok(payload);
            }
        }
    }

    /// The payload of a chunked body whose chunks may have extensions, and its trailer lines.
    pub(crate) fn chunked_with_extras(&mut self) -> io::Result<(Vec<u8>, Vec<String>)> {
        let mut payload = Vec::new();
        loop {
            let line = self.line()?;
            let digits = line.split([';', ' ']).next().unwrap_or_default();
            let size = usize::from_str_radix(digits, 16).expect("a chunk size");
            if size == 0 {
                break;
            }
            payload.extend(self.exactly(size)?);
            assert_eq!(self.exactly(2)?, b"\r\n", "the end of a chunk");
        }
        let mut trailers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok((payload, trailers));
            }
            trailers.push(line);
        }
    }

    /// A line without its end.
    fn line(&mut self) -> io::Result<String> {
        let line = self.until(b"\r\n")?.ok_or_else(cut)?;
        Ok(String::from_utf8_lossy(&line[..line.len() - 2]).into_owned())
    }

    /// The body that belongs to `head`, when it has a length or is chunked.
    pub(crate) fn framed_body(&mut self, head: &Head) -> io::Result<Option<Vec<u8>>> {
        let chunked = head
            .header("transfer-encoding")
            .is_some_and(|value| value == "chunked");
        let length = head
            .header("content-length")
            .map(|value| value.parse().unwrap());
        assert!(
            !(chunked && length.is_some()),
            "a body has one framing:\n{}",
            head.text
        );
        match (chunked, length) {
            (true, _) => self.chunked().map(Some),
            (false, Some(length)) => self.exactly(length).map(Some),
            (false, None) => Ok(None),
        }
    }
}

fn cut() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the stream ended within a message",
    )
}

/// The head of a request or an answer.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// As it arrived, with the empty line.
    pub(crate) text: String,
    start: String,
    headers: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let mut lines = text
            .strip_suffix("\r\n\r\n")
            .expect("a whole head")
            .split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let headers = lines
            .map(|line| {
                let (name, value) = line
                    .split_once(':')
                    .unwrap_or_else(|| panic!("not a header: {line}"));
                (name.to_ascii_lowercase(), value.trim().to_owned())
            })
            .collect();
        Self {
            text,
            start,
            headers,
        }
    }

    /// The value of a header that is there once.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let values = self.all(name);
        assert!(values.len() <= 1, "{name} is there once:\n{}", self.text);
        values.first().copied()
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let wanted = name.to_ascii_lowercase();
        let found = self.headers.iter().filter(|(name, _)| *name == wanted);
        found.map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    pub(crate) fn target(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// All headers in their order, with names in lower case.
    pub(crate) fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    pub(crate) fn status(&self) -> u16 {
        let status = self
            .start
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3));
        status
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| panic!("{}", self.text))
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}{}", self.head.text, self.text()))
    }

    /// The reason word of a refusal in the `json` format.
    #[track_caller]
    pub(crate) fn reason(&self) -> String {
        self.json()["error"].as_str().expect("a reason").to_owned()
    }
}

impl Deref for Answer {
    type Target = Head;

    fn deref(&self) -> &Head {
        &self.head
    }
}

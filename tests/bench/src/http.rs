//! A client for one request at a time, for what `wrk` cannot do.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A kept-alive connection.
#[derive(Debug)]
pub(crate) struct Connection(TcpStream);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        Ok(Self(TcpStream::connect(address).await?))
    }

    /// Sends a GET with these header lines and reads its whole answer.
    pub(crate) async fn get(&mut self, path: &str, lines: &[&str]) -> Result<Answer> {
        let mut request = format!("GET {path} HTTP/1.1\r\nHost: chat.example\r\n");
        for line in lines {
            request.push_str(line);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        self.0.write_all(request.as_bytes()).await?;
        let mut bytes = Vec::new();
        loop {
            let n = self.0.read_buf(&mut bytes).await?;
            ensure!(n > 0, "closed within an answer");
            if let Some(answer) = complete(&bytes)? {
                return Ok(answer);
            }
        }
    }
}

fn complete(bytes: &[u8]) -> Result<Option<Answer>> {
    let text = std::str::from_utf8(bytes)?;
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return Ok(None);
    };
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .context("an answer without a length")?;
    if body.len() < length.1.trim().parse()? {
        return Ok(None);
    }
    let status = head.split(' ').nth(1).context("no status")?;
    Ok(Some(Answer {
        status: status.parse()?,
        body: body.to_owned(),
    }))
}

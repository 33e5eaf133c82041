//! WebSocket clients and the echo server behind the proxies, with just the frames that the bench
//! sends: short, whole, one at a time.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// The key of RFC 6455 §1.3 and its answer: always the same key, so nobody here needs a SHA-1.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
const PAYLOAD: &[u8; 64] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const NORMAL: [u8; 2] = 1000_u16.to_be_bytes();

/// Starts the server; it ends with the runtime.
pub(crate) fn echo() -> Result<SocketAddr> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let listener = socket.listen(8192)?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A proxy that goes away ends its connections as it likes.
            tokio::spawn(async move { serve(stream).await.ok() });
        }
    });
    Ok(address)
}

async fn serve(mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = Vec::with_capacity(1024);
    read_head(&mut stream, &mut bytes).await?;
    let switched = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
    );
    stream.write_all(switched.as_bytes()).await?;
    bytes.clear();
    // A mostly idle tunnel shall cost us little as well.
    bytes.shrink_to(256);
    loop {
        while let Some(frame) = take_masked(&mut bytes)? {
            stream
                .write_all(&plain(frame.opcode, &frame.payload))
                .await?;
            if frame.opcode == CLOSE {
                // The server closes first (RFC 6455 §7.1.1).
                return Ok(stream.shutdown().await?);
            }
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
}

#[derive(Debug)]
struct Frame {
    opcode: u8,
    payload: Vec<u8>,
}

/// Takes a client's frame off the front, if it is there as a whole.
fn take_masked(bytes: &mut Vec<u8>) -> Result<Option<Frame>> {
    let [first, second, m0, m1, m2, m3, rest @ ..] = bytes.as_slice() else {
        return Ok(None);
    };
    ensure!(second & MASKED != 0, "a client's frame without a mask");
    let length = usize::from(second & !MASKED);
    ensure!(length < 126, "a longer frame than the bench sends");
    let Some(payload) = rest.get(..length) else {
        return Ok(None);
    };
    let mask = [*m0, *m1, *m2, *m3];
    let frame = Frame {
        opcode: first & 0x0f,
        payload: xor(payload, mask),
    };
    bytes.drain(..6 + length);
    Ok(Some(frame))
}

fn xor(bytes: &[u8], mask: [u8; 4]) -> Vec<u8> {
    bytes
        .iter()
        .zip(mask.iter().cycle())
        .map(|(byte, mask)| byte ^ mask)
        .collect()
}

/// A server's frame.
fn plain(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap_or(u8::MAX);
    [&[FIN | opcode, length], payload].concat()
}

/// A client's frame.
fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap_or(u8::MAX);
    [
        &[FIN | opcode, MASKED | length],
        MASK.as_slice(),
        &xor(payload, MASK),
    ]
    .concat()
}

/// Reads until a head is there. Nothing follows one before it is answered, save a refusal's body.
async fn read_head(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Result<()> {
    while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        ensure!(stream.read_buf(bytes).await? > 0, "closed within a head");
    }
    Ok(())
}

/// An open tunnel.
#[derive(Debug)]
pub(crate) struct Tunnel(TcpStream);

impl Tunnel {
    /// Connects, and succeeds if the proxy lets this credential in.
    pub(crate) async fn open(address: SocketAddr, credential: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: chat.example\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\
             {credential}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::with_capacity(512);
        read_head(&mut stream, &mut answer).await?;
        let answer = String::from_utf8_lossy(&answer);
        if !answer.starts_with("HTTP/1.1 101 ") || !answer.contains(ACCEPT) {
            bail!(
                "no WebSocket: {}",
                answer.lines().next().unwrap_or_default()
            );
        }
        Ok(Self(stream))
    }

    /// Sends a message of 64 bytes and waits until it comes back.
    pub(crate) async fn echo(&mut self) -> Result<()> {
        let expected = plain(TEXT, PAYLOAD);
        let mut got = [0; 66];
        self.0.write_all(&masked(TEXT, PAYLOAD)).await?;
        self.0.read_exact(&mut got).await?;
        ensure!(got.as_slice() == expected, "another message came back");
        Ok(())
    }

    /// Ends the session as a client should, and waits for the end of the connection.
    pub(crate) async fn close(mut self) -> Result<()> {
        self.0.write_all(&masked(CLOSE, &NORMAL)).await?;
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).await?;
        ensure!(
            rest == plain(CLOSE, &NORMAL),
            "the Close frame was not answered"
        );
        Ok(())
    }
}

/// Echoes on `tunnels` until the time is over. Tells how many messages came back.
pub(crate) async fn messages(tunnels: Vec<Tunnel>, time: Duration) -> Result<(u64, Vec<Tunnel>)> {
    let end = Instant::now() + time;
    let mut tasks = JoinSet::new();
    for mut tunnel in tunnels {
        tasks.spawn(async move {
            let mut count = 0;
            while Instant::now() < end {
                tunnel.echo().await?;
                count += 1;
            }
            anyhow::Ok((count, tunnel))
        });
    }
    let mut all = (0, Vec::new());
    while let Some(task) = tasks.join_next().await {
        let (count, tunnel) = task??;
        all.0 += count;
        all.1.push(tunnel);
    }
    Ok(all)
}

/// Opens and closes sessions, eight at a time, until the time is over. Tells how many.
pub(crate) async fn sessions(address: SocketAddr, credential: &str, time: Duration) -> Result<u64> {
    let end = Instant::now() + time;
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let credential = credential.to_owned();
        tasks.spawn(async move {
            let mut count = 0;
            while Instant::now() < end {
                Tunnel::open(address, &credential).await?.close().await?;
                count += 1;
            }
            anyhow::Ok(count)
        });
    }
    let mut sum = 0;
    while let Some(task) = tasks.join_next().await {
        sum += task??;
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_off_only_when_it_is_whole() {
        let sent = masked(TEXT, PAYLOAD);
        let mut bytes = sent.split_last().unwrap().1.to_vec();
        assert!(take_masked(&mut bytes).unwrap().is_none());
        bytes = [sent.as_slice(), b"next"].concat();
        let frame = take_masked(&mut bytes).unwrap().unwrap();
        assert_eq!(
            (frame.opcode, frame.payload.as_slice()),
            (TEXT, PAYLOAD.as_slice())
        );
        assert_eq!(bytes, b"next");
    }
}

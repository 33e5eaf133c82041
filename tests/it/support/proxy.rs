//! Something between the gate and a server that it asks, which may spoil what the server says.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use super::net;
use super::wait::pause;

/// What becomes of the server's answers at the moment.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    /// They come through.
    Good,
    /// They take so long.
    Slow(Duration),
    /// In their place, each command of Redis is answered with these bytes.
    Says(&'static [u8]),
}

#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    line: Arc<Mutex<Line>>,
}

impl Proxy {
    pub(crate) fn before(server: SocketAddr) -> Self {
        let listener = net::listen();
        let address = listener.local_addr().unwrap();
        let line = Arc::new(Mutex::new(Line::Good));
        let now = Arc::clone(&line);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if let Ok(server) = TcpStream::connect(server) {
                    carry(&client, &server, &now);
                }
            }
        });
        Self { address, line }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn is_now(&self, line: Line) {
        *self.line.lock() = line;
    }
}

fn carry(client: &TcpStream, server: &TcpStream, line: &Arc<Mutex<Line>>) {
    let (mut to_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (mut from_client, mut from_server) =
        (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (up, down) = (Arc::clone(line), Arc::clone(line));
    let mut in_place = client.try_clone().unwrap();
    thread::spawn(move || {
        let mut chunk = [0; 16 * 1024];
        while let Ok(count @ 1..) = from_client.read(&mut chunk) {
            let bytes = &chunk[..count];
            let sent = match up.lock().clone() {
                Line::Says(answer) => in_place.write_all(&answer.repeat(commands(bytes))),
                Line::Good | Line::Slow(_) => to_server.write_all(bytes),
            };
            if sent.is_err() {
                break;
            }
        }
        let _ = to_server.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        let mut chunk = [0; 16 * 1024];
        while let Ok(count @ 1..) = from_server.read(&mut chunk) {
            if let Line::Slow(delay) = down.lock().clone() {
                pause(delay);
            }
            if to_client.write_all(&chunk[..count]).is_err() {
                break;
            }
        }
        let _ = to_client.shutdown(Shutdown::Both);
    });
}

/// How many commands these bytes of RESP begin.
fn commands(bytes: &[u8]) -> usize {
    let lines = bytes.split(|byte| *byte == b'\n');
    lines.filter(|line| line.first() == Some(&b'*')).count()
}

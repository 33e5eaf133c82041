//! The admin listener, over an address with a token and over a socket file.

mod file;
mod orders;
mod protections;

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::support::gate::Builder;
use super::support::wait::patience;
use super::support::wire::{Answer, Head};
use super::support::{Gate, RawClient, Recorder};

const POLICY: &str = "
routes:
  - { name: open, match: { path: /open/** }, require: public, upstream: im }
";

const TOKEN: &str = "canary-admin-token";

/// A gate that takes orders at an address.
fn gate_with_address(backend: &Recorder) -> Builder {
    Gate::with(POLICY)
        .file("keys/admin", TOKEN)
        .upstream("im", backend.address())
        .admin("address: \"$ADDRESS\", token: { file: keys/admin }")
}

/// A gate that takes orders over a socket file.
fn gate_with_file(backend: &Recorder) -> Builder {
    Gate::with(POLICY)
        .upstream("im", backend.address())
        .admin("unix: run/admin.sock")
}

/// Header lines that pass the protections over TCP.
fn good(gate: &Gate) -> String {
    format!(
        "Host: {}\r\nAuthorization: Bearer {TOKEN}\r\n",
        gate.admin_address()
    )
}

/// These bytes to the admin address, and what it answers.
#[track_caller]
fn send(gate: &Gate, bytes: impl AsRef<[u8]>) -> Answer {
    let mut client = RawClient::connect(gate.admin_address());
    client.send(bytes);
    let answer = client.answer();
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("connection"), Some("close"));
    client.expect_closed();
    answer
}

/// A request with a good token.
#[track_caller]
fn ask(gate: &Gate, method: &str, target: &str) -> Answer {
    send(
        gate,
        format!("{method} {target} HTTP/1.1\r\n{}\r\n", good(gate)),
    )
}

/// These bytes over a socket file, and what comes back.
#[track_caller]
pub(crate) fn send_over_file(path: &Path, bytes: &str) -> Answer {
    let mut stream = UnixStream::connect(path).expect("the gate accepts");
    stream.set_read_timeout(Some(patience())).unwrap();
    stream.write_all(bytes.as_bytes()).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).expect("an answer");
    let end = all.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let (head, body) = all.split_at(end.expect("a head") + 4);
    Answer {
        head: Head::parse(head),
        body: body.to_vec(),
    }
}

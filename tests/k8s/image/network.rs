//! The network that the containers of a pod share, seen from within: a test's backend listens on its loopback as the
//! application in the next container would.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd as _;
use std::panic::resume_unwind;
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The network namespace of a process.
#[derive(Debug)]
pub(super) struct Network {
    file: File,
}

impl Network {
    pub(super) fn of(process: u64) -> Self {
        Self {
            file: File::open(format!("/proc/{process}/ns/net")).expect("the process is there"),
        }
    }

    /// Does something in a thread that is in this network. Sockets, threads and processes that are made there stay in it.
    #[track_caller]
    pub(super) fn inside<T: Send>(&self, action: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("a test as root may enter");
            action()
        };
        thread::scope(|scope| scope.spawn(inside).join())
            .unwrap_or_else(|panic| resume_unwind(panic))
    }

    pub(super) fn listen(&self, port: u16) -> TcpListener {
        self.inside(|| TcpListener::bind(local(port)).expect("nobody else is there"))
    }

    /// A name server that knows one name, of this loopback.
    pub(super) fn name_server(&self, name: &'static str) {
        let socket = self.inside(|| UdpSocket::bind(local(53)).expect("nobody else is there"));
        thread::spawn(move || {
            let mut packet = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut packet) {
                let _ = socket.send_to(&answer(&packet[..length], name), client);
            }
        });
    }
}

/// An address of the pod's own.
pub(super) fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// RFC 1035, section 4.1: the question comes back, with an address if it asked for one of `name`.
fn answer(question: &[u8], name: &str) -> Vec<u8> {
    let mut wanted = Vec::new();
    for label in name.split('.') {
        wanted.push(u8::try_from(label.len()).unwrap());
        wanted.extend(label.bytes());
    }
    wanted.push(0);
    let asked = &question[HEADER..];
    let known = asked.starts_with(&wanted);
    let kind = &asked[wanted.len().min(asked.len())..];
    let is_address = known && kind.starts_with(&[0, 1]);
    let mut packet = question[..2].to_vec();
    // An answer, recursion available; no error, or no such name.
    packet.extend([0x81, if known { 0x80 } else { 0x83 }]);
    packet.extend([0, 1, 0, u8::from(is_address), 0, 0, 0, 0]);
    let end = asked.iter().position(|byte| *byte == 0).unwrap() + 5;
    packet.extend(&asked[..end]);
    if is_address {
        // The name of the question, an address of the Internet, for a minute, 4 bytes.
        packet.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    }
    packet
}

/// Before the question.
const HEADER: usize = 12;

//! Addresses for the processes under test.
//!
//! A port that is found free and then handed to another process can be taken in between. So each
//! run of the tests has a loopback address of its own (127/8 is all loopback on Linux) and counts
//! its ports up: nobody else binds there, and outgoing connections leave from 127.0.0.1.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// The loopback address of this run, made from the process id.
pub(crate) fn loopback() -> IpAddr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    // A second byte of at least 128 keeps clear of 127.0.0.1 and its neighbours.
    IpAddr::V4(Ipv4Addr::new(127, 128 | high, middle, low))
}

/// An address at which nobody listens, and which is not given out twice.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    loop {
        let address = SocketAddr::new(loopback(), NEXT.fetch_add(1, Ordering::Relaxed));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// A listener on a port of the system's choice.
pub(crate) fn listen() -> TcpListener {
    TcpListener::bind((loopback(), 0)).expect("a free port")
}

/// When the kernel will ask the other side of an idle connection whether it is still there, by
/// what it says of its sockets. `None` if it will not.
pub(crate) fn next_keepalive(
    is_local: impl Fn(SocketAddr) -> bool,
    is_remote: impl Fn(SocketAddr) -> bool,
) -> Option<Duration> {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let line = table.lines().skip(1).find(|line| {
        let mut fields = line.split_whitespace().skip(1).map(address);
        fields.next().is_some_and(&is_local) && fields.next().is_some_and(&is_remote)
    });
    let timer = line
        .expect("the connection")
        .split_whitespace()
        .nth(5)
        .unwrap();
    let (kind, ticks) = timer.split_once(':').unwrap();
    // The kind that is neither a retransmission nor a full window nor closing; in 1/100 s.
    (kind == "02").then(|| Duration::from_millis(u64::from_str_radix(ticks, 16).unwrap() * 10))
}

/// As the kernel writes them: an address is a number in the machine's own order of bytes.
fn address(field: &str) -> SocketAddr {
    let (host, port) = field.split_once(':').expect("host and port");
    let host = u32::from_str_radix(host, 16).unwrap().to_ne_bytes();
    SocketAddr::from((host, u16::from_str_radix(port, 16).unwrap()))
}

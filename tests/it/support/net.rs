//! Addresses for the processes under test.
//!
//! A port that is found free and then handed to another process can be taken in between. So each
//! run of the tests has a loopback address of its own (127/8 is all loopback on Linux) and counts
//! its ports up: nobody else binds there, and outgoing connections leave from 127.0.0.1.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

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

//! Ports for the processes under test.
//!
//! Servers that only we talk to have the loopback address of this run, as in the black-box tests. A
//! webhook needs an address that is none: an `EndpointSlice` may not name 127/8.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

/// The loopback address of this run, made from the process id.
pub(crate) fn loopback() -> IpAddr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(127, 128 | high, middle, low))
}

/// The address by which this machine is known to others.
pub(crate) fn machine() -> IpAddr {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    // Nothing is sent: the kernel only chooses where it would leave from (TEST-NET-1, RFC 5737).
    let route = socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9));
    route.expect("a network interface: an API server does not call webhooks at 127.0.0.1");
    socket.local_addr().unwrap().ip()
}

/// An address at which nobody listens, and which is not given out twice by this run.
pub(crate) fn free(ip: IpAddr) -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Below the ports that the system gives to outgoing connections; runs beside each other begin
    // at different places.
    let start = 20_000 + std::process::id() % 100 * 100;
    loop {
        let next = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(20_000 + (start - 20_000 + next) % 10_000).unwrap();
        let address = SocketAddr::new(ip, port);
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

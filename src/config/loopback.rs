//! Which addresses of upstreams nobody reaches from another machine.

use std::net::{IpAddr, SocketAddr};

/// The port, if an upstream's `host:port` is on loopback by what it says. Other names than
/// `localhost` may be anything.
pub(crate) fn port(address: &str) -> Option<u16> {
    if let Ok(address) = address.parse::<SocketAddr>() {
        // Whoever connects to "all addresses" reaches loopback.
        let ip = address.ip();
        return (is_loopback(ip) || ip.is_unspecified()).then_some(address.port());
    }
    let (host, port) = address.rsplit_once(':')?;
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.eq_ignore_ascii_case("localhost") {
        port.parse().ok()
    } else {
        None
    }
}

/// Also where an IPv4 address is written as an IPv6 one.
pub(crate) fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_told_by_the_address() {
        for (address, expected) in [
            ("127.0.0.1:8080", Some(8080)),
            ("127.200.3.4:1", Some(1)),
            ("[::1]:8080", Some(8080)),
            ("[::ffff:127.0.0.1]:8080", Some(8080)),
            ("0.0.0.0:8080", Some(8080)),
            ("[::]:8080", Some(8080)),
            ("localhost:65535", Some(65535)),
            ("LocalHost.:80", Some(80)),
            ("10.1.2.3:8080", None),
            ("[::ffff:10.1.2.3]:8080", None),
            ("[fe80::1]:8080", None),
            ("im.internal:8080", None),
            ("localhost.example.com:8080", None),
            ("127.0.0.1.example.com:8080", None),
            ("localhost", None),
        ] {
            assert_eq!(port(address), expected, "{address}");
        }
    }
}

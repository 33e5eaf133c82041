//! The header of the PROXY protocol, version 2: whom a load balancer speaks for, told before the
//! connection's first own byte.
//!
//! Source: HAProxy, "The PROXY protocol", versions 1 & 2, §2.2. Version 1 is text that must be
//! searched for its end; nothing that sends it today lacks version 2.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Begins no other protocol: HTTP, TLS and SSH all answer it with an error.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, version and command, family and transport, and the length of the rest.
const FIXED: usize = 16;
/// The whole header, extensions included. What senders put there today (TLS names, a checksum, the
/// ids of cloud endpoints) fits into a tenth of it.
pub const MOST: usize = 4096;

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The sender itself: it asks whether the gate is there.
    Own,
    /// A client, at this address.
    Client(IpAddr),
}

/// Not a header of version 2 about a connection over TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a header of the PROXY protocol, version 2")]
pub struct Malformed;

/// Reads the header at the beginning of `bytes`: who it speaks of, and how long it is. `None` while
/// it is not whole.
///
/// # Errors
///
/// As soon as it cannot become a header any more.
pub fn parse(bytes: &[u8]) -> Result<Option<(Origin, usize)>, Malformed> {
    let known = bytes.len().min(SIGNATURE.len());
    if bytes.get(..known) != SIGNATURE.get(..known) {
        return Err(Malformed);
    }
    let Some(&[version_command, family, high, low]) = bytes
        .get(SIGNATURE.len()..FIXED)
        .and_then(|fixed| <&[u8; 4]>::try_from(fixed).ok())
    else {
        return Ok(None);
    };
    let rest = usize::from(u16::from_be_bytes([high, low]));
    let length = FIXED + rest;
    if length > MOST {
        return Err(Malformed);
    }
    let command = match version_command {
        0x20 => Command::Local,
        0x21 => Command::Proxy,
        _ => return Err(Malformed),
    };
    let Some(body) = bytes.get(FIXED..length) else {
        return Ok(None);
    };
    let origin = match (command, family) {
        // What stands there is to be skipped, whatever it is.
        (Command::Local, _) => Origin::Own,
        (Command::Proxy, 0x11) => Origin::Client(v4(body)?),
        (Command::Proxy, 0x21) => Origin::Client(v6(body)?),
        // Datagrams, sockets of files, and a client of whom nothing is known: nobody to hold
        // responsible.
        (Command::Proxy, _) => return Err(Malformed),
    };
    Ok(Some((origin, length)))
}

#[derive(Clone, Copy)]
enum Command {
    Local,
    Proxy,
}

/// Source and destination address, then both ports.
fn v4(body: &[u8]) -> Result<IpAddr, Malformed> {
    let addresses = body.first_chunk::<12>().ok_or(Malformed)?;
    let source = addresses.first_chunk::<4>().ok_or(Malformed)?;
    Ok(Ipv4Addr::from(*source).into())
}

fn v6(body: &[u8]) -> Result<IpAddr, Malformed> {
    let addresses = body.first_chunk::<36>().ok_or(Malformed)?;
    let source = addresses.first_chunk::<16>().ok_or(Malformed)?;
    Ok(IpAddr::from(Ipv6Addr::from(*source)).to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(version_command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([version_command, family]);
        bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        bytes.extend(body);
        bytes
    }

    /// 192.0.2.7:50000 to 198.51.100.1:443.
    const V4: [u8; 12] = [192, 0, 2, 7, 198, 51, 100, 1, 0xc3, 0x50, 0x01, 0xbb];

    fn v6(source: &str) -> Vec<u8> {
        let address: Ipv6Addr = source.parse().unwrap();
        [&address.octets()[..], &[0; 16], &[0xc3, 0x50, 0x01, 0xbb]].concat()
    }

    #[test]
    fn it_names_the_client() {
        let cases: [(&str, Vec<u8>, Origin); 6] = [
            (
                "IPv4",
                header(0x21, 0x11, &V4),
                Origin::Client("192.0.2.7".parse().unwrap()),
            ),
            (
                "IPv6",
                header(0x21, 0x21, &v6("2001:db8::7")),
                Origin::Client("2001:db8::7".parse().unwrap()),
            ),
            (
                "IPv4 in IPv6",
                header(0x21, 0x21, &v6("::ffff:192.0.2.7")),
                Origin::Client("192.0.2.7".parse().unwrap()),
            ),
            (
                "extensions behind the addresses",
                header(0x21, 0x11, &[&V4[..], &[0x04, 0, 3, 1, 2, 3]].concat()),
                Origin::Client("192.0.2.7".parse().unwrap()),
            ),
            ("a health check", header(0x20, 0x00, &[]), Origin::Own),
            (
                "a health check with addresses",
                header(0x20, 0x11, &V4),
                Origin::Own,
            ),
        ];
        for (case, mut bytes, origin) in cases {
            let length = bytes.len();
            for cut in 0..length {
                assert_eq!(parse(&bytes[..cut]), Ok(None), "{case}, cut at {cut}");
            }
            bytes.extend(b"GET / HTTP/1.1\r\n");
            assert_eq!(parse(&bytes), Ok(Some((origin, length))), "{case}");
        }
    }

    #[test]
    fn what_is_no_header_is_refused_at_once() {
        let cases: [(&str, Vec<u8>); 10] = [
            ("HTTP", b"G".to_vec()),
            ("TLS", vec![22, 3, 1]),
            (
                "version 1",
                b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n".to_vec(),
            ),
            ("another version", header(0x11, 0x11, &V4)),
            ("an unknown command", header(0x22, 0x11, &V4)),
            ("datagrams", header(0x21, 0x12, &V4)),
            ("a socket of a file", header(0x21, 0x31, &[0; 216])),
            ("nobody", header(0x21, 0x00, &[])),
            ("half an address", header(0x21, 0x11, &V4[..11])),
            ("IPv4 as IPv6", header(0x21, 0x21, &V4)),
        ];
        for (case, bytes) in cases {
            assert_eq!(parse(&bytes), Err(Malformed), "{case}");
        }
        let long = header(0x21, 0x11, &[0; MOST]);
        assert_eq!(parse(&long[..FIXED]), Err(Malformed), "it is too long");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            prop_assert!(!matches!(parse(&bytes), Ok(Some(_))));
            let after = [SIGNATURE.as_slice(), &bytes].concat();
            if let Ok(Some((_, length))) = parse(&after) {
                prop_assert!(length <= after.len());
                prop_assert_eq!(parse(&after[..length]), parse(&after));
                prop_assert_eq!(parse(&after[..length - 1]), Ok(None));
            }
        }
    }
}

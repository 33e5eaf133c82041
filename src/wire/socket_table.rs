//! Lines of `/proc/net/tcp` and `/proc/net/tcp6` (proc_net_tcp(5)): who listens where.
//!
//! An address is one number, or four, in the machine's own order of bytes, in hexadecimal digits;
//! a port is a number as everywhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A line is none of such a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no table of sockets")]
pub struct NotATable;

/// Where somebody listens, by one line. `None` for the title, and for sockets in other states.
///
/// # Errors
///
/// If the line is none of such a table.
pub fn listener(line: &[u8]) -> Result<Option<SocketAddr>, NotATable> {
    let mut fields = line
        .split(u8::is_ascii_whitespace)
        .filter(|field| !field.is_empty());
    let is_title = match fields.next() {
        None => return Ok(None),
        Some(number) => number == b"sl",
    };
    if is_title {
        return Ok(None);
    }
    let (Some(local), Some(_), Some(state)) = (fields.next(), fields.next(), fields.next()) else {
        return Err(NotATable);
    };
    let local = std::str::from_utf8(local).ok().and_then(address);
    let local = local.ok_or(NotATable)?;
    Ok((state == LISTEN).then_some(local))
}

/// `TCP_LISTEN` of the kernel.
const LISTEN: &[u8] = b"0A";

fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    if host.len() % 8 != 0 || port.len() != 4 || !is_hex(host) || !is_hex(port) {
        return None;
    }
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| -> Option<[u8; 4]> {
        let digits = host.get(at * 8..(at + 1) * 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let ip = match host.len() / 8 {
        1 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        4 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let mut octets = [0; 16];
            for (octet, byte) in octets.iter_mut().zip(words.as_flattened()) {
                *octet = *byte;
            }
            IpAddr::V6(Ipv6Addr::from(octets))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// No sign, which a number could have.
fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "00000000:00000000 00:00000000 00000000     0        0 12345 1 0000000000000000 100 0 0 10 0";

    #[track_caller]
    fn read(local: &str, state: &str) -> Result<Option<SocketAddr>, NotATable> {
        let line = format!("   7: {local} 00000000:0000 {state} {REST}");
        listener(line.as_bytes())
    }

    /// As little-endian machines write them, which all are that the gate is built for.
    #[test]
    #[cfg(target_endian = "little")]
    fn a_line_says_who_listens() {
        for (case, local, expected) in [
            ("loopback", "0100007F:1F90", "127.0.0.1:8080"),
            ("another loopback", "0403C87F:4CE8", "127.200.3.4:19688"),
            ("everywhere", "00000000:1F90", "0.0.0.0:8080"),
            ("one address", "0503020A:0050", "10.2.3.5:80"),
            (
                "everywhere, IPv6",
                "00000000000000000000000000000000:1F90",
                "[::]:8080",
            ),
            (
                "loopback, IPv6",
                "00000000000000000000000001000000:1F90",
                "[::1]:8080",
            ),
            (
                "IPv4 as IPv6",
                "0000000000000000FFFF00000100007F:1F90",
                "[::ffff:127.0.0.1]:8080",
            ),
            (
                "one address, IPv6",
                "B80D0120000000000000000001000000:FFFF",
                "[2001:db8::1]:65535",
            ),
            ("small letters", "0100007f:1f90", "127.0.0.1:8080"),
        ] {
            assert_eq!(
                read(local, "0A"),
                Ok(Some(expected.parse().unwrap())),
                "{case}"
            );
        }
    }

    #[test]
    fn others_do_not_listen() {
        for state in ["01", "02", "06", "07", "0B", "0a", ""] {
            assert_eq!(read("0100007F:1F90", state), Ok(None), "{state}");
        }
        let title = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
        assert_eq!(listener(title.as_bytes()), Ok(None));
        assert_eq!(listener(b""), Ok(None));
    }

    #[test]
    fn what_is_no_line_is_no_silence() {
        for line in [
            "7: 0100007F:1F90",
            "7: 0100007F 00000000:0000 0A",
            "7: 0100007F:1F9 00000000:0000 0A",
            "7: 0100007F:+F90 00000000:0000 0A",
            "7: +100007F:1F90 00000000:0000 0A",
            "7: 00007F:1F90 00000000:0000 0A",
            "7: 0100007F0100007F:1F90 00000000:0000 0A",
            "7: :1F90 00000000:0000 0A",
            "7: 0100007G:1F90 00000000:0000 0A",
            "7: \u{fc}100007F:1F90 00000000:0000 0A",
            "permission denied",
        ] {
            assert_eq!(listener(line.as_bytes()), Err(NotATable), "{line}");
        }
    }
}

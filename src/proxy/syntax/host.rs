//! The value of `Host` (RFC 9110 §7.2): a name or an address, and perhaps a port.

use std::net::Ipv6Addr;

/// RFC 1035 §2.3.4.
const NAME_BYTES: usize = 253;

/// The value, if every server finds the same host in it.
///
/// Stricter than the RFC, which allows an empty host, an empty port, percent-escapes and
/// sub-delimiters. A final dot is refused too: some servers take `a.example.` for `a.example`.
pub(super) fn parse(value: &[u8]) -> Option<&str> {
    let value = str::from_utf8(value).ok()?;
    let (host_is_valid, port) = if let Some(literal) = value.strip_prefix('[') {
        let (address, port) = literal.split_once(']')?;
        (address.parse::<Ipv6Addr>().is_ok(), port)
    } else {
        let (name, port) = value.split_at(value.find(':').unwrap_or(value.len()));
        (is_name(name), port)
    };
    (host_is_valid && is_port(port)).then_some(value)
}

fn is_name(name: &str) -> bool {
    name.len() <= NAME_BYTES
        && name.split('.').all(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        })
}

/// Nothing, or a colon and a port.
fn is_port(port: &str) -> bool {
    port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| {
            (1..=5).contains(&digits.len())
                && digits.bytes().all(|digit| digit.is_ascii_digit())
                && digits.parse::<u16>().is_ok()
        })
}

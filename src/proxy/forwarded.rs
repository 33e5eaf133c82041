//! Where a request really comes from, when proxies stand in between.

use std::net::{IpAddr, SocketAddr};

use crate::wire::head::RequestHead;

/// The client behind all trusted proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) client: IpAddr,
    pub(crate) secure: bool,
}

/// Walks `X-Forwarded-For` from the right past trusted proxies.
///
/// Each proxy appends the address it saw, so the list is true from the right as far as those who
/// wrote it are trusted. What stands left of the first untrusted address is hearsay.
pub(crate) fn origin(
    head: &RequestHead<'_>,
    peer: IpAddr,
    secure: bool,
    trusted: bool,
    trusts: impl Fn(IpAddr) -> bool,
) -> Origin {
    if !trusted {
        return Origin {
            client: peer,
            secure,
        };
    }
    let hops: Vec<&[u8]> = head
        .header("x-forwarded-for")
        .flat_map(|value| value.split(|byte| *byte == b','))
        .collect();
    let mut client = peer;
    for hop in hops.into_iter().rev() {
        let Some(address) = address(hop) else { break };
        client = address;
        if !trusts(address) {
            break;
        }
    }
    let secure = match head.single("x-forwarded-proto") {
        Ok(None) => secure,
        // Some proxies write `wss` where a WebSocket is asked for.
        Ok(Some(proto)) => {
            proto.eq_ignore_ascii_case(b"https") || proto.eq_ignore_ascii_case(b"wss")
        }
        // Two answers are none.
        Err(_) => false,
    };
    Origin { client, secure }
}

/// An address, perhaps with a port, perhaps in brackets.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    bare.parse::<IpAddr>()
        .ok()
        .or_else(|| {
            text.parse::<SocketAddr>()
                .ok()
                .map(|with_port| with_port.ip())
        })
        .map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::head::{HeadLimits, request};

    fn client(forwarded_for: &str, trusted: bool) -> String {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{forwarded_for}\r\n");
        let limits = HeadLimits {
            head_bytes: 4096,
            headers: 20,
            target_bytes: 100,
        };
        let head = request(text.as_bytes(), &limits).unwrap().unwrap();
        let peer = "10.0.0.1".parse().unwrap();
        let trusts = |ip: IpAddr| ip.to_string().starts_with("10.");
        origin(&head, peer, false, trusted, trusts)
            .client
            .to_string()
    }

    #[test]
    fn the_first_untrusted_hop_from_the_right_is_the_client() {
        for (case, header, trusted, expected) in [
            (
                "an untrusted peer is not believed",
                "X-Forwarded-For: 1.2.3.4\r\n",
                false,
                "10.0.0.1",
            ),
            (
                "a trusted peer is",
                "X-Forwarded-For: 1.2.3.4\r\n",
                true,
                "1.2.3.4",
            ),
            (
                "hearsay on the left",
                "X-Forwarded-For: 9.9.9.9, 1.2.3.4, 10.0.0.7\r\n",
                true,
                "1.2.3.4",
            ),
            (
                "several lines are one list",
                "X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-For: 1.2.3.4\r\n",
                true,
                "1.2.3.4",
            ),
            (
                "nonsense ends the walk",
                "X-Forwarded-For: 1.2.3.4, junk, 10.0.0.7\r\n",
                true,
                "10.0.0.7",
            ),
            (
                "a port is dropped",
                "X-Forwarded-For: 1.2.3.4:555\r\n",
                true,
                "1.2.3.4",
            ),
            (
                "brackets are dropped",
                "X-Forwarded-For: [2001:db8::1]:443\r\n",
                true,
                "2001:db8::1",
            ),
            ("no header", "", true, "10.0.0.1"),
        ] {
            assert_eq!(client(header, trusted), expected, "{case}");
        }
    }

    #[test]
    fn a_trusted_proxy_says_whether_the_client_came_over_tls() {
        for (case, header, own, trusted, expected) in [
            ("says so", "X-Forwarded-Proto: https\r\n", false, true, true),
            (
                "in capitals",
                "X-Forwarded-Proto: HTTPS\r\n",
                false,
                true,
                true,
            ),
            (
                "of a WebSocket",
                "X-Forwarded-Proto: wss\r\n",
                false,
                true,
                true,
            ),
            ("says no", "X-Forwarded-Proto: http\r\n", true, true, false),
            ("says nothing, over TLS", "", true, true, true),
            ("says nothing, in plain text", "", false, true, false),
            (
                "says two things",
                "X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n",
                true,
                true,
                false,
            ),
            (
                "says a list",
                "X-Forwarded-Proto: https, http\r\n",
                true,
                true,
                false,
            ),
            (
                "is not believed",
                "X-Forwarded-Proto: https\r\n",
                false,
                false,
                false,
            ),
            (
                "is not believed either way",
                "X-Forwarded-Proto: http\r\n",
                true,
                false,
                true,
            ),
        ] {
            let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{header}\r\n");
            let limits = HeadLimits {
                head_bytes: 4096,
                headers: 20,
                target_bytes: 100,
            };
            let head = request(text.as_bytes(), &limits).unwrap().unwrap();
            let peer = "10.0.0.1".parse().unwrap();
            let secure = origin(&head, peer, own, trusted, |_| false).secure;
            assert_eq!(secure, expected, "{case}");
        }
    }
}

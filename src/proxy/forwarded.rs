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

/// The header lines by which a proxy speaks for a client.
pub(crate) fn lines<'r>(head: &'r RequestHead<'_>) -> impl Iterator<Item = &'r [u8]> {
    let names = ["x-forwarded-for", "x-forwarded-proto", "forwarded"];
    names.into_iter().flat_map(|name| head.header(name))
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
            head_bytes: 16 * 1024,
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
    fn addresses_and_lists_may_be_written_in_several_ways() {
        for (case, header, trusted, expected) in [
            (
                "an address in brackets without a port",
                "X-Forwarded-For: [2001:db8::1]\r\n",
                true,
                "2001:db8::1",
            ),
            (
                "a bare address of IPv6",
                "X-Forwarded-For: 9.9.9.9, 2001:DB8:0:0::1\r\n",
                true,
                "2001:db8::1",
            ),
            (
                "an IPv4 address in IPv6 is itself",
                "X-Forwarded-For: 9.9.9.9, ::ffff:1.2.3.4\r\n",
                true,
                "1.2.3.4",
            ),
            (
                "a trusted one in IPv6, with a port, is trusted",
                "X-Forwarded-For: 9.9.9.9, 1.2.3.4, [::ffff:10.0.0.7]:80\r\n",
                true,
                "1.2.3.4",
            ),
            (
                "blanks and tabs around",
                "X-Forwarded-For: 9.9.9.9 ,\t 1.2.3.4 \t,10.0.0.7\t\r\n",
                true,
                "1.2.3.4",
            ),
            (
                "the last of several lines is the nearest",
                "X-Forwarded-For: 9.9.9.9, 10.0.0.9\r\nVia: 1.1 x\r\n\
                 x-forwarded-for: 1.2.3.4, 10.0.0.8\r\nX-FORWARDED-FOR: 10.0.0.7\r\n",
                true,
                "1.2.3.4",
            ),
            (
                "all of them are trusted",
                "X-Forwarded-For: 10.0.0.9, 10.0.0.8\r\n",
                true,
                "10.0.0.9",
            ),
            ("an empty list", "X-Forwarded-For:\r\n", true, "10.0.0.1"),
            (
                "an empty place says nothing of whom it is about",
                "X-Forwarded-For: 1.2.3.4, , 10.0.0.7\r\n",
                true,
                "10.0.0.7",
            ),
            (
                "an untrusted peer with a long list",
                "X-Forwarded-For: 1.2.3.4, 10.0.0.7\r\nX-Forwarded-For: 10.0.0.8\r\n",
                false,
                "10.0.0.1",
            ),
        ] {
            assert_eq!(client(header, trusted), expected, "{case}");
        }
    }

    #[test]
    fn what_is_no_address_ends_the_walk() {
        for junk in [
            "unknown",
            "_hidden",
            "for=1.2.3.4",
            "\"1.2.3.4\"",
            "chat.example.com",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.400",
            "01.2.3.4",
            "0x01020304",
            "16909060",
            "1.2.3.4:",
            "1.2.3.4:99999",
            "1.2.3.4 5.6.7.8",
            "1.2.3.4;5.6.7.8",
            "[1.2.3.4",
            "1.2.3.4]",
            "[2001:db8::1",
            "[[2001:db8::1]]",
            "[2001:db8::1]443",
            "2001:db8::1::",
            "fe80::1%eth0",
            "\u{ff11}.2.3.4",
            "-",
        ] {
            for list in [
                junk.to_owned(),
                format!("9.9.9.9, {junk}"),
                format!("9.9.9.9, {junk}, 10.0.0.1"),
                format!("{junk}\r\nX-Forwarded-For: 10.0.0.1"),
            ] {
                let header = format!("X-Forwarded-For: {list}\r\n");
                assert_eq!(client(&header, true), "10.0.0.1", "{list}");
            }
            // Behind it nothing changes.
            let header = format!("X-Forwarded-For: {junk}, 1.2.3.4, 10.0.0.7\r\n");
            assert_eq!(client(&header, true), "1.2.3.4", "{junk}");
        }
    }

    #[test]
    fn a_list_longer_than_any_way_is_walked_to_its_first_stranger() {
        let many = "10.0.0.7,".repeat(400);
        for (list, expected) in [
            (format!("1.2.3.4,{many}10.0.0.9"), "1.2.3.4"),
            (format!("{many}1.2.3.4"), "1.2.3.4"),
            (format!("{many}10.0.0.9"), "10.0.0.7"),
            (",".repeat(3000), "10.0.0.1"),
            (format!("9.9.9.9,{many}1.2.3.4,{many}10.0.0.9"), "1.2.3.4"),
        ] {
            let header = format!("X-Forwarded-For: {list}\r\n");
            assert_eq!(client(&header, true), expected, "{} bytes", list.len());
        }
        let lines = "X-Forwarded-For: 10.0.0.7\r\n".repeat(15);
        let header = format!("X-Forwarded-For: 1.2.3.4\r\n{lines}");
        assert_eq!(client(&header, true), "1.2.3.4");
    }

    #[test]
    fn every_line_that_speaks_for_a_client_is_seen() {
        let text = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\nx-forwarded-for: 1\r\n\
                    X-Forwarded-Proto: https\r\nFORWARDED: for=1.2.3.4\r\nX-Forwarded: a\r\n\r\n";
        let limits = HeadLimits {
            head_bytes: 4096,
            headers: 20,
            target_bytes: 100,
        };
        let head = request(text.as_bytes(), &limits).unwrap().unwrap();
        assert_eq!(lines(&head).count(), 4);
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

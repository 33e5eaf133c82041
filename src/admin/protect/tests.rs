use super::*;
use crate::secret::Secret;
use crate::wire::head::{self, HeadLimits};

const LIMITS: HeadLimits = HeadLimits {
    head_bytes: 4096,
    headers: 20,
    target_bytes: 100,
};

fn now() -> UnixTime {
    UnixTime::from_secs(1000)
}

fn token() -> AdminToken {
    let older = |text: &str, end| (Secret::new(text), UnixTime::from_secs(end));
    AdminToken {
        current: Secret::new("current-token"),
        previous: vec![older("older-token", 1001), older("ended-token", 1000)],
    }
}

/// What becomes of a request with these headers beside `Host`.
fn checked(host: &str, headers: &str, access: Access<'_>) -> Result<(), Trespass> {
    let text = format!("POST /drain HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n");
    let head = head::request(text.as_bytes(), &LIMITS).unwrap().unwrap();
    check(&head, host, access, now())
}

#[test]
fn a_request_over_tcp_shows_the_token() {
    let token = token();
    let access = Access::Tcp {
        local: "127.0.0.1:9691".parse().unwrap(),
        token: Some(&token),
    };
    for (case, headers, expected) in [
        (
            "the token",
            "Authorization: Bearer current-token\r\n",
            Ok(()),
        ),
        (
            "the scheme in any case",
            "authorization: bEARER current-token\r\n",
            Ok(()),
        ),
        (
            "an older token before its end",
            "Authorization: Bearer older-token\r\n",
            Ok(()),
        ),
        (
            "an older token at its end",
            "Authorization: Bearer ended-token\r\n",
            Err(Trespass::WrongToken),
        ),
        (
            "another token",
            "Authorization: Bearer current-tokem\r\n",
            Err(Trespass::WrongToken),
        ),
        (
            "the token's beginning",
            "Authorization: Bearer current-toke\r\n",
            Err(Trespass::WrongToken),
        ),
        (
            "the token and more",
            "Authorization: Bearer current-token2\r\n",
            Err(Trespass::WrongToken),
        ),
        (
            "the scheme twice",
            "Authorization: Bearer Bearer current-token\r\n",
            Err(Trespass::WrongToken),
        ),
        ("nothing", "", Err(Trespass::NoToken)),
        (
            "an empty token",
            "Authorization: Bearer \r\n",
            Err(Trespass::NoToken),
        ),
        (
            "another scheme",
            "Authorization: Basic current-token\r\n",
            Err(Trespass::NoToken),
        ),
        (
            "no scheme",
            "Authorization: current-token\r\n",
            Err(Trespass::NoToken),
        ),
        (
            "another header",
            "X-Token: current-token\r\n",
            Err(Trespass::NoToken),
        ),
        (
            "it twice",
            "Authorization: Bearer current-token\r\nAuthorization: Bearer current-token\r\n",
            Err(Trespass::NoToken),
        ),
    ] {
        assert_eq!(
            checked("127.0.0.1:9691", headers, access),
            expected,
            "{case}"
        );
    }
}

#[test]
fn pages_are_refused_with_the_token_too() {
    let token = token();
    let access = Access::Tcp {
        local: "127.0.0.1:9691".parse().unwrap(),
        token: Some(&token),
    };
    for origin in ["http://127.0.0.1:9691", "https://evil.example", "null", ""] {
        let headers = format!("Authorization: Bearer current-token\r\nOrigin: {origin}\r\n");
        assert_eq!(
            checked("127.0.0.1:9691", &headers, access),
            Err(Trespass::Origin),
            "{origin}"
        );
    }
}

#[test]
fn without_a_token_in_the_configuration_nobody_may() {
    let nobody_may = Access::Tcp {
        local: "127.0.0.1:9691".parse().unwrap(),
        token: None,
    };
    let headers = "Authorization: Bearer current-token\r\n";
    assert_eq!(
        checked("127.0.0.1:9691", headers, nobody_may),
        Err(Trespass::WrongToken)
    );
}

#[test]
fn a_socket_file_needs_no_token_and_takes_no_page() {
    for host in ["localhost", "imgate", "evil.example:80"] {
        assert_eq!(checked(host, "", Access::File), Ok(()), "{host}");
    }
    assert_eq!(
        checked("localhost", "Origin: http://localhost\r\n", Access::File),
        Err(Trespass::Origin)
    );
}

#[test]
fn a_name_that_anybody_can_point_here_is_refused() {
    for (local, host, is_own) in [
        ("127.0.0.1:9691", "127.0.0.1:9691", true),
        ("127.0.0.1:9691", "127.0.0.1", true),
        ("127.0.0.1:9691", "localhost:9691", true),
        ("127.0.0.1:9691", "LocalHost", true),
        ("127.0.0.1:9691", "127.0.0.1:9690", false),
        ("127.0.0.1:9691", "localhost:80", false),
        ("127.0.0.1:9691", "127.0.0.2:9691", false),
        ("127.0.0.1:9691", "10.1.2.3:9691", false),
        ("127.0.0.1:9691", "[::1]:9691", false),
        ("127.0.0.1:9691", "evil.example:9691", false),
        ("127.0.0.1:9691", "localhost.evil.example:9691", false),
        ("127.0.0.1:9691", "127.0.0.1.evil.example", false),
        ("127.0.0.1:9691", "2130706433:9691", false),
        ("127.0.0.1:9691", "0x7f.1", false),
        ("10.1.2.3:9691", "10.1.2.3:9691", true),
        ("10.1.2.3:9691", "imgate.internal:9691", false),
        ("[::1]:9691", "[::1]:9691", true),
        ("[::1]:9691", "[::1]", true),
        ("[::1]:9691", "[0:0:0:0:0:0:0:1]:9691", true),
        ("[::1]:9691", "[::2]:9691", false),
        // A listener for both families.
        ("[::ffff:10.1.2.3]:9691", "10.1.2.3:9691", true),
    ] {
        let local = local.parse().unwrap();
        assert_eq!(is_own_name(host, local), is_own, "{host} at {local}");
    }
}

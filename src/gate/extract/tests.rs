use super::*;
use crate::request::testing;

fn carriers() -> Vec<Carrier> {
    vec![
        Carrier::Header {
            name: "token".to_owned(),
            prefix: Some("Bearer".to_owned()),
        },
        Carrier::Query {
            name: "token".to_owned(),
        },
        Carrier::Subprotocol {
            prefix: "imgate.bearer.".to_owned(),
        },
        Carrier::Cookie {
            name: "im".to_owned(),
            origins: vec![
                "https://chat.example.com".to_owned(),
                "http://127.0.0.1:8080".to_owned(),
            ],
        },
    ]
}

#[track_caller]
fn check(target: &str, headers: &str, expected: &str) {
    let bytes = format!("GET {target} HTTP/1.1\r\nHost: h\r\n{headers}\r\n");
    let head = testing::head(bytes.as_bytes());
    let request = testing::request(&head);
    let found = match credential(&carriers(), Plus::Space, &request) {
        Ok(Found::Absent) => "absent".to_owned(),
        Ok(Found::OfAnotherPage) => "of another page".to_owned(),
        Ok(Found::Present(found)) => {
            format!(
                "{}@{}",
                String::from_utf8_lossy(&found.token),
                found.carrier.unwrap()
            )
        }
        Ok(Found::Unusable(rejection)) => rejection.as_str().to_owned(),
        Err(Ambiguous) => "ambiguous".to_owned(),
    };
    assert_eq!(found, expected, "{target} {headers:?}");
}

#[test]
fn a_plus_in_a_query_is_a_space_or_itself() {
    for (target, as_forms, as_itself) in [
        ("/ws?token=a+b", "a b", "a+b"),
        ("/ws?token=a%2Bb", "a+b", "a+b"),
        ("/ws?token=a%20b", "a b", "a b"),
        ("/ws?token=ab", "ab", "ab"),
    ] {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
        let head = testing::head(bytes.as_bytes());
        let request = testing::request(&head);
        for (plus, expected) in [(Plus::Space, as_forms), (Plus::Itself, as_itself)] {
            let Ok(Found::Present(found)) = credential(&carriers(), plus, &request) else {
                panic!("{target}");
            };
            assert_eq!(String::from_utf8_lossy(&found.token), expected, "{target}");
        }
    }
}

#[test]
fn every_place_is_looked_at() {
    check("/ws", "", "absent");
    check("/ws", "Token: abc\r\n", "abc@0");
    check("/ws?token=abc", "", "abc@1");
    check("/ws?a=1&token=a%62c", "", "abc@1");
    check(
        "/ws",
        "Sec-WebSocket-Protocol: chat, imgate.bearer.YWJj\r\n",
        "abc@2",
    );
    check(
        "/ws",
        &format!("{FROM_CHAT}Cookie: a=1; im=abc; b=2\r\n"),
        "abc@3",
    );
}

const FROM_CHAT: &str = "Origin: https://chat.example.com\r\n";

#[test]
fn a_cookie_counts_from_its_pages_alone() {
    for (origin, expected) in [
        ("Origin: https://chat.example.com\r\n", "abc@3"),
        ("origin: HTTPS://Chat.Example.com\r\n", "abc@3"),
        ("Origin: http://127.0.0.1:8080\r\n", "abc@3"),
        ("", "of another page"),
        ("Origin:\r\n", "of another page"),
        ("Origin: null\r\n", "of another page"),
        ("Origin: *\r\n", "of another page"),
        ("Origin: http://chat.example.com\r\n", "of another page"),
        ("Origin: https://chat.example.com/\r\n", "of another page"),
        (
            "Origin: https://chat.example.com:443\r\n",
            "of another page",
        ),
        (
            "Origin: https://chat.example.com:8443\r\n",
            "of another page",
        ),
        (
            "Origin: https://chat.example.com.evil.com\r\n",
            "of another page",
        ),
        (
            "Origin: https://evil.chat.example.com\r\n",
            "of another page",
        ),
        ("Origin: http://127.0.0.1\r\n", "of another page"),
        (
            "Origin: https://evil.com https://chat.example.com\r\n",
            "of another page",
        ),
        (
            "Origin: https://chat.example.com\r\nOrigin: https://chat.example.com\r\n",
            "of another page",
        ),
        ("Referer: https://chat.example.com/\r\n", "of another page"),
    ] {
        check("/ws", &format!("{origin}Cookie: im=abc\r\n"), expected);
    }
}

#[test]
fn a_cookie_of_another_page_is_no_credential_beside_one() {
    check("/ws", "Cookie: im=abc\r\ntoken: abc\r\n", "abc@0");
    check("/ws?token=def", "Cookie: im=abc\r\n", "def@1");
    check(
        "/ws",
        "Cookie: im=abc\r\ntoken: Bearer Bearer x\r\n",
        "doubled_prefix",
    );
    // From its own page it is one.
    check(
        "/ws?token=def",
        &format!("{FROM_CHAT}Cookie: im=abc\r\n"),
        "ambiguous",
    );
    check(
        "/ws?token=abc",
        &format!("{FROM_CHAT}Cookie: im=abc\r\n"),
        "abc@1",
    );
}

#[test]
fn a_cookie_is_the_token_itself() {
    for (cookies, expected) in [
        ("im=abc", "abc@3"),
        ("im=\"abc\"", "abc@3"),
        ("im=a%62c", "a%62c@3"),
        ("im=Bearer", "Bearer@3"),
        ("im=", "absent"),
        ("im=\"\"", "absent"),
        ("im", "absent"),
        ("IM=abc", "absent"),
        ("__Host-im=abc", "absent"),
        ("im=abc; im=abc", "ambiguous"),
        ("im=abc; im", "ambiguous"),
        ("im=abc\r\nCookie: im=abc", "ambiguous"),
        ("im=abc\r\nCookie: a=1", "ambiguous"),
        ("a=1\r\nCookie: b=2", "absent"),
        ("im=\"abc", "ambiguous"),
        ("im=a,b", "ambiguous"),
    ] {
        check(
            "/ws",
            &format!("{FROM_CHAT}Cookie: {cookies}\r\n"),
            expected,
        );
    }
}

#[test]
fn a_prefix_may_be_in_any_case_or_absent_but_not_twice() {
    check("/ws", "token: Bearer abc\r\n", "abc@0");
    check("/ws", "token: bEaReR  abc\r\n", "abc@0");
    check("/ws", "token: Bearerabc\r\n", "Bearerabc@0");
    check("/ws", "token: Bearer Bearer abc\r\n", "doubled_prefix");
    check("/ws", "token: bearer BEARER\r\n", "doubled_prefix");
}

#[test]
fn an_empty_place_is_not_filled() {
    check("/ws?token=", "token:\r\n", "absent");
    check("/ws?token=", "token: abc\r\n", "abc@0");
}

#[test]
fn one_place_twice_is_ambiguous_even_with_equal_values() {
    check("/ws", "token: abc\r\nToken: abc\r\n", "ambiguous");
    check("/ws?token=abc&token=abc", "", "ambiguous");
    check("/ws?token=abc&%74oken=abc", "", "ambiguous");
    check(
        "/ws",
        "Sec-WebSocket-Protocol: imgate.bearer.YWJj, imgate.bearer.YWJj\r\n",
        "ambiguous",
    );
}

#[test]
fn two_places_must_agree() {
    check("/ws?token=abc", "token: Bearer abc\r\n", "abc@0");
    check("/ws?token=abd", "token: abc\r\n", "ambiguous");
}

#[test]
fn a_parameter_behind_a_semicolon_is_ambiguous() {
    check("/ws?token=abc&x=1;token=evil", "", "ambiguous");
    check("/ws?x=1;token=evil", "token: abc\r\n", "ambiguous");
    check("/ws?x=1;2", "token: abc\r\n", "abc@0");
}

#[test]
fn a_subprotocol_entry_is_canonical_base64url() {
    for entry in [
        "imgate.bearer.YWJ",
        "imgate.bearer.YWJjZB",
        "imgate.bearer.",
        "imgate.bearer.!",
    ] {
        check(
            "/ws",
            &format!("Sec-WebSocket-Protocol: {entry}\r\n"),
            "malformed",
        );
    }
    // Not a token: nobody knows where one entry ends and the next begins.
    check(
        "/ws",
        "Sec-WebSocket-Protocol: imgate.bearer.YWJj, a b\r\n",
        "ambiguous",
    );
}

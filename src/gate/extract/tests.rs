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
    ]
}

#[track_caller]
fn check(target: &str, headers: &str, expected: &str) {
    let bytes = format!("GET {target} HTTP/1.1\r\nHost: h\r\n{headers}\r\n");
    let head = testing::head(bytes.as_bytes());
    let request = testing::request(&head);
    let found = match credential(&carriers(), &request) {
        Ok(Found::Absent) => "absent".to_owned(),
        Ok(Found::Present(found)) => {
            format!(
                "{}@{}",
                String::from_utf8_lossy(&found.token),
                found.carrier
            )
        }
        Ok(Found::Unusable(rejection)) => rejection.as_str().to_owned(),
        Err(Ambiguous) => "ambiguous".to_owned(),
    };
    assert_eq!(found, expected, "{target} {headers:?}");
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

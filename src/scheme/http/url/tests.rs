use proptest::prelude::*;

use super::*;

fn filled(template: &str, value: &[u8]) -> Option<String> {
    let template = UrlTemplate::parse(template).unwrap();
    template.fill(|_| Some(value)).map(|uri| uri.to_string())
}

#[test]
fn a_variable_is_one_segment_or_one_value() {
    let segment = "http://127.0.0.1:8080/users/{token}/me";
    let value = "https://id.example.com/check?token={token}&x=1";
    for (case, template, token, expected) in [
        (
            "plain",
            segment,
            "abc-._~9",
            "http://127.0.0.1:8080/users/abc-._~9/me",
        ),
        (
            "a slash",
            segment,
            "a/../b",
            "http://127.0.0.1:8080/users/a%2F..%2Fb/me",
        ),
        (
            "an escape",
            segment,
            "%2e%2E",
            "http://127.0.0.1:8080/users/%252e%252E/me",
        ),
        (
            "a query",
            segment,
            "a?b#c",
            "http://127.0.0.1:8080/users/a%3Fb%23c/me",
        ),
        (
            "three dots",
            segment,
            "...",
            "http://127.0.0.1:8080/users/.../me",
        ),
        (
            "another parameter",
            value,
            "a&b=c+d",
            "https://id.example.com/check?token=a%26b%3Dc%2Bd&x=1",
        ),
    ] {
        assert_eq!(
            filled(template, token.as_bytes()).as_deref(),
            Some(expected),
            "{case}"
        );
    }
    for way in ["", ".", ".."] {
        assert_eq!(filled(segment, way.as_bytes()), None, "{way:?}");
        assert_eq!(filled(value, way.as_bytes()), None, "{way:?}");
    }
    let template = UrlTemplate::parse(segment).unwrap();
    assert_eq!(template.fill(|_| None), None, "nothing stands for it");
}

#[test]
fn what_is_no_url_of_ours_is_refused() {
    for text in [
        "",
        "id.example.com/jwks",
        "ftp://id.example.com/jwks",
        "HTTPS://id.example.com/jwks",
        "https://",
        "https:///jwks",
        "https://:443/jwks",
        "https://id.example.com:/jwks",
        "https://id.example.com:99999/jwks",
        "https://user:secret@id.example.com/jwks",
        "https://id.example.com/jwks#part",
        "https://id.example.com/a b",
        "https://id.example.com/\u{fc}",
        "https://id.example.com/../jwks",
        "https://id.example.com/a/%2E%2e/jwks",
        "https://{token}/",
        "https://id.example.com:{token}/",
        "https://id.example.com/a{token}",
        "https://id.example.com/{token}b",
        "https://id.example.com/{token}{token}",
        "https://id.example.com/{Token}",
        "https://id.example.com/{}",
        "https://id.example.com/{token",
        "https://id.example.com/token}",
        "https://id.example.com/a?{token}=1",
        "https://id.example.com/a?b={token}c",
        "https://id.example.com/a?b=/{token}",
    ] {
        assert!(UrlTemplate::parse(text).is_err(), "{text}");
    }
}

#[test]
fn plain_text_is_protected_only_on_this_machine() {
    for (text, expected) in [
        ("https://id.example.com/jwks", true),
        ("http://id.example.com/jwks", false),
        ("http://127.0.0.1:8080/jwks", true),
        ("http://127.0.0.2", true),
        ("http://[::1]:8080/jwks", true),
        ("http://localhost/jwks", true),
        ("http://localhost.example.com/jwks", false),
        ("http://127.0.0.1.example.com/jwks", false),
        ("http://10.0.0.1/jwks", false),
    ] {
        let template = UrlTemplate::parse(text).unwrap();
        assert_eq!(template.is_protected(), expected, "{text}");
    }
}

proptest! {
    /// Whatever a credential is made of, the request goes to the path that was written down.
    #[test]
    fn no_value_leads_anywhere_else(value in prop::collection::vec(any::<u8>(), 0..64)) {
        let template =
            UrlTemplate::parse("http://127.0.0.1/a/{token}/b?c={token}&d=1").unwrap();
        if let Some(uri) = template.fill(|_| Some(&value)) {
            let segments: Vec<_> = uri.path().split('/').collect();
            prop_assert_eq!(segments.len(), 4);
            prop_assert_eq!((segments[1], segments[3]), ("a", "b"));
            let decoded: Vec<u8> = percent_encoding::percent_decode_str(segments[2]).collect();
            prop_assert_eq!(&decoded, &value);
            prop_assert!(!["", ".", ".."].contains(&segments[2]));
            let query: Vec<_> = uri.query().unwrap().split('&').collect();
            prop_assert_eq!((query.len(), query[1]), (2, "d=1"));
            prop_assert_eq!(uri.host(), Some("127.0.0.1"));
        } else {
            prop_assert!([&b""[..], b".", b".."].contains(&&*value));
        }
    }
}

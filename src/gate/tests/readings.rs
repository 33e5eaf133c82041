//! What could be read in two ways, and proofs that must agree.

use super::*;

#[test]
fn a_credential_that_only_some_would_see_in_the_query_is_refused() {
    for query in [
        "a=1;token=evil",
        "token=a;b=1",
        "a=1;%74oken=evil",
        "a;token=evil&b=2",
    ] {
        check(&format!("GET /health?{query} HTTP/1.1"), "400 conflict");
        check(
            &format!("GET /openapi/x?{query} HTTP/1.1\nX-App-Key: key-a"),
            "400 conflict",
        );
    }
    check("GET /health?a=1;b=2 HTTP/1.1", "health anybody -");
    check(
        "GET /openapi/x?a=1;b=2 HTTP/1.1\nX-App-Key: key-a",
        "openapi a -",
    );
}

#[test]
fn a_cookie_that_only_some_would_see_is_refused_on_every_route() {
    for cookies in [
        "a=1, im=evil",
        "a=\"b; im=x; c\"",
        "$Version=1; im=x",
        "=im=evil",
    ] {
        check(
            &format!("GET /health HTTP/1.1\nCookie: {cookies}"),
            "400 conflict",
        );
        check(
            &format!("GET /openapi/x HTTP/1.1\nX-App-Key: key-a\nCookie: {cookies}"),
            "400 conflict",
        );
    }
    for cookies in ["a=1, b=2", "a=\"b; c\"", "im=x; im=y"] {
        check(
            &format!("GET /health HTTP/1.1\nCookie: {cookies}"),
            "health anybody -",
        );
    }
}

#[test]
fn a_cookie_counts_in_requests_from_its_own_pages_alone() {
    let good = token("im_user", None);
    let forged = format!("{good}x");
    for (origin, cookie, expected) in [
        ("Origin: https://chat.example.com", &good, "cookies 7 -"),
        (
            "Origin: https://chat.example.com",
            &forged,
            "401 bad_signature",
        ),
        ("Origin: https://evil.example.com", &good, "403 conflict"),
        ("Origin: https://evil.example.com", &forged, "403 conflict"),
        ("Origin: null", &good, "403 conflict"),
        ("Accept: */*", &good, "403 conflict"),
    ] {
        let request = format!("GET /cookies HTTP/1.1\n{origin}\nCookie: im={cookie}");
        check(&request, expected);
        // It does not stand in the way of a credential that the page has itself.
        check(
            &format!("{request}\ntoken3: {good}"),
            match expected {
                "401 bad_signature" => "400 conflict",
                _ => "cookies 7 -",
            },
        );
    }
    check("GET /cookies HTTP/1.1\nCookie: a=1", "401 no_credential");
    check(
        &format!("GET /cookies HTTP/1.1\ntoken3: x\nCookie: im={good}"),
        "401 malformed",
    );
    check(
        &format!("GET /cookie-and-key HTTP/1.1\nX-App-Key: key-a\nCookie: im={good}"),
        "403 conflict",
    );
}

#[test]
fn the_device_type_agrees_with_every_verified_token() {
    let web = token("im_user", Some("im_web"));
    let mac = token("im_user", Some("im_pc_mac"));
    let none = token("im_user", None);
    for (case, first, second, expected) in [
        ("both", &web, &web, "devices 7 im_web"),
        ("the first alone", &web, &none, "devices 7 im_web"),
        ("the second alone", &none, &web, "devices 7 im_web"),
        ("neither says", &none, &none, "devices 7 im_web"),
        ("not the first", &mac, &web, "403 device_type"),
        ("not the second", &web, &mac, "403 device_type"),
        ("the second alone, another", &none, &mac, "403 device_type"),
    ] {
        println!("{case}");
        check(
            &format!("GET /devices HTTP/1.1\ntoken: {first}\ntoken2: {second}\ndeviceType: im_web"),
            expected,
        );
    }
}

#[test]
fn an_alias_in_a_token_is_the_configured_name() {
    let aliased = token("im_user", Some("web"));
    let unknown = token("im_user", Some("im_ipad"));
    for (token, claimed, expected) in [
        (&aliased, "im_web", "devices 7 im_web"),
        (&aliased, "web", "devices 7 im_web"),
        (&aliased, "im_pc_mac", "403 device_type"),
        (&unknown, "im_web", "403 device_type"),
    ] {
        check(
            &format!("GET /devices HTTP/1.1\ntoken: {token}\ndeviceType: {claimed}"),
            expected,
        );
    }
}

#[test]
fn two_prefixes_on_one_header_are_two_readings_of_one_credential() {
    let good = token("im_user", None);
    for (carried, expected) in [
        (format!("Bearer {good}"), "prefixes 7 -"),
        (format!("bearer  {good}"), "prefixes 7 -"),
        ("ApiKey key-b".to_owned(), "prefixes b -"),
        ("key-b".to_owned(), "prefixes b -"),
        ("ApiKey key-c".to_owned(), "401 unknown_key"),
        (format!("Bearer {good}x"), "401 bad_signature"),
    ] {
        check(
            &format!("GET /prefixes HTTP/1.1\nAuthorization: {carried}"),
            expected,
        );
    }
}

//! Credentials that are sent twice, in either order and in any form (A23), and those that a browser
//! sends for a page that must not have them.

use super::arena::{Arena, attack, member, token};
use crate::support::gate::handshake;
use crate::support::raw::request;

#[test]
fn a_credential_sent_twice_opens_nothing() {
    let arena = Arena::new();
    let good = "keyAbcd123";
    let member = member(&[]);
    let bearer = member.trim_end().trim_start_matches("Authorization: ");
    let mut attacks = Vec::new();
    for (target, name, good) in [
        ("/openapi/smuggled", "X-App-Key", good),
        ("/api/smuggled", "Authorization", bearer),
    ] {
        let lower = name.to_ascii_lowercase();
        for (one, other) in [
            (good, good),
            (good, "bad"),
            ("bad", good),
            (good, ""),
            ("", good),
            ("bad", "bad"),
        ] {
            for lines in [
                format!("{name}: {one}\r\n{name}: {other}\r\n"),
                format!("{name}: {one}\r\n{lower}: {other}\r\n"),
                format!("{name}: {one}\r\nX-Between: 1\r\n{name}: {other}\r\n"),
            ] {
                attacks.push(attack(
                    format!("{lines:?}"),
                    request("GET", target, &lines),
                    400,
                ));
            }
            // A list is one value, and no credential.
            for list in [
                format!("{one},{other}"),
                format!("{one}, {other}"),
                format!("{one} , {other}"),
                format!("{one};{other}"),
            ] {
                if list.trim_matches([',', ' ', ';']).is_empty() {
                    continue;
                }
                let lines = format!("{name}: {list}\r\n");
                attacks.push(attack(
                    format!("{lines:?}"),
                    request("GET", target, &lines),
                    401,
                ));
            }
        }
    }
    arena.check(attacks);
}

#[test]
fn a_token_in_two_places_opens_no_socket() {
    let arena = Arena::new();
    let one = token().trim_end().trim_start_matches("token: ").to_owned();
    let other = token().trim_end().trim_start_matches("token: ").to_owned();
    #[rustfmt::skip]
    let cases = [
        ("the header twice", "/ws".to_owned(), format!("token: {one}\r\ntoken: {one}\r\n"), 400),
        ("the header twice in two spellings", "/ws".to_owned(), format!("token: {one}\r\nTOKEN: {one}\r\n"), 400),
        ("two headers", "/ws".to_owned(), format!("token: {one}\r\ntoken: {other}\r\n"), 400),
        ("header and query", format!("/ws?token={other}"), format!("token: {one}\r\n"), 400),
        ("header and nonsense", "/ws?token=x".to_owned(), format!("token: {one}\r\n"), 400),
        ("the query twice", format!("/ws?token={one}&token={one}"), String::new(), 400),
        ("the query twice, once escaped", format!("/ws?token={one}&%74oken={one}"), String::new(), 400),
        ("the query and behind a semicolon", format!("/ws?token={one};token={other}"), String::new(), 400),
        ("behind a semicolon", format!("/ws?a=b;token={one}"), String::new(), 400),
        ("a semicolon in the value", format!("/ws?token={one};a=b"), String::new(), 400),
        ("a list", "/ws".to_owned(), format!("token: {one}, {one}\r\n"), 401),
        ("the prefix twice", "/ws".to_owned(), format!("token: Bearer Bearer {one}\r\n"), 401),
    ];
    arena.check(
        cases.map(|(case, target, lines, status)| attack(case, handshake(&target, &lines), status)),
    );
}

#[test]
fn a_cookie_that_a_strangers_page_sends_opens_no_socket() {
    let arena = Arena::new();
    let token = token().trim_end().trim_start_matches("token: ").to_owned();
    let origins = [
        "",
        "Origin:\r\n",
        "Origin: null\r\n",
        "Origin: *\r\n",
        "Origin: file://\r\n",
        "Origin: https://evil.example.com\r\n",
        "Origin: http://chat.example.com\r\n",
        "Origin: https://chat.example.com.evil.com\r\n",
        "Origin: https://chat.example.com:8443\r\n",
        "Origin: https://chat.example.com@evil.com\r\n",
        "Origin: https://evil.com/https://chat.example.com\r\n",
        "Origin: https://chat.example.com, https://evil.com\r\n",
        "Origin: https://chat.example.com https://evil.com\r\n",
        "Sec-WebSocket-Origin: https://chat.example.com\r\n",
        "X-Origin: https://chat.example.com\r\n",
        "Referer: https://chat.example.com/\r\n",
    ];
    arena.check(origins.map(|origin| {
        let lines = format!("{origin}Cookie: a=1; im={token}\r\n");
        attack(format!("{origin:?}"), handshake("/ws", &lines), 403)
    }));
}

#[test]
fn a_cookie_with_two_readings_reaches_no_backend() {
    let arena = Arena::new();
    let one = token().trim_end().trim_start_matches("token: ").to_owned();
    let other = token().trim_end().trim_start_matches("token: ").to_owned();
    let mut attacks = Vec::new();
    for cookies in [
        format!("im={one}; im={other}"),
        format!("im={one}; im={one}"),
        format!("im={one}; im"),
        format!("im={one}\r\nCookie: im={other}"),
        format!("im={one}\r\nCookie: a=1"),
        format!("im={one}, im={other}"),
        format!("im={one} im={other}"),
        format!("a=1, im={one}"),
        format!("a=\"b; im={one}; c=d\""),
        format!("$Version=1; a=\"b; im={one}; c=d\""),
        format!("$Version=1; im={one}; $Path=/"),
        format!("=im={one}"),
        format!("im ={one}"),
        format!("im= {one}"),
        format!("im=\"{one}"),
        format!("im=\"{one}\"x"),
    ] {
        let lines = format!("Origin: https://chat.example.com\r\nCookie: {cookies}\r\n");
        let case = format!("{cookies:?}");
        attacks.push(attack(&case, handshake("/ws", &lines), 400));
        // The order of two headers is no way out.
        let lines = format!("Cookie: {cookies}\r\nOrigin: https://chat.example.com\r\n");
        attacks.push(attack(&case, handshake("/ws", &lines), 400));
    }
    for cookies in [
        "a=1, im=smuggled",
        "a=\"b; im=smuggled; c=d\"",
        "$Version=1; im=smuggled",
        "=im=smuggled",
        "IM =smuggled",
    ] {
        let lines = format!("Cookie: {cookies}\r\n");
        let bytes = request("GET", "/open/x", &lines);
        attacks.push(attack(format!("in public, {cookies:?}"), bytes, 400));
    }
    arena.check(attacks);
}

#[test]
fn a_cookie_that_nobody_verified_reaches_no_backend() {
    let arena = Arena::new();
    arena.check(
        ["im", "IM", "Im", "%69m", "i%6d", "im[0]", "im[]"].map(|name| {
            let lines = format!("Cookie: a=1; {name}=smuggled; b=2\r\n");
            let bytes = request("GET", "/open/x", &lines);
            attack(name, bytes, 200).arriving(&["GET /open/x"])
        }),
    );
}

/// As with cookies and headers: the gate reads one spelling, and some server another.
#[test]
fn a_parameter_that_nobody_verified_reaches_no_backend() {
    let arena = Arena::new();
    let names = [
        "token",
        "Token",
        "TOKEN",
        "tokeN",
        "t%6fken",
        "%54oken",
        "t%256fken",
        "token[]",
        "token[0]",
        "token[a]",
        "Token[]",
        "token%5B%5D",
        "%20token",
        "token%20",
        "+token",
        "token+",
    ];
    let mut attacks = Vec::new();
    for name in names {
        let target = format!("/open/x?a=1&{name}=smuggled&b=2");
        let bytes = request("GET", &target, "");
        attacks.push(attack(name, bytes, 200).arriving(&["GET /open/x?a=1&b=2"]));
        // A server that splits at semicolons as well.
        let target = format!("/open/x?a=1;{name}=smuggled");
        attacks.push(attack(
            format!("behind a semicolon, {name}"),
            request("GET", &target, ""),
            400,
        ));
        // Beside one that is verified, in either order.
        let line = token();
        let own = line.trim_end().trim_start_matches("token: ");
        for query in [
            format!("token={own}&{name}=smuggled"),
            format!("{name}=smuggled&token={own}"),
        ] {
            let bytes = handshake(&format!("/ws?{query}"), "");
            let case = format!("on a socket, {name}");
            attacks.push(if name == "token" || name == "t%6fken" {
                attack(case, bytes, 400)
            } else {
                // The backend of this arena speaks no WebSocket and answers like any other.
                let arrives: &'static str = format!("GET /ws?token={own}").leak();
                attack(case, bytes, 200).arriving(&[arrives])
            });
        }
    }
    arena.check(attacks);
}

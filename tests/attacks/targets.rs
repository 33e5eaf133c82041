//! Targets that are more, or less, than a path and a query, and hosts that are not one (A14, A15,
//! A17).

use super::arena::{Arena, HOST, KEY, attack, other_credentials, smuggled, token};
use crate::support::raw::request;

fn line(line: &[u8]) -> Vec<u8> {
    [
        line,
        b"\r\n",
        HOST.as_bytes(),
        KEY.as_bytes(),
        b"\r\n",
        smuggled().as_bytes(),
    ]
    .concat()
}

#[test]
fn a_fragment_does_not_end_a_path() {
    let arena = Arena::new();
    #[rustfmt::skip]
    let targets = [
        "/open/x#", "/open/x#smuggled", "/open/x#/../openapi/smuggled", "/openapi/smuggled#", "/openapi/smuggled#/open/x",
        "/open#/openapi/smuggled", "/ws#/../openapi/smuggled", "#/open/x", "/#/open/x", "/openapi/smuggled#?/open/x",
        "/open/x?a#b", "/open/x?#smuggled", "/open/x?a=b#/openapi", "/openapi/smuggled?a#/open/x", "/open/x##",
    ];
    for (who, lines) in other_credentials() {
        arena.check(targets.map(|target| {
            attack(
                format!("{target} {who}"),
                request("GET", target, &lines),
                400,
            )
        }));
    }
}

#[test]
fn a_query_does_not_choose_the_route() {
    let arena = Arena::new();
    #[rustfmt::skip]
    let queries = [
        "?/open/x", "?/open/", "?", "??/open/x", "?path=/open/x", "?x=/actuator/health", "?a=/../open/x", "?/../open/x",
        "?;/open/x", "?a=b&_method=GET&url=/open/x", "?a=%2Fopen%2Fx", "?a=.png", "?/ws", "?wsdl",
    ];
    for (who, lines) in other_credentials() {
        let status = if who.contains("/reports") { 403 } else { 401 };
        arena.check(queries.map(|query| {
            let target = format!("/openapi/smuggled{query}");
            attack(
                format!("{target} {who}"),
                request("GET", &target, &lines),
                status,
            )
        }));
        arena.check(queries.map(|query| {
            let target = format!("/nowhere/smuggled{query}");
            attack(
                format!("{target} {who}"),
                request("GET", &target, &lines),
                404,
            )
        }));
    }
    let (_, ws) = token()
        .trim_end()
        .split_once(' ')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    arena.check(["token", "X-App-Key", "access_token", "key"].map(|name| {
        let target = format!("/openapi/smuggled?{name}={ws}&{name}2=keyAbcd123");
        attack(target.clone(), request("GET", &target, ""), 401)
    }));
    arena.check(["X-App-Key", "x-app-key", "X_App_Key"].map(|name| {
        let target = format!("/openapi/smuggled?{name}=keyAbcd123");
        attack(target.clone(), request("GET", &target, ""), 401)
    }));
}

#[test]
fn a_target_that_is_no_path_does_not_reach_the_backend() {
    let arena = Arena::new();
    #[rustfmt::skip]
    let targets = [
        "http://im.example.com/open/x", "http://im.example.com/openapi/x", "HTTP://IM.EXAMPLE.COM/open/x",
        "https://im.example.com/open/x", "http://other.example.com/open/x", "http://admin.example.com/open/x",
        "http://127.0.0.1:9690/metrics", "http://im.example.com", "http://im.example.com?/open/x", "http:///open/x",
        "http:/open/x", "http:open/x", "http://a@im.example.com/open/x", "http://im.example.com@other/open/x",
        "http://[::1]/open/x", "ws://im.example.com/ws", "wss://im.example.com/ws", "file:///etc/passwd", "foo://a/open/x",
        "javascript:x", "im.example.com:80", "im.example.com", "127.0.0.1:80", "[::1]:80", ":80", "@im.example.com/open/x",
        "@/open/x", "*", "/*/..", "**", "*/open/x", "?", "?/open/x", "&", ";", "~", ".", "..", "%2fopen%2fx", "%2Fopenapi/x",
        "open/x", "%", "\\", "\\\\im.example.com\\open\\x", "//", "///", "//im.example.com", "/\\/open/x",
    ];
    for method in ["GET", "OPTIONS", "POST"] {
        arena.check(targets.map(|target| {
            let bytes = request(method, target, KEY) + &smuggled();
            attack(format!("{method} {target}"), bytes, 400)
        }));
    }
}

#[test]
fn a_first_line_with_two_readings_does_not_reach_the_backend() {
    let arena = Arena::new();
    #[rustfmt::skip]
    let cases: &[(&[u8], u16)] = &[
        (b"GET  /open/x HTTP/1.1", 400), (b"GET /open/x  HTTP/1.1", 400), (b"GET /open/x HTTP/1.1 ", 400),
        (b" GET /open/x HTTP/1.1", 400), (b"\tGET /open/x HTTP/1.1", 400), (b"GET\t/open/x HTTP/1.1", 400),
        (b"GET /open/x\tHTTP/1.1", 400), (b"GET\x0b/open/x HTTP/1.1", 400), (b"GET\x0c/open/x HTTP/1.1", 400),
        (b"GET\xa0/open/x HTTP/1.1", 400), (b"GET /open/x\xa0HTTP/1.1", 400), (b"GET /open/x HTTP/1.1\t", 400),
        (b"GET /open/x HTTP/1.1\x0b", 400), (b"GET /open/x HTTP/1.1\0", 400), (b"GET /open/x HTTP/1.1 HTTP/1.1", 400),
        (b"GET /open/x HTTP/1.1 x", 400), (b"GET /open/x", 400), (b"GET /open/x ", 400), (b"GET", 400), (b"GET ", 400),
        (b"/open/x", 400), (b"/open/x HTTP/1.1", 400), (b"GET HTTP/1.1", 400), (b"GET /open/x HTTP/1.2", 505),
        (b"GET /open/x HTTP/1.10", 400), (b"GET /open/x HTTP/1.", 505), (b"GET /open/x HTTP/01.1", 505),
        (b"GET /open/x HTTP/1", 505), (b"GET /open/x HTTP/0.9", 505), (b"GET /open/x HTTP/2", 505),
        (b"GET /open/x HTTP/2.0", 505), (b"GET /open/x HTTP/3", 505), (b"GET /open/x HTTP/9.9", 505),
        (b"GET /open/x HTTP/ 1.1", 400), (b"GET /open/x HTTP /1.1", 400), (b"GET /open/x http/1.1", 400),
        (b"GET /open/x Http/1.1", 400), (b"GET /open/x HTTPS/1.1", 400), (b"GET /open/x ICY/1.1", 400),
        (b"GET /open/x HTTP/1.1\r", 400), (b"GET /open/x\rHTTP/1.1", 400), (b"GET /open/x HTTP/-1.1", 400),
        (b"GET /open/x HTTP\\1.1", 400), (b"\0GET /open/x HTTP/1.1", 400), (b"\xef\xbb\xbfGET /open/x HTTP/1.1", 400),
        (b"\r\nGET /open/x HTTP/1.1", 400), (b"\nGET /open/x HTTP/1.1", 400), (b"\rGET /open/x HTTP/1.1", 400),
        (b"\r\n\r\nGET /open/x HTTP/1.1", 400), (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", 400),
    ];
    arena.check(cases.iter().map(|(first, status)| {
        attack(
            format!("{:?}", String::from_utf8_lossy(first)),
            line(first),
            *status,
        )
    }));
    // Every byte that is no visible ASCII, within the target and right behind the method.
    let bytes = (0..=0x20).chain(0x7f..=0xff_u8);
    arena.check(bytes.flat_map(|byte| {
        let within = [b"GET /open/x", &[byte][..], b"y HTTP/1.1"].concat();
        let behind = [b"GET", &[byte][..], b" /open/x HTTP/1.1"].concat();
        [
            attack(format!("{byte:#04x} in the target"), line(&within), 400),
            attack(format!("{byte:#04x} behind the method"), line(&behind), 400),
        ]
    }));
}

#[test]
fn a_request_of_http_0_9_is_not_served() {
    Arena::new().check([
        attack("a line", "GET /open/x\r\n", 400),
        attack("a line and an empty one", "GET /open/x\r\n\r\n", 400),
        attack("a line feed", "GET /openapi/smuggled\n", 400),
        attack("with a header", format!("GET /open/x\r\n{HOST}\r\n"), 400),
    ]);
}

#[test]
fn a_host_with_two_readings_does_not_choose_a_route() {
    let arena = Arena::new();
    let with = |lines: &[u8]| {
        [
            b"GET /open/x HTTP/1.1\r\n",
            lines,
            b"\r\n\r\n",
            smuggled().as_bytes(),
        ]
        .concat()
    };
    #[rustfmt::skip]
    let lines: &[&[u8]] = &[
        b"X-A: 1", b"Host:", b"Host: ", b"Host: a\r\nHost: a", b"Host: im.example.com\r\nHost: admin.example.com",
        b"Host: admin.example.com\r\nhost: im.example.com", b"HOST: a\r\nhOST: b", b"Host: a\r\nHost:", b"Host:\r\nHost: a",
        b"Host: a, b", b"Host: a b", b"Host: a,", b"Host: a;b", b"Host: a@im.example.com", b"Host: a:b@im.example.com",
        b"Host: im.example.com/open", b"Host: im.example.com/", b"Host: /", b"Host: http://im.example.com", b"Host: //a",
        b"Host: im.example.com?", b"Host: im.example.com#a", b"Host: im.example.com\\a", b"Host: im.example.com.",
        b"Host: .im.example.com", b"Host: im..example.com", b"Host: .", b"Host: im.example.com:", b"Host: im.example.com:80:80",
        b"Host: im.example.com:0x50", b"Host: im.example.com:65536", b"Host: im.example.com:+80", b"Host: im.example.com:-1",
        b"Host: im.example.com: 80", b"Host: im.example.com:80 ,a", b"Host: im.example.com:http", b"Host: im.example.com:000080",
        b"Host: :80", b"Host: [::1", b"Host: ::1", b"Host: []", b"Host: [::1]a", b"Host: [::1]:", b"Host: [a]", b"Host: [::1%25a]",
        b"Host: [v1.a]", b"Host: im%2eexample.com", b"Host: %61dmin.example.com", b"Host: im.example.com%00", b"Host: im.example.com\0",
        b"Host: im.example.com\x0b", b"Host: \xe4\xbd\xa0", b"Host: \xff", b"Host: \"a\"", b"Host: <a>", b"Host: {a}", b"Host: *",
        b"Host: a*b", b"Host: a!b", b"Host: a$b", b"Host: a'b", b"Host: a(b)", b"Host: a+b", b"Host: a=b", b"Host: a&b", b"Host: a~b",
        b"Host : a", b"Host\t: a", b" Host: a", b"Host\0: a", b"Host;: a", b"Host: a\r\n b", b"X-A: 1\r\n Host: a", b"X-Host: a",
        b"X-Forwarded-Host: im.example.com", b":authority: im.example.com",
    ];
    arena.check(lines.iter().map(|lines| {
        attack(
            format!("{:?}", String::from_utf8_lossy(lines)),
            with(lines),
            400,
        )
    }));
    let long = format!("Host: {}", "a".repeat(254));
    arena.check([attack("a host of 254 bytes", with(long.as_bytes()), 400)]);
    let old = format!("GET /open/x HTTP/1.0\r\n\r\n{}", smuggled());
    arena.check([attack("none in HTTP/1.0", old, 400)]);
}

#[test]
fn another_spelling_of_a_guarded_host_does_not_open_it() {
    let arena = Arena::new();
    let get = |lines: &str| format!("GET /open/smuggled HTTP/1.1\r\n{lines}\r\n");
    #[rustfmt::skip]
    let cases = [
        ("as configured", "Host: admin.example.com\r\n"),
        ("in capitals", "Host: ADMIN.EXAMPLE.COM\r\n"),
        ("in mixed case", "host: Admin.eXample.cOm\r\n"),
        ("with a port", "Host: admin.example.com:80\r\n"),
        ("with another port", "Host: ADMIN.example.com:9688\r\n"),
        ("with a forwarded host", "Host: admin.example.com\r\nX-Forwarded-Host: im.example.com\r\n"),
        ("with an original host", "Host: admin.example.com\r\nX-Original-Host: im.example.com\r\nX-Host: im.example.com\r\n"),
        ("with a look-alike", "Host: admin.example.com\r\nH.ost: im.example.com\r\nHost_: im.example.com\r\n"),
    ];
    arena.check(cases.map(|(case, lines)| attack(case, get(lines), 401)));
    arena.check(
        [
            "Host: admin.example.com.\r\n",
            "Host: admin.example.com:\r\n",
        ]
        .map(|lines| attack(lines, get(lines), 400)),
    );
}

//! Where the client says it comes from, and where it says it goes (A24).

use super::arena::{Arena, KEY, attack};
use crate::support::raw::request;

/// Headers by which some server would route or judge another request than the one that it got.
/// None of them is passed on, whoever sends it.
#[rustfmt::skip]
const CLAIMS_OF_TARGET: [(&str, &str); 9] = [
    ("X-Original-URL", "/open/forged"),
    ("X-Original-URI", "/open/forged"),
    ("X-Rewrite-URL", "/open/forged"),
    ("X-Original-Host", "forged.example.com"),
    ("X-Host", "forged.example.com"),
    ("X-Envoy-Original-Path", "/open/forged"),
    ("X-Envoy-Original-Host", "forged.example.com"),
    ("X-HTTP-Method-Override", "FORGED"),
    ("X-Original-Method", "FORGED"),
];

/// Headers about the client's side that only a trusted proxy may send.
#[rustfmt::skip]
const CLAIMS_OF_PROXIES: [(&str, &str); 9] = [
    ("X-Forwarded-Proto", "forged"),
    ("X-Forwarded-Host", "forged.example.com"),
    ("X-Forwarded-Port", "forged"),
    ("X-Forwarded-Uri", "/open/forged"),
    ("X-Forwarded-Path", "/open/forged"),
    ("X-Forwarded-Prefix", "/forged"),
    ("X-Forwarded-Method", "FORGED"),
    ("X-Forwarded-User", "forged"),
    ("X-Forwarded-Scheme", "forged"),
];

/// Headers about the client's address; the gate names it in `X-Forwarded-For` alone.
#[rustfmt::skip]
const CLAIMS_OF_ADDRESS: [(&str, &str); 8] = [
    ("X-Forwarded-For", "203.0.113.66"),
    ("X-Real-IP", "203.0.113.66"),
    ("Forwarded", "for=203.0.113.66;host=forged.example.com;proto=https"),
    ("X-Forwarded", "for=203.0.113.66"),
    ("X-Client-IP", "203.0.113.66"),
    ("X-Cluster-Client-IP", "203.0.113.66"),
    ("X-Original-Forwarded-For", "203.0.113.66"),
    ("X-Envoy-External-Address", "203.0.113.66"),
];

/// The spellings that a server may take for the same name.
fn spellings(name: &str) -> [String; 5] {
    [
        name.to_owned(),
        name.to_ascii_lowercase(),
        name.to_ascii_uppercase(),
        name.replace('-', "_"),
        name.replace('-', "."),
    ]
}

fn claims() -> impl Iterator<Item = (&'static str, &'static str)> {
    CLAIMS_OF_TARGET
        .into_iter()
        .chain(CLAIMS_OF_PROXIES)
        .chain(CLAIMS_OF_ADDRESS)
}

#[test]
fn a_claimed_target_is_not_the_one_that_is_judged() {
    for arena in [
        Arena::new(),
        Arena::listening("trusted_proxies: [127.0.0.0/8]"),
    ] {
        arena.check(claims().flat_map(|(name, value)| {
            let public = value.replace("FORGED", "OPTIONS");
            spellings(name).map(|name| {
                let lines = format!("{name}: {public}\r\n");
                let bytes = request("GET", "/openapi/smuggled", &lines);
                attack(format!("{name}: {public}"), bytes, 401)
            })
        }));
        arena.check([
            attack("a place that is not there", request("GET", "/smuggled", "X-Original-URL: /open/x\r\n"), 404),
            attack("a guarded host", "GET /open/smuggled HTTP/1.1\r\nHost: admin.example.com\r\nX-Forwarded-Host: im.example.com\r\n\r\n", 401),
            attack("a method of another route", request("POST", "/actuator/health", "X-Forwarded-Method: GET\r\n"), 405),
        ]);
    }
}

#[test]
fn what_a_stranger_claims_does_not_reach_the_backend() {
    for arena in [
        Arena::new(),
        Arena::listening("trusted_proxies: [10.0.0.0/8]"),
    ] {
        for (route, key) in [("/open/x", ""), ("/openapi/x", KEY)] {
            for (name, value) in claims() {
                // Doubled and in a list, too.
                let mut lines: Vec<_> = spellings(name)
                    .map(|name| format!("{name}: {value}\r\n"))
                    .into();
                lines.push(format!("{name}: {value}\r\n{name}: {value}, {value}\r\n"));
                for lines in lines {
                    let headers = format!("{key}{lines}");
                    assert_eq!(arena.gate().get(route, &headers).status(), 200, "{lines}");
                    let arrived = arena.expect_arrived(&[&format!("GET {route}")]);
                    let text = arrived[0].head.text.to_ascii_lowercase();
                    let forged = text.contains("forged") || text.contains("203.0.113.66");
                    assert!(!forged, "{lines} was believed:\n{text}");
                }
            }
        }
    }
}

#[test]
fn a_trusted_proxy_speaks_for_the_client_and_not_for_the_target() {
    let arena = Arena::listening("trusted_proxies: [127.0.0.0/8]");
    for (name, value) in CLAIMS_OF_TARGET {
        for name in spellings(name) {
            let lines = format!("{name}: {value}\r\n");
            assert_eq!(arena.gate().get("/open/x", &lines).status(), 200);
            let text = &arena.expect_arrived(&["GET /open/x"])[0].head.text;
            assert!(
                !text.to_ascii_lowercase().contains("forged"),
                "{lines}:\n{text}"
            );
        }
    }
    let lines = "X-Forwarded-For: 203.0.113.66\r\nX-Forwarded-Proto: https\r\n\
                 X-Forwarded-Host: chat.example.com\r\nX_Forwarded_Proto: forged\r\n";
    assert_eq!(arena.gate().get("/open/x", lines).status(), 200);
    let head = &arena.expect_arrived(&["GET /open/x"])[0].head;
    assert_eq!(
        head.header("x-forwarded-for"),
        Some("203.0.113.66, 127.0.0.1")
    );
    assert_eq!(head.header("x-forwarded-proto"), Some("https"));
    assert_eq!(head.header("x-forwarded-host"), Some("chat.example.com"));
    assert!(!head.text.contains("forged"), "{}", head.text);
}

#[test]
fn what_a_stranger_says_of_its_address_is_counted_and_not_believed() {
    let lines = "X-Forwarded-For: 203.0.113.66\r\nx-forwarded-for: 203.0.113.67\r\n\
                 X-Forwarded-Proto: https\r\nForwarded: for=203.0.113.66\r\nX-Real-IP: 203.0.113.66\r\n";
    for (listening, expected) in [
        ("trusted_proxies: [10.0.0.0/8]", 8.0),
        ("trusted_proxies: [127.0.0.0/8]", 0.0),
    ] {
        let arena = Arena::listening(listening);
        for (target, status) in [("/open/x", 200), ("/openapi/x", 401), ("/open/y", 200)] {
            let lines = if target == "/open/y" { "" } else { lines };
            assert_eq!(arena.gate().get(target, lines).status(), status);
        }
        let metrics = arena.gate().metrics();
        let counted = metrics.value("imgate_untrusted_forwarded_headers_total", &[]);
        assert!((counted - expected).abs() < 0.1, "{listening}: {counted}");
    }
}

#[test]
fn the_whole_internet_is_not_a_trusted_proxy() {
    // See `tests/config` for the message.
    let policy = "listeners: [{ address: \"127.0.0.1:1\", trusted_proxies: [0.0.0.0/0] }]\n\
                  upstreams: { im: { address: \"127.0.0.1:2\" } }\nroutes:\n\
                  - { match: { path: /x }, require: public, upstream: im }\n";
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("imgate.yaml");
    std::fs::write(&path, policy).unwrap();
    let output = std::process::Command::new(crate::support::gate::binary())
        .arg("check")
        .arg("-c")
        .arg(&path)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(64), "{errors}");
    assert!(errors.contains("trusted_proxies"), "{errors}");
}

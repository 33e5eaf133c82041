//! Forged and misspelt identity headers (A20, A21), and claims that would be headers (A25).

use super::arena::{Arena, KEY, attack, member, token};
use crate::support::gate::handshake;
use crate::support::raw::request;

/// What the backend believes because the gate says it.
const OURS: [&str; 10] = [
    "X-Auth-Subject",
    "X-Auth-User-Type",
    "X-Auth-Device-Type",
    "X-Auth-App-Id",
    "X-Auth-Authenticator",
    "X-Auth-Session-Id",
    "X-Auth-Assertion",
    "X-Auth-Anything-Else",
    "X-User-Id",
    "SA-SAME-TOKEN",
];

/// Every mark that a name may hold besides letters and digits: CGI and its kin make `_` of them.
const MARKS: [char; 15] = [
    '-', '_', '.', '~', '!', '#', '$', '%', '&', '\'', '*', '+', '^', '`', '|',
];

/// The name with every mark in place of every hyphen, in four cases.
fn aliases(name: &str) -> Vec<String> {
    let words: Vec<&str> = name.split('-').collect();
    let mut joined = vec![words[0].to_owned()];
    for (index, word) in words.iter().enumerate().skip(1) {
        // All marks at the first place, then the three that are common.
        let marks = if index == 1 { &MARKS[..] } else { &MARKS[..3] };
        joined = joined
            .iter()
            .flat_map(|start| marks.iter().map(move |mark| format!("{start}{mark}{word}")))
            .collect();
    }
    joined.extend(MARKS.map(|mark| name.replace('-', &mark.to_string())));
    joined
        .iter()
        .flat_map(|name| {
            let zigzag = name.chars().enumerate().map(|(index, letter)| {
                if index % 2 == 0 {
                    letter.to_ascii_lowercase()
                } else {
                    letter.to_ascii_uppercase()
                }
            });
            [
                name.clone(),
                name.to_ascii_lowercase(),
                name.to_ascii_uppercase(),
                zigzag.collect(),
            ]
        })
        .collect()
}

/// Sends the names, as many in one request as may be, and looks for their value at the backend.
#[track_caller]
fn assert_cut(arena: &Arena, target: &str, lines: &str, names: &[String]) {
    for names in names.chunks(60) {
        let lines_of = |name: &String| format!("{name}: forged-value\r\n");
        let forged = names.iter().map(lines_of).collect::<Vec<_>>().concat();
        let answer = arena
            .gate()
            .get(target, &format!("{lines}{forged}X-Kept: 1\r\n"));
        assert_eq!(answer.status(), 200, "{target} with {names:?}");
        let arrived = arena.expect_arrived(&[&format!("GET {target}")]);
        let head = &arrived[0].head;
        assert!(!head.text.contains("forged"), "{target}:\n{}", head.text);
        assert_eq!(head.header("x-kept"), Some("1"));
    }
}

#[test]
fn a_forged_identity_does_not_reach_the_backend_in_any_spelling() {
    let arena = Arena::new();
    let member = member(&[]);
    for name in OURS {
        let names = aliases(name);
        assert!(names.len() > 100, "{}", names.len());
        for (target, lines) in [
            ("/openapi/x", KEY),
            ("/open/x", ""),
            ("/api/x", member.as_str()),
        ] {
            assert_cut(&arena, target, lines, &names);
        }
    }
}

#[test]
fn a_forged_identity_does_not_reach_the_backend_doubled_or_listed() {
    let arena = Arena::new();
    let member = member(&[]);
    for name in OURS {
        for (target, lines) in [
            ("/openapi/x", KEY),
            ("/open/x", ""),
            ("/api/x", member.as_str()),
        ] {
            for forged in [
                format!("{name}: forged\r\n{name}: forged\r\n"),
                format!("{name}: a, forged\r\n"),
                format!("{name}:\r\n{}: forged\r\n", name.to_ascii_lowercase()),
                format!(
                    "{name}:forged\r\n{}:\tforged \t\r\n",
                    name.replace('-', "_")
                ),
                format!("Connection: {name}\r\n{name}: forged\r\n"),
                format!(
                    "Connection: close, {name}\r\n{}: forged\r\n",
                    name.replace('-', "_")
                ),
            ] {
                let answer = arena.gate().get(target, &format!("{lines}{forged}"));
                assert_eq!(answer.status(), 200, "{target} {forged}");
                let arrived = arena.expect_arrived(&[&format!("GET {target}")]);
                let text = &arrived[0].head.text;
                assert!(!text.contains("forged"), "{target} {forged}:\n{text}");
            }
        }
    }
}

/// A claim that the credential does not make must be absent, not left to the client.
#[test]
fn an_absent_claim_is_not_filled_by_the_client() {
    let arena = Arena::new();
    let forged: String = OURS.map(|name| format!("{name}: forged\r\n")).concat();
    assert_eq!(
        arena
            .gate()
            .get("/openapi/x", &format!("{KEY}{forged}"))
            .status(),
        200
    );
    let head = &arena.expect_arrived(&["GET /openapi/x"])[0].head;
    let ours = OURS.map(|name| head.all(name));
    let app = ["partner-a"];
    let authenticator = ["keys"];
    let expected: [&[&str]; 10] = [&[], &[], &[], &app, &authenticator, &[], &[], &[], &[], &[]];
    assert_eq!(ours, expected, "{}", head.text);

    assert_eq!(
        arena
            .gate()
            .get("/api/x", &format!("{}{forged}", member(&[])))
            .status(),
        200
    );
    let head = &arena.expect_arrived(&["GET /api/x"])[0].head;
    assert_eq!(head.all("x-auth-subject"), ["7"]);
    assert_eq!(head.all("x-auth-authenticator"), ["member"]);
    for absent in [
        "x-auth-user-type",
        "x-auth-device-type",
        "x-auth-app-id",
        "x-auth-session-id",
    ] {
        assert_eq!(head.all(absent), [""; 0], "{absent}:\n{}", head.text);
    }
}

#[test]
fn a_forged_identity_does_not_reach_a_socket() {
    let arena = Arena::new();
    let forged: String = OURS
        .iter()
        .flat_map(|name| {
            [
                format!("{name}: forged\r\n"),
                format!("{}: forged\r\n", name.replace('-', "_")),
                format!(
                    "{}: forged\r\n",
                    name.replace('-', ".").to_ascii_lowercase()
                ),
            ]
        })
        .collect();
    let mut client = arena.gate().client();
    client.send(handshake("/ws", &format!("{}{forged}", token())));
    // The backend of this test speaks no WebSocket and answers like any other.
    assert_eq!(client.answer().status(), 200);
    let head = &arena.expect_arrived(&["GET /ws"])[0].head;
    assert!(!head.text.contains("forged"), "{}", head.text);
    assert_eq!(head.all("x-auth-subject"), ["7"]);
}

/// A header that the gate sets for the backend is the gate's alone.
#[test]
fn a_look_alike_of_the_backends_key_does_not_reach_it() {
    let arena = Arena::new();
    let names: Vec<_> = aliases("X-App-Key")
        .into_iter()
        .filter(|name| !name.eq_ignore_ascii_case("X-App-Key"))
        .collect();
    for (target, lines) in [("/openapi/x", KEY), ("/open/x", "")] {
        assert_cut(&arena, target, lines, &names);
    }
    // It opens nothing either.
    arena.check(names.iter().map(|name| {
        let bytes = request(
            "GET",
            "/openapi/smuggled",
            &format!("{name}: keyAbcd123\r\n"),
        );
        attack(name, bytes, 401)
    }));
}

/// What a signed claim says is data, whatever is in it.
#[test]
fn a_claim_does_not_become_a_header() {
    let arena = Arena::new();
    #[rustfmt::skip]
    let refused = [
        "7\r\nX-Auth-User-Type: admin", "7\nX-Auth-User-Type: admin", "7\rX-Auth-User-Type: admin", "7\r\n\r\nGET /openapi/smuggled HTTP/1.1",
        "7\r\n X-Auth-User-Type: admin", "7\0", "\0", "\x077", "7\t", "7\u{b}", "7\u{c}", "7\u{1b}[31m", "7\u{7f}", "7\u{85}X-Auth-User-Type: admin", "\u{80}",
        "", "\n", "\u{9f}",
    ];
    for claim in ["sub", "typ", "dev", "app_id"] {
        arena.check(refused.map(|value| {
            let bytes = request("GET", "/api/smuggled", &member(&[(claim, value)]));
            attack(format!("{claim} {value:?}"), bytes, 401)
        }));
    }
    #[rustfmt::skip]
    let encoded = [
        ("7,8", "7%2C8"), ("7, admin", "7%2C%20admin"), ("100%", "100%25"), ("%0d%0aX: y", "%250d%250aX:%20y"), ("a b", "a%20b"), (" ", "%20"),
        (" a ", "%20a%20"), ("\u{5f20}\u{4e09}", "%E5%BC%A0%E4%B8%89"), ("\u{e9}", "%C3%A9"), ("\u{2028}", "%E2%80%A8"), ("\u{a0}", "%C2%A0"),
        ("\u{200b}", "%E2%80%8B"), ("\u{ff0c}", "%EF%BC%8C"), ("\u{560d}\u{560a}X: y", "%E5%98%8D%E5%98%8AX:%20y"), ("\u{10ffff}", "%F4%8F%BF%BF"),
        ("a\"b", "a\"b"), ("a\\b", "a\\b"), ("a;b=c", "a;b=c"), ("a:b", "a:b"), ("im_user:7", "im_user:7"),
    ];
    for (value, expected) in encoded {
        let lines = member(&[
            ("sub", value),
            ("typ", value),
            ("dev", value),
            ("app_id", value),
        ]);
        assert_eq!(
            arena.gate().get("/api/x", &lines).status(),
            200,
            "{value:?}"
        );
        let head = &arena.expect_arrived(&["GET /api/x"])[0].head;
        for name in [
            "x-auth-subject",
            "x-auth-user-type",
            "x-auth-device-type",
            "x-auth-app-id",
        ] {
            assert_eq!(
                head.all(name),
                [expected],
                "{name} of {value:?}:\n{}",
                head.text
            );
        }
        assert!(head.text.is_ascii(), "{}", head.text);
    }
    // As long as a credential may make it.
    let long = "7".repeat(3_000);
    let lines = member(&[("sub", &long)]);
    assert_eq!(arena.gate().get("/api/x", &lines).status(), 200);
    let head = &arena.expect_arrived(&["GET /api/x"])[0].head;
    assert_eq!(head.all("x-auth-subject"), [long]);
}

//! One path, spelled as another (A11 to A13, A16, A18).

use super::arena::{Arena, KEY, attack, other_credentials, token};
use crate::support::raw::request;

/// Spellings that some server takes for `/openapi/smuggled`, and others that it splits in its own
/// way. Each is refused for what it is, whoever asks.
#[rustfmt::skip]
const SPELLINGS: &[(&str, &str)] = &[
    // A11: empty and dot segments.
    ("a slash too many", "//openapi/smuggled"),
    ("two slashes too many", "///openapi/smuggled"),
    ("a slash too many within", "/openapi//smuggled"),
    ("a slash too many at the end", "/openapi/smuggled//"),
    ("an authority in front", "//im.example.com/openapi/smuggled"),
    ("an authority with a user in front", "//a@im.example.com/openapi/smuggled"),
    ("a dot in front", "/./openapi/smuggled"),
    ("a dot within", "/openapi/./smuggled"),
    ("a dot at the end", "/openapi/smuggled/."),
    ("up from a place that is not there", "/a/../openapi/smuggled"),
    ("up from the public route", "/open/../openapi/smuggled"),
    ("up from the socket", "/ws/../openapi/smuggled"),
    ("up from the public host", "/open/x/../../openapi/smuggled"),
    ("up beyond the root", "/../openapi/smuggled"),
    ("far up beyond the root", "/open/../../../../openapi/smuggled"),
    ("up at the end", "/open/smuggled/.."),
    ("three dots and two", "/open/.../../openapi/smuggled"),
    ("no slash in front", "openapi/smuggled"),
    ("a dot and no slash in front", "./openapi/smuggled"),
    // A12: escapes.
    ("encoded dots", "/open/%2e%2e/openapi/smuggled"),
    ("encoded dots in capitals", "/open/%2E%2E/openapi/smuggled"),
    ("one encoded dot", "/open/.%2e/openapi/smuggled"),
    ("the other encoded dot", "/open/%2e./openapi/smuggled"),
    ("an encoded dot segment", "/open/%2e/smuggled"),
    ("an encoded slash", "/open/..%2fopenapi/smuggled"),
    ("an encoded slash in capitals", "/open/..%2Fopenapi/smuggled"),
    ("only encoded slashes", "/open%2f..%2fopenapi%2fsmuggled"),
    ("everything encoded", "/%6f%70%65%6e%61%70%69/%73muggled"),
    ("up from the socket, encoded", "/ws/..%2fopenapi/smuggled"),
    ("an encoded slash at the end of the prefix", "/openapi%2fsmuggled"),
    ("an encoded slash in front", "/%2fopenapi/smuggled"),
    ("an encoded backslash", "/open/..%5copenapi/smuggled"),
    ("an encoded backslash in capitals", "/open/..%5Copenapi%5Csmuggled"),
    ("double encoding", "/open/%252e%252e/openapi/smuggled"),
    ("a doubly encoded slash", "/open/..%252fopenapi/smuggled"),
    ("a doubly encoded letter", "/%256fpenapi/smuggled"),
    ("triple encoding", "/open/%25252e%25252e/openapi/smuggled"),
    ("an encoded percent sign", "/open/%25/smuggled"),
    ("an encoded letter", "/%6fpenapi/smuggled"),
    ("an encoded letter in capitals", "/%6Fpenapi/smuggled"),
    ("an encoded letter within", "/open%61pi/smuggled"),
    ("an encoded digit", "/open/smuggled%31"),
    ("an encoded tilde", "/open/%7esmuggled"),
    ("an encoded hyphen", "/open/smuggled%2da"),
    ("an overlong dot", "/open/%c0%ae%c0%ae/openapi/smuggled"),
    ("an overlong slash", "/open/..%c0%afopenapi/smuggled"),
    ("an overlong slash in three bytes", "/open/..%e0%80%afopenapi/smuggled"),
    ("an overlong slash in four bytes", "/open/..%f0%80%80%afopenapi/smuggled"),
    ("an overlong slash in six bytes", "/open/..%fc%80%80%80%80%afopenapi/smuggled"),
    ("an overlong letter", "/%c1%afpenapi/smuggled"),
    ("an escape as IIS reads it", "/open/..%u002fopenapi/smuggled"),
    ("a full-width slash as IIS reads it", "/open/..%uff0fopenapi/smuggled"),
    ("an encoded NUL", "/open/smuggled%00"),
    ("an encoded NUL and another end", "/openapi/smuggled%00.png"),
    ("an encoded line feed", "/open/smuggled%0a"),
    ("an encoded line end and a header", "/open/smuggled%0d%0aX-App-Key:%20keyAbcd123"),
    ("an encoded tab", "/openapi%09/smuggled"),
    ("an encoded DEL", "/open/smuggled%7f"),
    ("an encoded control character beyond ASCII", "/open/smuggled%c2%85"),
    ("bytes that are no UTF-8", "/open/smuggled%ff%fe"),
    ("half a character", "/open/smuggled%e4%bd"),
    ("a character cut by a slash", "/open/smuggled%e4%bd/%a0"),
    ("a surrogate", "/open/smuggled%ed%a0%80"),
    ("beyond Unicode", "/open/smuggled%f4%90%80%80"),
    ("a percent sign alone", "/open/smuggled%"),
    ("half an escape", "/open/smuggled%2"),
    ("no escape", "/open/smuggled%zz"),
    ("an escape with a sign", "/open/smuggled%+f"),
    ("an escape with a blank in it", "/open/smuggled%2 e"),
    // A13: parameters and backslashes.
    ("a parameter behind the dots", "/open/..;/openapi/smuggled"),
    ("a parameter behind the dots of the socket", "/ws/..;/openapi/smuggled"),
    ("a value behind the dots", "/open/..;a=b/openapi/smuggled"),
    ("a parameter of a dot", "/open/.;/smuggled"),
    ("a parameter of nothing", "/open/;/smuggled"),
    ("a parameter in front", "/;/openapi/smuggled"),
    ("a parameter of the first segment", "/openapi;a=b/smuggled"),
    ("an empty parameter of the first segment", "/openapi;/smuggled"),
    ("a session id", "/openapi/smuggled;jsessionid=1"),
    ("an encoded semicolon", "/open/..%3b/openapi/smuggled"),
    ("an encoded semicolon in capitals", "/openapi%3Ba=b/smuggled"),
    ("backslashes", "/ws\\..\\openapi\\smuggled"),
    ("a backslash in front", "\\openapi\\smuggled"),
    ("a slash and a backslash in front", "/\\openapi/smuggled"),
    ("a backslash within", "/openapi\\smuggled"),
    ("up by a backslash", "/open/..\\openapi/smuggled"),
    // What a URI cannot hold.
    ("a blank", "/open/smuggled x"),
    ("a blank behind the path", "/openapi/smuggled "),
    ("a tab", "/open/smuggled\tx"),
    ("a vertical tab", "/open/smuggled\x0bx"),
    ("a NUL", "/open/smuggled\0"),
    ("a DEL", "/open/smuggled\x7f"),
    ("raw UTF-8", "/open/smuggled\u{4f60}"),
    ("a full-width slash", "/open/..\u{ff0f}openapi/smuggled"),
    ("a quote", "/open/\"smuggled\""),
    ("angle brackets", "/open/<smuggled>"),
    ("braces", "/open/{smuggled}"),
    ("a bar", "/open/smuggled|x"),
    ("a circumflex", "/open/smuggled^"),
    ("a back quote", "/open/`smuggled`"),
];

/// Paths that nobody reads twice, and that belong to no route, or to none that is laxer.
#[rustfmt::skip]
const ELSEWHERE: &[(&str, &str)] = &[
    ("capitals", "/OPENAPI/smuggled"),
    ("one capital", "/Openapi/smuggled"),
    ("a prefix in capitals of another route", "/OPEN/smuggled"),
    ("the socket in capitals", "/WS"),
    ("the socket with a slash", "/ws/"),
    ("below the socket", "/ws/smuggled"),
    ("a longer name", "/openapix/smuggled"),
    ("a shorter name", "/openap/smuggled"),
    ("a letter that folds to another", "/%E2%84%AAopenapi/smuggled"),
    ("a dotless letter", "/openap%C4%B1/smuggled"),
    ("a full-width letter", "/%EF%BD%8Fpenapi/smuggled"),
    ("a composed letter", "/openapi%CC%81/smuggled"),
    ("a health check with a slash", "/actuator/health/"),
    ("a health check in capitals", "/actuator/HEALTH"),
    ("below a health check", "/actuator/health/smuggled"),
    ("beside a health check", "/actuator/healthz"),
    ("an ending", "/actuator/health.json"),
    ("the root", "/"),
    ("an ending in front of the path", "/openapi.json/smuggled"),
    ("a plus sign for a blank", "/openapi+/smuggled"),
    ("an encoded blank", "/openapi%20/smuggled"),
    ("an encoded question mark", "/openapi%3f/smuggled"),
    ("an encoded number sign", "/openapi%23/smuggled"),
];

#[test]
fn another_spelling_of_a_path_does_not_reach_the_backend() {
    let arena = Arena::new();
    for (who, lines) in other_credentials() {
        arena.check(SPELLINGS.iter().map(|(case, target)| {
            attack(
                format!("{case}, {who}"),
                request("GET", target, &lines),
                400,
            )
        }));
    }
}

#[test]
fn another_spelling_is_refused_to_those_who_may_enter_as_well() {
    let lines = format!("{KEY}{}", token());
    Arena::new().check(
        SPELLINGS
            .iter()
            .map(|(case, target)| attack(*case, request("POST", target, &lines), 400)),
    );
}

#[test]
fn a_path_of_no_route_does_not_reach_the_backend() {
    let arena = Arena::new();
    for (who, lines) in other_credentials() {
        arena.check(ELSEWHERE.iter().map(|(case, target)| {
            attack(
                format!("{case}, {who}"),
                request("GET", target, &lines),
                404,
            )
        }));
    }
}

#[test]
fn a_credential_of_one_route_does_not_open_another() {
    let arena = Arena::new();
    #[rustfmt::skip]
    let protected = [
        ("/openapi/smuggled", [401, 401, 403, 401]),
        ("/openapi", [401, 401, 403, 401]),
        ("/openapi/", [401, 401, 403, 401]),
        ("/openapi/open/smuggled", [401, 401, 403, 401]),
        ("/openapi/ws", [401, 401, 403, 401]),
        ("/reports/smuggled", [401, 401, 200, 401]),
        ("/api/smuggled", [401, 401, 401, 200]),
    ];
    for (target, statuses) in protected {
        let attempts = other_credentials().into_iter().zip(statuses);
        // The one that it belongs to is let in elsewhere.
        let attempts = attempts.filter(|(_, status)| *status != 200);
        arena.check(attempts.map(|((who, lines), status)| {
            attack(
                format!("{target} {who}"),
                request("GET", target, &lines),
                status,
            )
        }));
    }
    // A credential of the wrong kind in the right place.
    let ws = token().trim_start_matches("token: ").to_owned();
    arena.check([
        attack(
            "a socket's token as a key",
            request("GET", "/openapi/smuggled", &format!("X-App-Key: {ws}")),
            401,
        ),
        attack(
            "a socket's token as a member's",
            request(
                "GET",
                "/api/smuggled",
                &format!("Authorization: Bearer {ws}"),
            ),
            401,
        ),
        attack(
            "a key as a member's token",
            request(
                "GET",
                "/api/smuggled",
                "Authorization: Bearer keyAbcd123\r\n",
            ),
            401,
        ),
        attack(
            "the backend's own key",
            request("GET", "/openapi/smuggled", "X-App-Key: backend-key\r\n"),
            401,
        ),
    ]);
}

/// What stands in the way of attacks must not stand in the way of users.
#[test]
fn a_legal_target_is_not_changed_by_a_byte() {
    let arena = Arena::new();
    let long_path = format!("/open/{}", "a/b-c.d_e~f!".repeat(600));
    let fill = 8192 - "/open/x?q=".len();
    let long_query = format!(
        "/open/x?q={}",
        "%2F..%2F".repeat(fill / 8) + &"x".repeat(fill % 8)
    );
    assert_eq!(long_query.len(), 8192, "as long as a target may be");
    #[rustfmt::skip]
    let targets = [
        "/openapi/a-b_c~d/%E4%BD%A0?q=%2F..%2F&x=1;2",
        "/openapi", "/openapi/", "/openapi?", "/openapi/?", "/openapi/x?", "/openapi/x??", "/openapi/x???a=b??",
        "/openapi/x?a", "/openapi/x?a=", "/openapi/x?=a", "/openapi/x?&", "/openapi/x?&&a=b&&c&", "/openapi/x?a=b=c",
        "/openapi/x?a=1&a=2", "/openapi/x?a[]=1&a[]=2", "/openapi/x?a=1;b=2;c", "/openapi/x?;", "/openapi/x?a=/../b//c",
        "/openapi/x?a=%00%0d%0a", "/openapi/x?a=%zz%", "/openapi/x?a=%7E%41", "/openapi/x?a=+%2B", "/openapi/x?`{}|\\^'",
        "/openapi/x?u=http://other.example.com/openapi", "/openapi/x?q=%23",
        "/openapi/!$&'()*+,=:@", "/openapi/$&'()*+,=:@!", "/openapi/a:b", "/openapi/:", "/openapi/@", "/openapi/a@b",
        "/openapi/...", "/openapi/....", "/openapi/.hidden", "/openapi/..hidden", "/openapi/hidden..", "/openapi/a..b/",
        "/openapi/.well-known/x", "/openapi/~user/", "/openapi/a[1]", "/openapi/%20", "/openapi/%5B1%5D", "/openapi/%40",
        "/openapi/%3A%3D%26", "/openapi/%E4%BD%A0%E5%A5%BD", "/openapi/%e4%bd%a0", "/openapi/%F0%9F%98%80", "/openapi/%C3%A9",
        "/openapi/%3F/%23/x", "/openapi/%22%3C%3E%7B%7D%7C%5E%60", "/openapi/x.php/y.jsp", "/openapi/-/_/~", "/openapi/0",
        "/openapi/CAPITALS/And-Not", "/openapi/*", "/openapi/(x)",
        &long_path, &long_query,
    ];
    for target in targets {
        let answer = arena.gate().get(target, KEY);
        assert_eq!(answer.status(), 200, "{target}");
        let arrived = arena.expect_arrived(&[&format!("GET {target}")]);
        let line = arrived[0].head.text.lines().next();
        assert_eq!(line, Some(format!("GET {target} HTTP/1.1").as_str()));
    }
    let longer = format!("{long_query}x");
    arena.check([attack("a byte too long", request("GET", &longer, KEY), 414)]);
}

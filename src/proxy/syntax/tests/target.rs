//! Targets: which paths and queries pass.

use proptest::prelude::*;

use super::*;

#[test]
fn paths_with_one_reading_pass() {
    for path in [
        "/",
        "/openapi",
        "/openapi/",
        "/openapi/a-b_c~d/%E4%BD%A0",
        "/%e4%bd%a0",
        "/a.b/..c/d../...",
        "/user@example.com/a:b/!$&'()*+,=",
        "/alice%40example.com/a%20b%3Fc",
        "/a[1]",
        "/%F0%9F%98%80",
    ] {
        let line = format!("GET {path}?q=%2F..%2F&x=1;2&y={{|}}\\^`[] HTTP/1.1");
        // What browsers do not escape in a query.
        assert_eq!(outcome(&[&line, "Host: a"]), Ok(()), "{path}");
    }
}

#[test]
fn targets_with_two_readings_are_refused() {
    use SyntaxError::{Path, Query, Target};
    #[rustfmt::skip]
    let cases = [
        ("absolute form", "http://other/openapi", Target),
        ("absolute form of another scheme", "foo://a/x", Target),
        ("authority form", "a:80", Target),
        ("asterisk form", "*", Target),
        ("a path without a slash", "openapi", Target),
        ("a query alone", "?a=b", Target),
        ("an authority for some", "//openapi", Target),
        ("two slashes only", "//", Target),
        ("a double slash", "/a//openapi", Path),
        ("a double slash at the end", "/a//", Path),
        ("a dot segment first", "/./openapi", Path),
        ("a dot segment last", "/openapi/.", Path),
        ("two dots", "/ws/../openapi", Path),
        ("two dots first", "/../openapi", Path),
        ("two dots last", "/openapi/..", Path),
        ("two escaped dots", "/a/%2e%2e/openapi", Path),
        ("two dots, one escaped", "/a/.%2E/openapi", Path),
        ("an escaped dot", "/openapi%2Ejson", Path),
        ("an escaped slash", "/ws/..%2fopenapi", Path),
        ("an escaped slash in upper case", "/openapi%2Fx", Path),
        ("an escaped backslash", "/ws%5copenapi", Path),
        ("an escaped percent sign", "/ws/%252e%252e/openapi", Path),
        ("an escaped semicolon", "/ws%3b/openapi", Path),
        ("an escaped NUL", "/openapi%00", Path),
        ("an escaped line end", "/openapi%0d%0aX:y", Path),
        ("an escaped unit separator", "/openapi%1F", Path),
        ("an escaped DEL", "/openapi%7f", Path),
        ("an escaped letter", "/%6fpenapi", Path),
        ("an escaped digit", "/v%31", Path),
        ("an escaped tilde", "/%7Ea", Path),
        ("an escape of no digits", "/%zz", Path),
        ("an escape with a sign", "/%+1", Path),
        ("an escape of IIS", "/%u002e", Path),
        ("half an escape at the end", "/a%4", Path),
        ("a percent sign at the end", "/a%", Path),
        ("an escape across segments", "/%2/f", Path),
        ("a parameter", "/openapi;a=b/x", Path),
        ("a parameter after two dots", "/ws/..;/openapi", Path),
        ("a parameter last", "/openapi;", Path),
        ("a backslash", "/ws\\..\\openapi", Path),
        ("a backslash first", "/\\openapi", Path),
        ("an overlong slash", "/ws%c0%afopenapi", Path),
        ("an overlong dot of three bytes", "/%e0%80%ae", Path),
        ("an overlong dot of four bytes", "/%f0%80%80%ae", Path),
        ("a surrogate", "/%ed%a0%80", Path),
        ("beyond Unicode", "/%f4%90%80%80", Path),
        ("a lone continuation", "/%80", Path),
        ("a character cut short", "/%e4%bd", Path),
        ("a character cut by another", "/%e4%bdx", Path),
        ("Latin-1", "/%fc", Path),
        ("an escaped U+0085", "/a%c2%85", Path),
        ("bytes beyond ASCII", "/ä", Path),
        ("a fragment", "/openapi#x", Path),
        ("a fragment before a query", "/ws#?/openapi", Path),
        ("a fragment after a query", "/openapi?a=b#c", Query),
        ("bytes beyond ASCII in the query", "/a?b=ä", Query),
        ("a quotation mark in the query", "/a?b=\"", Query),
        ("a less-than sign in the query", "/a?b=<", Query),
        ("a greater-than sign in the query", "/a?b=>", Query),
        ("a less-than sign", "/<x>", Path),
        ("a quotation mark", "/\"", Path),
        ("a caret", "/^", Path),
        ("a backtick", "/`", Path),
        ("braces", "/{id}", Path),
        ("a bar", "/a|b", Path),
    ];
    for (case, target, error) in cases {
        let line = format!("GET {target} HTTP/1.1");
        assert_eq!(outcome(&[&line, "Host: a"]), Err(error), "{case}");
    }
}

/// What a lenient server makes of a path: it decodes, and again, turns backslashes, cuts
/// parameters, folds slashes and dots.
fn normalised(path: &str) -> Vec<u8> {
    let once: Vec<u8> = percent_encoding::percent_decode_str(path).collect();
    let twice: Vec<u8> = percent_encoding::percent_decode(&once).collect();
    let mut segments: Vec<Vec<u8>> = Vec::new();
    for segment in twice.split(|byte| matches!(byte, b'/' | b'\\')) {
        match segment.split(|byte| *byte == b';').next().unwrap() {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            name => segments.push(name.to_vec()),
        }
    }
    segments.join(&b'/')
}

proptest! {
    #[test]
    fn a_lenient_server_finds_the_segments_that_were_judged(
        path in "/(a|b|/|\\.|\\.\\.|;|\\\\|%2[ef5E]|%5c|%3b|%6f|%25|%c0%af|%40|%E4%BD%A0){0,8}",
    ) {
        let line = format!("GET {path} HTTP/1.1");
        if outcome(&[&line, "Host: a"]).is_ok() {
            let judged: Vec<Vec<u8>> = path
                .split('/')
                .filter(|segment| !segment.is_empty())
                .map(|segment| percent_encoding::percent_decode_str(segment).collect())
                .collect();
            prop_assert_eq!(normalised(&path), judged.join(&b'/'));
        }
    }
}

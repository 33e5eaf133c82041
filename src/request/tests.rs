use proptest::prelude::*;

use super::*;
use crate::wire::head::{self, HeadLimits};

const LIMITS: HeadLimits = HeadLimits {
    head_bytes: 4096,
    headers: 10,
    target_bytes: 4096,
};

fn with_query<R>(query: Option<&str>, look: impl FnOnce(&Request<'_>) -> R) -> R {
    let target = query.map_or_else(|| "/p".to_owned(), |query| format!("/p?{query}"));
    let bytes = format!("GET {target} HTTP/1.1\r\n\r\n");
    let head = head::request(bytes.as_bytes(), &LIMITS).unwrap().unwrap();
    let request = Request {
        head: &head,
        path: "/p",
        query: head.target.get(3..),
        host: "chat",
        client: IpAddr::from([127, 0, 0, 1]),
        secure: false,
    };
    look(&request)
}

fn pairs_of(query: Option<&str>) -> Vec<(Vec<u8>, String, Vec<u8>)> {
    with_query(query, |request| {
        request
            .query_pairs()
            .map(|pair| {
                let (name, value) = (pair.name.into_owned(), pair.value.into_owned());
                (name, pair.raw_value.to_owned(), value)
            })
            .collect()
    })
}

/// Name, value as sent, value.
type Pair<'a> = (&'a [u8], &'a str, &'a [u8]);

#[test]
fn a_query_is_read_as_forms_are() {
    #[rustfmt::skip]
    let cases: [(_, _, &[Pair<'_>]); 13] = [
        ("no query", None, &[]),
        ("an empty query", Some(""), &[]),
        ("two parameters", Some("a=b&c=d"), &[(b"a", "b", b"b"), (b"c", "d", b"d")]),
        ("one name twice", Some("a=b&a=c"), &[(b"a", "b", b"b"), (b"a", "c", b"c")]),
        ("no value", Some("a&b="), &[(b"a", "", b""), (b"b", "", b"")]),
        ("no name", Some("=a"), &[(b"", "a", b"a")]),
        ("empty pieces", Some("&&a=b&"), &[(b"a", "b", b"b")]),
        ("an equals sign in the value", Some("a=b=="), &[(b"a", "b==", b"b==")]),
        ("an escaped name", Some("t%6fken=x"), &[(b"token", "x", b"x")]),
        ("decoded once", Some("a=%2541"), &[(b"a", "%2541", b"%41")]),
        ("a plus is a space", Some("a+b=c+d%2B"), &[(b"a b", "c+d%2B", b"c d+")]),
        ("escapes that are none", Some("a=%zz%4"), &[(b"a", "%zz%4", b"%zz%4")]),
        ("a semicolon", Some("a=1;b=2"), &[(b"a", "1;b=2", b"1;b=2")]),
    ];
    for (case, query, expected) in cases {
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, raw, value)| (name.to_vec(), (*raw).to_owned(), value.to_vec()))
            .collect();
        assert_eq!(pairs_of(query), expected, "{case}");
    }
}

#[test]
fn splitting_at_semicolons_as_well_may_show_another_value() {
    for (case, query, expected) in [
        ("no semicolon", "token=a&b=c", false),
        ("no such parameter", "x=1;2", false),
        ("hidden behind another", "x=1;token=b", true),
        ("hidden behind itself", "token=a;token=b", true),
        ("hidden without a value", "x=1;token", true),
        ("hidden under an escaped name", "x=1;t%6Fken=b", true),
        ("hidden under another case", "x=1;Token=b", true),
        ("hidden in a list", "x=1;token[]=b", true),
        ("beside an honest one", "token=a&x=1;token=a", true),
        ("cut short", "token=a;b", true),
        ("cut short by nothing", "token=a;", true),
        ("a semicolon that is escaped", "token=a%3Bb", false),
    ] {
        let found = with_query(Some(query), |request| request.query_ambiguous("token"));
        assert_eq!(found, expected, "{case}");
    }
}

#[test]
fn debug_shows_no_query() {
    with_query(Some("token=s3cret"), |request| {
        let pair = request.query_pairs().next().unwrap();
        let shown = format!("{request:?} {pair:?}");
        assert!(shown.contains("/p") && !shown.contains("s3cret"), "{shown}");
    });
}

proptest! {
    #[test]
    fn ranges_are_the_pairs_in_the_target(query in "[a-c=&%+;2]{0,30}") {
        with_query(Some(&query), |request| {
            let pieces: Vec<_> =
                query.split('&').filter(|piece| !piece.is_empty()).collect();
            let found: Vec<_> = request
                .query_pairs()
                .map(|pair| &request.head.target[pair.range])
                .collect();
            assert_eq!(found, pieces);
        });
    }

    #[test]
    fn what_is_encoded_is_read_back(name in any::<Vec<u8>>(), value in any::<Vec<u8>>()) {
        let encode = |bytes: &[u8]| {
            percent_encoding::percent_encode(bytes, percent_encoding::NON_ALPHANUMERIC).to_string()
        };
        let query = format!("{}={}", encode(&name), encode(&value));
        let raw = encode(&value);
        prop_assert_eq!(pairs_of(Some(&query)), [(name, raw, value)]);
    }
}

//! Cookies as written, and the readers who would see others.

use proptest::prelude::*;

use super::*;

/// What is read under the name `im`: its values, or that they are in doubt.
#[track_caller]
fn check(line: &str, expected: &[&str]) {
    let values: Vec<_> = all(line.as_bytes())
        .filter(|cookie| cookie.name == b"im")
        .map(|cookie| cookie.content().map(String::from_utf8_lossy))
        .collect();
    let read: Vec<&str> = if is_ambiguous(line.as_bytes(), "im") {
        vec!["?"]
    } else {
        values
            .iter()
            .map(|value| value.as_deref().unwrap())
            .collect()
    };
    assert_eq!(read, expected, "{line}");
}

#[test]
fn a_cookie_is_what_stands_between_two_semicolons() {
    for (line, expected) in [
        ("im=abc", &["abc"][..]),
        ("a=1; im=abc; b=2", &["abc"]),
        ("a=1;im=abc;b=2", &["abc"]),
        ("a=1;  im=abc;;", &["abc"]),
        ("a=1; im=abc; im=def", &["abc", "def"]),
        ("im=a.b-c_d~e==", &["a.b-c_d~e=="]),
        ("im=a%2Eb", &["a%2Eb"]),
        ("im=\"abc\"", &["abc"]),
        ("im=", &[""]),
        ("im=\"\"", &[""]),
        ("im", &[""]),
        ("", &[]),
        (";", &[]),
    ] {
        check(line, expected);
    }
}

#[test]
fn another_name_is_another_cookie() {
    for line in [
        "imx=abc",
        "xim=abc",
        "x-im=abc",
        "__Host-im=abc",
        "im.x=abc",
        "IM=abc",
        "%69m=abc",
        "a=im",
        "a=b=im=c",
        "a=b&im=c",
        "a=/b?im=c",
        "a={\"im\":1}",
        "a=the im of it",
        "$Version=1; a=b",
    ] {
        check(line, &[]);
    }
}

#[test]
fn what_another_reader_would_find_elsewhere_is_in_doubt() {
    for (case, line) in [
        ("a comma parts cookies", "a=1, im=evil"),
        ("a comma ends the value", "im=abc,def"),
        ("a blank parts cookies", "a=1 im=evil"),
        ("a tab does", "a=1\tim=evil"),
        ("so does what may be a blank", "a=1\u{a0}im=evil"),
        ("a blank ends the value", "im=abc def"),
        ("the value ends with a blank", "im=abc ; b=2"),
        ("the value begins with one", "im= abc"),
        ("the name ends with one", "im =abc"),
        ("with what may be one", "im\u{a0}=abc"),
        ("or begins with it", "\u{2000}im=abc"),
        ("an empty name is passed over", "=im=evil"),
        ("behind another cookie, too", "a=1; ==im=evil"),
        ("a value runs across semicolons", "a=\"b; im=abc; c=d\""),
        ("one that has an escaped quote", "a=\"b\\\"; im=abc; c=d\""),
        ("one that opens again", "a=\"b; c\" d=\"e; im=abc"),
        ("a quoted value holds a cookie", "a=\"im=evil\""),
        ("half a quote", "im=\"abc"),
        ("half a quote at the end", "im=abc\""),
        ("a quote within", "im=a\"b\"c"),
        ("an escape", "im=\"a\\142c\""),
        ("beyond ASCII", "im=ключ"),
        ("an old version", "$Version=1; im=abc"),
        ("its attributes", "im=abc; $Path=/"),
        ("in another case", "a=1, IM=evil"),
        ("escaped", "a=1, %69m=evil"),
        ("with an index", "a=1, im[0]=evil"),
    ] {
        println!("{case}");
        check(line, &["?"]);
    }
}

#[test]
fn a_quoted_value_that_ends_hides_nothing() {
    check("a=\"b; c\"; im=abc", &["abc"]);
    check("a=\"b\\\"c\"; im=abc", &["abc"]);
    check("a=5\"; im=abc", &["abc"]);
    check("im=abc; a=\"b", &["abc"]);
}

#[test]
fn names_are_alike_that_some_server_takes_for_one() {
    for (found, name, expected) in [
        ("im", "im", true),
        ("IM", "im", true),
        ("%69m", "im", true),
        ("%20im", "im", true),
        ("im[0]", "im", true),
        ("im.token", "im_token", true),
        ("..Host-im", "__Host-im", true),
        ("__host-im", "__Host-im", true),
        ("a%41", "a%41", true),
        ("im2", "im", false),
        ("i", "im", false),
        ("", "im", false),
        ("im", "__Host-im", false),
    ] {
        assert_eq!(is_alike(found.as_bytes(), name), expected, "{found} {name}");
    }
}

#[test]
fn other_cookies_keep_their_bytes_and_their_order() {
    for (line, expected) in [
        ("a=1; b=2", None),
        ("im=x", Some("")),
        (" ; im=x;", Some("")),
        ("im=x; a=1", Some("a=1")),
        ("a=1; im=x", Some("a=1")),
        ("a=1; im=x; b=\"2, 3\"", Some("a=1; b=\"2, 3\"")),
        ("a=1;im=x;  b=2;", Some("a=1;  b=2;")),
        ("im=x; im=y; a=1; IM=z", Some("a=1")),
    ] {
        let kept = without(line.as_bytes(), |name| is_alike(name, "im"));
        let kept = kept.map(|kept| String::from_utf8(kept).unwrap());
        assert_eq!(kept.as_deref(), expected, "{line}");
    }
}

/// Readers as servers have or had them, each by what sets it apart. They give names and values.
mod readers {
    type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

    pub(super) const ALL: [fn(&[u8]) -> Pairs; 5] =
        [semicolons, commas, words, quoted_strings, nameless];

    fn is_blank(byte: u8) -> bool {
        // As JavaScript and Python have it, of which UTF-8 leaves single bytes.
        byte <= b' ' || byte >= 0x80
    }

    fn trim(mut text: &[u8]) -> &[u8] {
        while let [first, rest @ ..] = text
            && is_blank(*first)
        {
            text = rest;
        }
        while let [rest @ .., last] = text
            && is_blank(*last)
        {
            text = rest;
        }
        text
    }

    fn unquote(text: &[u8]) -> Vec<u8> {
        let inner = text.strip_prefix(b"\"").and_then(|t| t.strip_suffix(b"\""));
        inner.unwrap_or(text).to_vec()
    }

    fn pair(piece: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let end = piece.iter().position(|byte| *byte == b'=');
        let (name, value) = piece.split_at(end.unwrap_or(piece.len()));
        let value = trim(value.strip_prefix(b"=").unwrap_or_default());
        (trim(name).to_vec(), unquote(value))
    }

    /// Node.js, Go.
    fn semicolons(line: &[u8]) -> Pairs {
        line.split(|byte| *byte == b';').map(pair).collect()
    }

    /// Perl, RFC 2109.
    fn commas(line: &[u8]) -> Pairs {
        line.split(|byte| b";,".contains(byte)).map(pair).collect()
    }

    /// Python: cookies end at blanks, too, and quoted values hold anything.
    fn words(line: &[u8]) -> Pairs {
        let mut pairs = Pairs::new();
        let mut rest = trim(line);
        while !rest.is_empty() {
            let end = rest.iter().position(|b| is_blank(*b) || b";=".contains(b));
            let (name, behind) = rest.split_at(end.unwrap_or(rest.len()));
            let (value, behind) = match trim(behind).strip_prefix(b"=") {
                None => (&b""[..], behind),
                Some(behind) => value(trim(behind)),
            };
            pairs.push((name.to_vec(), unquote(value)));
            rest = trim(behind);
            rest = trim(rest.strip_prefix(b";").unwrap_or(rest));
        }
        pairs
    }

    fn value(text: &[u8]) -> (&[u8], &[u8]) {
        if text.starts_with(b"\"")
            && let Some(end) = closing_quote(text)
        {
            return text.split_at(end + 1);
        }
        let end = text.iter().position(|b| is_blank(*b) || *b == b';');
        text.split_at(end.unwrap_or(text.len()))
    }

    fn closing_quote(text: &[u8]) -> Option<usize> {
        let mut is_escaped = false;
        (1..text.len()).find(|&at| {
            let closes = text[at] == b'"' && !is_escaped;
            is_escaped = text[at] == b'\\' && !is_escaped;
            closes
        })
    }

    /// RFC 2965: separators within quotes are none, and `$` begins attributes.
    fn quoted_strings(line: &[u8]) -> Pairs {
        let mut pieces: Vec<Vec<u8>> = vec![Vec::new()];
        let mut at = 0;
        while at < line.len() {
            let piece = pieces.last_mut().unwrap();
            let begins = trim(piece).ends_with(b"=");
            if line[at] == b'"'
                && begins
                && let Some(end) = closing_quote(&line[at..])
            {
                piece.extend_from_slice(&line[at..=at + end]);
                at += end;
            } else if b";,".contains(&line[at]) {
                pieces.push(Vec::new());
            } else {
                piece.push(line[at]);
            }
            at += 1;
        }
        let pairs = pieces.iter().map(|piece| pair(piece));
        pairs.filter(|(name, _)| !name.starts_with(b"$")).collect()
    }

    /// Werkzeug before 2.2.3: an empty name is passed over.
    fn nameless(line: &[u8]) -> Pairs {
        let pieces = line.split(|byte| *byte == b';').map(trim);
        pieces
            .map(|mut piece| {
                while let [b'=', rest @ ..] = piece {
                    piece = trim(rest);
                }
                pair(piece)
            })
            .collect()
    }
}

/// Header values in which everything that readers disagree about stands beside everything else.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let bits: Vec<&[u8]> = vec![
        b"im",
        b"im",
        b"IM",
        b"%69m",
        b"im[0]",
        b"a",
        b"x",
        b"=",
        b"=",
        b"=",
        b";",
        b"; ",
        b"; ",
        b",",
        b" ",
        b"\t",
        b"\"",
        b"\"",
        b"\\",
        b"\xa0",
        b"$Version",
        b"&",
        b"im=good",
    ];
    prop::collection::vec(prop::sample::select(bits), 0..14).prop_map(|bits| bits.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn no_reader_sees_a_value_that_we_do_not(line in lines()) {
        if is_ambiguous(&line, "im") {
            return Ok(());
        }
        let ours: Vec<Vec<u8>> = all(&line)
            .filter(|cookie| cookie.name == b"im")
            .map(|cookie| cookie.content().unwrap().to_vec())
            .collect();
        for (number, read) in readers::ALL.iter().enumerate() {
            for (name, value) in read(&line) {
                prop_assert!(
                    name != b"im" || value.is_empty() || ours.contains(&value),
                    "reader {number} sees {}", String::from_utf8_lossy(&value)
                );
            }
        }
    }

    #[test]
    fn no_reader_finds_what_was_cut_out(line in lines()) {
        if is_ambiguous(&line, "im") {
            return Ok(());
        }
        let kept = without(&line, |name| is_alike(name, "im")).unwrap_or(line);
        prop_assert!(!is_ambiguous(&kept, "im"));
        for (number, read) in readers::ALL.iter().enumerate() {
            for (name, value) in read(&kept) {
                prop_assert!(
                    !is_alike(&name, "im") || value.is_empty(),
                    "reader {number} sees {}", String::from_utf8_lossy(&value)
                );
            }
        }
    }

    #[test]
    fn whole_cookies_go_and_whole_cookies_stay(
        pairs in prop::collection::vec(("(im|a|b2|__Host-c)", "[!#-+\\-.-:<-\\[\\]-~]{0,9}"), 0..6)
    ) {
        let written = |pairs: &[&(String, String)]| {
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
            pairs.join("; ")
        };
        let line = written(&pairs.iter().collect::<Vec<_>>());
        prop_assert!(!is_ambiguous(line.as_bytes(), "im"));
        let others: Vec<_> = pairs.iter().filter(|(name, _)| name != "im").collect();
        let kept = without(line.as_bytes(), |name| is_alike(name, "im"));
        let kept = kept.unwrap_or_else(|| line.clone().into_bytes());
        prop_assert_eq!(String::from_utf8(kept).unwrap(), written(&others));
    }

    #[test]
    fn any_bytes_are_read_without_harm(line in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = is_ambiguous(&line, "im");
        let _ = without(&line, |name| is_alike(name, "im"));
    }
}

//! Lengths, codings and chunks that hide a second request (A6).

use super::arena::{Arena, HOST, KEY, attack, smuggled};
use crate::support::eventually;
use crate::support::raw::request;

/// A `POST` on a public path with these header lines, then this, then a whole request.
fn posted(lines: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Vec<u8> {
    let head = b"POST /open/x HTTP/1.1\r\nHost: im.example.com\r\n";
    [
        head,
        lines.as_ref(),
        b"\r\n",
        body.as_ref(),
        smuggled().as_bytes(),
    ]
    .concat()
}

#[test]
fn a_length_with_two_readings_hides_no_request() {
    #[rustfmt::skip]
    let values: &[&[u8]] = &[
        b"+3", b"-3", b"-0", b"+0", b"--3", b"0x3", b"0X3", b"3_0", b"1_0", b"0b1", b"0o3", b"\\x33",
        b"3 ", b" ", b"", b"03", b"003", b"00", b"3.0", b"3.", b".3", b"3e0", b"3E0", b"3;", b"3;a=b", b"\"3\"",
        b"'3'", b"3,3", b"3, 3", b"3, 4", b"3,", b",3", b"0,3", b"3 3", b"0 3", b"3\t4", b"3\x0b", b"\x0b3",
        b"3\x0c", b"3\0", b"3\xa0", b"3\xc2\xa0", b"\xef\xbc\x93", b"\xd9\xa3", b"18446744073709551619",
        b"18446744073709551616", b"9223372036854775808", b"99999999999999999999999999", b"three",
    ];
    Arena::new().check(values.iter().map(|value| {
        let lines = [b"Content-Length: ".as_slice(), *value, b"\r\n"].concat();
        attack(
            format!("a length of {:?}", text(value)),
            posted(lines, "abc"),
            400,
        )
    }));
}

#[test]
fn two_lengths_hide_no_request() {
    let pairs = [
        ("3", "3"),
        ("3", "0"),
        ("0", "3"),
        ("3", "4"),
        ("4", "3"),
        ("", "3"),
        ("3", ""),
    ];
    let names = [
        ("Content-Length", "Content-Length"),
        ("Content-Length", "content-length"),
        ("CONTENT-LENGTH", "Content-Length"),
        ("Content_Length", "Content-Length"),
        ("Content-Length", "content.length"),
        ("Content-Length", "Content~Length"),
    ];
    Arena::new().check(names.iter().flat_map(|(first, second)| {
        pairs.map(|(one, other)| {
            let lines = format!("{first}: {one}\r\n{second}: {other}\r\n");
            attack(format!("{lines:?}"), posted(lines, "abc"), 400)
        })
    }));
}

#[test]
fn a_header_that_looks_like_the_framing_hides_no_request() {
    let forms = [
        "NAME : VALUE",
        "NAME\t: VALUE",
        " NAME: VALUE",
        "NAME:\r\n VALUE",
        "NAME:\r\n\tVALUE",
        "X-A: 1\r\n NAME: VALUE",
        "X-A: 1\nNAME: VALUE",
        "X-A: 1\rNAME: VALUE",
        "X-A: 1\n\rNAME: VALUE",
        "NAME\0: VALUE",
        "\0NAME: VALUE",
        "NAME\x0b: VALUE",
        "X: NAME: VALUE\nNAME: VALUE",
        "NAME;: VALUE",
        "NAME: VALUE\n",
        "NAME: VALUE\r",
        "NAME",
        "NAME VALUE",
        "NAME= VALUE",
        "\"NAME\": VALUE",
        "NAME:\tVALUE",
        "NAME:  VALUE",
        "NAME: \tVALUE",
        "NAME: VALUE ",
        "NAME: VALUE\t",
    ];
    let spelled = |name: &str| {
        let title = name.to_owned();
        let odd = [
            "_", ".", "~", "!", "+", "'", "|", "^", "`", "*", "&", "$", "#", "%",
        ];
        odd.map(|mark| format!("{}: VALUE", title.replace('-', mark)))
    };
    let mut attacks = Vec::new();
    for (name, value, body) in [
        ("Content-Length", "3", "abc"),
        ("Transfer-Encoding", "chunked", "3\r\nabc\r\n0\r\n\r\n"),
    ] {
        let forms = forms.iter().map(|form| form.replace("NAME", name));
        for form in forms.chain(spelled(name)) {
            let lines = format!("{}\r\n", form.replace("VALUE", value));
            attacks.push(attack(format!("{lines:?}"), posted(lines, body), 400));
        }
    }
    Arena::new().check(attacks);
}

/// Codings that are not exactly `chunked`, though some reader takes each of them for it.
#[rustfmt::skip]
const CODINGS: &[&[u8]] = &[
    b"chunked, identity", b"identity, chunked", b"identity", b"xchunked", b"chunkedx", b"x chunked", b"chunked x",
    b"chunked, chunked", b"chunked,chunked", b"gzip, chunked", b"chunked, gzip", b"deflate, gzip, chunked", b"gzip",
    b"\"chunked\"", b"'chunked'", b"chunked;", b"chunked;q=1", b"chunked; q=0.5", b"chunked ;", b"Chunked", b"CHUNKED",
    b"cHuNkEd", b"\x0bchunked", b"chunked\x0b", b"\x0cchunked", b"chunked\0", b"\0chunked", b"chu nked", b"chunked,",
    b",chunked", b", ,chunked", b"", b",", b"chunk", b"chunked\xa0", b"\xe2\x80\x8bchunked", b"\xc2\x85chunked", b"cow",
];

#[test]
fn a_coding_with_two_readings_hides_no_request() {
    Arena::new().check(CODINGS.iter().flat_map(|value| {
        let lines = [b"Transfer-Encoding: ".as_slice(), *value, b"\r\n"].concat();
        let case = |body| format!("a coding of {:?} and {body}", text(value));
        [
            attack(case("chunks"), posted(&lines, "3\r\nabc\r\n0\r\n\r\n"), 400),
            attack(case("nothing"), posted(&lines, ""), 400),
        ]
    }));
}

#[test]
fn two_codings_hide_no_request() {
    let values = [
        "chunked",
        "identity",
        "gzip",
        "Chunked",
        "",
        "xchunked",
        "chunked, identity",
    ];
    Arena::new().check(values.into_iter().flat_map(|first| {
        values.map(|second| {
            let lines = format!("Transfer-Encoding: {first}\r\ntransfer-encoding: {second}\r\n");
            attack(format!("{lines:?}"), posted(lines, "0\r\n\r\n"), 400)
        })
    }));
}

/// CL.TE, TE.CL, TE.TE and CL.0: whichever reading is taken, the other one finds a request.
#[test]
fn a_length_beside_a_coding_hides_no_request() {
    let mut codings = vec!["chunked"];
    codings.extend(
        CODINGS
            .iter()
            .filter_map(|coding| std::str::from_utf8(coding).ok()),
    );
    let mut attacks = Vec::new();
    for version in ["1.1", "1.0"] {
        for coding in &codings {
            for length in ["0", "5", "6", "200", "3, 3", ""] {
                let length = format!("Content-Length: {length}\r\n");
                let coding = format!("Transfer-Encoding: {coding}\r\n");
                for lines in [format!("{length}{coding}"), format!("{coding}{length}")] {
                    let bytes = format!(
                        "POST /open/x HTTP/{version}\r\n{HOST}{lines}\r\n0\r\n\r\n{}",
                        smuggled()
                    );
                    attacks.push(attack(format!("HTTP/{version} {lines:?}"), bytes, 400));
                }
            }
        }
    }
    for nominated in [
        "Transfer-Encoding",
        "content-length",
        "close, TRANSFER-ENCODING",
    ] {
        for lines in ["Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n"] {
            let lines = format!("Connection: {nominated}\r\n{lines}");
            attacks.push(attack(
                format!("{lines:?}"),
                posted(&lines, "0\r\n\r\n"),
                400,
            ));
        }
    }
    Arena::new().check(attacks);
}

#[test]
fn a_coding_on_http_1_0_hides_no_request() {
    let mut attacks = Vec::new();
    for connection in ["", "Connection: keep-alive\r\n", "Connection: close\r\n"] {
        for target in ["/open/x", "/openapi/x"] {
            let lines = format!("{KEY}{connection}Transfer-Encoding: chunked\r\n");
            let head = format!("POST {target} HTTP/1.0\r\n{HOST}{lines}\r\n");
            let bytes = format!("{head}0\r\n\r\n{}", smuggled());
            attacks.push(attack(format!("{target} {connection:?}"), bytes, 400));
        }
    }
    Arena::new().check(attacks);
}

/// Chunked bodies that do not end where every reader thinks they do.
#[rustfmt::skip]
const CHUNKS: &[(&str, &str)] = &[
    ("an extension", "5;x\r\nhello\r\n0\r\n\r\n"),
    ("an extension with a value", "5;a=b\r\nhello\r\n0\r\n\r\n"),
    ("an extension in quotes", "5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n"),
    ("an extension that ends with a line feed", "5;\nxx\r\nhello\r\n0\r\n\r\n"),
    ("an extension without a name", "5;\r\nhello\r\n0\r\n\r\n"),
    ("an extension of the last chunk", "5\r\nhello\r\n0;x\r\n\r\n"),
    ("a blank behind the size", "5 \r\nhello\r\n0\r\n\r\n"),
    ("a tab behind the size", "5\t\r\nhello\r\n0\r\n\r\n"),
    ("a blank before the size", " 5\r\nhello\r\n0\r\n\r\n"),
    ("a tab before the size", "\t5\r\nhello\r\n0\r\n\r\n"),
    ("a plus sign", "+5\r\nhello\r\n0\r\n\r\n"),
    ("a minus sign", "-5\r\nhello\r\n0\r\n\r\n"),
    ("a negative end", "5\r\nhello\r\n-0\r\n\r\n"),
    ("a prefix", "0x5\r\nhello\r\n0\r\n\r\n"),
    ("a suffix", "5h\r\nhello\r\n0\r\n\r\n"),
    ("a decimal point", "5.0\r\nhello\r\n0\r\n\r\n"),
    ("an underscore", "0_5\r\nhello\r\n0\r\n\r\n"),
    ("a comma", "5,5\r\nhello\r\n0\r\n\r\n"),
    ("a size in quotes", "\"5\"\r\nhello\r\n0\r\n\r\n"),
    ("a digit of another script", "\u{665}\r\nhello\r\n0\r\n\r\n"),
    ("a wide digit", "\u{ff15}\r\nhello\r\n0\r\n\r\n"),
    ("no size", "\r\nhello\r\n0\r\n\r\n"),
    ("no line", "hello\r\n0\r\n\r\n"),
    ("17 digits", "00000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("a size of 64 bits", "ffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
    ("a size of 63 bits and one", "8000000000000000\r\nhello\r\n0\r\n\r\n"),
    ("a size that overflows to 5", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("a size that overflows to 5 in 32 bits, and another", "100000005;\r\nhello\r\n0\r\n\r\n"),
    ("a line feed behind the size", "5\nhello\r\n0\r\n\r\n"),
    ("a carriage return behind the size", "5\rhello\r\n0\r\n\r\n"),
    ("two carriage returns", "5\r\r\nhello\r\n0\r\n\r\n"),
    ("a carriage return and something else", "5\rX\nhello\r\n0\r\n\r\n"),
    ("a NUL behind the size", "5\0\r\nhello\r\n0\r\n\r\n"),
    ("a vertical tab behind the size", "5\x0b\r\nhello\r\n0\r\n\r\n"),
    ("data that is too long", "5\r\nhelloX\r\n0\r\n\r\n"),
    ("data without its end", "5\r\nhello0\r\n\r\n"),
    ("a line feed behind the data", "5\r\nhello\n0\r\n\r\n"),
    ("a carriage return behind the data", "5\r\nhello\r0\r\n\r\n"),
    ("two bytes that are no line end", "5\r\nhelloXX0\r\n\r\n"),
    ("a line feed behind the last size", "5\r\nhello\r\n0\n\r\n"),
    ("a line feed at the end", "5\r\nhello\r\n0\r\n\n"),
    ("line feeds at the end", "5\r\nhello\r\n0\n\n"),
    ("a carriage return at the end", "5\r\nhello\r\n0\r\n\rX"),
    ("a trailer", "5\r\nhello\r\n0\r\nX-Trailer: a\r\n\r\n"),
    ("a trailer with a key", "5\r\nhello\r\n0\r\nX-App-Key: keyAbcd123\r\n\r\n"),
    ("a trailer with a length", "5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n"),
];

#[test]
fn chunks_with_two_readings_hide_no_request() {
    Arena::new().check(
        CHUNKS
            .iter()
            .map(|(case, body)| attack(*case, posted("Transfer-Encoding: chunked\r\n", body), 400)),
    );
}

/// When the head and a good chunk have gone upstream already, the backend must not find an end.
#[test]
fn chunks_that_turn_bad_later_are_no_whole_request() {
    let arena = Arena::new();
    let head = request("POST", "/open/late", "Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n";
    for (case, bad) in CHUNKS {
        let mut client = arena.gate().client();
        client.send(&head);
        eventually("the backend has the head and a chunk", || {
            arena.has_begun(1).then_some(())
        });
        let _ = client.try_send((*bad).to_owned() + &smuggled());
        client.finish_sending();
        assert_eq!(client.answer().status(), 400, "{case}");
        client.expect_closed();
        let arrived = arena.expect_arrived(&["POST /open/late"]);
        assert!(
            arrived[0].body.is_empty(),
            "{case}: the backend took it for whole"
        );
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

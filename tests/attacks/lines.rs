//! Bytes that are no line of a head (A25).

use super::arena::{Arena, KEY, attack, smuggled};

/// A request to a public route with these bytes in place of a header line.
fn with(line: &[u8]) -> Vec<u8> {
    let start = b"GET /open/x HTTP/1.1\r\nHost: im.example.com\r\n";
    [start, line, b"\r\n\r\n", smuggled().as_bytes()].concat()
}

fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

#[test]
fn a_line_with_two_readings_does_not_reach_the_backend() {
    #[rustfmt::skip]
    let lines: &[&[u8]] = &[
        // Folding.
        b"X-A: 1\r\n b", b"X-A: 1\r\n\tb", b"X-A:\r\n b", b"X-A: 1\r\n X-App-Key: keyAbcd123", b" X-A: 1", b"\tX-A: 1",
        b"X-A: 1\r\n ", b"X-A: 1\r\n \r\nX-B: 2", b"X-A: 1\n b", b"X-A: 1\r b",
        // Names.
        b"X-A : 1", b"X-A\t: 1", b"X-A \t : 1", b": 1", b" : 1", b":", b"X-A", b"X-A 1", b"X A: 1", b"X-A\x0b: 1", b"X-A\0: 1", b"\0: 1",
        b"X-A\xa0: 1", b"X-\xc3\xa4: 1", b"\xef\xbb\xbfX-A: 1", b"X-A(1): 1", b"\"X-A\": 1", b"X-A,X-B: 1", b"X-A;: 1", b"X-A=1", b"X/A: 1",
        b"X@A: 1", b"[X]: 1", b"{X}: 1", b"<X>: 1", b"X\\A: 1", b"X?A: 1", b"GET /openapi/smuggled HTTP/1.1",
        // Line ends.
        b"X-A: 1\nX-App-Key: keyAbcd123", b"X-A: 1\rX-App-Key: keyAbcd123", b"X-A: 1\n\rX-App-Key: keyAbcd123", b"X-A: 1\n",
        b"X-A: 1\r", b"X-A: 1\r\r", b"X-A: 1\r\r\nX-B: 2", b"\nX-A: 1", b"\rX-A: 1", b"X-A: 1\n\nGET /openapi/smuggled HTTP/1.1",
        b"X-A: 1\r\n\n", b"X-A: 1\n\r\nX-B: 2", b"X-A:\nX-B: 2", b"X-A:\rX-B: 2", b"X-A: 1\x0bX-B: 2", b"X-A: 1\x0cX-B: 2",
        b"X-A: 1\x1cX-B: 2", b"X-A: 1\x1dX-B: 2", b"X-A: 1\x1eX-B: 2",
        // Line ends in other alphabets.
        b"X-A: 1\xc2\x85X-B: 2", b"X-A: 1\xc0\x8aX-B: 2", b"X-A: 1\xe0\x80\x8aX-B: 2", b"X-A: 1\x85X-B: 2", b"X-A: 1\xc4",
        b"X-A: 1\xed\xa0\x80", b"X-A: 1\xf4\x90\x80\x80", b"X-A: 1\xff",
    ];
    Arena::new().check(
        lines
            .iter()
            .map(|line| attack(shown(line), with(line), 400)),
    );
}

#[test]
fn line_feeds_alone_are_no_head() {
    let feeds = |text: &str| text.replace('\r', "");
    let returns = |text: &str| text.replace('\n', "");
    let whole = format!("GET /open/x HTTP/1.1\r\nHost: im.example.com\r\n{KEY}\r\n");
    Arena::new().check([
        attack("line feeds", feeds(&whole) + &smuggled(), 400),
        attack("carriage returns", returns(&whole) + &smuggled(), 400),
        attack(
            "the two swapped",
            whole.replace("\r\n", "\n\r") + &smuggled(),
            400,
        ),
        attack(
            "a line feed at the end",
            whole.replace("\r\n\r\n", "\r\n\n") + &smuggled(),
            400,
        ),
        attack(
            "two line feeds at the end",
            whole.replace("\r\n\r\n", "\n\n") + &smuggled(),
            400,
        ),
        attack(
            "an empty line in front",
            format!("\r\n{whole}") + &smuggled(),
            400,
        ),
        attack(
            "a line feed in front",
            format!("\n{whole}") + &smuggled(),
            400,
        ),
        attack(
            "an empty line between two requests",
            format!("{whole}\r\n{}", smuggled()),
            0,
        )
        .answered(&[200, 400])
        .arriving(&["GET /open/x"]),
    ]);
}

#[test]
fn a_byte_that_is_no_text_does_not_stand_in_a_header() {
    let arena = Arena::new();
    let controls = (0..0x20_u8).chain([0x7f]).filter(|byte| *byte != b'\t');
    arena.check(controls.chain(0x80..=0xff).flat_map(|byte| {
        let around = |start: &[u8], end: &[u8]| with(&[start, &[byte], end].concat());
        [
            attack(
                format!("{byte:#04x} in a value"),
                around(b"X-A: 1", b"2"),
                400,
            ),
            attack(
                format!("{byte:#04x} before a value"),
                around(b"X-A: ", b"1"),
                400,
            ),
            attack(
                format!("{byte:#04x} in a credential"),
                around(b"X-App-Key: key", b"Abcd123"),
                400,
            ),
            attack(
                format!("{byte:#04x} in a name"),
                around(b"X-A", b"b: 1"),
                400,
            ),
            attack(
                format!("{byte:#04x} before a name"),
                around(b"", b"X-A: 1"),
                400,
            ),
        ]
    }));
    // A tab is a blank in a value, and nothing in a name.
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:".contains(byte);
    arena.check(
        (0x20..0x7f_u8)
            .chain([b'\t'])
            .filter(|byte| !is_token(byte))
            .map(|byte| {
                attack(
                    format!("{byte:#04x} in a name"),
                    with(&[b"X-A", &[byte][..], b"b: 1"].concat()),
                    400,
                )
            }),
    );
}

#[test]
fn a_key_beyond_ascii_does_not_open_a_route() {
    let to = |key: &[u8]| {
        let start = b"GET /openapi/smuggled HTTP/1.1\r\nHost: im.example.com\r\nX-App-Key: ";
        [start, key, b"\r\n\r\n"].concat()
    };
    #[rustfmt::skip]
    let keys: &[(&[u8], u16)] = &[
        ("keyAbcd123\u{200b}".as_bytes(), 401), ("\u{feff}keyAbcd123".as_bytes(), 401), ("keyAbcd123\u{a0}".as_bytes(), 401),
        ("\u{212a}eyAbcd123".as_bytes(), 401), ("keyAbcd\u{ff11}23".as_bytes(), 401), ("\u{4f60}".as_bytes(), 401),
        (b"keyAbcd123\xff", 400), (b"\xe4eyAbcd123", 400), (b"keyAbcd123\0", 400), (b"keyAbcd123\x7f", 400),
        (b"keyAbcd123\tx", 401), (b"key\tAbcd123", 401), (b"keyAbcd123%00", 401), (b"keyAbcd123%0d%0aX: y", 401),
        (b"\"keyAbcd123\"", 401), (b"keyAbcd123;a=b", 401), (b"keyAbcd123, keyAbcd123", 401), (b"Bearer keyAbcd123", 401),
    ];
    Arena::new().check(
        keys.iter()
            .map(|(key, status)| attack(shown(key), to(key), *status)),
    );
}

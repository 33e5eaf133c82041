use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::*;

const LIMITS: HeadLimits = HeadLimits {
    head_bytes: 1024,
    headers: 100,
    target_bytes: 256,
};

fn read(bytes: &[u8]) -> Result<Option<RequestHead<'_>>, HeadError> {
    request(bytes, &LIMITS)
}

fn accepted(bytes: &[u8]) -> RequestHead<'_> {
    read(bytes).unwrap().unwrap()
}

#[test]
fn the_parts_of_a_request_are_found() {
    let bytes =
        b"POST /a?b=c HTTP/1.1\r\nHost: chat\r\nX-A:\t 1 \t\r\nx-empty:\r\nX-a:2\r\n\r\nbody";
    let head = accepted(bytes);

    assert_eq!((head.method, head.target), ("POST", "/a?b=c"));
    assert_eq!(head.version, Version::Http11);
    assert_eq!(&bytes[head.target_range.clone()], b"/a?b=c");
    assert_eq!(&bytes[head.len..], b"body");
    let lines: Vec<_> = head
        .headers
        .iter()
        .map(|header| &bytes[header.line.clone()])
        .collect();
    assert_eq!(
        lines,
        [
            b"Host: chat\r\n".as_slice(),
            b"X-A:\t 1 \t\r\n",
            b"x-empty:\r\n",
            b"X-a:2\r\n"
        ]
    );
    assert_eq!(head.header("x-a").collect::<Vec<_>>(), [b"1", b"2"]);
    assert_eq!(head.single("X-EMPTY"), Ok(Some(b"".as_slice())));
    assert_eq!(head.single("x-a"), Err(Doubled));
    assert_eq!(head.single("absent"), Ok(None));
}

#[test]
fn the_parts_of_a_response_are_found() {
    for (start, status, reason) in [
        (b"HTTP/1.1 200 OK\r\n".as_slice(), 200, b"OK".as_slice()),
        (b"HTTP/1.0 404 \r\n", 404, b""),
        (b"HTTP/1.1 204\r\n", 204, b""),
        (b"HTTP/1.1 500 n\xf6\r\n", 500, b"n\xf6"),
        (b"HTTP/1.1 999  x\r\n", 999, b" x"),
    ] {
        let bytes = [start, b"A: b\xf6\r\n\r\nbody"].concat();
        let head = response(&bytes, &LIMITS).unwrap().unwrap();
        assert_eq!((head.status, head.reason), (status, reason));
        assert_eq!(&bytes[head.headers[0].line.clone()], b"A: b\xf6\r\n");
        assert_eq!(head.single("a"), Ok(Some(b"b\xf6".as_slice())));
        assert_eq!(&bytes[head.len..], b"body");
    }
}

#[test]
fn a_request_that_could_be_read_in_two_ways_is_refused() {
    use HeadError::{HeaderName, HeaderValue, LineEnd, StartLine, Version};
    #[rustfmt::skip]
    let cases = [
        ("an empty line first", b"\r\nGET / HTTP/1.1\r\n\r\n".as_slice(), StartLine),
        ("an empty line and nothing else yet", b"\r\n", StartLine),
        ("a bare line feed first", b"\nGET / HTTP/1.1\r\n\r\n", StartLine),
        ("a blank first", b" GET / HTTP/1.1\r\n\r\n", StartLine),
        ("two spaces before the target", b"GET  / HTTP/1.1\r\n\r\n", StartLine),
        ("two spaces before the version", b"GET /  HTTP/1.1\r\n\r\n", StartLine),
        ("a space in the target", b"GET /a b HTTP/1.1\r\n\r\n", StartLine),
        ("a tab for a space", b"GET\t/ HTTP/1.1\r\n\r\n", StartLine),
        ("a tab in the target", b"GET /a\tb HTTP/1.1\r\n\r\n", StartLine),
        ("a space after the version", b"GET / HTTP/1.1 \r\n\r\n", LineEnd),
        ("no target", b"GET HTTP/1.1\r\n\r\n", StartLine),
        ("no version", b"GET /\r\n\r\n", StartLine),
        ("a version in lower case", b"GET / http/1.1\r\n\r\n", StartLine),
        ("HTTP/1.2", b"GET / HTTP/1.2\r\n\r\n", Version),
        ("HTTP/0.9", b"GET / HTTP/0.9\r\n\r\n", Version),
        ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Version),
        ("three version digits", b"GET / HTTP/1.10\r\n\r\n", LineEnd),
        ("a method that is no token", b"G@T / HTTP/1.1\r\n\r\n", StartLine),
        ("a bare line feed after the request line", b"GET / HTTP/1.1\nA: b\r\n\r\n", LineEnd),
        ("a bare line feed after a header", b"GET / HTTP/1.1\r\nA: b\n\r\n", LineEnd),
        ("a bare line feed after an empty value", b"GET / HTTP/1.1\r\nA:\n\r\n", LineEnd),
        ("bare line feeds only", b"GET / HTTP/1.1\nX-App-Key: key\n\n", LineEnd),
        ("an end with a bare line feed", b"GET / HTTP/1.1\r\nA: b\r\n\n", LineEnd),
        ("a bare carriage return", b"GET / HTTP/1.1\r\nA: b\rc: d\r\n\r\n", HeaderValue),
        ("a bare carriage return as line end", b"GET / HTTP/1.1\rA: b\r\n\r\n", LineEnd),
        ("a NUL", b"GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", HeaderValue),
        ("a DEL", b"GET / HTTP/1.1\r\nA: b\x7f\r\n\r\n", HeaderValue),
        ("a folded line", b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", HeaderName),
        ("a line folded with a tab", b"GET / HTTP/1.1\r\nA:\r\n\tc\r\n\r\n", HeaderName),
        ("a fold before the first header", b"GET / HTTP/1.1\r\n A: b\r\n\r\n", HeaderName),
        ("a space before the colon", b"GET / HTTP/1.1\r\nA : b\r\n\r\n", HeaderName),
        ("a tab before the colon", b"GET / HTTP/1.1\r\nA\t: b\r\n\r\n", HeaderName),
        ("an empty name", b"GET / HTTP/1.1\r\n: b\r\n\r\n", HeaderName),
        ("no colon", b"GET / HTTP/1.1\r\nA\r\n\r\n", HeaderName),
        ("a name that is no token", b"GET / HTTP/1.1\r\nA(b: c\r\n\r\n", HeaderName),
        ("a name beyond ASCII", b"GET / HTTP/1.1\r\n\xc3\xa4: c\r\n\r\n", HeaderName),
        ("a value in Latin-1", b"GET / HTTP/1.1\r\nA: b\xe4c\r\n\r\n", HeaderValue),
        ("a value with U+0085", b"GET / HTTP/1.1\r\nA: \xc2\x85b\r\n\r\n", HeaderValue),
        ("a tab behind the length", b"POST / HTTP/1.1\r\nContent-Length: 3\t\r\n\r\n", HeaderValue),
        ("a tab before the length", b"POST / HTTP/1.1\r\ncontent-length:\t3\r\n\r\n", HeaderValue),
        ("a tab behind the coding", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked \t\r\n\r\n", HeaderValue),
        ("a tab before the coding", b"POST / HTTP/1.1\r\ntransfer-encoding: \tchunked\r\n\r\n", HeaderValue),
        ("an overlong line feed", b"GET / HTTP/1.1\r\nA: \xc0\x8ab\r\n\r\n", HeaderValue),
    ];
    for (case, bytes, error) in cases {
        assert_eq!(read(bytes).err(), Some(error), "{case}");
    }
}

#[test]
fn a_response_that_could_be_read_in_two_ways_is_refused() {
    use HeadError::{HeaderName, HeaderValue, LineEnd, StartLine, Version};
    #[rustfmt::skip]
    let cases = [
        ("an empty line first", b"\r\nHTTP/1.1 200 OK\r\n\r\n".as_slice(), StartLine),
        ("HTTP/2", b"HTTP/2 200 OK\r\n\r\n", Version),
        ("another protocol", b"ICY 200 OK\r\n\r\n", StartLine),
        ("a word that begins like the version", b"HTTPS/1.1 200 OK\r\n\r\n", StartLine),
        ("a status below 100", b"HTTP/1.1 099 x\r\n\r\n", StartLine),
        ("a status of two digits", b"HTTP/1.1 20 OK\r\n\r\n", StartLine),
        ("a status of four digits", b"HTTP/1.1 2000 OK\r\n\r\n", StartLine),
        ("two spaces before the status", b"HTTP/1.1  200 OK\r\n\r\n", StartLine),
        ("a bare line feed after the reason", b"HTTP/1.1 200 OK\n\r\n", LineEnd),
        ("a bare line feed after the status", b"HTTP/1.1 200\n\r\n", LineEnd),
        ("a bare line feed after a header", b"HTTP/1.1 200 OK\r\nA: b\n\r\n", LineEnd),
        ("a bare carriage return", b"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", HeaderValue),
        ("a tab behind the length", b"HTTP/1.1 200 OK\r\nContent-Length: 3\t\r\n\r\n", HeaderValue),
        ("a folded line", b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", HeaderName),
        ("a space before the colon", b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", HeaderName),
    ];
    for (case, bytes, error) in cases {
        assert_eq!(response(bytes, &LIMITS).err(), Some(error), "{case}");
    }
}

#[test]
fn text_beyond_ascii_passes_in_values() {
    let head = accepted("GET / HTTP/1.1\r\nX-Name: 你好\r\n\r\n".as_bytes());
    assert_eq!(head.single("x-name"), Ok(Some("你好".as_bytes())));
}

#[test]
fn a_head_has_its_limits() {
    use HeadError::{HeadTooLarge, TargetTooLong, TooManyHeaders};
    let head = b"GET /abc HTTP/1.1\r\nA: b\r\nC: d\r\n\r\n";
    let (whole, cut) = (head.as_slice(), &head[..head.len() - 1]);
    let limits = |head_bytes, headers, target_bytes| HeadLimits {
        head_bytes,
        headers,
        target_bytes,
    };
    let just = limits(head.len(), 2, 4);
    assert!(matches!(request(whole, &just), Ok(Some(_))));
    assert_eq!(request(cut, &just), Ok(None));

    let short = limits(head.len() - 1, 2, 4);
    #[rustfmt::skip]
    let cases = [
        ("one byte too many", whole, short, HeadTooLarge),
        ("one byte too many, incomplete", cut, short, HeadTooLarge),
        ("one header too many", whole, limits(99, 1, 4), TooManyHeaders),
        ("one header too many, incomplete", cut, limits(99, 1, 4), TooManyHeaders),
        ("a target too long", whole, limits(99, 2, 3), TargetTooLong),
        ("a target too long, incomplete", b"GET /abc", limits(99, 2, 3), TargetTooLong),
        ("a method too long, incomplete", b"AAAA", limits(4, 2, 3), HeadTooLarge),
    ];
    for (case, bytes, limits, error) in cases {
        assert_eq!(request(bytes, &limits), Err(error), "{case}");
    }
}

#[test]
fn every_error_has_its_status() {
    for (error, status) in [
        (HeadError::HeadTooLarge, 431),
        (HeadError::HeaderName, 400),
        (HeadError::HeaderValue, 400),
        (HeadError::LineEnd, 400),
        (HeadError::StartLine, 400),
        (HeadError::TargetTooLong, 414),
        (HeadError::TooManyHeaders, 431),
        (HeadError::Version, 505),
    ] {
        assert_eq!(error.status(), status, "{error}");
    }
}

#[test]
fn no_limit_allows_more_than_256_headers() {
    let head = |count| format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(count)).into_bytes();
    let limits = HeadLimits {
        head_bytes: 1 << 20,
        headers: 1000,
        target_bytes: 1,
    };
    let most = head(MOST_HEADERS);
    assert_eq!(request(&most, &limits).unwrap().unwrap().headers.len(), 256);
    assert_eq!(request(&head(257), &limits), Err(HeadError::TooManyHeaders));
}

#[test]
fn lists_of_tokens_are_read_as_one() {
    let head = accepted(
        b"GET / HTTP/1.1\r\nConnection: close,\tX-A ,, \r\nA: b\r\nconnection: te, \"q\", a b\r\n\r\n",
    );
    assert_eq!(
        head.tokens("Connection").collect::<Vec<_>>(),
        [
            Ok("close"),
            Ok("X-A"),
            Ok("te"),
            Err(NotAToken),
            Err(NotAToken)
        ]
    );
}

#[test]
fn debug_shows_no_value_and_no_target() {
    let head = accepted(b"GET /?token=s3cret HTTP/1.1\r\nX-App-Key: s3cret\r\n\r\n");
    let shown = format!("{head:?} {:?}", head.headers[0]);
    assert!(shown.contains("X-App-Key"), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
}

/// Heads of requests, most of them good.
fn heads() -> impl Strategy<Value = Vec<u8>> {
    let start = prop_oneof![
        30 => "[A-Z]{1,7} /[!-~]{0,20} HTTP/1\\.[01]\r\n",
        1 => "[ -~\r\n]{0,30}\r?\n",
    ];
    head_after(start)
}

fn response_heads() -> impl Strategy<Value = Vec<u8>> {
    let start = prop_oneof![
        30 => "HTTP/1\\.[01] [1-9][0-9]{2}( [ -~\u{e4}]{0,10})?\r\n",
        1 => "HTTP/1\\.1 {0,2}[0-9]{2,4}[ -~]{0,4}\r?\n",
    ];
    head_after(start)
}

fn head_after(start: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        300 => "[A-Za-z0-9_-]{1,12}:[ \t]{0,2}[!-~]([ -~\tä你]{0,12}[!-~])?[ \t]{0,2}\r\n",
        30 => "[A-Za-z]{1,4}:[ \t]{0,3}\r\n",
        1 => "[A-Za-z]{0,3}[ \t]?:[ -~\u{80}-\u{ff}]{0,5}\r?\n",
        1 => "[ \t][a-z]{0,5}\r\n",
    ];
    let lines = prop::collection::vec(line, 0..40);
    let end = prop_oneof![30 => "\r\n[ -~]{0,9}", 1 => "\n[ -~]{0,9}"];
    (start, lines, end)
        .prop_map(|(start, lines, end)| format!("{start}{}{end}", lines.concat()).into_bytes())
}

#[test]
fn the_generators_make_good_and_bad_heads() {
    let mut runner = prop::test_runner::TestRunner::deterministic();
    let mut requests = 0;
    let mut responses = 0;
    for _ in 0..200 {
        let bytes = heads().new_tree(&mut runner).unwrap().current();
        requests += usize::from(matches!(read(&bytes), Ok(Some(_))));
        let bytes = response_heads().new_tree(&mut runner).unwrap().current();
        responses += usize::from(matches!(response(&bytes, &LIMITS), Ok(Some(_))));
    }
    assert!((60..190).contains(&requests), "{requests} of 200 good");
    assert!((60..190).contains(&responses), "{responses} of 200 good");
}

/// What must hold for the lines of a head that was accepted.
fn check_lines(bytes: &[u8], headers: &Headers<'_>, parsed: &[httparse::Header<'_>], len: usize) {
    assert_eq!(headers.len(), parsed.len());
    let mut at = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    assert!(bytes[..at].ends_with(b"\r\n"));
    for (ours, theirs) in headers.iter().zip(parsed) {
        assert_eq!((ours.name, ours.value), (theirs.name, theirs.value));
        assert_eq!(ours.line.start, at);
        let line = &bytes[ours.line.clone()];
        assert!(line.starts_with(ours.name.as_bytes()) && line.ends_with(b"\r\n"));
        assert_eq!(
            line.iter()
                .filter(|byte| matches!(byte, b'\r' | b'\n'))
                .count(),
            2
        );
        assert_eq!(line[ours.name.len() + 1..].trim_ascii(), ours.value);
        at = ours.line.end;
    }
    assert_eq!(&bytes[at..len], b"\r\n");
}

proptest! {
    #[test]
    fn what_is_accepted_httparse_reads_alike_and_lines_leave_no_gap(bytes in heads()) {
        if let Ok(Some(head)) = read(&bytes) {
            let mut slots = [httparse::EMPTY_HEADER; 100];
            let mut parsed = httparse::Request::new(&mut slots);
            prop_assert_eq!(parsed.parse(&bytes), Ok(Status::Complete(head.len)));
            prop_assert_eq!(parsed.method, Some(head.method));
            prop_assert_eq!(parsed.path, Some(head.target));
            prop_assert_eq!(parsed.version == Some(1), head.version == Version::Http11);
            prop_assert!(bytes.starts_with(head.method.as_bytes()));
            prop_assert_eq!(&bytes[head.target_range.clone()], head.target.as_bytes());
            check_lines(&bytes, &head.headers, parsed.headers, head.len);
        }
    }

    #[test]
    fn what_is_accepted_as_a_response_httparse_reads_alike(bytes in response_heads()) {
        if let Ok(Some(head)) = response(&bytes, &LIMITS) {
            let mut slots = [httparse::EMPTY_HEADER; 100];
            let mut parsed = httparse::Response::new(&mut slots);
            prop_assert_eq!(parsed.parse(&bytes), Ok(Status::Complete(head.len)));
            prop_assert_eq!(parsed.code, Some(head.status));
            if head.reason.is_ascii() {
                prop_assert_eq!(parsed.reason.map(str::as_bytes), Some(head.reason));
            }
            check_lines(&bytes, &head.headers, parsed.headers, head.len);
        }
    }

    #[test]
    fn a_cut_head_is_incomplete_and_then_the_same(bytes in heads()) {
        if let Ok(Some(head)) = read(&bytes) {
            for cut in 0..head.len {
                prop_assert_eq!(read(&bytes[..cut]), Ok(None), "cut at {}", cut);
            }
            prop_assert_eq!(read(&bytes[..head.len]), Ok(Some(head)));
        }
    }

    #[test]
    fn a_cut_response_is_incomplete_and_then_the_same(bytes in response_heads()) {
        if let Ok(Some(head)) = response(&bytes, &LIMITS) {
            for cut in 0..head.len {
                prop_assert_eq!(response(&bytes[..cut], &LIMITS), Ok(None), "cut at {}", cut);
            }
            prop_assert_eq!(response(&bytes[..head.len], &LIMITS), Ok(Some(head)));
        }
    }

    #[test]
    fn without_one_line_a_head_is_the_same_without_that_header(
        bytes in heads(),
        which in any::<prop::sample::Index>(),
    ) {
        if let Ok(Some(head)) = read(&bytes)
            && !head.headers.is_empty()
        {
            let cut = which.index(head.headers.len());
            let mut rest = bytes.clone();
            rest.drain(head.headers[cut].line.clone());
            let without = accepted(&rest);
            let mut left: Vec<_> = head.headers.iter().map(|h| (h.name, h.value)).collect();
            left.remove(cut);
            let found: Vec<_> = without.headers.iter().map(|h| (h.name, h.value)).collect();
            prop_assert_eq!(found, left);
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
        let _ = response(&bytes, &LIMITS);
    }
}

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::wire::head::{self, HeadLimits, is_token_byte};

const LIMITS: HeadLimits = HeadLimits {
    head_bytes: 4096,
    headers: 100,
    target_bytes: 256,
};

#[test]
fn a_request_says_in_one_way_where_its_body_ends() {
    use FramingError::{
        Both, ContentLength, ContentLengthDoubled, TransferEncoding, TransferEncodingDoubled,
        TransferEncodingInHttp10,
    };
    const CL: &str = "Content-Length";
    const TE: &str = "Transfer-Encoding";
    #[rustfmt::skip]
    let cases = [
        ("neither", "HTTP/1.1", vec![], Ok(Framing::None)),
        ("zero", "HTTP/1.1", vec![(CL, "0")], Ok(Framing::Length(0))),
        ("a length", "HTTP/1.0", vec![("content-length", "42")], Ok(Framing::Length(42))),
        ("the largest", "HTTP/1.1", vec![(CL, "9223372036854775807")], Ok(Framing::Length(u64::MAX >> 1))),
        ("chunked", "HTTP/1.1", vec![(TE, "chunked")], Ok(Framing::Chunked)),
        ("both", "HTTP/1.1", vec![(CL, "5"), (TE, "chunked")], Err(Both)),
        ("both in the other order", "HTTP/1.1", vec![(TE, "chunked"), (CL, "5")], Err(Both)),
        ("both, and neither means a body", "HTTP/1.1", vec![(CL, "0"), (TE, "identity")], Err(Both)),
        ("two different lengths", "HTTP/1.1", vec![(CL, "5"), (CL, "6")], Err(ContentLengthDoubled)),
        ("two equal lengths", "HTTP/1.1", vec![(CL, "5"), ("content-length", "5")], Err(ContentLengthDoubled)),
        ("a list of lengths", "HTTP/1.1", vec![(CL, "5, 5")], Err(ContentLength)),
        ("a plus", "HTTP/1.1", vec![(CL, "+5")], Err(ContentLength)),
        ("a minus", "HTTP/1.1", vec![(CL, "-1")], Err(ContentLength)),
        ("hexadecimal", "HTTP/1.1", vec![(CL, "0x5")], Err(ContentLength)),
        ("perhaps octal", "HTTP/1.1", vec![(CL, "010")], Err(ContentLength)),
        ("a fraction", "HTTP/1.1", vec![(CL, "5.0")], Err(ContentLength)),
        ("a blank inside", "HTTP/1.1", vec![(CL, "5 5")], Err(ContentLength)),
        ("nothing", "HTTP/1.1", vec![(CL, "")], Err(ContentLength)),
        ("digits of another script", "HTTP/1.1", vec![(CL, "٥")], Err(ContentLength)),
        ("63 bits and one", "HTTP/1.1", vec![(CL, "9223372036854775808")], Err(ContentLength)),
        ("more than 64 bits", "HTTP/1.1", vec![(CL, "18446744073709551621")], Err(ContentLength)),
        ("another coding", "HTTP/1.1", vec![(TE, "gzip")], Err(TransferEncoding)),
        ("a coding before", "HTTP/1.1", vec![(TE, "gzip, chunked")], Err(TransferEncoding)),
        ("a coding after", "HTTP/1.1", vec![(TE, "chunked, identity")], Err(TransferEncoding)),
        ("twice in one list", "HTTP/1.1", vec![(TE, "chunked, chunked")], Err(TransferEncoding)),
        ("almost chunked", "HTTP/1.1", vec![(TE, "xchunked")], Err(TransferEncoding)),
        ("a parameter", "HTTP/1.1", vec![(TE, "chunked;a=b")], Err(TransferEncoding)),
        ("quoted", "HTTP/1.1", vec![(TE, "\"chunked\"")], Err(TransferEncoding)),
        ("an unusual case", "HTTP/1.1", vec![(TE, "Chunked")], Err(TransferEncoding)),
        ("no coding", "HTTP/1.1", vec![(TE, "")], Err(TransferEncoding)),
        ("two lines", "HTTP/1.1", vec![(TE, "chunked"), (TE, "chunked")], Err(TransferEncodingDoubled)),
        ("one line empty", "HTTP/1.1", vec![(TE, ""), (TE, "chunked")], Err(TransferEncodingDoubled)),
        ("chunked in HTTP/1.0", "HTTP/1.0", vec![(TE, "chunked")], Err(TransferEncodingInHttp10)),
    ];
    for (case, version, headers, expected) in cases {
        let mut lines = String::new();
        for (name, value) in headers {
            write!(lines, "{name}: {value}\r\n").unwrap();
        }
        let bytes = format!("POST / {version}\r\n{lines}\r\n");
        let head = head::request(bytes.as_bytes(), &LIMITS).unwrap().unwrap();
        assert_eq!(request_framing(&head), expected, "{case}");
    }
}

#[test]
fn a_response_says_in_one_way_where_its_body_ends() {
    #[rustfmt::skip]
    let cases = [
        ("a length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", Ok(Framing::Length(5))),
        ("chunks", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", Ok(Framing::Chunked)),
        ("chunks in another case", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n", Ok(Framing::Chunked)),
        ("neither", "GET", "HTTP/1.1 200 OK\r\n", Ok(Framing::UntilClose)),
        ("neither in HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\n", Ok(Framing::UntilClose)),
        ("an answer to HEAD with a length", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", Ok(Framing::None)),
        ("an answer to HEAD with chunks", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", Ok(Framing::None)),
        ("an answer to HEAD with neither", "HEAD", "HTTP/1.1 200 OK\r\n", Ok(Framing::None)),
        ("an answer to a method that looks like HEAD", "head", "HTTP/1.1 200 OK\r\n", Ok(Framing::UntilClose)),
        ("304 with a length", "GET", "HTTP/1.1 304 x\r\nContent-Length: 5\r\n", Ok(Framing::None)),
        ("204", "DELETE", "HTTP/1.1 204 x\r\n", Ok(Framing::None)),
        ("204 of length zero", "GET", "HTTP/1.1 204 x\r\nContent-Length: 0\r\n", Ok(Framing::None)),
        ("204 of another length", "GET", "HTTP/1.1 204 x\r\nContent-Length: 5\r\n", Err(FramingError::Bodiless)),
        ("204 in chunks", "GET", "HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n", Err(FramingError::Bodiless)),
        ("100", "POST", "HTTP/1.1 100 Continue\r\n", Ok(Framing::None)),
        ("103 with a length", "GET", "HTTP/1.1 103 x\r\nContent-Length: 1\r\n", Err(FramingError::Bodiless)),
        ("both", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", Err(FramingError::Both)),
        ("both in an answer to HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", Err(FramingError::Both)),
        ("two equal lengths", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n", Err(FramingError::ContentLengthDoubled)),
        ("a length of no number", "GET", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n", Err(FramingError::ContentLength)),
        ("another coding", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n", Err(FramingError::TransferEncoding)),
        ("chunks in HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n", Err(FramingError::TransferEncodingInHttp10)),
    ];
    for (case, method, head, expected) in cases {
        let bytes = format!("{head}\r\n");
        let head = head::response(bytes.as_bytes(), &LIMITS).unwrap().unwrap();
        assert_eq!(response_framing(&head, method), expected, "{case}");
    }
}

#[test]
fn a_body_of_a_length_ends_there() {
    let mut body = Body::new(Framing::Length(5), Side::Request);
    assert_eq!(body.finish(), Err(BodyError::Truncated));
    assert_eq!(
        body.feed(b"abc"),
        Ok(Fed {
            taken: 3,
            done: false
        })
    );
    assert_eq!(body.finish(), Err(BodyError::Truncated));
    assert_eq!(
        body.feed(b"deGET /"),
        Ok(Fed {
            taken: 2,
            done: true
        })
    );
    assert_eq!(
        body.feed(b"GET /"),
        Ok(Fed {
            taken: 0,
            done: true
        })
    );
    assert_eq!(body.finish(), Ok(()));
}

#[test]
fn a_body_without_bytes_has_ended_before_it_began() {
    for framing in [Framing::None, Framing::Length(0)] {
        let mut body = Body::new(framing, Side::Request);
        assert!(body.is_done() && framing.is_empty());
        assert_eq!(
            body.feed(b"GET /"),
            Ok(Fed {
                taken: 0,
                done: true
            })
        );
        assert_eq!(body.finish(), Ok(()));
    }
}

#[test]
fn a_body_until_close_takes_everything_and_ends_with_the_connection() {
    let mut body = Body::new(Framing::UntilClose, Side::Response);
    assert_eq!(
        body.feed(b"abc"),
        Ok(Fed {
            taken: 3,
            done: false
        })
    );
    assert_eq!(body.finish(), Ok(()));
}

#[test]
fn chunks_are_read_strictly() {
    use BodyError::{ChunkData, ChunkExtension, ChunkSize, Trailer};
    let long_extension = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(255));
    let longer_extension = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(256));
    let long_padding = format!("1{}\r\na\r\n0\r\n\r\n", " ".repeat(257));
    let long_trailers = format!("0\r\n{}\r\n", "a:bc\r\n".repeat(2048));
    let longer_trailers = format!("0\r\n{}a:\r\n\r\n", "a:bc\r\n".repeat(2048));
    // The second and third column are what a request and a response answer.
    #[rustfmt::skip]
    let cases = [
        ("no chunk", "0\r\n\r\n", Ok(()), Ok(())),
        ("two chunks", "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", Ok(()), Ok(())),
        ("digits in both cases", "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", Ok(()), Ok(())),
        ("sixteen digits", "0000000000000001\r\na\r\n0000000000000000\r\n\r\n", Ok(()), Ok(())),
        ("seventeen digits", "00000000000000001\r\na\r\n0\r\n\r\n", Err(ChunkSize), Err(ChunkSize)),
        ("64 bits", "8000000000000000\r\n", Err(ChunkSize), Err(ChunkSize)),
        ("no digit", "\r\n", Err(ChunkSize), Err(ChunkSize)),
        ("no digit before an extension", ";a\r\n", Err(ChunkSize), Err(ChunkSize)),
        ("a prefix", "0x1\r\na\r\n0\r\n\r\n", Err(ChunkSize), Err(ChunkSize)),
        ("a sign", "+1\r\na\r\n0\r\n\r\n", Err(ChunkSize), Err(ChunkSize)),
        ("a blank before", " 1\r\na\r\n0\r\n\r\n", Err(ChunkSize), Err(ChunkSize)),
        ("a bare line feed after the size", "1\na\r\n0\r\n\r\n", Err(ChunkSize), Err(ChunkSize)),
        ("a bare carriage return after the size", "1\ra\r\n0\r\n\r\n", Err(ChunkSize), Err(ChunkSize)),
        ("too much data", "1\r\nab\r\n0\r\n\r\n", Err(ChunkData), Err(ChunkData)),
        ("another byte before the line feed after the data", "1\r\na-\n0\r\n\r\n", Err(ChunkData), Err(ChunkData)),
        ("a bare line feed after the data", "1\r\na\n0\r\n\r\n", Err(ChunkData), Err(ChunkData)),
        ("a bare carriage return after the data", "1\r\na\r0\r\n\r\n", Err(ChunkData), Err(ChunkData)),
        ("a bare line feed at the end", "0\r\n\n", Err(Trailer), Err(Trailer)),
        ("a bare carriage return at the end", "0\r\n\ra", Err(Trailer), Err(Trailer)),
        ("an extension", "1;a=\"b\"\r\na\r\n0;c\r\n\r\n", Err(ChunkExtension), Ok(())),
        ("a quoted semicolon and quotes", "1;a=\"\\\";\\\\\";b=\"\"\r\na\r\n0\r\n\r\n", Err(ChunkExtension), Ok(())),
        ("a quoted line end", "1;a=\"\r\n\"\r\na\r\n0\r\n\r\n", Err(ChunkExtension), Err(ChunkExtension)),
        ("a line end behind an escaped quote", "1;a=\"\\\"\r\na\r\n0\r\n\r\n", Err(ChunkExtension), Err(ChunkExtension)),
        ("an escaped line end", "1;a=\"\\\r\n\"\r\na\r\n0\r\n\r\n", Err(ChunkExtension), Err(ChunkExtension)),
        ("padding", "1 \t\r\na\r\n0\r\n\r\n", Err(ChunkSize), Ok(())),
        ("padding and an extension", "1 ;a\r\na\r\n0\r\n\r\n", Err(ChunkSize), Ok(())),
        ("padding and a digit", "1 1\r\na\r\n0\r\n\r\n", Err(ChunkSize), Err(ChunkExtension)),
        ("a line feed in an extension", "1;a\n\r\na\r\n0\r\n\r\n", Err(ChunkExtension), Err(ChunkExtension)),
        ("a NUL in an extension", "1;\0\r\na\r\n0\r\n\r\n", Err(ChunkExtension), Err(ChunkExtension)),
        ("an extension beyond ASCII", "1;ä\r\na\r\n0\r\n\r\n", Err(ChunkExtension), Err(ChunkExtension)),
        ("the longest extension", &long_extension, Err(ChunkExtension), Ok(())),
        ("a longer extension", &longer_extension, Err(ChunkExtension), Err(ChunkExtension)),
        ("long padding", &long_padding, Err(ChunkSize), Err(ChunkExtension)),
        ("a trailer", "0\r\nX-Sum: 1 ä\r\nY:\r\n\r\n", Err(Trailer), Ok(())),
        ("the longest trailers", &long_trailers, Err(Trailer), Ok(())),
        ("longer trailers", &longer_trailers, Err(Trailer), Err(Trailer)),
        ("a trailer that names a length", "0\r\nContent-Length: 5\r\n\r\n", Err(Trailer), Err(Trailer)),
        ("a trailer that names a coding", "0\r\nX: a\r\ntransfer-encoding: x\r\n\r\n", Err(Trailer), Err(Trailer)),
        ("a trailer about the connection", "0\r\nConnection: close\r\n\r\n", Err(Trailer), Err(Trailer)),
        ("trailers with names almost like these", "0\r\nConnections:\r\nContent-Lengt:\r\nXtransfer-encoding:\r\nc:\r\n\r\n", Err(Trailer), Ok(())),
        ("a trailer without a colon", "0\r\nX\r\n\r\n", Err(Trailer), Err(Trailer)),
        ("a trailer with a blank before the colon", "0\r\nX : a\r\n\r\n", Err(Trailer), Err(Trailer)),
        ("a folded trailer", "0\r\nX: a\r\n b\r\n\r\n", Err(Trailer), Err(Trailer)),
        ("a trailer without a name", "0\r\n: a\r\n\r\n", Err(Trailer), Err(Trailer)),
        ("a trailer with a bare line feed", "0\r\nX: a\n\r\n", Err(Trailer), Err(Trailer)),
        ("a trailer with a bare carriage return", "0\r\nX: a\rb\r\n\r\n", Err(Trailer), Err(Trailer)),
    ];
    for (case, bytes, request, response) in cases {
        for (side, expected) in [(Side::Request, request), (Side::Response, response)] {
            let mut body = Body::new(Framing::Chunked, side);
            let fed = body.feed(bytes.as_bytes());
            let all = Fed {
                taken: bytes.len(),
                done: true,
            };
            assert_eq!(fed, expected.map(|()| all), "{case}: {side:?}");
            if let Err(error) = expected {
                assert_eq!(
                    body.feed(b"0\r\n\r\n"),
                    Err(error),
                    "{case}: an error stays"
                );
                assert_eq!(body.finish(), Err(BodyError::Truncated), "{case}");
            }
        }
    }
}

#[test]
fn the_longest_size_is_only_counted() {
    let mut body = Body::new(Framing::Chunked, Side::Request);
    let start = b"7fffffffffffffff\r\nabc";
    assert_eq!(
        body.feed(start),
        Ok(Fed {
            taken: start.len(),
            done: false
        })
    );
}

/// Decodes a whole chunked body the simple way: `None` if it is not one, or not complete.
fn reference(bytes: &[u8], side: Side) -> Option<(Vec<u8>, usize)> {
    let line = |at: usize| {
        let rest = bytes.get(at..)?;
        let len = rest.windows(2).position(|pair| pair == b"\r\n")?;
        Some((&rest[..len], at + len + 2))
    };
    let (mut payload, mut at) = (Vec::new(), 0);
    loop {
        let (first_line, data) = line(at)?;
        let digits = first_line
            .iter()
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        let (digits, extension) = first_line.split_at(digits);
        if digits.is_empty() || digits.len() > 16 {
            return None;
        }
        let extension_is_fine = side == Side::Response
            && extension.len() <= 256
            && extension
                .trim_ascii_start()
                .first()
                .is_none_or(|byte| *byte == b';')
            && extension
                .iter()
                .all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
            && quotes_are_closed(extension);
        if !extension.is_empty() && !extension_is_fine {
            return None;
        }
        let length = i64::from_str_radix(str::from_utf8(digits).unwrap(), 16).ok()?;
        let length = usize::try_from(length).unwrap();
        if length == 0 {
            at = data;
            break;
        }
        let end = data.checked_add(length)?;
        payload.extend_from_slice(bytes.get(data..end)?);
        if bytes.get(end..end + 2)? != b"\r\n" {
            return None;
        }
        at = end + 2;
    }
    loop {
        let (trailer, next) = line(at)?;
        if trailer.is_empty() {
            return Some((payload, next));
        }
        let colon = trailer.iter().position(|byte| *byte == b':')?;
        let (name, value) = trailer.split_at(colon);
        if side == Side::Request
            || name.is_empty()
            || !name.iter().all(|byte| is_token_byte(*byte))
            || [
                b"connection".as_slice(),
                b"content-length",
                b"transfer-encoding",
            ]
            .iter()
            .any(|reserved| name.eq_ignore_ascii_case(reserved))
            || value
                .iter()
                .any(|byte| byte.is_ascii_control() && *byte != b'\t')
        {
            return None;
        }
        at = next;
    }
}

/// Cuts out one quoted text after the other.
fn quotes_are_closed(extension: &[u8]) -> bool {
    let mut parts = extension.splitn(2, |byte| *byte == b'"');
    let Some(mut quoted) = parts.nth(1) else {
        return true;
    };
    while let Some(at) = quoted.iter().position(|byte| b"\"\\".contains(byte)) {
        if quoted[at] == b'"' {
            return quotes_are_closed(&quoted[at + 1..]);
        }
        quoted = quoted.get(at + 2..).unwrap_or_default();
    }
    false
}

/// Chunked bodies, most of them good, and what follows them.
fn chunked() -> impl Strategy<Value = Vec<u8>> {
    let extension = prop_oneof![6 => "", 1 => "[ \t]{0,2};[ -~]{0,9}", 1 => "[ \t]{1,2}", 1 => ";[a\"\\\\]{0,5}"];
    let ending = || prop_oneof![40 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r")];
    let chunk = (
        prop::collection::vec(any::<u8>(), 1..20),
        extension,
        ending(),
        ending(),
    )
        .prop_map(|(data, extension, first, second)| {
            let size = format!("{:x}{extension}{first}", data.len());
            [size.as_bytes(), &data, second.as_bytes()].concat()
        });
    let trailer = prop_oneof![1 => "Content-Length:[0-9]{0,2}\r\n", 20 => "[A-Za-z-]{1,6}:[ -~]{0,9}\r\n", 1 => "[ -~]{0,9}\r?\n"];
    let trailers = prop_oneof![
        3 => Just(Vec::new()),
        1 => prop::collection::vec(trailer, 0..3),
    ];
    let after = prop::collection::vec(any::<u8>(), 0..10);
    (prop::collection::vec(chunk, 0..5), trailers, after).prop_map(|(chunks, trailers, after)| {
        let end = format!("0\r\n{}\r\n", trailers.concat());
        [&*chunks.concat(), end.as_bytes(), &after].concat()
    })
}

/// Feeds the bytes in pieces: the payload and the bytes taken, if the body ended.
fn feed_in_pieces(bytes: &[u8], side: Side, pieces: &[usize]) -> Result<Option<usize>, BodyError> {
    let mut body = Body::new(Framing::Chunked, side);
    let mut total = 0;
    for piece in cut(bytes, pieces) {
        let fed = body.feed(piece)?;
        assert_eq!(fed.done, body.is_done());
        assert!(fed.done || fed.taken == piece.len());
        total += fed.taken;
    }
    Ok(body.is_done().then_some(total))
}

fn dechunk_in_pieces(
    bytes: &[u8],
    pieces: &[usize],
) -> Result<Option<(Vec<u8>, usize)>, BodyError> {
    let mut body = Dechunk::new();
    let (mut payload, mut total) = (Vec::new(), 0);
    for piece in cut(bytes, pieces) {
        let found = body.feed(piece)?;
        for range in found.payload {
            assert!(!range.is_empty());
            payload.extend_from_slice(&piece[range]);
        }
        total += found.taken;
    }
    Ok(body.finish().is_ok().then_some((payload, total)))
}

/// Cuts the bytes into pieces of these lengths, again and again.
fn cut<'b>(bytes: &'b [u8], pieces: &[usize]) -> Vec<&'b [u8]> {
    let mut rest = bytes;
    let mut cuts = Vec::new();
    for piece in pieces.iter().cycle() {
        let (first, after) = rest.split_at((*piece).min(rest.len()));
        cuts.push(first);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    cuts
}

proptest! {
    #[test]
    fn chunks_cut_anywhere_agree_with_a_simple_decoder(
        bytes in chunked(),
        pieces in prop::collection::vec(1_usize..12, 1..6),
        side in prop_oneof![Just(Side::Request), Just(Side::Response)],
    ) {
        let expected = reference(&bytes, side);
        let found = feed_in_pieces(&bytes, side, &pieces);
        prop_assert_eq!(found.ok().flatten(), expected.as_ref().map(|(_, taken)| *taken));
        prop_assert_eq!(found, feed_in_pieces(&bytes, side, &[bytes.len()]));
        if side == Side::Response {
            prop_assert_eq!(dechunk_in_pieces(&bytes, &pieces).ok().flatten(), expected);
        }
    }

    #[test]
    fn a_chunked_body_cut_short_is_truncated(bytes in chunked()) {
        if let Some((_, taken)) = reference(&bytes, Side::Response) {
            for short in 0..taken {
                let mut body = Body::new(Framing::Chunked, Side::Response);
                let fed = Fed { taken: short, done: false };
                prop_assert_eq!(body.feed(&bytes[..short]), Ok(fed));
                prop_assert_eq!(body.finish(), Err(BodyError::Truncated));
            }
        }
    }

    #[test]
    fn any_bytes_are_fed_without_panic(bytes in "[0-9a-f;:x \t\r\n]{0,60}") {
        let found = feed_in_pieces(bytes.as_bytes(), Side::Response, &[bytes.len().max(1)]);
        let expected = reference(bytes.as_bytes(), Side::Response).map(|(_, taken)| taken);
        prop_assert_eq!(found.ok().flatten(), expected);
    }
}

//! What holds for the parsers on any bytes, without another reader.

use std::net::IpAddr;

use imgate::gate::limit;
use imgate::proxy::syntax;
use imgate::wire::body::{Body, BodyError, Dechunk, Framing, Side};
use imgate::wire::frames::{Frames, Sender};
use imgate::wire::head::{self, HeadError, HeadLimits, Headers, RequestHead, ResponseHead};
use imgate::wire::message::{Budget, Kind, Message, MessageError, Messages};
use imgate::wire::socket_table;

/// The limits of the reference configuration.
const LIMITS: HeadLimits = HeadLimits {
    head_bytes: 16 * 1024,
    headers: 100,
    target_bytes: 8192,
};
/// So many cuts are tried, spread over the bytes; the unit tests of the parsers try every one.
const CUTS: usize = 32;

/// A head of a request is its lines, however it comes, and without one line it is the same
/// without that header.
pub(crate) fn request(bytes: &[u8]) {
    let whole = read_request(bytes);
    let len = |head: RequestHead<'_>| head.len;
    for cut in cuts(bytes.len()) {
        let before = read_request(&bytes[..cut]);
        continues(
            before.map(|head| head.map(len)),
            whole.clone().map(|head| head.map(len)),
        );
    }
    let Ok(Some(head)) = whole else {
        return;
    };
    let start = [
        head.method.as_bytes(),
        b" ",
        head.target.as_bytes(),
        b" HTTP/1.",
    ]
    .concat();
    assert!(bytes.starts_with(&start));
    assert_eq!(&bytes[head.target_range.clone()], head.target.as_bytes());
    lines(bytes, &head.headers, head.len);
    assert_eq!(read_request(&bytes[..head.len]), Ok(Some(head.clone())));
    for (index, header) in head.headers.iter().enumerate() {
        let mut rest = bytes[..head.len].to_vec();
        rest.drain(header.line.clone());
        let without = read_request(&rest).expect("a head").expect("all of it");
        assert_eq!(without.headers.len(), head.headers.len() - 1);
        let mut others = head.headers.iter().enumerate().filter(|(i, _)| *i != index);
        assert!(without.headers.iter().all(|left| {
            others
                .next()
                .is_some_and(|(_, header)| (header.name, header.value) == (left.name, left.value))
        }));
    }
    let _ = syntax::websocket(&head);
    if let Ok(checked) = syntax::check(&head) {
        let query = checked
            .query
            .map_or(String::new(), |query| format!("?{query}"));
        assert_eq!(format!("{}{query}", checked.path), head.target);
        assert!(!checked.path.contains(['\\', ';', '#', '?']) && !checked.path.contains("//"));
        let mut segments = checked.path.split('/');
        assert!(segments.all(|segment| segment != "." && segment != ".."));
    }
}

/// The same for the head of a response.
pub(crate) fn response(bytes: &[u8]) {
    let whole = read_response(bytes);
    let len = |head: ResponseHead<'_>| head.len;
    for cut in cuts(bytes.len()) {
        let before = read_response(&bytes[..cut]);
        continues(
            before.map(|head| head.map(len)),
            whole.clone().map(|head| head.map(len)),
        );
    }
    if let Ok(Some(head)) = whole {
        assert!((100..=999).contains(&head.status));
        lines(bytes, &head.headers, head.len);
        assert_eq!(read_response(&bytes[..head.len]), Ok(Some(head)));
    }
}

/// A chunked body has one end, one payload and one fault, however it comes.
pub(crate) fn body(bytes: &[u8]) {
    for side in [Side::Request, Side::Response] {
        let whole = feed(side, [bytes]);
        for cut in cuts(bytes.len()) {
            assert_eq!(
                feed(side, [&bytes[..cut], &bytes[cut..]]),
                whole,
                "{side:?}, {cut}"
            );
        }
        assert_eq!(feed(side, bytes.chunks(1)), whole, "{side:?}, byte by byte");
    }
    let whole = dechunk([bytes]);
    for cut in cuts(bytes.len()) {
        assert_eq!(
            dechunk([&bytes[..cut], &bytes[cut..]]),
            whole,
            "cut at {cut}"
        );
    }
    assert_eq!(dechunk(bytes.chunks(1)), whole);
    // The two decoders of answers agree, and what is allowed in requests is allowed in answers.
    let taken = whole.map(|(taken, done, _)| (taken, done));
    assert_eq!(taken, feed(Side::Response, [bytes]));
    if let Ok(strict) = feed(Side::Request, [bytes]) {
        assert_eq!(taken, Ok(strict));
    }
}

/// Messages do not depend on how their bytes come, and no byte is lost. The first byte chooses who
/// sends, and how much may be.
pub(crate) fn messages(bytes: &[u8]) {
    let Some((first, bytes)) = bytes.split_first() else {
        return;
    };
    let sender = [Sender::Client, Sender::Server][usize::from(first & 1)];
    let budget = match first >> 1 {
        0 => Budget {
            bytes: usize::MAX,
            frames: usize::MAX,
        },
        small => Budget {
            bytes: usize::from(small) * 4,
            frames: usize::from(small),
        },
    };
    let whole = read_messages(sender, budget, [bytes]);
    for cut in cuts(bytes.len()) {
        let cut = read_messages(sender, budget, [&bytes[..cut], &bytes[cut..]]);
        assert_eq!(cut, whole);
    }
    assert_eq!(read_messages(sender, budget, bytes.chunks(1)), whole);
    let (found, _, rest) = whole;
    let raw: usize = found.iter().map(|message| message.raw.len()).sum();
    assert_eq!(raw + rest.len(), bytes.len());
    let payload: usize = found.iter().map(|message| message.payload.len()).sum();
    assert!(payload <= budget.bytes && found.len() <= budget.frames);
    for message in &found {
        let text = std::str::from_utf8(&message.payload);
        assert!(message.kind != Kind::Text || text.is_ok());
        // What goes on by itself is read alike.
        let (again, outcome, rest) = read_messages(sender, budget, [&*message.raw]);
        assert_eq!((outcome, rest), (Ok(()), Vec::new()));
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].payload, message.payload);
    }
}

fn read_messages<'b>(
    sender: Sender,
    budget: Budget,
    pieces: impl IntoIterator<Item = &'b [u8]>,
) -> (Vec<Message>, Result<(), MessageError>, Vec<u8>) {
    let mut messages = Messages::new(sender, budget);
    let (mut found, mut outcome, mut unread) = (Vec::new(), Ok(()), Vec::new());
    for piece in pieces {
        if outcome.is_ok() {
            outcome = messages.feed(piece);
            found.extend(messages.by_ref());
        } else {
            unread.extend_from_slice(piece);
        }
    }
    (found, outcome, [messages.into_rest(), unread].concat())
}

fn read_request(bytes: &[u8]) -> Result<Option<RequestHead<'_>>, HeadError> {
    head::request(bytes, &LIMITS)
}

fn read_response(bytes: &[u8]) -> Result<Option<ResponseHead<'_>>, HeadError> {
    head::response(bytes, &LIMITS)
}

/// Where the bytes of one read could end.
fn cuts(len: usize) -> impl Iterator<Item = usize> {
    (0..len).step_by(1 + len / CUTS)
}

/// What was known of the first bytes is not taken back when more come.
fn continues(before: Result<Option<usize>, HeadError>, whole: Result<Option<usize>, HeadError>) {
    match before {
        Ok(None) => {}
        Ok(Some(len)) => assert_eq!(whole, Ok(Some(len))),
        Err(_) => assert!(whole.is_err(), "{before:?} became {whole:?}"),
    }
}

/// The lines leave no gap, and each is its name, a colon, its value and blanks.
fn lines(bytes: &[u8], headers: &Headers<'_>, len: usize) {
    let start = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .expect("a line")
        + 1;
    assert!(bytes[..start].ends_with(b"\r\n"));
    let end = headers.iter().fold(start, |at, header| {
        assert_eq!(header.line.start, at);
        let line = &bytes[header.line.clone()];
        let rest = line.strip_prefix(header.name.as_bytes()).expect("the name");
        let rest = rest.strip_prefix(b":").expect("a colon");
        let rest = rest.strip_suffix(b"\r\n").expect("a line end");
        assert_eq!(rest.trim_ascii(), header.value);
        assert!(!header.name.is_empty() && !rest.iter().any(|byte| b"\r\n\0".contains(byte)));
        header.line.end
    });
    assert_eq!(&bytes[end..len], b"\r\n");
}

/// How many bytes were taken, and whether the body has ended.
fn feed<'b>(
    side: Side,
    pieces: impl IntoIterator<Item = &'b [u8]>,
) -> Result<(usize, bool), BodyError> {
    let mut body = Body::new(Framing::Chunked, side);
    let mut total = 0;
    for piece in pieces {
        let fed = body.feed(piece)?;
        assert_eq!(fed.done, body.is_done());
        assert!(fed.done || fed.taken == piece.len());
        total += fed.taken;
    }
    assert_eq!(body.finish().is_ok(), body.is_done());
    Ok((total, body.is_done()))
}

/// The same, and the payload.
fn dechunk<'b>(
    pieces: impl IntoIterator<Item = &'b [u8]>,
) -> Result<(usize, bool, Vec<u8>), BodyError> {
    let mut body = Dechunk::new();
    let (mut total, mut payload) = (0, Vec::new());
    for piece in pieces {
        let found = body.feed(piece)?;
        for range in found.payload {
            payload.extend_from_slice(&piece[range]);
        }
        total += found.taken;
    }
    Ok((total, body.finish().is_ok(), payload))
}

/// Whatever a body is counted by, every other reader finds the same there, and none finds two.
pub(crate) fn json_name(bytes: &[u8]) {
    let Some(limit::Named::One(name)) = limit::named_in(bytes, "/client/id") else {
        return;
    };
    // It takes the last of several.
    let whole: serde_json::Value = serde_json::from_slice(bytes).expect("JSON");
    let found = &whole["client"]["id"];
    let found = found
        .as_str()
        .map_or_else(|| found.to_string(), str::to_owned);
    assert_eq!(name, found.trim().to_uppercase().to_lowercase());
    for (object, key) in [(&whole, "client"), (&whole["client"], "id")] {
        let keys = object.as_object().expect("an object").keys();
        assert_eq!(
            keys.filter(|other| other.eq_ignore_ascii_case(key)).count(),
            1
        );
    }
}

/// Frames read by `max_take` are the frames read at once. The first byte says whose they are.
pub(crate) fn frames(bytes: &[u8]) {
    let Some((first, mut rest)) = bytes.split_first() else {
        return;
    };
    let sender = if first % 2 == 0 {
        Sender::Client
    } else {
        Sender::Server
    };
    let mut whole = Frames::new(sender);
    let outcome = whole.feed(rest);
    let mut frames = Frames::new(sender);
    while !rest.is_empty() {
        let (read, after) = rest.split_at(frames.max_take().min(rest.len()));
        if let Err(error) = frames.feed(read) {
            return assert_eq!(outcome, Err(error));
        }
        rest = after;
    }
    assert_eq!(outcome, Ok(()));
    assert_eq!(whole.between_messages(), frames.between_messages());
    assert_eq!(whole.saw_close(), frames.saw_close());
}

/// What is said to listen is what the kernel would write in that place.
pub(crate) fn socket_table(bytes: &[u8]) {
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(Some(socket)) = socket_table::listener(line) else {
            continue;
        };
        let words = |octets: &[u8]| -> String {
            let words = octets.chunks(4).map(|word| {
                let word: [u8; 4] = word.try_into().expect("four");
                format!("{:08X}", u32::from_ne_bytes(word))
            });
            words.collect()
        };
        let host = match socket.ip() {
            IpAddr::V4(ip) => words(&ip.octets()),
            IpAddr::V6(ip) => words(&ip.octets()),
        };
        let written = format!("{host}:{:04X}", socket.port());
        let text = String::from_utf8_lossy(line).to_ascii_uppercase();
        let mut fields = text.split_ascii_whitespace().skip(1);
        assert_eq!(fields.next(), Some(&*written), "{text}");
        assert_eq!(fields.nth(1), Some("0A"), "{text}");
    }
}

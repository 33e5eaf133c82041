//! A message as the gate reads it.

use imgate::proxy::{answer_head, syntax};
use imgate::wire::body::{Body, Dechunk, Framing, Side, request_framing, response_framing};
use imgate::wire::head::{self, HeadLimits, Headers, Version};

/// The limits of the reference configuration.
const LIMITS: HeadLimits = HeadLimits {
    head_bytes: 16 * 1024,
    headers: 100,
    target_bytes: 8192,
};

/// A message whose head was accepted.
pub(super) struct Ours<'b> {
    pub(super) start: Start<'b>,
    pub(super) version: Version,
    pub(super) headers: Headers<'b>,
    pub(super) head_len: usize,
    pub(super) framing: Framing,
    /// Without the framing of chunks; as far as it may pass.
    pub(super) payload: Vec<u8>,
    pub(super) end: End,
    pub(super) keep_alive: bool,
}

pub(super) enum Start<'b> {
    Request { method: &'b str, target: &'b str },
    Response { status: u16, reason: &'b [u8] },
}

/// How far the message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The next message begins there.
    At(usize),
    /// So many bytes may pass; then it is malformed, or more must come.
    Open(usize),
    /// It ends with the connection.
    WithConnection,
}

/// The request at the start of the bytes, if the gate accepts it.
pub(super) fn request(bytes: &[u8]) -> Option<Ours<'_>> {
    let head = head::request(bytes, &LIMITS).ok()??;
    let checked = syntax::check(&head).ok()?;
    assert_eq!(Ok(checked.framing), request_framing(&head));
    let (payload, end) = follow(bytes, head.len, checked.framing, Side::Request);
    Some(Ours {
        start: Start::Request {
            method: head.method,
            target: head.target,
        },
        version: head.version,
        head_len: head.len,
        framing: checked.framing,
        payload,
        end,
        keep_alive: checked.keep_alive,
        headers: head.headers,
    })
}

/// The response at the start of the bytes, if the gate accepts it as an answer to that method.
pub(super) fn response<'b>(bytes: &'b [u8], request_method: &str) -> Option<Ours<'b>> {
    let head = head::response(bytes, &LIMITS).ok()??;
    let framing = response_framing(&head, request_method).ok()?;
    let (payload, end) = follow(bytes, head.len, framing, Side::Response);
    Some(Ours {
        start: Start::Response {
            status: head.status,
            reason: head.reason,
        },
        version: head.version,
        head_len: head.len,
        framing,
        payload,
        end,
        keep_alive: answer_head::keeps_alive(&head) && framing != Framing::UntilClose,
        headers: head.headers,
    })
}

/// Shows the bytes behind a head to the body: the payload among them, and how far it goes.
fn follow(bytes: &[u8], head_len: usize, framing: Framing, side: Side) -> (Vec<u8>, End) {
    let after = &bytes[head_len..];
    let (passes, done) = match Body::new(framing, side).feed(after) {
        Ok(fed) => (fed.taken, fed.done),
        Err(_) => (well_formed_prefix(after, framing, side), false),
    };
    let payload = match framing {
        Framing::Chunked => dechunk(&after[..passes], done),
        Framing::None | Framing::Length(_) | Framing::UntilClose => after[..passes].to_vec(),
    };
    let end = match (framing, done) {
        (Framing::UntilClose, _) => End::WithConnection,
        (_, true) => End::At(head_len + passes),
        (_, false) => End::Open(head_len + passes),
    };
    (payload, end)
}

/// How many bytes may pass before the one that is wrong.
fn well_formed_prefix(bytes: &[u8], framing: Framing, side: Side) -> usize {
    let mut body = Body::new(framing, side);
    let passes = |byte: &&u8| body.feed(std::slice::from_ref(*byte)).is_ok();
    bytes.iter().take_while(passes).count()
}

/// What a strict body lets pass, the decoder for answers must read to the same end.
fn dechunk(bytes: &[u8], done: bool) -> Vec<u8> {
    let found = Dechunk::new().feed(bytes).expect("a body that passed");
    assert_eq!((found.taken, found.done), (bytes.len(), done));
    found
        .payload
        .into_iter()
        .flat_map(|range| bytes[range].iter().copied())
        .collect()
}

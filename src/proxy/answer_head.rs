//! The upstream's answer head as it goes to the client.

use crate::proxy::pieces::Pieces;
use crate::wire::head::{Header, ResponseHead, Version};

const VERSION: &[u8] = b"HTTP/1.1";
/// The end of the three digits.
const STATUS_END: usize = VERSION.len() + 4;
const FRAMING: [&str; 2] = ["content-length", "transfer-encoding"];

/// What the head must say towards the client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnswerHead<'a> {
    pub(crate) version: Version,
    pub(crate) keep_alive: bool,
    /// A body without a length gets chunks.
    pub(crate) chunks: bool,
    pub(crate) added: &'a AnswerLines,
}

/// The header lines that the gate adds to an upstream's answer.
#[derive(Debug)]
pub(crate) struct AnswerLines {
    /// Each with its CRLF.
    pub(crate) lines: String,
    /// Cross-origin rules are configured: who may read answers is the gate's to say.
    pub(crate) owns_cors: bool,
    /// The page that asks may.
    pub(crate) allows_origin: bool,
}

/// For one connection only (RFC 9110 §7.6.1).
const HOP_BY_HOP: [&str; 6] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "trailer",
    "upgrade",
];

/// Keeps what is for the client and adds what is ours.
pub(crate) fn rewrite(head: &ResponseHead<'_>, to: AnswerHead<'_>) -> Pieces {
    let mut pieces = Pieces::with_capacity(256);
    let first = head
        .headers
        .first()
        .map_or(head.len - 2, |header| header.line.start);
    // An intermediary speaks for itself (RFC 9110 §2.5); what it speaks is HTTP/1.1.
    pieces.keep_or_add(0..VERSION.len(), VERSION, head.version == Version::Http11);
    pieces.keep(VERSION.len()..STATUS_END);
    // The blank belongs there even if no reason follows (RFC 9112 §4); some servers leave it out.
    pieces.keep_or_add(STATUS_END..first, b" \r\n", first > STATUS_END + 2);
    let nominates = nominates(head);
    for header in head.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        // Where origins are configured, they are the gate's to name.
        let is_ours = is("x-request-id")
            || (to.added.owns_cors
                && (is("access-control-allow-origin")
                    || (is("access-control-allow-credentials") && !to.added.allows_origin)));
        // HTTP/1.0 knows no chunks; a body in chunks loses its framing on the way.
        let is_framing = to.version == Version::Http10 && is("transfer-encoding");
        if passes(head, header, nominates) && !is_ours && !is_framing {
            pieces.keep(header.line.clone());
        }
    }
    pieces.add(to.added.lines.as_bytes());
    if to.chunks {
        pieces.add(b"Transfer-Encoding: chunked\r\n");
    }
    match (to.version, to.keep_alive) {
        (Version::Http11, true) => {}
        // An HTTP/1.0 client closes unless it is told otherwise.
        (Version::Http10, true) => pieces.add(b"Connection: keep-alive\r\n"),
        (_, false) => pieces.add(b"Connection: close\r\n"),
    }
    pieces.add(b"\r\n");
    pieces
}

/// Whether a header of an upstream's answer is for the client at all.
///
/// `Connection` may not name the framing away: both sides would count the body differently.
/// `nominates` is whether there is a `Connection` at all, which is asked once per head.
pub(crate) fn passes(head: &ResponseHead<'_>, header: &Header<'_>, nominates: bool) -> bool {
    let is = |name: &&str| header.name.eq_ignore_ascii_case(name);
    if HOP_BY_HOP.iter().any(is) {
        return false;
    }
    !nominates
        || FRAMING.iter().any(is)
        || !head
            .tokens("connection")
            .flatten()
            .any(|token| token.eq_ignore_ascii_case(header.name))
}

/// Whether the head may name headers that are for this connection only.
pub(crate) fn nominates(head: &ResponseHead<'_>) -> bool {
    head.header("connection").next().is_some()
}

/// Whether the upstream lets its connection be used again.
pub fn keeps_alive(head: &ResponseHead<'_>) -> bool {
    head.version == Version::Http11
        && !head.tokens("connection").any(|token| {
            // What cannot be read is no promise.
            token.is_err() || token.is_ok_and(|token| token.eq_ignore_ascii_case("close"))
        })
}

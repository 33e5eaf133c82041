//! Opens a WebSocket: the handshake with the upstream, its check, and the 101 to the client.
//!
//! Not a byte of the client's frames reaches an upstream that has not switched protocols, and the
//! client sees no 101 before the session is registered.

use std::time::{Duration, Instant};

use pingora::connectors::TransportConnector;
use pingora::prelude::timeout;
use pingora::protocols::Stream;

use crate::gate::permit::Permit;
use crate::proxy::answer_head::{self, AnswerHead, AnswerLines};
use crate::proxy::connect::{Line, connect};
use crate::proxy::exchange::{ANSWER_LIMITS, Carried, Failure, Next, parse};
use crate::proxy::io::{WRITE_STALL, write_all};
use crate::proxy::pieces::Pieces;
use crate::proxy::pump::Pump;
use crate::proxy::received::Received;
use crate::proxy::syntax;
use crate::request::Request;
use crate::wire::body::{Body, Side, response_framing};
use crate::wire::head::{self, ResponseHead, Version};

/// An upstream's answer to a handshake.
pub(crate) enum Handshaken {
    /// It switched protocols and may do so.
    Switched(Switched),
    /// It declined; its answer is to be relayed.
    Declined(Declined),
}

/// An upstream that speaks WebSocket now.
pub(crate) struct Switched {
    pub(crate) line: Line,
    /// Frames that came in the same segments as the head.
    pub(crate) early: Vec<u8>,
    /// The 101 for the client.
    pub(crate) answer: Vec<u8>,
}

/// An upstream's refusal.
pub(crate) struct Declined {
    line: Line,
    received: Received,
    upstream_time: Duration,
}

/// What the client offers of what the upstream may choose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer<'a> {
    pub(crate) subprotocols: &'a [&'a str],
    /// Whether extensions pass as they were offered, or none is.
    pub(crate) extensions: bool,
}

/// Sends the handshake and checks the answer, all within the upstream's `handshake_timeout`.
pub(crate) async fn handshake(
    connector: &TransportConnector,
    permit: &Permit<'_>,
    request: &Request<'_>,
    offer: Offer<'_>,
    pieces: &Pieces,
    head: &[u8],
    answer_headers: &AnswerLines,
) -> Result<Handshaken, Failure> {
    let upstream = &permit.route.upstream;
    let started = Instant::now();
    let whole = async {
        // Never a kept connection: a stale one would cost the client its socket.
        let choice = upstream.choose(permit.subject());
        let mut line = connect(connector, upstream, choice)
            .await
            .map_err(Failure::Connect)?;
        let mut slices = pieces.slices(head, b"");
        write_all(&mut line.stream, &mut slices, WRITE_STALL)
            .await
            .map_err(|_| Failure::Upstream("the upstream closed during the handshake"))?;
        let mut received = Received::nothing();
        loop {
            match head::response(received.bytes(), &ANSWER_LIMITS) {
                Ok(Some(answer)) if answer.status == 101 => {
                    let reply = switch(&answer, request, offer, answer_headers)?;
                    let early = received
                        .bytes()
                        .get(answer.len..)
                        .unwrap_or_default()
                        .to_vec();
                    let switched = Switched {
                        early,
                        answer: reply,
                        line,
                    };
                    return Ok(Handshaken::Switched(switched));
                }
                Ok(Some(answer)) if answer.status >= 200 => {
                    return Ok(Handshaken::Declined(Declined {
                        line,
                        received,
                        upstream_time: started.elapsed(),
                    }));
                }
                Ok(Some(interim)) => {
                    let len = interim.len;
                    received.drop_front(len);
                }
                Ok(None) => {
                    if !received.more(&mut line.stream).await.unwrap_or(false) {
                        return Err(Failure::Upstream(
                            "the upstream closed during the handshake",
                        ));
                    }
                }
                Err(_) => return Err(Failure::Upstream("a malformed answer")),
            }
        }
    };
    timeout(upstream.handshake_timeout, whole)
        .await
        .unwrap_or(Err(Failure::UpstreamTimeout))
}

/// Checks a 101 (RFC 6455 §4.1) and makes the client's.
fn switch(
    answer: &ResponseHead<'_>,
    request: &Request<'_>,
    offer: Offer<'_>,
    answer_headers: &AnswerLines,
) -> Result<Vec<u8>, Failure> {
    let offered = offer.subprotocols;
    let wrong = |what| Err(Failure::Upstream(what));
    let names = |header: &str, word: &str| {
        answer
            .tokens(header)
            .any(|token| token.is_ok_and(|token| token.eq_ignore_ascii_case(word)))
    };
    if answer.version != Version::Http11
        || !names("connection", "upgrade")
        || !names("upgrade", "websocket")
    {
        return wrong("a 101 that switches to something else");
    }
    let expected = syntax::websocket(request.head).map(|handshake| handshake.accept());
    let accept = answer.single("sec-websocket-accept");
    if !expected.is_ok_and(|expected| accept == Ok(Some(&expected))) {
        return wrong("a 101 with a wrong `sec-websocket-accept`");
    }
    let chosen = answer
        .single("sec-websocket-protocol")
        .map_err(|_| Failure::Upstream("a 101 that chooses two subprotocols"))?;
    if chosen.is_some_and(|chosen| !offered.iter().any(|one| one.as_bytes() == chosen)) {
        return wrong("a 101 with a subprotocol that was not offered");
    }
    let extension_names = |value: &[u8]| -> Vec<Vec<u8>> {
        value
            .split(|byte| *byte == b',')
            .filter_map(|one| one.split(|byte| *byte == b';').next())
            .map(|name| name.trim_ascii().to_ascii_lowercase())
            .collect()
    };
    let wished: Vec<_> = request
        .head
        .header("sec-websocket-extensions")
        .filter(|_| offer.extensions)
        .flat_map(extension_names)
        .collect();
    let granted = answer
        .headers
        .all("sec-websocket-extensions")
        .flat_map(extension_names);
    if granted.into_iter().any(|name| !wished.contains(&name)) {
        return wrong("a 101 with an extension that was not offered");
    }

    let mut reply = b"HTTP/1.1 101 Switching Protocols\r\n".to_vec();
    let nominates = answer_head::nominates(answer);
    for header in answer.headers.iter() {
        let not_in_a_101 = ["content-length", "transfer-encoding", "x-request-id"];
        let is_out_of_place = not_in_a_101
            .iter()
            .any(|name| header.name.eq_ignore_ascii_case(name));
        if answer_head::passes(answer, header, nominates) && !is_out_of_place {
            reply.extend_from_slice(header.name.as_bytes());
            reply.extend_from_slice(b": ");
            reply.extend_from_slice(header.value);
            reply.extend_from_slice(b"\r\n");
        }
    }
    // A browser that offered protocols fails the connection unless one of them comes back.
    if let (None, Some(first)) = (chosen, offered.first()) {
        reply.extend_from_slice(b"Sec-WebSocket-Protocol: ");
        reply.extend_from_slice(first.as_bytes());
        reply.extend_from_slice(b"\r\n");
    }
    finish_reply(&mut reply, answer_headers);
    Ok(reply)
}

/// The 101 of a gate that has not asked the upstream yet.
pub(crate) fn accept(
    request: &Request<'_>,
    subprotocol: Option<&str>,
    answer_headers: &AnswerLines,
) -> Vec<u8> {
    let mut reply = b"HTTP/1.1 101 Switching Protocols\r\n".to_vec();
    if let Ok(handshake) = syntax::websocket(request.head) {
        reply.extend_from_slice(b"Sec-WebSocket-Accept: ");
        reply.extend_from_slice(&handshake.accept());
        reply.extend_from_slice(b"\r\n");
    }
    if let Some(subprotocol) = subprotocol {
        reply.extend_from_slice(b"Sec-WebSocket-Protocol: ");
        reply.extend_from_slice(subprotocol.as_bytes());
        reply.extend_from_slice(b"\r\n");
    }
    finish_reply(&mut reply, answer_headers);
    reply
}

fn finish_reply(reply: &mut Vec<u8>, answer_headers: &AnswerLines) {
    reply.extend_from_slice(answer_headers.lines.as_bytes());
    reply.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
}

impl Declined {
    /// Sends the upstream's refusal on as the ordinary answer that it is.
    pub(crate) async fn relay(
        mut self,
        client: &mut Stream,
        answer_headers: &AnswerLines,
    ) -> Result<Carried, Failure> {
        let bytes = self.received.bytes();
        let head = parse(bytes)?;
        let framing = response_framing(&head, "GET")
            .map_err(|_| Failure::Upstream("an answer whose end is in doubt"))?;
        let status = head.status;
        let to = AnswerHead {
            version: Version::Http11,
            keep_alive: false,
            chunks: false,
            added: answer_headers,
        };
        let pieces = answer_head::rewrite(&head, to);
        let mut body = Pump::new(Body::new(framing, Side::Response));
        let behind = bytes.get(head.len..).unwrap_or_default();
        let taken = body
            .at_hand(behind)
            .map_err(|_| Failure::Upstream("a malformed body"))?;
        let mut slices = pieces.slices(bytes, behind.get(..taken).unwrap_or_default());
        write_all(client, &mut slices, WRITE_STALL)
            .await
            .map_err(|_| Failure::Cut { status })?;
        drop(slices);
        let rest = std::future::poll_fn(|cx| body.poll_pump(cx, &mut self.line.stream, client));
        if !body_is_through(rest).await {
            return Err(Failure::Cut { status });
        }
        Ok(Carried {
            status,
            next: Next::Linger,
            upstream_time: self.upstream_time,
        })
    }
}

/// A refusal is small; it gets as long as any write.
async fn body_is_through<E>(rest: impl Future<Output = Result<(), E>>) -> bool {
    matches!(timeout(WRITE_STALL, rest).await, Ok(Ok(())))
}

//! `grpc`: one call of `grpc.health.v1.Health/Check`, in plain text over HTTP/2.
//!
//! The two messages have one field each, so they are written and read by hand: a request is
//! `service` (field 1, a text), an answer `status` (field 1, where 1 is SERVING).

use std::pin::pin;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use http::header::{CONTENT_TYPE, TE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request};

use super::definition::AGENT;
use super::{Failure, connect};

/// Asks whether a service, or with an empty name the server, is serving.
pub(super) async fn check(port: u16, service: &str) -> Result<(), Failure> {
    let stream = connect(port).await?;
    let (sender, connection) = Builder::new()
        .enable_push(false)
        .max_header_list_size(HEADERS_BYTES)
        .handshake(stream)
        .await
        .map_err(garbled)?;
    let mut asking = pin!(call(sender, port, question(service)));
    // No task of its own: whoever has no more time ends the connection as well.
    tokio::select! {
        biased;
        outcome = &mut asking => outcome,
        _ = connection => asking.await,
    }
}

const HEADERS_BYTES: u32 = 16 * 1024;
/// An answer has a handful.
const ANSWER_BYTES: usize = 4 * 1024;

async fn call(sender: SendRequest<Bytes>, port: u16, question: Bytes) -> Result<(), Failure> {
    let mut sender = sender.ready().await.map_err(garbled)?;
    let request = Request::post(format!(
        "http://127.0.0.1:{port}/grpc.health.v1.Health/Check"
    ))
    .header(CONTENT_TYPE, "application/grpc")
    .header(TE, "trailers")
    .header(USER_AGENT, AGENT)
    .body(())
    .map_err(|_| Failure::Garbled)?;
    let (answer, mut sending) = sender.send_request(request, false).map_err(garbled)?;
    sending.send_data(question, true).map_err(garbled)?;
    let (head, mut body) = answer.await.map_err(garbled)?.into_parts();
    if head.status != 200 {
        return Err(Failure::Status(head.status.as_u16()));
    }
    // An answer without a message has its trailers in the head.
    if let Some(outcome) = outcome(&head.headers) {
        outcome?;
    }
    let mut bytes = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece.map_err(garbled)?;
        if bytes.len() + piece.len() > ANSWER_BYTES {
            return Err(Failure::Garbled);
        }
        bytes.extend_from_slice(&piece);
        let given_back = body.flow_control().release_capacity(piece.len());
        given_back.map_err(garbled)?;
    }
    let trailers = body.trailers().await.map_err(garbled)?;
    match trailers.as_ref().and_then(outcome) {
        Some(outcome) => outcome?,
        None => return Err(Failure::Garbled),
    }
    match status(&bytes) {
        Some(SERVING) => Ok(()),
        Some(_) => Err(Failure::NotServing),
        None => Err(Failure::Garbled),
    }
}

fn garbled(_: h2::Error) -> Failure {
    Failure::Garbled
}

/// What a call came to; `None` if this says nothing of it.
fn outcome(headers: &HeaderMap) -> Option<Result<(), Failure>> {
    let status = headers.get("grpc-status").map(HeaderValue::as_bytes)?;
    Some(match status {
        b"0" => Ok(()),
        _ => Err(Failure::NotServing),
    })
}

/// One byte says that nothing is compressed, four how long the message is.
const PREFIX_BYTES: usize = 5;

const SERVING: u64 = 1;

fn question(service: &str) -> Bytes {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        put_varint(&mut message, service.len() as u64);
        message.extend_from_slice(service.as_bytes());
    }
    // A name as long as that would not have come through the environment.
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut bytes = vec![0];
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.append(&mut message);
    Bytes::from(bytes)
}

fn put_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

/// The status in an answer. `None` if it is no message of that kind.
fn status(bytes: &[u8]) -> Option<u64> {
    let (prefix, mut message) = bytes.split_first_chunk::<PREFIX_BYTES>()?;
    let [is_compressed, length @ ..] = *prefix;
    if is_compressed != 0 || usize::try_from(u32::from_be_bytes(length)) != Ok(message.len()) {
        return None;
    }
    let mut status = 0;
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let skipped = match tag & 7 {
            0 => {
                let value = varint(&mut message)?;
                if tag >> 3 == 1 {
                    status = value;
                }
                0
            }
            1 => 8,
            2 => usize::try_from(varint(&mut message)?).ok()?,
            5 => 4,
            _ => return None,
        };
        message = message.get(skipped..)?;
    }
    Some(status)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_has_one_field() {
        assert_eq!(&*question(""), b"\0\0\0\0\0");
        assert_eq!(&*question("im"), b"\0\0\0\0\x04\x0a\x02im");
        let long = question(&"x".repeat(300));
        assert_eq!(&long[..8], b"\0\0\0\x01\x2f\x0a\xac\x02");
    }

    #[test]
    fn an_answer_is_its_status() {
        for (case, bytes, expected) in [
            ("serving", b"\0\0\0\0\x02\x08\x01".as_slice(), Some(1)),
            ("not serving", b"\0\0\0\0\x02\x08\x02", Some(2)),
            ("unknown, which is not written", b"\0\0\0\0\0", Some(0)),
            (
                "said twice, the last counts",
                b"\0\0\0\0\x04\x08\x02\x08\x01",
                Some(1),
            ),
            ("in two bytes", b"\0\0\0\0\x03\x08\x81\x00", Some(1)),
            (
                "beside others",
                b"\0\0\0\0\x0e\x12\x01a\x19aaaaaaaa\x08\x01",
                Some(1),
            ),
            ("another field", b"\0\0\0\0\x02\x10\x01", Some(0)),
            ("compressed", b"\x01\0\0\0\x02\x08\x01", None),
            ("cut", b"\0\0\0\0\x02\x08", None),
            ("longer than said", b"\0\0\0\0\x02\x08\x01\x08", None),
            ("no prefix", b"\x08\x01", None),
            ("nothing", b"", None),
            (
                "a number without end",
                b"\0\0\0\0\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                None,
            ),
            ("a text beyond the end", b"\0\0\0\0\x03\x12\x7fa", None),
            ("a group", b"\0\0\0\0\x01\x0b", None),
        ] {
            assert_eq!(status(bytes), expected, "{case}");
        }
    }
}

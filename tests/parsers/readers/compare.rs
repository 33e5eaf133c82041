//! The comparison itself.

use std::fmt::Debug;

use http::HeaderValue;
use imgate::wire::head::Version;
use llhttp_reader::{self as node, Kind};

use super::ours::{self, End, Ours, Start};
use super::pingora::{self, Theirs};
use super::{Compared, Outcome, lenience};

/// Compares what is read at the start of the bytes as a request.
pub(crate) fn request(bytes: &[u8]) -> Compared {
    let Some(ours) = ours::request(bytes) else {
        return Ok(Outcome::Refused);
    };
    let with_node = beside_node(&ours, bytes, Kind::Request)?;
    let with_pingora = beside_pingora(&ours, bytes, pingora::request)?;
    Ok(with_node.or(with_pingora).unwrap_or(Outcome::Agreed))
}

/// Compares what is read at the start of the bytes as an answer to a request of that method.
pub(crate) fn response(bytes: &[u8], request_method: &str) -> Compared {
    let Some(ours) = ours::response(bytes, request_method) else {
        return Ok(Outcome::Refused);
    };
    let to_head = request_method == "HEAD";
    let with_node = beside_node(&ours, bytes, Kind::Response { to_head })?;
    let with_pingora = beside_pingora(&ours, bytes, |bytes| {
        pingora::response(bytes, request_method)
    })?;
    Ok(with_node.or(with_pingora).unwrap_or(Outcome::Agreed))
}

/// Compares the bytes as the chunked body of a request, and as that of a response.
pub(crate) fn body(bytes: &[u8]) -> [Compared; 2] {
    const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    [
        request(&[POST, bytes].concat()),
        response(&[OK, bytes].concat(), "GET"),
    ]
}

/// `None` if llhttp reads the same.
fn beside_node(ours: &Ours<'_>, bytes: &[u8], kind: Kind) -> Result<Option<Outcome>, String> {
    // What may pass is what another reader would get to see.
    let (seen, closed, expected) = match ours.end {
        End::At(end) => (bytes, false, node::End::At(end)),
        End::Open(passes) => (&bytes[..passes], false, node::End::Open),
        End::WithConnection => (bytes, true, node::End::At(bytes.len())),
    };
    // Whole, and in pieces: a reader must not depend on how the bytes come.
    for piece in [seen.len(), 1 + bytes.len() % 7] {
        let theirs = node::read(kind, seen, piece, closed);
        if let node::End::Refused(error) = theirs.end {
            return lenience::of_node(error, ours, bytes)
                .map(|known| Some(Outcome::Lenient(known)))
                .ok_or_else(|| format!("llhttp refuses with {error}"));
        }
        same("llhttp", "end", &theirs.end, &expected)?;
        same("llhttp", "head", &theirs.head_complete, &true)?;
        match ours.start {
            Start::Request { method, target } => {
                same("llhttp", "method", &theirs.method, &method.as_bytes())?;
                same("llhttp", "target", &theirs.target, &target.as_bytes())?;
            }
            Start::Response { status, reason } => {
                same("llhttp", "status", &theirs.status, &status)?;
                same("llhttp", "reason", &theirs.reason, &reason)?;
            }
        }
        let version = match ours.version {
            Version::Http10 => (1, 0),
            Version::Http11 => (1, 1),
        };
        same("llhttp", "version", &theirs.version, &version)?;
        let count = theirs.headers.len();
        same("llhttp", "number of headers", &count, &ours.headers.len())?;
        for (header, (name, value)) in ours.headers.iter().zip(&theirs.headers) {
            same("llhttp", "header name", name, &header.name.as_bytes())?;
            // llhttp leaves it to its users to cut the blanks behind a value.
            let value = value.trim_ascii_end();
            same("llhttp", "header value", &value, &header.value)?;
        }
        same("llhttp", "body", &theirs.body, &ours.payload)?;
        if matches!(ours.end, End::At(_)) && !is_interim(ours) {
            same_keep_alive("llhttp", ours, theirs.keep_alive)?;
        }
    }
    Ok(None)
}

/// `None` if pingora reads the same.
fn beside_pingora(
    ours: &Ours<'_>,
    bytes: &[u8],
    read: impl Fn(&[u8]) -> Result<Theirs, pingora::End>,
) -> Result<Option<Outcome>, String> {
    let (seen, complete) = match ours.end {
        End::At(end) => (&bytes[..end], true),
        End::Open(passes) => (&bytes[..passes], false),
        End::WithConnection => (bytes, true),
    };
    let theirs = match read(seen) {
        Ok(theirs) => theirs,
        Err(end) => return refused_by_pingora(&end, ours, bytes).map(Some),
    };
    let start = match ours.start {
        Start::Request { method, target } => (method.to_owned(), target.as_bytes().to_vec()),
        Start::Response { status, .. } => (status.to_string(), Vec::new()),
    };
    same("pingora", "start line", &theirs.start, &start)?;
    let is_http11 = ours.version == Version::Http11;
    same("pingora", "version", &theirs.is_http11, &is_http11)?;
    same("pingora", "head", &theirs.head_len, &ours.head_len)?;
    let count = theirs.headers.len();
    same("pingora", "number of headers", &count, &ours.headers.len())?;
    for (index, header) in ours.headers.iter().enumerate() {
        let earlier = ours.headers.iter().take(index);
        let nth = earlier
            .filter(|earlier| earlier.name.eq_ignore_ascii_case(header.name))
            .count();
        let value = theirs.headers.get_all(header.name).iter().nth(nth);
        let value = value.map(HeaderValue::as_bytes);
        same("pingora", "header value", &value, &Some(header.value))?;
    }
    if matches!(theirs.end, pingora::End::Refused(_)) {
        return refused_by_pingora(&theirs.end, ours, bytes).map(Some);
    }
    same("pingora", "body", &theirs.payload, &ours.payload)?;
    let is_complete = matches!(theirs.end, pingora::End::Complete(_));
    same("pingora", "end", &is_complete, &complete)?;
    if let End::At(end) = ours.end
        && !is_interim(ours)
    {
        same_keep_alive("pingora", ours, theirs.keep_alive)?;
        // One byte less is not enough, and what follows is not taken.
        if end > ours.head_len {
            let short = read(&bytes[..end - 1]).map(|theirs| theirs.end);
            same(
                "pingora",
                "end, one byte short",
                &short,
                &Ok(pingora::End::Open),
            )?;
        }
        if end < bytes.len() {
            let more = read(bytes).map_err(|end| format!("pingora, with more bytes: {end:?}"))?;
            same(
                "pingora",
                "body, with more bytes",
                &more.payload,
                &ours.payload,
            )?;
            if let pingora::End::Complete(Some(left)) = more.end {
                same("pingora", "bytes left over", &left, &(bytes.len() - end))?;
            }
        }
    }
    Ok(None)
}

fn refused_by_pingora(
    end: &pingora::End,
    ours: &Ours<'_>,
    bytes: &[u8],
) -> Result<Outcome, String> {
    let pingora::End::Refused(error) = end else {
        return Err(format!("pingora finds no head: {end:?}"));
    };
    lenience::of_pingora(error, ours, bytes)
        .map(Outcome::Lenient)
        .ok_or_else(|| format!("pingora refuses with {error}"))
}

fn is_interim(ours: &Ours<'_>) -> bool {
    matches!(ours.start, Start::Response { status: ..200, .. })
}

/// Everybody may close at any time, and the gate does so where it is in doubt. It must not go on
/// where another reader has seen the last message.
fn same_keep_alive(reader: &str, ours: &Ours<'_>, theirs: bool) -> Result<(), String> {
    if ours.keep_alive && !theirs {
        return Err(format!("{reader} closes, the gate keeps the connection"));
    }
    Ok(())
}

fn same<T: PartialEq<O> + Debug, O: Debug>(
    reader: &str,
    what: &str,
    theirs: &T,
    ours: &O,
) -> Result<(), String> {
    if theirs == ours {
        Ok(())
    } else {
        Err(format!(
            "{what}: {reader} reads {theirs:?}, the gate {ours:?}"
        ))
    }
}

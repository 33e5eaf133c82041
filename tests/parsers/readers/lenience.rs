//! The closed list of what the gate accepts and another reader refuses.
//!
//! None of these is read in two ways: the other reader answers with an error. Each stands here
//! with the reason why the gate does not refuse it as well.

use imgate::wire::body::Framing;
use imgate::wire::head::is_token_byte;

use super::ours::{End, Ours, Start};

/// Something that the gate lets pass on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Lenience {
    /// Blanks behind the size of a chunk, in answers. Old servers write the size into a field of
    /// fixed width; browsers read it.
    ChunkPadding,
    /// An extension of a chunk that is not `;name` or `;name=value`, in answers. Nobody looks for
    /// anything in it but the end of its line, and that is not in doubt: it holds no control
    /// character, and its quotes are closed.
    ChunkExtension,
}

/// Whether llhttp's refusal is of a known kind.
pub(super) fn of_node(error: &str, ours: &Ours<'_>, bytes: &[u8]) -> Option<Lenience> {
    if !(is_answer(ours) && ours.framing == Framing::Chunked) {
        return None;
    }
    let passes = match ours.end {
        End::At(passes) | End::Open(passes) => passes,
        End::WithConnection => bytes.len(),
    };
    let extensions = extensions(&bytes[ours.head_len..passes]);
    let mut odd = extensions.into_iter().filter(|text| !is_strict(text));
    match (error, odd.next().and_then(<[u8]>::first)) {
        ("HPE_INVALID_CHUNK_SIZE", Some(b' ' | b'\t')) => Some(Lenience::ChunkPadding),
        ("HPE_STRICT" | "HPE_INVALID_CHUNK_SIZE", Some(b';')) => Some(Lenience::ChunkExtension),
        _ => None,
    }
}

/// Whether pingora's refusal is of a known kind.
pub(super) fn of_pingora(_error: &str, _ours: &Ours<'_>, _bytes: &[u8]) -> Option<Lenience> {
    None
}

fn is_answer(ours: &Ours<'_>) -> bool {
    matches!(ours.start, Start::Response { .. })
}

/// What stands behind the size of each chunk.
fn extensions(mut body: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    loop {
        let end = body
            .iter()
            .position(|byte| *byte == b'\r')
            .unwrap_or(body.len());
        let (line, data) = (&body[..end], body.get(end + 2..).unwrap_or_default());
        let digits = line
            .iter()
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        let (digits, extension) = line.split_at(digits);
        found.push(extension);
        let size = str::from_utf8(digits).map(|digits| usize::from_str_radix(digits, 16));
        match size {
            Ok(Ok(size @ 1..)) if size.saturating_add(2) < data.len() => body = &data[size + 2..],
            _ => return found,
        }
    }
}

/// Whether llhttp knows the form: nothing, or names with or without a value, without blanks.
fn is_strict(extension: &[u8]) -> bool {
    let after_token = |text: &[u8]| text.iter().take_while(|byte| is_token_byte(**byte)).count();
    let mut rest = extension;
    while !rest.is_empty() {
        let Some(name) = rest.strip_prefix(b";") else {
            return false;
        };
        let len = after_token(name);
        if len == 0 {
            return false;
        }
        rest = &name[len..];
        if let Some(value) = rest.strip_prefix(b"=") {
            let len = match value.strip_prefix(b"\"") {
                Some(quoted) => match closing_quote(quoted) {
                    Some(end) => end + 2,
                    None => return false,
                },
                None => after_token(value),
            };
            if len == 0 {
                return false;
            }
            rest = &value[len..];
        }
    }
    true
}

fn closing_quote(quoted: &[u8]) -> Option<usize> {
    let mut escaped = false;
    quoted.iter().position(|byte| {
        let closes = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        closes
    })
}

//! Paths that every server splits into the same segments.

/// Whether no usual normalisation would change the path or its segments.
///
/// Refused are empty and dot segments, `;` and `\`, bytes that a URI cannot hold, and escapes
/// that are not needed (`%6f`), hide a separator (`%2f %5c %3b %2e`) or another escape (`%25`),
/// or spell control characters or anything but canonical UTF-8. The last segment may be empty.
pub(super) fn has_one_reading(path: &str) -> bool {
    let Some(relative) = path.strip_prefix('/') else {
        return false;
    };
    let mut segments = relative.as_bytes().split(|byte| *byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let one_reading = match segment {
            b"" => segments.peek().is_none(),
            b"." | b".." => false,
            _ => is_segment(segment),
        };
        if !one_reading {
            return false;
        }
    }
    true
}

fn is_segment(mut rest: &[u8]) -> bool {
    while let [first, after_first @ ..] = rest {
        let after = match first {
            b'%' => after_escape(rest),
            byte if is_path_byte(*byte) => Some(after_first),
            _ => None,
        };
        match after {
            Some(after) => rest = after,
            None => return false,
        }
    }
    true
}

/// Visible ASCII that stands for itself. `[` and `]` have no right to be here (RFC 3986 §3.3),
/// but browsers send them and nobody reads them in two ways.
const fn is_path_byte(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e)
        && !matches!(
            byte,
            b'"' | b'#'
                | b'%'
                | b'/'
                | b';'
                | b'<'
                | b'>'
                | b'?'
                | b'\\'
                | b'^'
                | b'`'
                | b'{'
                | b'|'
                | b'}'
        )
}

/// Passes the escapes of one character that may be escaped.
fn after_escape(escapes: &[u8]) -> Option<&[u8]> {
    let (lead, mut rest) = unescape(escapes)?;
    let bytes = match lead {
        ..=0x7f if has_two_readings(lead) => return None,
        ..=0x7f => return Some(rest),
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        // A continuation without a lead, or a lead of overlong forms only.
        _ => return None,
    };
    let mut character = [lead, 0, 0, 0];
    for slot in character.iter_mut().take(bytes).skip(1) {
        (*slot, rest) = unescape(rest)?;
    }
    let text = str::from_utf8(character.get(..bytes)?).ok()?;
    (!text.contains(char::is_control)).then_some(rest)
}

/// Whether servers differ on what the escape of this ASCII byte means: it may be as good as the
/// byte itself (RFC 3986 §2.3, and separators for many), or an escape again, or an end.
const fn has_two_readings(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || byte.is_ascii_control()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b'/' | b';' | b'\\')
}

/// Decodes the escape at the start.
fn unescape(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let [b'%', high, low, rest @ ..] = bytes else {
        return None;
    };
    Some((hex(*high)? << 4 | hex(*low)?, rest))
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

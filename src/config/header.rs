//! Header names that the configuration may use.
//!
//! Some headers belong to the connection or delimit the message. Who could set or remove them
//! could make two servers disagree about where a message ends, so no key takes them.

use super::cursor::Cursor;
use super::notation;

/// A header name, as written.
pub(super) fn name(cursor: &Cursor<'_>) -> Option<String> {
    let name = cursor.text()?;
    check(cursor, name)?;
    Some(name.to_owned())
}

/// Checks a name that is itself the key of a map.
pub(super) fn check(cursor: &Cursor<'_>, name: &str) -> Option<()> {
    if !notation::is_token(name) || name.len() > MAX_NAME {
        cursor.problem("expected a header name");
        return None;
    }
    if is_reserved(name) {
        cursor.problem(
            "this header frames the message or belongs to the connection, expected another one",
        );
        return None;
    }
    Some(())
}

/// Whether any reserved header begins with this text.
pub(super) fn begins_reserved(prefix: &str) -> bool {
    let prefix = alike(prefix);
    RESERVED
        .iter()
        .chain(&[WEBSOCKET])
        .any(|name| name.starts_with(&prefix))
        || prefix.starts_with(WEBSOCKET)
}

/// The longest name that the gate handles anywhere.
const MAX_NAME: usize = 128;

/// RFC 9110, sections 7.2 (Host), 7.6.1 (Connection and what it names), 8.6 (Content-Length) and
/// 10.1.1 (Expect); RFC 9112, section 6.1 (Transfer-Encoding).
const RESERVED: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// RFC 6455, section 11.3: the gate itself speaks the handshake.
const WEBSOCKET: &str = "sec-websocket-";

fn is_reserved(name: &str) -> bool {
    let name = alike(name);
    RESERVED.contains(&name.as_str()) || name.starts_with(WEBSOCKET)
}

/// Some servers take `_` and `.` for `-`.
fn alike(name: &str) -> String {
    name.to_ascii_lowercase().replace(['_', '.'], "-")
}

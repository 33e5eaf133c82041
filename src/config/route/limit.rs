//! `limit`: how many requests may pass, and who shares them.

use std::sync::Arc;
use std::time::Duration;

use crate::config::cursor::{Cursor, Keys};
use crate::config::document::{Limit, LimitBy, Rate};
use crate::config::names::Names;
use crate::config::route::path;
use crate::wire::json;

const LIMIT: Keys = Keys {
    known: &["by", "per", "requests"],
    later: &[],
};

const MOST_REQUESTS: u32 = 1_000_000;
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_hours(24);

/// `pattern` is the route's path, if that can be read.
pub(super) fn limit(
    cursor: &Cursor<'_>,
    names: &Names<'_>,
    pattern: Option<&str>,
    websocket: bool,
) -> Option<Limit> {
    let fields = cursor.map(&LIMIT)?;
    let count = fields
        .required("requests")
        .and_then(|requests| requests.integer(1..=MOST_REQUESTS));
    let per = fields
        .required("per")
        .and_then(|per| per.duration(SHORTEST..=LONGEST));
    let by = fields
        .required("by")
        .and_then(|by| shared_by(&by, names, pattern, websocket));
    Some(Limit {
        rate: Rate {
            count: count?,
            per: per?,
        },
        by: by?,
        place: cursor.place(),
    })
}

fn shared_by(
    cursor: &Cursor<'_>,
    names: &Names<'_>,
    pattern: Option<&str>,
    websocket: bool,
) -> Option<LimitBy> {
    let text = cursor.text()?;
    match text {
        "app_key" => return Some(LimitBy::AppKey),
        "client_ip" => return Some(LimitBy::ClientIp),
        "subject" => return Some(LimitBy::Subject),
        _ => {}
    }
    if let Some(name) = text.strip_prefix("path.") {
        return Some(LimitBy::Path {
            segment: path::parameter(cursor, pattern?, name)?,
        });
    }
    if let Some(pointer) = text.strip_prefix("json.") {
        if websocket {
            cursor.problem("a WebSocket handshake has no body, expected no `json.`");
            return None;
        }
        // The whole body would be another one with every request.
        if !pointer.starts_with('/') || !json::is_pointer(pointer) {
            cursor
                .problem("expected a JSON Pointer (RFC 6901) after `json.`, as `json./client_id`");
            return None;
        }
        return Some(LimitBy::Json {
            pointer: Arc::from(pointer),
        });
    }
    cursor.problem(if is_unverified(text, names) {
        UNVERIFIED
    } else {
        EXPECTED
    });
    None
}

/// Whether this seems to mean a credential as it was sent.
fn is_unverified(text: &str, names: &Names<'_>) -> bool {
    let declared = names.authenticators.as_ref();
    let word = text.split(['.', '/']).next().unwrap_or_default();
    matches!(
        word,
        "authorization"
            | "bearer"
            | "cookie"
            | "credential"
            | "header"
            | "query"
            | "subprotocol"
            | "token"
    ) || declared.is_some_and(|names| names.contains(text))
}

const UNVERIFIED: &str = "what a client sends unverified it can make up anew for every request, so \
     it limits nobody; expected what is verified, `app_key` or `subject`, or `client_ip`, \
     `path.<name>` or `json.<pointer>`";

const EXPECTED: &str =
    "expected `client_ip`, `app_key`, `subject`, `path.<name>` or `json.<pointer>`";

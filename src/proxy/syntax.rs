//! The strict syntax of requests: whatever two readers could read in two ways is refused.
//!
//! It runs on every head before anything else looks at it. A request that passes is forwarded
//! with its target unchanged, so nothing is normalised here: an upstream that folds slashes,
//! decodes twice, cuts at `;` or takes the last of two headers finds nothing to fold, decode, cut
//! or choose. Whether a path exists and who may use it is decided later.

use std::fmt;

use smallvec::SmallVec;

use self::singles::Singles;
use crate::request::METHODS;
use crate::wire::body::{Framing, FramingError, request_framing};
use crate::wire::head::{RequestHead, Version};

mod handshake;
mod host;
mod path;
mod singles;
#[cfg(test)]
mod tests;

pub use self::handshake::{Flaw, Handshake, HandshakeError, websocket};

/// What was found in a head on the way.
#[derive(Clone)]
pub struct Checked<'b> {
    /// Begins with `/`, and its segments have one reading.
    pub path: &'b str,
    /// What follows the first `?`. It may hold a credential.
    pub query: Option<&'b str>,
    /// Host and port as sent; case is not folded.
    pub host: &'b str,
    pub framing: Framing,
    /// `Upgrade` names `websocket`; whether it does so rightly, [`websocket`] tells.
    pub websocket: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// The client allows another request on this connection. HTTP/1.0 clients never do.
    pub keep_alive: bool,
    /// The headers that `Connection` names, as written: they end here and are not forwarded.
    pub nominated: SmallVec<[&'b str; 4]>,
}

/// Why a request is refused before it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    #[error("`connection` names something that it must not")]
    Connection,
    #[error("`{0}` stands more than once")]
    Doubled(&'static str),
    #[error("`expect` is not `100-continue`")]
    Expectation,
    #[error(transparent)]
    Framing(#[from] FramingError),
    #[error("there is not exactly one valid `host`")]
    Host,
    #[error("a header name looks like `{0}`")]
    LookAlike(&'static str),
    #[error("the method is not served")]
    Method,
    #[error("the path has more than one reading")]
    Path,
    #[error("the query holds a byte that has to be escaped")]
    Query,
    #[error("the target is not a path and a query")]
    Target,
    #[error("a subprotocol is not a token")]
    Subprotocol,
    #[error("a WebSocket handshake has a body")]
    UpgradeBody,
}

/// Refuses a request that could be read in two ways, and names the parts of any other.
pub fn check<'b>(head: &RequestHead<'b>) -> Result<Checked<'b>, SyntaxError> {
    if !is_served(head.method) {
        return Err(SyntaxError::Method);
    }
    let (path, query) = target(head.target)?;
    let framing = request_framing(head)?;
    let singles = Singles::find(&head.headers)?;
    let host = singles
        .host
        .and_then(host::parse)
        .ok_or(SyntaxError::Host)?;
    let expects_continue = match singles.expect {
        None => false,
        Some(value) if value.eq_ignore_ascii_case(b"100-continue") => {
            // HTTP/1.0 knows nothing of it (RFC 9110 §10.1.1).
            head.version == Version::Http11 && !framing.is_empty()
        }
        Some(_) => return Err(SyntaxError::Expectation),
    };
    let websocket = singles.upgrade.is_some_and(handshake::names_websocket);
    if websocket && !framing.is_empty() {
        return Err(SyntaxError::UpgradeBody);
    }
    // An entry may carry a credential: who cannot tell the entries apart cannot take it out.
    if head
        .tokens("sec-websocket-protocol")
        .any(|entry| entry.is_err())
    {
        return Err(SyntaxError::Subprotocol);
    }
    let (close, nominated) = connection(head)?;
    let keep_alive = head.version == Version::Http11 && !close;
    Ok(Checked {
        path,
        query,
        host,
        framing,
        websocket,
        expects_continue,
        keep_alive,
        nominated,
    })
}

/// Whether this is a CORS preflight (Fetch §3.2.2): it has no body and can carry no credential.
pub fn is_preflight(head: &RequestHead<'_>) -> bool {
    head.method == "OPTIONS"
        && matches!(head.single("origin"), Ok(Some(_)))
        && matches!(head.single("access-control-request-method"), Ok(Some(_)))
        && request_framing(head).is_ok_and(Framing::is_empty)
}

impl SyntaxError {
    /// The status that answers the request.
    pub const fn status(self) -> u16 {
        match self {
            Self::Connection
            | Self::Doubled(_)
            | Self::Framing(_)
            | Self::Host
            | Self::LookAlike(_)
            | Self::Path
            | Self::Query
            | Self::Subprotocol
            | Self::Target
            | Self::UpgradeBody => 400,
            Self::Method => 405,
            Self::Expectation => 417,
        }
    }
}

fn is_served(method: &str) -> bool {
    METHODS.contains(&method)
}

/// Splits a target in origin form (RFC 9112 §3.2.1), the only one that names nothing but a path.
fn target(target: &str) -> Result<(&str, Option<&str>), SyntaxError> {
    // `//host/` would be read as an authority by some.
    if !target.starts_with('/') || target.starts_with("//") {
        return Err(SyntaxError::Target);
    }
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    if !path::has_one_reading(path) {
        return Err(SyntaxError::Path);
    }
    // Counting goes many bytes at a time, looking for the first does not.
    let foreign = query
        .unwrap_or_default()
        .bytes()
        .filter(|byte| !is_query_byte(*byte))
        .count();
    if foreign == 0 {
        Ok((path, query))
    } else {
        Err(SyntaxError::Query)
    }
}

/// Visible ASCII that browsers leave as it is (the query state of the URL standard), which is more
/// than RFC 3986 §3.4 allows; what they escape, some servers refuse.
const fn is_query_byte(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e) && !matches!(byte, b'"' | b'#' | b'<' | b'>')
}

/// Reads `Connection`: whether it says `close`, and which headers it names.
fn connection<'b>(head: &RequestHead<'b>) -> Result<(bool, SmallVec<[&'b str; 4]>), SyntaxError> {
    let mut close = false;
    let mut nominated = SmallVec::new();
    for (count, option) in head.tokens("connection").enumerate() {
        let option = option.map_err(|_| SyntaxError::Connection)?;
        if count >= MOST_OPTIONS || is_end_to_end(option) {
            return Err(SyntaxError::Connection);
        }
        if option.eq_ignore_ascii_case("close") {
            close = true;
        } else if !is_known_option(option) {
            nominated.push(option);
        }
    }
    Ok((close, nominated))
}

/// Options whose headers, if there are any, go no further than one connection anyway.
fn is_known_option(option: &str) -> bool {
    [
        "keep-alive",
        "upgrade",
        "te",
        "trailer",
        "http2-settings",
        "proxy-connection",
    ]
    .iter()
    .any(|known| option.eq_ignore_ascii_case(known))
}

/// Headers that `Connection` must not name: a reader that obeyed would see another request.
fn is_end_to_end(option: &str) -> bool {
    const NAMES: [&str; 10] = [
        "authorization",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "origin",
        "transfer-encoding",
        "x-real-ip",
    ];
    const PREFIXES: [&str; 2] = ["sec-websocket-", "x-forwarded-"];
    NAMES.iter().any(|name| option.eq_ignore_ascii_case(name))
        || PREFIXES.iter().any(|prefix| {
            option
                .get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        })
}

/// Shows nothing that could be a credential.
impl fmt::Debug for Checked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked")
            .field("path", &self.path)
            .field("host", &self.host)
            .field("framing", &self.framing)
            .field("websocket", &self.websocket)
            .field("keep_alive", &self.keep_alive)
            .field("nominated", &self.nominated)
            .finish_non_exhaustive()
    }
}

/// Options of one `Connection` list; more is an attempt to make somebody lose count.
const MOST_OPTIONS: usize = 16;

//! Cross-origin requests (Fetch §3.2): preflights are answered here, since they carry no
//! credential, and refusals stay readable for the pages that may read answers.

use std::fmt::Write as _;

use crate::policy::Policy;
use crate::policy::cors::Cors;
use crate::proxy::syntax;
use crate::request::Request;
use crate::request_id::RequestId;
use crate::wire::head::RequestHead;

/// The answer to a preflight, or `None` if the request is none or cross-origin rules are not set.
pub(crate) fn answer(
    policy: &Policy,
    request: &Request<'_>,
    request_id: &RequestId,
    keep_alive: bool,
) -> Option<Vec<u8>> {
    let cors = policy.cors.as_ref()?;
    if !syntax::is_preflight(request.head) {
        return None;
    }
    // Nothing configured there: the router says so.
    let methods = policy.routes().methods(request.host_name(), request.path)?;
    let mut text = format!("HTTP/1.1 204 No Content\r\nX-Request-Id: {request_id}\r\n");
    // To a page that is not allowed the answer says nothing, and the browser refuses on its own.
    if let Some(origin) = allowed_origin(cors, request.head) {
        // Writing to a `String` cannot fail.
        let _ = write!(
            text,
            "Access-Control-Allow-Origin: {origin}\r\nAccess-Control-Allow-Methods: {methods}\r\n\
             Access-Control-Max-Age: {}\r\n",
            cors.max_age
        );
        if !cors.allow_headers.is_empty() {
            let _ = write!(
                text,
                "Access-Control-Allow-Headers: {}\r\n",
                cors.allow_headers
            );
        }
    }
    if !keep_alive {
        text.push_str("Connection: close\r\n");
    }
    text.push_str("Vary: Origin\r\n\r\n");
    Some(text.into_bytes())
}

/// The header lines that let an allowed page read an answer; empty for any other.
pub(crate) fn cors_headers(policy: &Policy, head: &RequestHead<'_>) -> String {
    let Some(cors) = &policy.cors else {
        return String::new();
    };
    match allowed_origin(cors, head) {
        Some(origin) => format!("Access-Control-Allow-Origin: {origin}\r\nVary: Origin\r\n"),
        None => "Vary: Origin\r\n".to_owned(),
    }
}

/// Whether the page that asks may read the answer.
pub(crate) fn allows_origin(policy: &Policy, head: &RequestHead<'_>) -> bool {
    let cors = policy.cors.as_ref();
    cors.is_some_and(|cors| allowed_origin(cors, head).is_some())
}

fn allowed_origin<'r>(cors: &Cors, head: &RequestHead<'r>) -> Option<&'r str> {
    let origin = head.single("origin").ok().flatten()?;
    // It equals a configured origin, so it cannot end the header line.
    cors.allows(origin)
        .then(|| std::str::from_utf8(origin).ok())?
}

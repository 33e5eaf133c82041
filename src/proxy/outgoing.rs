//! The request head as it goes to the upstream: what was judged, less what must not pass, plus
//! what the gate knows.
//!
//! Client headers leave as the bytes they came in. The path never changes; the query changes only
//! where a credential is taken out of it or put into it. Everything of ours is added last, after
//! every client copy was cut.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

use crate::clock::UnixTime;
use crate::gate::permit::Permit;
use crate::policy::Policy;
use crate::policy::assertion::Asserted;
use crate::proxy::pieces::Pieces;
use crate::request::Request;
use crate::session::SessionId;
use crate::wire::head::Version;

mod credentials;

use credentials::Rewrite;

/// What the connection knows beyond the request itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    /// The other end of the socket.
    pub(crate) peer: &'a str,
    /// The peer is a proxy whose forwarding headers are believed.
    pub(crate) trusted: bool,
    /// Headers that `Connection` names: they end here.
    pub(crate) nominated: &'a [&'a str],
    pub(crate) request_id: &'a str,
    pub(crate) now: UnixTime,
    /// Of a WebSocket that is about to open.
    pub(crate) session: Option<SessionId>,
}

/// Outside visible ASCII, the escape character itself, and the comma, at which a header is split
/// into several values.
const IDENTITY_ESCAPES: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b',');

/// Builds the head. The caller writes it in front of the body.
pub(crate) fn request_head(
    policy: &Policy,
    permit: &Permit<'_>,
    request: &Request<'_>,
    facts: Facts<'_>,
) -> Pieces {
    let rewrite = Rewrite::new(policy, permit);
    let head = request.head;
    let mut pieces = Pieces::with_capacity(512);
    let first_header = head
        .headers
        .first()
        .map_or(head.len - 2, |header| header.line.start);
    match rewrite.query(request) {
        None => pieces.keep(0..head.target_range.end),
        Some(query) => {
            pieces.keep(0..head.target_range.start);
            pieces.add(request.path.as_bytes());
            if !query.is_empty() {
                pieces.add(b"?");
                pieces.add(&query);
            }
        }
    }
    // An intermediary speaks for itself (RFC 9110 §2.5); what it speaks is HTTP/1.1.
    pieces.keep_or_add(
        head.target_range.end..first_header,
        b" HTTP/1.1\r\n",
        head.version == Version::Http11,
    );
    for header in head.headers.iter() {
        if !rewrite.passes(header, request, facts) {
            continue;
        }
        match rewrite.cookies(header) {
            None => pieces.keep(header.line.clone()),
            Some(kept) if kept.is_empty() => {}
            Some(kept) => pieces.add_header(header.name, &kept),
        }
    }
    rewrite.add_credentials(&mut pieces);
    rewrite.add_subprotocols(&mut pieces, request);
    add_identity(&mut pieces, policy, permit, facts.session);
    add_assertion(&mut pieces, policy, permit, request, facts);
    add_forwarding(&mut pieces, request, facts);
    // They may vouch to the upstream for whoever was let in, and nobody was.
    if permit.observed.is_none() {
        for (name, value) in &permit.route.set_headers {
            pieces.add_header(name, value.expose());
        }
    }
    if facts.session.is_some() {
        // Exactly these two values: there are servers that compare `Connection` as a whole.
        pieces.add(b"Connection: Upgrade\r\nUpgrade: websocket\r\n");
    }
    pieces.add(b"\r\n");
    pieces
}

fn add_identity(
    pieces: &mut Pieces,
    policy: &Policy,
    permit: &Permit<'_>,
    session: Option<SessionId>,
) {
    let prefix = policy.headers.identity_prefix.as_str();
    let mut add = |suffix: &str, value: &str| {
        pieces.add(prefix.as_bytes());
        let value: Cow<'_, str> = percent_encode(value.as_bytes(), IDENTITY_ESCAPES).into();
        pieces.add_header(suffix, value.as_bytes());
    };
    if let Some(admission) = &permit.admission {
        let principal = &admission.principal;
        let fields = [
            ("Subject", principal.subject.as_deref()),
            ("User-Type", principal.user_type.as_deref()),
            ("Device-Type", permit.device_type().map(|device| &**device)),
            ("App-Id", principal.app.as_deref()),
            ("Authenticator", Some(&*admission.authenticator)),
        ];
        for (suffix, value) in fields {
            if let Some(value) = value {
                add(suffix, value);
            }
        }
    }
    if let Some(session) = session {
        add("Session-Id", &session.to_string());
    }
}

fn add_assertion(
    pieces: &mut Pieces,
    policy: &Policy,
    permit: &Permit<'_>,
    request: &Request<'_>,
    facts: Facts<'_>,
) {
    let Some(assertions) = &policy.assertions else {
        return;
    };
    let admission = permit.admission.as_ref();
    let principal = admission.map(|admission| &*admission.principal);
    let asserted = Asserted {
        audience: &permit.route.upstream.name,
        request_id: facts.request_id,
        method: request.head.method,
        path: request.path,
        subject: principal.and_then(|principal| principal.subject.as_deref()),
        user_type: principal.and_then(|principal| principal.user_type.as_deref()),
        device_type: permit.device_type().map(|device| &**device),
        app: principal.and_then(|principal| principal.app.as_deref()),
        authenticator: admission.map(|admission| &*admission.authenticator),
    };
    if let Some(assertion) = assertions.sign(&asserted, facts.now) {
        pieces.add(policy.headers.identity_prefix.as_bytes());
        pieces.add_header("Assertion", assertion.as_bytes());
    }
}

fn add_forwarding(pieces: &mut Pieces, request: &Request<'_>, facts: Facts<'_>) {
    pieces.add(b"X-Forwarded-For: ");
    if facts.trusted {
        for value in request.head.header("x-forwarded-for") {
            if str::from_utf8(value).is_ok() {
                pieces.add(value);
                pieces.add(b", ");
            }
        }
    }
    pieces.add(facts.peer.as_bytes());
    pieces.add(b"\r\n");
    let is_set = |name| facts.trusted && request.head.header(name).next().is_some();
    if !is_set("x-forwarded-proto") {
        pieces.add_header(
            "X-Forwarded-Proto",
            if request.secure { b"https" } else { b"http" },
        );
    }
    if !is_set("x-forwarded-host") {
        pieces.add_header("X-Forwarded-Host", request.host.as_bytes());
    }
    pieces.add_header("X-Request-Id", facts.request_id.as_bytes());
}

#[cfg(test)]
mod tests;

//! The gate's own answers: refusals in the format that the clients of this backend understand.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::clock::UnixTime;
use crate::config::document::ErrorFormat;
use crate::credential::Carrier;
use crate::gate::denial::{Denial, Refusal};
use crate::policy::Policy;
use crate::policy::authenticator::Authenticator;
use crate::policy::first_message::Member;
use crate::policy::throttle::Throttled;
use crate::scheme::{Rejection, SchemeName};

mod bodies;
mod easemob;
mod imkit;

/// An answer of our own.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    /// From the closed list of reasons.
    pub(crate) reason: &'a str,
    /// A sentence without anything that the client sent.
    pub(crate) message: &'a str,
    pub(crate) format: ErrorFormat,
    /// What is missing or bad, for formats that tell keys from tokens.
    pub(crate) blamed: Option<Blamed>,
    /// As the request names it, where it could be read: one format repeats it in one case.
    pub(crate) path: Option<&'a str>,
    pub(crate) now: UnixTime,
    pub(crate) request_id: &'a str,
    /// Further header lines, each with its CRLF.
    pub(crate) headers: String,
    /// The connection ends with this answer.
    pub(crate) close: bool,
    /// The request was HEAD: the answer has no body.
    pub(crate) head_only: bool,
}

/// What kind of credential is to blame for a denial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blamed {
    /// A key that a server keeps to itself.
    ApiKey,
    /// A key that an app shows to everybody.
    ClientKey,
    /// What says who the user is.
    Token,
}

impl Blamed {
    /// By the authenticator that has to be satisfied.
    pub(crate) fn of(denial: &Denial, policy: &Policy) -> Option<Self> {
        if let Denial::Forbidden(refusal) = denial {
            return match refusal {
                Refusal::ClientKey | Refusal::Domain => Some(Self::ClientKey),
                Refusal::Route => Some(Self::ApiKey),
                Refusal::Claim(_)
                | Refusal::Conflict
                | Refusal::DeviceType { .. }
                | Refusal::Origin
                | Refusal::UserType => None,
            };
        }
        let authenticator = policy.authenticator(denial.authenticator()?)?;
        let scheme = authenticator.scheme();
        let takes_client_key = Member::taken_by(&authenticator.carriers) == Some(Member::ClientKey);
        Some(
            if takes_client_key || scheme == SchemeName::ImkitClientKey {
                Self::ClientKey
            } else if scheme == SchemeName::AppKey {
                Self::ApiKey
            } else {
                Self::Token
            },
        )
    }
}

impl Answer<'_> {
    /// The whole message.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let body = bodies::body(self);
        let mut text = String::with_capacity(256 + body.len());
        // Writing to a `String` cannot fail.
        let _ = write!(
            text,
            "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nX-Request-Id: {}\r\n{}{}\r\n",
            self.status,
            phrase(self.status),
            bodies::content_type(self.format),
            body.len(),
            self.request_id,
            self.headers,
            self.connection(),
        );
        if !self.head_only {
            text.push_str(&body);
        }
        text.into_bytes()
    }

    /// Whoever sends `Upgrade` names it here (RFC 9110 §7.8).
    fn connection(&self) -> &'static str {
        match (self.status == 426, self.close) {
            (true, true) => "Connection: Upgrade, close\r\n",
            (true, false) => "Connection: Upgrade\r\n",
            (false, true) => "Connection: close\r\n",
            (false, false) => "",
        }
    }

    /// What the header says about when to come again.
    fn retry_after(&self) -> Option<u32> {
        let mut lines = self.headers.split("\r\n");
        let seconds = lines.find_map(|line| line.strip_prefix("Retry-After: "))?;
        seconds.parse().ok()
    }
}

/// The headers that belong to a denial: a challenge, the allowed methods, the wished protocol.
pub(crate) fn denial_headers(denial: &Denial, policy: &Policy) -> String {
    match denial {
        Denial::Method { allow } => format!("Allow: {allow}\r\n"),
        Denial::UpgradeRequired => "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n".to_owned(),
        // RFC 2817 §4.2. A redirect would have the credential sent in plain text again next time.
        Denial::TlsRequired => "Upgrade: TLS/1.2, HTTP/1.1\r\n".to_owned(),
        Denial::NoCredential { authenticator } => {
            challenge(authenticator.and_then(|id| policy.authenticator(id)), None)
        }
        Denial::Rejected {
            authenticator,
            rejection,
        } => challenge(
            authenticator.and_then(|id| policy.authenticator(id)),
            Some(*rejection),
        ),
        Denial::Unavailable { .. } => "Retry-After: 1\r\n".to_owned(),
        Denial::Limited { retry_after } | Denial::Throttled(Throttled { retry_after, .. }) => {
            // Whole seconds (RFC 9110 §10.2.3), and never less than what has to pass.
            let seconds = retry_after.as_millis().div_ceil(1000).max(1);
            format!("Retry-After: {seconds}\r\n")
        }
        Denial::Ambiguous
        | Denial::BadHandshake
        | Denial::Forbidden(_)
        | Denial::NoRoute
        | Denial::Transport
        | Denial::UnfitBody(_)
        | Denial::UnknownApp => String::new(),
    }
}

/// RFC 9110 §11.6.1 with the `Bearer` parameters of RFC 6750 §3; `ApiKey` names the header.
fn challenge(authenticator: Option<&Arc<Authenticator>>, rejection: Option<Rejection>) -> String {
    let key_header = authenticator.and_then(|authenticator| match authenticator.carriers.first() {
        Some(Carrier::Header { name, prefix: None })
            if !name.eq_ignore_ascii_case("authorization") =>
        {
            Some(name)
        }
        _ => None,
    });
    match (key_header, rejection) {
        (Some(name), _) => {
            format!("WWW-Authenticate: ApiKey realm=\"imgate\", header=\"{name}\"\r\n")
        }
        (None, None) => "WWW-Authenticate: Bearer realm=\"imgate\"\r\n".to_owned(),
        (None, Some(_)) => {
            "WWW-Authenticate: Bearer realm=\"imgate\", error=\"invalid_token\"\r\n".to_owned()
        }
    }
}

/// The reason phrases of the statuses that the gate answers with.
pub(crate) const fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    }
}

#[cfg(test)]
mod tests;

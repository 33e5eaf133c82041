//! The desk's protections: who may ask at all.
//!
//! A page in somebody's browser can make it send requests to a local port, in three ways: openly
//! (`Origin` tells), through a name of its own that resolves to this address (`Host` tells), or
//! with a form (its content type tells). Whatever can open a connection, a token is asked for over
//! TCP, on loopback too: other containers of a pod and other users of a machine are there as well.

use std::net::{IpAddr, SocketAddr};

use crate::clock::UnixTime;
use crate::config::document::AdminToken;
use crate::wire::head::RequestHead;

/// What a protection refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trespass {
    /// `Host` is no name of this listener.
    ForeignHost,
    NoToken,
    /// A page sent it.
    Origin,
    WrongToken,
}

impl Trespass {
    pub const ALL: [Self; 4] = [
        Self::ForeignHost,
        Self::NoToken,
        Self::Origin,
        Self::WrongToken,
    ];

    /// The word for answers, logs and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ForeignHost => "host",
            Self::NoToken => "no_credential",
            Self::Origin => "origin",
            Self::WrongToken => "unknown_key",
        }
    }

    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::ForeignHost => {
                "expected `localhost` or the address that the request came to as `Host`"
            }
            Self::NoToken => "expected `Authorization: Bearer` with the admin token",
            Self::Origin => "requests of web pages are refused",
            Self::WrongToken => "this is not the admin token",
        }
    }
}

/// How a request came in, and so what it must show.
#[derive(Clone, Copy, Debug)]
pub(super) enum Access<'a> {
    /// Over the socket file: the system has let it in.
    File,
    /// To this address; without a token nobody may.
    Tcp {
        local: SocketAddr,
        token: Option<&'a AdminToken>,
    },
}

/// Lets a request pass, or says why not.
pub(super) fn check(
    head: &RequestHead<'_>,
    host: &str,
    access: Access<'_>,
    now: UnixTime,
) -> Result<(), Trespass> {
    if head.header("origin").next().is_some() {
        return Err(Trespass::Origin);
    }
    let Access::Tcp { local, token } = access else {
        return Ok(());
    };
    if !is_own_name(host, local) {
        return Err(Trespass::ForeignHost);
    }
    let shown = head.single("authorization").ok().flatten();
    let shown = shown.and_then(bearer).ok_or(Trespass::NoToken)?;
    if token.is_some_and(|token| accepts(token, shown, now)) {
        Ok(())
    } else {
        Err(Trespass::WrongToken)
    }
}

/// Whether nobody else can have given this name to the address. `host` is well-formed.
fn is_own_name(host: &str, local: SocketAddr) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        // The last colon of an IPv6 address without a port.
        Some((_, rest)) if rest.ends_with(']') => (host, None),
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    };
    if port.is_some_and(|port| port.parse() != Ok(local.port())) {
        return false;
    }
    let literal = name.trim_start_matches('[').trim_end_matches(']');
    let is_own_address = literal
        .parse()
        .is_ok_and(|address: IpAddr| address.to_canonical() == local.ip().to_canonical());
    is_own_address || name.eq_ignore_ascii_case("localhost")
}

/// The token in `Bearer <token>`.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty()).then_some(token)
}

/// Every candidate is compared, so that time tells nothing of which one came near.
fn accepts(token: &AdminToken, shown: &[u8], now: UnixTime) -> bool {
    let mut matches = token.current.matches(shown);
    for (previous, not_after) in &token.previous {
        matches |= previous.matches(shown) && now < *not_after;
    }
    matches
}

#[cfg(test)]
mod tests;

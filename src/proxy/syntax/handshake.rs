//! The client's half of a WebSocket handshake (RFC 6455 §4.2.1).

use crate::wire::body::{Framing, request_framing};
use crate::wire::frames::{accept_key, is_key};
use crate::wire::head::{Doubled, RequestHead, Version};

/// A handshake that an upstream may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake<'b> {
    /// `Sec-WebSocket-Key`, which is no secret.
    pub key: &'b [u8],
}

/// Why a request on a WebSocket route is no handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    #[error(transparent)]
    Malformed(#[from] Flaw),
    /// It asks for no WebSocket, or for another version of it.
    #[error("`upgrade: websocket` with version 13 is required")]
    UpgradeRequired,
}

/// What is wrong with a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("the handshake has a body")]
    Body,
    #[error("`connection` does not name `upgrade`")]
    Connection,
    #[error("a header of the handshake stands more than once")]
    Doubled,
    #[error("the handshake is not in HTTP/1.1")]
    HttpVersion,
    #[error("`sec-websocket-key` is not the base64 of 16 bytes")]
    Key,
    #[error("the method of the handshake is not GET")]
    Method,
    #[error("`upgrade` names more than `websocket`")]
    Upgrade,
}

/// Judges the request as a WebSocket handshake.
pub fn websocket<'b>(head: &RequestHead<'b>) -> Result<Handshake<'b>, HandshakeError> {
    let single = |name| head.single(name).map_err(|Doubled| Flaw::Doubled);

    let upgrade = single("upgrade")?.ok_or(HandshakeError::UpgradeRequired)?;
    if !names_websocket(upgrade) {
        return Err(HandshakeError::UpgradeRequired);
    }
    if !upgrade.eq_ignore_ascii_case(b"websocket") {
        return Err(Flaw::Upgrade.into());
    }
    if head.method != "GET" {
        return Err(Flaw::Method.into());
    }
    if head.version != Version::Http11 {
        return Err(Flaw::HttpVersion.into());
    }
    let is_upgrade = |option: &str| option.eq_ignore_ascii_case("upgrade");
    if !head
        .tokens("connection")
        .any(|option| option.is_ok_and(is_upgrade))
    {
        return Err(Flaw::Connection.into());
    }
    if !request_framing(head).is_ok_and(Framing::is_empty) {
        return Err(Flaw::Body.into());
    }
    if single("sec-websocket-version")? != Some(b"13") {
        return Err(HandshakeError::UpgradeRequired);
    }
    let key = single("sec-websocket-key")?
        .filter(|key| is_key(key))
        .ok_or(Flaw::Key)?;
    Ok(Handshake { key })
}

impl Handshake<'_> {
    /// The `Sec-WebSocket-Accept` without which an upstream's 101 is none.
    pub fn accept(&self) -> [u8; 28] {
        accept_key(self.key)
    }
}

impl HandshakeError {
    /// The status that answers the request. A 426 names the version that is wanted.
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::UpgradeRequired => 426,
        }
    }
}

/// Whether one of the protocols in `Upgrade` is `websocket`.
pub(super) fn names_websocket(upgrade: &[u8]) -> bool {
    upgrade
        .split(|byte| *byte == b',')
        .any(|protocol| protocol.trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

//! What a head means once its syntax is checked: whose request it is, and what it asks for.

use std::net::IpAddr;

use crate::gate::Handshake;
use crate::policy::Policy;
use crate::proxy::forwarded;
use crate::proxy::syntax::{self, Checked, HandshakeError};
use crate::request::Request;
use crate::wire::head::RequestHead;

/// Where a connection comes in.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The listener's position in the policy.
    pub listener: usize,
    /// The other end of the socket.
    pub peer: IpAddr,
    /// It speaks TLS.
    pub secure: bool,
}

/// Names the parts of a request, and tells whether the peer is a proxy whose forwarding headers are
/// believed.
pub(crate) fn request<'a, 'b>(
    policy: &Policy,
    head: &'a RequestHead<'b>,
    checked: &Checked<'b>,
    entry: Entry,
) -> (Request<'a>, bool)
where
    'b: 'a,
{
    let trusts = |address| policy.trusts(entry.listener, address);
    let trusted = trusts(entry.peer);
    let origin = forwarded::origin(head, entry.peer, entry.secure, trusted, trusts);
    let request = Request {
        head,
        path: checked.path,
        query: checked.query,
        host: checked.host,
        client: origin.client,
        secure: origin.secure,
    };
    (request, trusted)
}

/// What a head says about becoming a WebSocket.
pub(crate) fn handshake(head: &RequestHead<'_>) -> Handshake {
    match syntax::websocket(head) {
        Ok(_) => Handshake::Valid,
        Err(HandshakeError::Malformed(_)) => Handshake::Malformed,
        Err(HandshakeError::UpgradeRequired) => Handshake::NotAsked,
    }
}

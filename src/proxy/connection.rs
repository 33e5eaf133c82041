//! One connection of a client: one request after the other, each judged on its own.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use pingora::prelude::timeout;
use pingora::protocols::Stream;
use tracing::debug;

use crate::clock;
use crate::config::document::Limits;
use crate::policy::Policy;
use crate::proxy::arrival::{self, Entry};
use crate::proxy::buffer::{Buffer, Leftover};
use crate::proxy::crowd::{Presence, dismiss};
use crate::proxy::forwarded;
use crate::proxy::io::{close, first_bytes, linger, read_more};
use crate::proxy::preface;
use crate::proxy::preflight;
use crate::proxy::record::Who;
use crate::proxy::syntax::{self, Checked, SyntaxError};
use crate::proxy::tls;
use crate::proxy::websocket;
use crate::proxy::{HandshakeFailure, Worker};
use crate::request::METHODS;
use crate::request_id::RequestId;
use crate::wire::head::{self, HeadLimits, RequestHead};
use crate::wire::proxy_protocol::Origin;

mod asked;
mod first_message;
mod forward;
mod limit;
mod refuse;
mod renew;

use asked::Asked;
pub(super) use limit::{Reading, Unread};
use refuse::Refusal;

/// What becomes of the connection after a request.
pub(super) enum After {
    Continue(Leftover),
    Close,
    /// Close, but read a while, so that the answer is not lost to a reset.
    Linger,
    /// Both handshakes are done; the stream goes into the tunnel.
    Upgraded(Box<websocket::Opened>),
    /// The client's handshake is done; its first message has to bring the credential.
    Waiting(Box<first_message::Waiting>),
}

/// Serves a connection until it ends or becomes a tunnel.
pub(super) async fn serve(worker: Arc<Worker>, mut stream: Stream) {
    let Some(peer) = peer_of(&stream) else { return };
    let mut connection = Connection {
        worker: &worker,
        peer,
        peer_text: peer.to_string(),
        secure: false,
    };
    let opened = Instant::now();
    let mut presence = Presence::new(&worker);
    if !presence.settle(&worker, peer) {
        return Box::pin(dismiss(&worker, stream)).await;
    }
    let Limits {
        head_bytes,
        head_timeout,
        ..
    } = worker.shared.policy().limits;
    let Some(first) = first_bytes(&mut stream, head_bytes, head_timeout).await else {
        return;
    };
    let first = if worker.speaks_proxy_protocol() {
        let introduced = preface::introduce(&worker, &mut stream, connection.peer, first, opened);
        let Some((origin, first)) = Box::pin(introduced).await else {
            return;
        };
        if let Origin::Client(client) = origin {
            connection.peer = client;
            connection.peer_text = client.to_string();
            if !presence.settle(&worker, client) {
                return Box::pin(dismiss(&worker, stream)).await;
            }
        }
        first
    } else {
        first
    };
    let mut leftover = Leftover::default();
    if worker.tls().is_none() {
        leftover = Leftover::new(first.0, 0, first.1);
    } else if tls::is_handshake(&first.0) {
        // Boxed, here and below: an idle connection carries no more than it needs.
        let Some(secured) = Box::pin(tls::accept(&worker, stream, first, opened)).await else {
            return;
        };
        stream = secured;
        connection.secure = true;
    } else {
        return Box::pin(connection.refuse_plain_text(stream, opened)).await;
    }
    let mut is_first = true;
    loop {
        let limits = worker.shared.policy().limits;
        let (buffer, filled) = if let Some(bytes) = leftover.take() {
            bytes
        } else {
            let idle = if is_first {
                limits.head_timeout.saturating_sub(opened.elapsed())
            } else {
                limits.keepalive_idle
            };
            match first_bytes(&mut stream, limits.head_bytes, idle).await {
                Some(bytes) => bytes,
                None if connection.secure => return Box::pin(close(stream)).await,
                None => return,
            }
        };
        is_first = false;
        // An idle connection does not carry the state of an exchange.
        let in_flight = worker.shared.in_flight();
        let after = Box::pin(connection.request(&mut stream, buffer, filled)).await;
        drop(in_flight);
        match after {
            After::Continue(bytes) => leftover = bytes,
            After::Close => return,
            After::Linger => return Box::pin(linger(stream)).await,
            After::Upgraded(opened) => {
                // A task of its own: what the connection needed until now is freed.
                tokio::spawn(opened.run(stream, presence));
                return;
            }
            After::Waiting(waiting) => {
                tokio::spawn(waiting.run(stream, presence));
                return;
            }
        }
    }
}

/// What stays the same from request to request.
struct Connection<'w> {
    worker: &'w Arc<Worker>,
    /// The other end of the socket, or whom it speaks for by the PROXY protocol.
    peer: IpAddr,
    peer_text: String,
    /// It speaks TLS.
    secure: bool,
}

impl Connection<'_> {
    /// Tells whoever speaks plain HTTP to a listener with TLS.
    async fn refuse_plain_text(&self, mut stream: Stream, started: Instant) {
        let shared = &self.worker.shared;
        shared.metrics.handshake_failed(HandshakeFailure::NotTls);
        let refusal = Refusal::syntax("this port speaks TLS only");
        self.refuse(&mut stream, &shared.policy(), refusal, started)
            .await;
        linger(stream).await;
    }

    /// Reads one head and does what it deserves.
    async fn request(&self, stream: &mut Stream, mut buffer: Buffer, mut filled: usize) -> After {
        let started = Instant::now();
        let policy = self.worker.shared.policy();
        let limits = HeadLimits {
            head_bytes: policy.limits.head_bytes,
            headers: policy.limits.headers,
            target_bytes: policy.limits.target_bytes,
        };
        loop {
            let bytes = buffer.get(..filled).unwrap_or_default();
            match head::request(bytes, &limits) {
                // The policy of now, not of the first byte, which may have come long ago.
                Ok(Some(head)) => return self.judge(stream, &head, bytes, started).await,
                Ok(None) => {}
                Err(error) => {
                    debug!(%error, "request head refused");
                    let refusal = Refusal {
                        status: error.status(),
                        ..Refusal::syntax("the request's head is refused")
                    };
                    return self.refuse(stream, &policy, refusal, started).await;
                }
            }
            if filled == buffer.len() && filled < limits.head_bytes {
                // Pipelined bytes came in a buffer of their own size.
                buffer = Buffer::copy_of(&buffer, limits.head_bytes);
            }
            // One deadline for the whole head, however slowly its bytes drip.
            let left = policy.limits.head_timeout.saturating_sub(started.elapsed());
            match timeout(left, read_more(stream, &mut buffer, filled)).await {
                Ok(Ok(n)) if n > 0 => filled += n,
                Ok(_) => return After::Close,
                Err(_) => {
                    let refusal = Refusal {
                        status: 408,
                        ..Refusal::syntax("the request's head did not arrive in time")
                    };
                    return self.refuse(stream, &policy, refusal, started).await;
                }
            }
        }
    }

    async fn judge(
        &self,
        stream: &mut Stream,
        head: &RequestHead<'_>,
        bytes: &[u8],
        started: Instant,
    ) -> After {
        let policy = &self.worker.shared.policy();
        let checked = match syntax::check(head) {
            Ok(checked) => checked,
            Err(error) => {
                debug!(%error, "request refused");
                let mut refusal = Refusal {
                    status: error.status(),
                    ..Refusal::syntax("the request's syntax is refused")
                };
                if error == SyntaxError::Method {
                    refusal.reason = "method";
                    refusal.headers = format!("Allow: {}\r\n", METHODS.join(", "));
                }
                refusal
                    .headers
                    .push_str(&preflight::cors_headers(policy, head));
                return self.refuse(stream, policy, refusal, started).await;
            }
        };
        let arrived = (RequestId::fresh(), started);
        let asked = self.asked(policy, head, &checked, bytes, arrived);
        if !asked.trusted {
            let disbelieved = forwarded::lines(head).count();
            if disbelieved > 0 {
                let metrics = &self.worker.shared.metrics;
                metrics.untrusted_forwarded(disbelieved);
            }
        }
        asked.judge(stream).await
    }

    /// A request whose syntax has been checked, with what stands behind its head in `bytes`.
    fn asked<'a, 'b>(
        &'a self,
        policy: &'a Arc<Policy>,
        head: &'a RequestHead<'b>,
        checked: &'a Checked<'b>,
        bytes: &'a [u8],
        (request_id, started): (RequestId, Instant),
    ) -> Asked<'a> {
        let entry = Entry {
            listener: self.worker.listener,
            peer: self.peer,
            secure: self.secure,
        };
        let (request, trusted) = arrival::request(policy, head, checked, entry);
        let (head_bytes, behind) = bytes.split_at_checked(head.len).unwrap_or_default();
        Asked {
            connection: self,
            policy,
            request,
            framing: checked.framing,
            expects_continue: checked.expects_continue,
            keep_alive: checked.keep_alive && !self.worker.shared.drain.is_leaving(),
            nominated: &checked.nominated,
            trusted,
            now: clock::now(),
            who: Who {
                request_id,
                client: request.client,
                started,
            },
            head_read: Instant::now(),
            head_bytes,
            behind,
        }
    }
}

fn peer_of(stream: &Stream) -> Option<IpAddr> {
    let digest = stream.get_socket_digest()?;
    Some(digest.peer_addr()?.as_inet()?.ip().to_canonical())
}

//! The tunnel: WebSocket frames between a client and an upstream, until somebody ends it.
//!
//! Bytes pass as they are, in both directions at once. The tunnel follows frame boundaries only so
//! that it can end a session properly: it stops each direction between two frames, sends a Close
//! frame with a code to both sides, and gives up on a side that does not take it in time. At
//! such places it also says to the client what the gate has to say. While a session is silent, it holds no buffer.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use crate::clock::{self, UnixTime};
use crate::session::CloseReason;
use crate::session::live::Live;
use crate::session::registry::Session;
use crate::session::signal::Asked;
use crate::wire::frames::Sender;

mod close;
mod direction;
pub mod first_message;
mod inspection;
mod scratch;
mod sieve;

use direction::{Broken, Direction, ping_payload};
pub use inspection::{Beyond, Inspected, Inspection, Inspector};

/// How long the other direction may go on after one has ended.
const TO_DRAIN: Duration = Duration::from_secs(10);

/// What ended a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The client closed, or was lost.
    Client,
    /// The upstream closed, or was lost.
    Upstream,
    /// The gate closed both.
    Gate(CloseReason),
}

impl Ending {
    /// Everything that can end a tunnel.
    pub const ALL: [Self; 12] = [
        Self::Client,
        Self::Upstream,
        Self::Gate(CloseReason::Denied),
        Self::Gate(CloseReason::Expired),
        Self::Gate(CloseReason::Idle),
        Self::Gate(CloseReason::PolicyChanged),
        Self::Gate(CloseReason::ProtocolError),
        Self::Gate(CloseReason::Replaced),
        Self::Gate(CloseReason::Revoked),
        Self::Gate(CloseReason::ShuttingDown),
        Self::Gate(CloseReason::TooLarge),
        Self::Gate(CloseReason::TryAgain),
    ];

    /// The word for logs and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Upstream => "backend",
            Self::Gate(reason) => reason.as_str(),
        }
    }
}

/// A tunnel that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    pub by: Ending,
    /// Before the goodbyes, which take a moment.
    pub at: UnixTime,
}

/// A side of the tunnel.
pub trait Side: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Side for T {}

/// Carries frames until the session ends. `from_client` and `from_upstream` are bytes that arrived
/// behind the two handshake heads. Without an inspection every message passes.
pub async fn run(
    mut client: impl Side,
    mut upstream: impl Side,
    from_client: Vec<u8>,
    from_upstream: Vec<u8>,
    session: &Session,
    inspection: Option<Inspection>,
) -> Ended {
    let mut up = match inspection {
        Some(inspection) => Direction::inspected(inspection),
        None => Direction::new(Sender::Client),
    };
    let live = session.live();
    up = up.bounded(live.opening.rule.max_message);
    let mut down = Direction::new(Sender::Server);
    let begun = (up.begin(from_client), down.begin(from_upstream));
    let by = match begun.0.and(begun.1) {
        Ok(()) => {
            let mut closer = None;
            poll_fn(|cx| {
                let sides = (&mut client, &mut upstream);
                poll_carry(cx, sides, &mut up, &mut down, &mut closer, live)
            })
            .await
        }
        Err(Broken::Told(reason)) => Ending::Gate(reason),
        Err(_) => Ending::Gate(CloseReason::ProtocolError),
    };
    let at = clock::now();
    // Boxed, so that a living session does not carry the state of its end.
    Box::pin(end(by, &mut client, &mut upstream, &mut up, &mut down)).await;
    Ended { by, at }
}

/// Ready when one direction cannot go on, or the session is told to end.
fn poll_carry(
    cx: &mut Context<'_>,
    (client, upstream): (&mut impl Side, &mut impl Side),
    up: &mut Direction,
    down: &mut Direction,
    closer: &mut Option<Ending>,
    live: &Live,
) -> Poll<Ending> {
    let spoken = match live.signal.asked(cx) {
        Asked::Close(reason) => return Poll::Ready(Ending::Gate(reason)),
        Asked::Nothing => Poll::Ready(Ok(())),
        Asked::Speak => {
            let ping = ping_payload(live.id);
            let (sides, sent) = ((&mut *upstream, &mut *client), |n| live.sent(n));
            let on_ping = || up.expect_pong(ping);
            down.poll_speak(cx, sides, sent, &live.signal, ping, on_ping)
        }
    };
    // Down first: when an upstream closes, its last words should be read before a failed write to
    // it makes the kernel forget them.
    let broken_down = match spoken {
        Poll::Ready(Ok(())) => down.poll_carry(cx, upstream, client, |n| live.sent(n)),
        Poll::Ready(Err(broken)) => Poll::Ready(broken),
        Poll::Pending => Poll::Pending,
    };
    if down.saw_close() {
        closer.get_or_insert(Ending::Upstream);
    }
    let broken_up = up.poll_carry(cx, client, upstream, |n| live.received(n, clock::steady()));
    if up.saw_close() {
        closer.get_or_insert(Ending::Client);
    }
    let (broken, source, sink) = match (broken_up, broken_down) {
        (Poll::Ready(broken), _) => (broken, Ending::Client, Ending::Upstream),
        (_, Poll::Ready(broken)) => (broken, Ending::Upstream, Ending::Client),
        (Poll::Pending, Poll::Pending) => return Poll::Pending,
    };
    // Whoever sent a Close frame first has ended the session, whichever connection ended first.
    Poll::Ready(match broken {
        Broken::Framing => Ending::Gate(CloseReason::ProtocolError),
        Broken::Told(reason) => Ending::Gate(reason),
        Broken::Sink => closer.unwrap_or(sink),
        Broken::Source => closer.unwrap_or(source),
    })
}

/// Brings both directions to an end that both sides understand.
async fn end(
    by: Ending,
    client: &mut impl Side,
    upstream: &mut impl Side,
    up: &mut Direction,
    down: &mut Direction,
) {
    if let Ending::Gate(reason) = by {
        return close::close(reason, (client, upstream), up, down).await;
    }
    // Both sides are read to their end here too.
    let drain = poll_fn(|cx| {
        let down = down.poll_drain(cx, upstream, client);
        let up = up.poll_drain(cx, client, upstream);
        both(up, down)
    });
    let _ = timeout(TO_DRAIN, drain).await;
}

fn both(one: Poll<()>, other: Poll<()>) -> Poll<()> {
    if one.is_ready() && other.is_ready() {
        Poll::Ready(())
    } else {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;

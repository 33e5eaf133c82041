//! Sockets whose credential comes in their first message.
//!
//! Each is accepted without one, if there is room ([`accept`]), and waits in a task of its own. Where
//! the message is JSON, the upstream hears nothing before it is judged ([`json`]); with Socket.IO,
//! where the server greets first, the upstream is there from the beginning and both talk under
//! supervision ([`socketio`]). Whoever brings a good one becomes a session ([`stranger`]), and may
//! prove itself again in [`later`] messages. Extensions are not agreed on, since the gate itself
//! reads what is said.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use pingora::protocols::Stream;
use zeroize::Zeroizing;

use crate::gate::denial::Denial;
use crate::metrics::Gauged;
use crate::proxy::crowd::Presence;
use crate::proxy::websocket::Behind;
use crate::scheme::Rejection;
use crate::session::unauthenticated::Place;
use crate::session::{CloseReason, SessionId};
use crate::tunnel::first_message::Unmet;

mod accept;
mod json;
mod later;
mod socketio;
mod stranger;

pub(super) use later::renewal_inspection;
use stranger::Stranger;

/// A socket between its 101 and its first message.
#[derive(Debug)]
pub(crate) struct Waiting {
    seat: Seat,
    stranger: Stranger,
    way: Way,
    deadline: Duration,
}

/// What it holds for as long as it waits.
#[derive(Debug)]
struct Seat {
    place: Place,
    _gauge: Gauged,
}

/// How it goes on after the message.
#[derive(Debug)]
enum Way {
    /// The upstream gets the handshake once the message is judged.
    Json(Kept),
    /// The upstream is there.
    Socketio { id: SessionId, behind: Behind },
}

/// A handshake that is still to be made.
struct Kept {
    peer: IpAddr,
    secure: bool,
    head: Zeroizing<Vec<u8>>,
    /// Bytes behind the head that are here already.
    from_client: Vec<u8>,
}

impl Waiting {
    /// Waits for the message, and goes on as a session if it convinces. The connection counts as
    /// active all the while.
    pub(crate) async fn run(self: Box<Self>, client: Stream, presence: Presence) {
        let Self {
            seat,
            stranger,
            way,
            deadline,
        } = *self;
        let opened = match way {
            Way::Json(kept) => {
                Box::pin(json::introduce(seat, &stranger, kept, deadline, client)).await
            }
            Way::Socketio { id, behind } => {
                let waiting = socketio::introduce(seat, &stranger, (id, behind), deadline, client);
                Box::pin(waiting).await
            }
        };
        if let Some((client, opened)) = opened {
            // A task of its own: what the wait needed is freed.
            tokio::spawn(Box::new(opened).run(client, presence));
        }
    }
}

const DECLINED: &str = "the upstream declined the handshake";

/// Why a wait came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// The time is up.
    Late,
    /// The gate ends every socket.
    Told(CloseReason),
    Unmet(Unmet),
}

/// Waits for a message until the time is up.
async fn within<T>(
    deadline: Duration,
    seat: &mut Seat,
    message: impl Future<Output = Result<T, Unmet>>,
) -> Result<T, Ended> {
    tokio::select! {
        reason = seat.place.told_to_end() => Err(Ended::Told(reason)),
        outcome = tokio::time::timeout(deadline, message) => match outcome {
            Ok(outcome) => outcome.map_err(Ended::Unmet),
            Err(_) => Err(Ended::Late),
        },
    }
}

const MALFORMED: Denial = Denial::Rejected {
    authenticator: None,
    rejection: Rejection::Malformed,
};

/// Shows nothing of the head, which may hold credentials.
impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

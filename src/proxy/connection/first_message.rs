//! Sockets whose credential comes in their first message.
//!
//! Each is accepted without one, if there is room, and waits in a task of its own. Where the
//! message is JSON, the upstream hears nothing before it is judged; with Socket.IO, where the
//! server greets first, the upstream is there from the beginning and both talk under supervision.
//! Extensions are not agreed on, since the gate itself reads what is said.

use std::fmt;
use std::io::IoSlice;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pingora::protocols::Stream;

use crate::clock;
use crate::gate::denial::Denial;
use crate::gate::first_message::{Awaited, AwaitedForm, Entrance, Occasion, Presented};
use crate::gate::permit::{Permit, Provisional};
use crate::gate::standing::Standing;
use crate::gate::{self, Decision};
use crate::metrics::Gauged;
use crate::policy::Policy;
use crate::policy::route::Route;
use crate::proxy::Worker;
use crate::proxy::connection::After;
use crate::proxy::connection::asked::Asked;
use crate::proxy::connection::refuse::Refusal;
use crate::proxy::exchange::Failure;
use crate::proxy::io::{WRITE_STALL, write_all};
use crate::proxy::record::{Outcome, Record, Who};
use crate::proxy::upgrade::{self, Handshaken, Offer, Switched};
use crate::proxy::websocket::{Behind, Opened, overtaken, reserve_place};
use crate::request_id;
use crate::scheme::Rejection;
use crate::session::claims::Reservation;
use crate::session::unauthenticated::{Full, Place};
use crate::session::{CloseReason, SessionId};
use crate::tunnel::first_message::{End, Unmet, end_both};

mod json;
mod later;
mod socketio;

pub(super) use later::renewal_inspection;

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

/// What is known of somebody who has proven nothing.
#[derive(Clone, Debug)]
struct Stranger {
    worker: Arc<Worker>,
    entrance: Entrance,
    /// As chosen for the handshake.
    route: Arc<Route>,
    who: Who,
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
    head: Vec<u8>,
    /// Bytes behind the head that are here already.
    from_client: Vec<u8>,
}

impl Waiting {
    /// Waits for the message, and goes on as a session if it convinces. The connection counts as
    /// active all the while.
    pub(crate) async fn run(self: Box<Self>, client: Stream, connection: Gauged) {
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
            tokio::spawn(Box::new(opened).run(client, connection));
        }
    }
}

impl Asked<'_> {
    /// Accepts the socket and lets it wait.
    pub(super) async fn await_first_message(
        &self,
        stream: &mut Stream,
        awaited: Awaited<'_>,
        record: Record<'_>,
    ) -> After {
        let worker = self.connection.worker;
        let Awaited {
            route,
            entrance,
            deadline,
            form,
        } = awaited;
        let offered = match self.may_open() {
            Ok(offered) => offered,
            Err(refusal) => return self.fail_with(stream, &route, refusal, record).await,
        };
        let limits = &self.policy.limits.unauthenticated;
        let entered = worker
            .shared
            .unauthenticated
            .enter(self.request.client, limits);
        let seat = match entered {
            Ok(place) => Seat {
                place,
                _gauge: worker.shared.metrics.unauthenticated_socket(),
            },
            Err(full) => {
                let refusal = too_many(full);
                record.series().decision("deny", refusal.reason);
                return self.fail_with(stream, &route, refusal, record).await;
            }
        };
        let (answer, way) = match form {
            AwaitedForm::Json => {
                let protocol = offered.first().copied();
                let answer = upgrade::accept(&self.request, protocol, &self.answer_headers());
                (answer, Way::Json(self.kept()))
            }
            AwaitedForm::SocketioAuth2(provisional) => {
                match self.shake_hands(&provisional, &offered).await {
                    Ok(shaken) => shaken,
                    Err(failure) => return self.fail(stream, &route, failure, record).await,
                }
            }
        };
        if write_all(stream, &mut [IoSlice::new(&answer)], WRITE_STALL)
            .await
            .is_err()
        {
            record.finish(Outcome::ClientGone);
            return After::Close;
        }
        // What there is to record is known when the message is judged.
        After::Waiting(Box::new(Waiting {
            seat,
            stranger: Stranger {
                worker: Arc::clone(worker),
                entrance,
                route,
                who: self.who,
            },
            way,
            deadline,
        }))
    }

    fn kept(&self) -> Kept {
        Kept {
            peer: self.connection.peer,
            secure: self.connection.secure,
            head: self.head_bytes.to_vec(),
            from_client: self.behind.to_vec(),
        }
    }

    /// Makes the upstream's handshake before anything is proven. What it answers, if it declines,
    /// is not for the client.
    async fn shake_hands(
        &self,
        provisional: &Provisional<'_>,
        offered: &[&str],
    ) -> Result<(Vec<u8>, Way), Failure> {
        let id = request_id::session_id();
        let permit = provisional.for_the_handshake();
        let handshaken = upgrade::handshake(
            &self.connection.worker.connector,
            permit,
            &self.request,
            Offer {
                subprotocols: offered,
                extensions: false,
            },
            &self.outgoing(permit, Some(id)),
            self.head_bytes,
            &self.answer_headers(),
        )
        .await?;
        match handshaken {
            Handshaken::Switched(Switched {
                stream,
                early,
                answer,
            }) => {
                let behind = Behind {
                    upstream: stream,
                    from_client: self.behind.to_vec(),
                    from_upstream: early,
                };
                Ok((answer, Way::Socketio { id, behind }))
            }
            Handshaken::Declined(_) => Err(Failure::Upstream(DECLINED)),
        }
    }
}

const DECLINED: &str = "the upstream declined the handshake";

fn too_many(full: Full) -> Refusal<'static> {
    let (status, message) = match full {
        Full::Client => (
            429,
            "too many sockets of this client wait for their credential",
        ),
        Full::Total => (503, "too many sockets wait for their credential"),
    };
    Refusal {
        status,
        reason: "limited",
        message,
        headers: "Retry-After: 1\r\n".to_owned(),
    }
}

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

impl Stranger {
    fn record(&self, route: &Route) -> Record<'_> {
        Record::begin(&self.worker.shared, "GET", Some(route), self.who)
    }

    /// Has the message judged. A denial is recorded already.
    async fn judge<'m>(
        &'m self,
        policy: &Policy,
        presented: Presented<'m>,
    ) -> Result<(Permit<'m>, Record<'m>), Denial> {
        let judged = self.judge_quietly(policy, presented, Occasion::First).await;
        judged.map_err(|(denial, record)| {
            record.finish(Outcome::Upgraded);
            denial
        })
    }

    /// The same without a line in the log.
    async fn judge_quietly<'m>(
        &'m self,
        policy: &Policy,
        presented: Presented<'m>,
        occasion: Occasion,
    ) -> Result<(Permit<'m>, Record<'m>), (Denial, Record<'m>)> {
        let now = clock::now();
        let Decision {
            route,
            lookups,
            outcome,
        } = gate::decide_message(policy, &self.entrance, presented, occasion, now).await;
        let record = self.record(route.as_ref().unwrap_or(&self.route));
        match outcome {
            Ok(permit) => {
                let record = record.admitted(policy, &permit, &lookups);
                Ok((permit, record))
            }
            Err(denial) => {
                let record = record.denied(policy, &denial, &lookups);
                Err((denial, record))
            }
        }
    }

    /// Records a denial that nobody had to judge.
    fn deny(&self, denial: Denial) -> Denial {
        self.count_denial(&denial).finish(Outcome::Upgraded);
        denial
    }

    /// The same without a line in the log.
    fn count_denial(&self, denial: &Denial) -> Record<'_> {
        let policy = self.worker.shared.policy();
        let record = self.record(&self.route);
        record.denied(&policy, denial, &gate::Lookups::new())
    }

    /// Whether a socket whose message has convinced may open, and the place that it then takes.
    /// Otherwise what the client is told, and the log.
    async fn may_open(
        &self,
        permit: &Permit<'_>,
        id: SessionId,
    ) -> Result<Option<Reservation>, (CloseReason, &'static str)> {
        if self.worker.shared.drain.is_leaving() {
            return Err((CloseReason::ShuttingDown, "unavailable"));
        }
        let place = reserve_place(&self.worker.shared, permit, id);
        place.await.map_err(|_| (CloseReason::TooMany, "limited"))
    }

    /// Registers the session, which a reload or a revocation finds from here on.
    fn register(
        &self,
        policy: &Policy,
        permit: &Permit<'_>,
        id: SessionId,
        behind: Behind,
    ) -> Opened {
        let standing = Standing::of_message(permit, policy, &self.entrance);
        Opened::register(&self.worker, permit, standing, id, behind, self.who)
    }

    /// Lets the session begin, unless a change has come before it was registered.
    async fn open(
        &self,
        client: Stream,
        opened: Opened,
        (permit, place): (&Permit<'_>, Option<Reservation>),
        record: Record<'_>,
    ) -> Option<(Stream, Opened)> {
        let shared = &self.worker.shared;
        let (reason, word) = if let Some(denial) = overtaken(shared, permit, opened.session()) {
            (CloseReason::of(&denial), denial.reason())
        } else {
            let registry = &shared.registry;
            let taken = match place {
                Some(place) => {
                    let taken = registry.take_place(opened.session(), place, clock::steady());
                    taken.await
                }
                None => Ok(0),
            };
            if taken.is_ok() {
                record.finish(Outcome::Upgraded);
                return Some((client, opened));
            }
            (CloseReason::TooMany, "limited")
        };
        record.finish(Outcome::Closed { reason: word });
        let mut client = End::client(client, b"");
        let mut upstream = End::upstream(opened.into_upstream(), b"");
        end_both((&mut client, Some(reason)), (&mut upstream, Some(reason))).await;
        None
    }

    /// Records why there was nothing to judge. The client is told the reason, if there is one.
    fn unmet(&self, ended: Ended) -> Option<CloseReason> {
        let closed = |reason| {
            let record = self.record(&self.route);
            record.finish(Outcome::Closed { reason });
        };
        match ended {
            Ended::Late => {
                self.deny(Denial::NoCredential {
                    authenticator: None,
                });
                Some(CloseReason::FirstMessage)
            }
            Ended::Told(reason) => {
                closed("unavailable");
                Some(reason)
            }
            Ended::Unmet(Unmet::ClientGone) => {
                closed("client_gone");
                None
            }
            Ended::Unmet(Unmet::Framing) => {
                self.deny(MALFORMED);
                Some(CloseReason::ProtocolError)
            }
            Ended::Unmet(Unmet::Unexpected) => {
                self.deny(MALFORMED);
                Some(CloseReason::Denied)
            }
            Ended::Unmet(Unmet::UpstreamGone) => {
                let record = self.record(&self.route);
                record.note_upstream(
                    &self.route.upstream.name,
                    &"it ended before the client was known",
                );
                record.finish(Outcome::Closed { reason: "upstream" });
                Some(CloseReason::TryAgain)
            }
        }
    }
}

/// Shows nothing of the head, which may hold credentials.
impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

//! Somebody who has proven nothing, as far as the session that a good message opens.

use std::sync::Arc;

use pingora::protocols::Stream;

use crate::clock;
use crate::gate::denial::Denial;
use crate::gate::first_message::{Entrance, Occasion, Presented};
use crate::gate::permit::Permit;
use crate::gate::standing::Standing;
use crate::gate::{self, Decision, throttle};
use crate::policy::Policy;
use crate::policy::route::Route;
use crate::proxy::Worker;
use crate::proxy::connection::first_message::{Ended, MALFORMED};
use crate::proxy::record::{Outcome, Record, Who};
use crate::proxy::websocket::{Behind, Opened, overtaken, reserve_place};
use crate::session::claims::Reservation;
use crate::session::{CloseReason, SessionId};
use crate::tunnel::first_message::{End, Unmet, end_both};

/// What is known of somebody who has proven nothing.
#[derive(Clone, Debug)]
pub(super) struct Stranger {
    pub(super) worker: Arc<Worker>,
    pub(super) entrance: Entrance,
    /// As chosen for the handshake.
    pub(super) route: Arc<Route>,
    pub(super) who: Who,
}

impl Stranger {
    fn record(&self, route: &Route) -> Record<'_> {
        Record::begin(&self.worker.shared, "GET", Some(route), self.who)
    }

    /// Has the message judged. A denial is recorded already.
    pub(super) async fn judge<'m>(
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
    pub(super) async fn judge_quietly<'m>(
        &'m self,
        policy: &Policy,
        presented: Presented<'m>,
        occasion: Occasion,
    ) -> Result<(Permit<'m>, Record<'m>), (Denial, Record<'m>)> {
        let now = clock::now();
        let decision = gate::decide_message(policy, &self.entrance, presented, occasion, now).await;
        let Decision {
            route,
            lookups,
            failed: _,
            outcome,
        } = throttle::count(policy, self.who.client, decision, now);
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

    /// What is answered to a message in which no credential can be. It counts as a bad one.
    pub(super) fn malformed(&self) -> Denial {
        let policy = self.worker.shared.policy();
        let (client, nobody) = (self.who.client, gate::Failed::new());
        throttle::count_denial(&policy, client, MALFORMED, &nobody, clock::now())
    }

    /// Records a denial that nobody had to judge.
    pub(super) fn deny(&self, denial: Denial) -> Denial {
        self.count_denial(&denial).finish(Outcome::Upgraded);
        denial
    }

    /// The same without a line in the log.
    pub(super) fn count_denial(&self, denial: &Denial) -> Record<'_> {
        let policy = self.worker.shared.policy();
        let record = self.record(&self.route);
        record.denied(&policy, denial, &gate::Lookups::new())
    }

    /// Whether a socket whose message has convinced may open, and the place that it then takes.
    /// Otherwise what the client is told, and the log.
    pub(super) async fn may_open(
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
    pub(super) fn register(
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
    pub(super) async fn open(
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
    pub(super) fn unmet(&self, ended: Ended) -> Option<CloseReason> {
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
                let denial = self.deny(self.malformed());
                Some(CloseReason::of_message(&denial))
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

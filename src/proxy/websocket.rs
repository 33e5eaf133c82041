//! A WebSocket that passed the gate: from the relayed 101 to its last frame.

use std::sync::Arc;

use pingora::protocols::Stream;
use tracing::info;

use crate::clock;
use crate::gate::denial::Denial;
use crate::gate::permit::Permit;
use crate::gate::standing::Standing;
use crate::metrics::OpenSession;
use crate::proxy::connect::Line;
use crate::proxy::crowd::Presence;
use crate::proxy::record::Who;
use crate::proxy::tether::Governed;
use crate::proxy::{Shared, Worker};
use crate::session::claims::{NoPlace, Reservation};
use crate::session::registry::Session;
use crate::session::{Kind, Opening, SessionId};
use crate::tunnel::{self, Inspection};

/// Both handshakes are done.
#[derive(Debug)]
pub(crate) struct Opened {
    session: Session,
    gauge: OpenSession,
    behind: Behind,
    subject: Option<Arc<str>>,
    who: Who,
    /// Somebody looks at what the client says.
    inspection: Option<Inspection>,
}

/// What there is behind the two handshakes.
#[derive(Debug)]
pub(crate) struct Behind {
    pub(crate) upstream: Line,
    /// Bytes that are here already.
    pub(crate) from_client: Vec<u8>,
    pub(crate) from_upstream: Vec<u8>,
}

/// Registers a session. From here on its deadline is watched.
pub(crate) fn register(
    worker: &Worker,
    permit: &Permit<'_>,
    kind: Kind,
    standing: Standing,
    id: SessionId,
) -> Governed {
    let route = &permit.route;
    let admission = permit.admission.as_ref();
    let opening = Opening {
        kind,
        route: Arc::clone(&route.name),
        rule: Arc::clone(&route.session),
        authenticator: admission.map(|admission| Arc::clone(&admission.authenticator)),
        principal: admission.map(|admission| Arc::clone(&admission.principal)),
        device_type: permit.device_type().cloned(),
        claim_key: permit.claim_key(),
        not_after: standing.end(),
        until: permit.observed.as_ref().map(|observed| observed.until),
        standing,
    };
    // A name of the configuration; what a token says of its device is not.
    let device_type = permit.device.as_ref().map(|device| &*device.device_type);
    let shared = &worker.shared;
    Governed {
        gauge: shared.metrics.session_opened(&route.name, device_type),
        session: shared
            .registry
            .open(id, opening, clock::now(), clock::steady()),
    }
}

/// Keeps a place for the session where the route counts them.
pub(crate) async fn reserve_place(
    shared: &Shared,
    permit: &Permit<'_>,
    id: SessionId,
) -> Result<Option<Reservation>, NoPlace> {
    let (Some(rule), Some(key)) = (permit.route.session.per_device, permit.claim_key()) else {
        return Ok(None);
    };
    let reserved = shared
        .registry
        .reserve_place(id, key, rule, clock::steady());
    reserved.await.map(Some)
}

/// Whether the policy or the revocations have changed since the verdict.
pub(crate) fn is_overtaken(shared: &Shared, permit: &Permit<'_>) -> bool {
    let policy = shared.policy();
    policy.generation != permit.generation || policy.revocations.epoch() != permit.epoch
}

/// The denial, if a policy or a revocation that came since the verdict would not let the session
/// in.
pub(crate) fn overtaken(shared: &Shared, permit: &Permit<'_>, session: &Session) -> Option<Denial> {
    if !is_overtaken(shared, permit) {
        return None;
    }
    let judged = shared
        .registry
        .judge_one(session.live(), &shared.policy(), clock::now());
    judged.err()
}

impl Opened {
    /// Registers the session of a WebSocket.
    pub(crate) fn register(
        worker: &Worker,
        permit: &Permit<'_>,
        standing: Standing,
        id: SessionId,
        behind: Behind,
        who: Who,
    ) -> Self {
        let Governed { session, gauge } = register(worker, permit, Kind::WebSocket, standing, id);
        let admission = permit.admission.as_ref();
        Self {
            session,
            gauge,
            behind,
            subject: admission.and_then(|admission| admission.principal.subject.clone()),
            who,
            inspection: None,
        }
    }

    /// Has somebody look at what the client says.
    pub(crate) fn inspected(mut self, inspection: Inspection) -> Self {
        self.inspection = Some(inspection);
        self
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Lets go of the session before anything was carried.
    pub(crate) fn into_upstream(self) -> Stream {
        self.behind.upstream.stream
    }

    /// Carries frames until the session ends, and tells how it ended. The connection counts as
    /// active all the while.
    pub(crate) async fn run(self: Box<Self>, client: Stream, _presence: Presence) {
        let Self {
            session,
            gauge,
            behind,
            subject,
            who,
            inspection,
        } = *self;
        let Behind {
            upstream:
                Line {
                    stream: upstream,
                    load: _counts_until_the_end,
                },
            from_client,
            from_upstream,
        } = behind;
        let ended = tunnel::run(
            client,
            upstream,
            from_client,
            from_upstream,
            &session,
            inspection,
        )
        .await;
        let live = session.live();
        let age = ended.at.since(live.since);
        let (received, sent) = live.bytes();
        info!(
            target: "imgate::access",
            request_id = %who.request_id,
            session_id = %live.id,
            client = %who.client,
            route = &*live.opening.route,
            device_type = live.opening.device_type.as_deref(),
            subject = subject.as_deref(),
            reason = ended.by.as_str(),
            received,
            sent,
            seconds = age.as_secs_f64(),
            "session"
        );
        gauge.closed(ended.by.as_str(), age, received, sent);
    }
}

//! Revokes, here and everywhere.

use ::redis::{Cmd, Pipeline};

use crate::clock;
use crate::proxy::Shared;
use crate::replicas::ask::Gathered;
use crate::replicas::event::Said;
use crate::replicas::id::QuestionId;
use crate::replicas::script::{self, LONGEST_STREAM};
use crate::replicas::{Operation, Replicas, Unshared, answer};
use crate::request_id;
use crate::revocation::entry::{Entry, LIFTED};
use crate::revocation::{Full, Revocation, RevocationId, Suspect};
use crate::session::CloseReason;

/// What came of a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revoked {
    pub id: RevocationId,
    /// In all replicas that have answered in time.
    pub sessions_closed: usize,
    pub verdicts_evicted: usize,
    /// It is in the shared store, so that it survives this process and reaches all others. If not,
    /// it is in force here, and on its way as soon as there is one.
    pub durable: bool,
}

/// What came of lifting a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifted {
    pub was_there: bool,
    pub durable: bool,
}

/// Revokes: from now on nothing that is covered is let in here, living sessions are closed, and the
/// other replicas are told.
///
/// # Errors
///
/// If there are too many.
pub async fn revoke(shared: &Shared, revocation: Revocation) -> Result<Revoked, Full> {
    let id = request_id::revocation_id();
    let revocations = &shared.policy().revocations;
    revocations.add(id, revocation.clone())?;
    let here = enforce(shared).await;
    let (said, durable) = match &shared.replicas {
        None => (here, false),
        Some(replicas) => match replicas.publish(id, Entry::InForce(revocation)).await {
            Ok(elsewhere) => (here.and(elsewhere.said), true),
            Err(_) => (here, false),
        },
    };
    Ok(Revoked {
        id,
        sessions_closed: said.sessions,
        verdicts_evicted: said.verdicts,
        durable,
    })
}

/// Lifts a revocation, here and everywhere.
pub async fn lift(shared: &Shared, id: RevocationId) -> Lifted {
    let revocations = &shared.policy().revocations;
    let Some(replicas) = &shared.replicas else {
        return Lifted {
            was_there: revocations.lift(id).is_some(),
            durable: false,
        };
    };
    // One that was made elsewhere a moment ago may not have been heard of yet.
    let entry = match revocations.lift(id) {
        Some(lifted) => Some(lifted),
        None => replicas.lifted(id).await.unwrap_or_default(),
    };
    let Some(entry) = entry else {
        return Lifted {
            was_there: false,
            durable: false,
        };
    };
    // A lifted entry always fits in.
    let _ = revocations.merge(id, entry.clone());
    Lifted {
        was_there: true,
        durable: replicas.publish(id, entry).await.is_ok(),
    }
}

/// Closes the sessions, and forgets the verdicts, that are covered by any revocation in force.
pub(super) async fn enforce(shared: &Shared) -> Said {
    let policy = shared.policy();
    let now = clock::now();
    let sessions = shared
        .registry
        .end_all(CloseReason::Revoked, |live| live.is_revoked(&policy, now));
    let mut verdicts = 0;
    for authenticator in policy.authenticators() {
        let is_revoked = |verified: &_| {
            let suspect = Suspect {
                verified,
                device_type: None,
            };
            policy.is_revoked(&suspect, now)
        };
        verdicts += authenticator.evict(is_revoked).await;
    }
    Said {
        sessions,
        verdicts,
        ..Said::NOTHING
    }
}

impl Replicas {
    /// Sends an entry, now or as soon as it can be, and waits for what comes of it.
    async fn publish(&self, id: RevocationId, entry: Entry) -> Result<Gathered, Unshared> {
        let question = self.questions.open();
        let mut commands = Pipeline::new();
        let entries = [(id, entry.clone())];
        commands.add_command(self.publishing(Some(question.id), &entries));
        self.outbox
            .lock()
            .insert(id, (entry, Some(clock::steady())));
        let answer = self.request(Operation::Publish, &commands).await;
        // Only what the script says of itself shows that it has written the entry down.
        let peers = answer.and_then(|mut answers| {
            let peers = answers.pop().and_then(|answer| self.peers(answer));
            peers.ok_or(Unshared::Garbled)
        });
        match peers {
            Ok(peers) => Ok(question.gather(peers).await),
            Err(error) => {
                if let Some((_, sent)) = self.outbox.lock().get_mut(&id) {
                    *sent = None;
                }
                self.wanted.notify_one();
                Err(error)
            }
        }
    }

    pub(super) fn publishing(
        &self,
        question: Option<QuestionId>,
        entries: &[(RevocationId, Entry)],
    ) -> Cmd {
        let keys = &self.keys;
        let mut command = script::run(
            script::PUBLISH,
            &[&keys.revocations, &keys.events, &keys.processes],
        );
        command
            .arg(self.process().to_string())
            .arg(question.map_or_else(String::new, |question| question.to_string()))
            .arg(LONGEST_STREAM)
            .arg(LIFTED);
        for (id, entry) in entries {
            command.arg(id.to_string()).arg(entry.encode());
        }
        command
    }

    /// The entry that lifts a revocation which only the store knows of.
    async fn lifted(&self, id: RevocationId) -> Result<Option<Entry>, Unshared> {
        let mut commands = Pipeline::new();
        commands
            .cmd("HGET")
            .arg(&self.keys.revocations)
            .arg(id.to_string());
        let answer = self.request(Operation::Read, &commands).await?.pop();
        let text = answer.and_then(answer::bytes);
        Ok(match text.and_then(|text| Entry::decode(&text)) {
            Some(Entry::InForce(revocation)) => Some(Entry::Lifted {
                until: revocation.expires_at,
            }),
            Some(Entry::Lifted { .. }) | None => None,
        })
    }
}

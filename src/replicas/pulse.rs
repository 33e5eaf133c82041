//! Signs of life, and what is put right when the store is back.
//!
//! A process that has not been heard of for [`LEASE`] holds no places any more. One that finds its
//! own lease broken (the store was empty, or it was itself held up for too long) writes its living
//! sessions down again; where there are too many by then, the oldest go.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ::redis::Pipeline;
use tokio::time::sleep;
use tracing::info;

use crate::clock::{self, Steady};
use crate::principal::ClaimKey;
use crate::proxy::Shared;
use crate::replicas::id::{ProcessId, number};
use crate::replicas::{Operation, Replicas, Unshared, answer, script};
use crate::scheme::sa_token::StoreError;
use crate::secret::Digest;
use crate::session::registry::Placed;
use crate::session::{CloseReason, SessionId};

/// For how long a sign of life counts.
const LEASE: Duration = Duration::from_secs(9);
const BEAT_EVERY: Duration = Duration::from_secs(3);
/// While the store is away.
const TRY_EVERY: Duration = Duration::from_millis(300);
/// What a dead process has left is taken out after so long.
const SILENCE: Duration = Duration::from_mins(1);
/// How often the store is asked what it believes this process to hold.
const AUDIT_EVERY: Duration = Duration::from_mins(1);
/// An outage may have left something behind; late commands have come by then.
const AUDIT_SOON: Duration = Duration::from_secs(5);
/// An entry that did not come back by the stream is sent again after so long.
const SEND_AGAIN: Duration = Duration::from_secs(2);

/// What is done in one round trip.
const SOME: usize = 100;

/// What the store answers to a sign of life.
struct Beat {
    /// The last one still counted.
    is_unbroken: bool,
    /// Somebody who has long been silent.
    silent: Option<ProcessId>,
}

impl Replicas {
    /// Shows signs of life for as long as the process has places.
    pub(super) async fn keep_beating(&self, shared: &Shared) {
        let mut audit = clock::steady().plus(AUDIT_EVERY);
        while !self.has_left.load(Ordering::Relaxed) {
            let was_up = self.is_up();
            let turn = self.beat_once(shared).await;
            match turn {
                Ok(()) if !was_up => audit = audit.min(clock::steady().plus(AUDIT_SOON)),
                Ok(()) if audit <= clock::steady() => {
                    // An error has been counted, and the next turn begins anew.
                    let _ = self.audit(shared).await;
                    audit = clock::steady().plus(AUDIT_EVERY);
                }
                Err(Unshared::Garbled) => self.set_up(false, Some(&StoreError::Garbled)),
                Ok(()) | Err(Unshared::Away | Unshared::Store(_)) => {}
            }
            if self.is_up() {
                tokio::select! {
                    () = sleep(BEAT_EVERY) => {}
                    () = self.wanted.notified() => {}
                }
            } else {
                sleep(TRY_EVERY).await;
            }
        }
    }

    async fn beat_once(&self, shared: &Shared) -> Result<(), Unshared> {
        let beat = match self.beat().await {
            Ok(beat) => beat,
            Err(error) => {
                // It may have arrived all the same, and the next would find an unbroken lease.
                self.is_lost.store(true, Ordering::Relaxed);
                return Err(error);
            }
        };
        if !beat.is_unbroken {
            self.is_lost.store(true, Ordering::Relaxed);
        }
        if self.is_lost.swap(false, Ordering::Relaxed) {
            let restored = self.restore_all(shared).await;
            if restored.is_err() {
                self.is_lost.store(true, Ordering::Relaxed);
            }
            restored?;
        }
        self.restore_unsure(shared).await?;
        self.send_outbox().await?;
        if !self.is_up() {
            self.set_up(true, None);
            // Those that came while it was not.
            self.restore_unsure(shared).await?;
            self.release.notify_one();
        }
        if let Some(silent) = beat.silent {
            self.bury(silent).await?;
        }
        Ok(())
    }

    async fn beat(&self) -> Result<Beat, Unshared> {
        let mut commands = Pipeline::new();
        let mut command = script::run(script::BEAT, &[&self.keys.processes]);
        command
            .arg(self.process.to_string())
            .arg(millis(LEASE))
            .arg(millis(SILENCE));
        commands.add_command(command);
        let answers = self.call(&self.background, Operation::Beat, &commands);
        let understand = |mut answers: Vec<_>| {
            let [is_unbroken, silent] = <[_; 2]>::try_from(answer::list(answers.pop()?)?).ok()?;
            let silent = answer::bytes(silent)?;
            Some(Beat {
                is_unbroken: answer::integer(&is_unbroken)? == 1,
                silent: ProcessId::parse(&silent),
            })
        };
        understand(answers.await?).ok_or(Unshared::Garbled)
    }

    async fn restore_all(&self, shared: &Shared) -> Result<(), Unshared> {
        let placed = shared.registry.placed();
        self.restore_some(shared, &placed).await?;
        if !placed.is_empty() {
            info!(
                sessions = placed.len(),
                "living sessions are written down again"
            );
        }
        Ok(())
    }

    /// Writes down those of which the store may not know.
    async fn restore_unsure(&self, shared: &Shared) -> Result<(), Unshared> {
        let unsure: Vec<SessionId> = self.unsure.lock().iter().copied().collect();
        let living = unsure.iter().filter_map(|id| shared.registry.get(*id));
        let placed: Vec<Placed> = living.filter_map(|live| Placed::of(&live)).collect();
        self.restore_some(shared, &placed).await?;
        let mut left = self.unsure.lock();
        for id in &unsure {
            left.remove(id);
        }
        Ok(())
    }

    async fn restore_some(&self, shared: &Shared, placed: &[Placed]) -> Result<(), Unshared> {
        for some in placed.chunks(SOME) {
            for id in self.restore(some).await? {
                replaced(shared, id);
            }
            for placed in some {
                let live = shared.registry.get(placed.id);
                if live.is_none_or(|live| live.signal.reason().is_some()) {
                    // It gave its place back before it was written down.
                    self.released.lock().push((placed.key, placed.id));
                    self.release.notify_one();
                }
            }
        }
        Ok(())
    }

    /// Sends what the others did not get yet.
    async fn send_outbox(&self) -> Result<(), Unshared> {
        let now = clock::steady();
        let is_due = |sent: &Option<Steady>| sent.is_none_or(|sent| sent.plus(SEND_AGAIN) <= now);
        let entries: Vec<_> = {
            let outbox = self.outbox.lock();
            let due = outbox.iter().filter(|(_, (_, sent))| is_due(sent));
            due.map(|(id, (entry, _))| (*id, entry.clone())).collect()
        };
        self.publish_all(&entries).await?;
        let mut outbox = self.outbox.lock();
        for (id, _) in &entries {
            if let Some((_, sent)) = outbox.get_mut(id) {
                *sent = Some(now);
            }
        }
        Ok(())
    }

    /// Gives back what the store believes this process to hold and it does not.
    async fn audit(&self, shared: &Shared) -> Result<(), Unshared> {
        let mut cursor = b"0".to_vec();
        loop {
            let mut commands = Pipeline::new();
            commands
                .cmd("SSCAN")
                .arg(&self.keys.holdings)
                .arg(&cursor)
                .arg("COUNT")
                .arg(1000);
            let answers = self.call(&self.background, Operation::Read, &commands);
            let found = answers.await?.pop().and_then(answer::scan);
            let (next, held) = found.ok_or(Unshared::Garbled)?;
            // Looked up after the store was asked: whoever is in neither place by now never will be.
            let asking: HashSet<SessionId> = self.asking.lock().clone();
            for (key, id) in held.iter().filter_map(|held| holding(held)) {
                let is_living = shared
                    .registry
                    .get(id)
                    .is_some_and(|live| live.signal.reason().is_none());
                if !is_living && !asking.contains(&id) {
                    self.released.lock().push((key, id));
                }
            }
            self.release.notify_one();
            if next == b"0" {
                return Ok(());
            }
            cursor = next;
        }
    }

    /// Takes out what a dead process has left.
    async fn bury(&self, dead: ProcessId) -> Result<(), Unshared> {
        let holdings = self.keys.holdings_of(dead);
        loop {
            let mut commands = Pipeline::new();
            let mut command = script::run(script::BURY, &[&self.keys.processes, &holdings]);
            command
                .arg(dead.to_string())
                .arg(self.keys.claims())
                .arg(SOME);
            commands.add_command(command);
            let answers = self.call(&self.background, Operation::Bury, &commands);
            let is_done = answers.await?.pop().as_ref().and_then(answer::integer);
            match is_done {
                Some(0) => {}
                Some(_) => return Ok(()),
                None => return Err(Unshared::Garbled),
            }
        }
    }

    /// The process ends: its places are free at once.
    pub async fn leave(&self) {
        self.has_left.store(true, Ordering::Relaxed);
        self.wanted.notify_one();
        let mut commands = Pipeline::new();
        commands
            .cmd("ZREM")
            .arg(&self.keys.processes)
            .arg(self.process.to_string());
        // Without an answer they are free a little later.
        let _ = self.request(Operation::Beat, &commands).await;
    }
}

/// A session of this process has lost its place.
pub(super) fn replaced(shared: &Shared, id: SessionId) {
    if let Some(live) = shared.registry.get(id) {
        shared.registry.end(&live, CloseReason::Replaced);
    }
}

/// Reads `<user and device>/<session>`.
fn holding(bytes: &[u8]) -> Option<(ClaimKey, SessionId)> {
    let (key, session) = bytes.split_at_checked(64)?;
    let key = Digest::from_hex(str::from_utf8(key).ok()?)?;
    let session = number(session.strip_prefix(b"/")?)?;
    Some((ClaimKey(key), SessionId(session)))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

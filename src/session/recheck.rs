//! Asking again about living sessions whose proof can be withdrawn.
//!
//! A session backed by a store may be over there at any moment, and nobody tells the gate. So those
//! who have such a proof are asked about again and again, spread evenly over the interval, many in
//! one round trip. [`Rechecks`] is what the registry tells of; [`Rounds`] belong to the one task that
//! does the asking. An answer that never comes holds up only the authenticator that waits for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::{Steady, UnixTime};
use crate::gate::standing::Kept;
use crate::policy::Policy;
use crate::policy::authenticator::Authenticator;
use crate::policy::requirement::Outcome;
use crate::scheme::{Recheck, Rejection, Verified};
use crate::session::live::Live;
use crate::session::registry::Registry;
use crate::session::{CloseReason, SessionId};

mod due;
mod group;

use group::Group;

/// How often [`Rounds::due`] is to be called.
pub const TICK: Duration = Duration::from_millis(500);

/// Who is to be asked about.
#[derive(Debug, Default)]
pub struct Rechecks {
    /// Not in the rounds yet.
    newcomers: Mutex<Vec<SessionId>>,
    /// By authenticator, the sessions that nobody can tell about.
    in_grace: Mutex<Vec<(Arc<str>, usize)>>,
}

impl Rechecks {
    /// Has a session asked about again, if a proof of it can be withdrawn. Again after a renewal.
    pub(super) fn watch(&self, live: &Live) {
        if !live.withdrawable().is_empty() {
            self.newcomers.lock().push(live.id);
        }
    }

    /// The authenticators whose living sessions nobody can tell about now, and how many those are.
    pub fn in_grace(&self) -> Vec<(Arc<str>, usize)> {
        self.in_grace.lock().clone()
    }
}

/// The order in which sessions are asked about.
#[derive(Debug)]
pub struct Rounds {
    registry: Arc<Registry>,
    groups: HashMap<Arc<str>, Group>,
}

/// Sessions to be asked about at once.
#[derive(Debug)]
pub struct Batch {
    authenticator: Arc<Authenticator>,
    asked: Vec<Asked>,
    now: UnixTime,
    steady: Steady,
}

#[derive(Debug)]
struct Asked {
    live: Arc<Live>,
    kept: Arc<Kept>,
}

/// What was said of a batch.
#[derive(Debug)]
pub struct Answers {
    batch: Batch,
    outcomes: Vec<Outcome>,
}

/// What came of a batch.
#[derive(Debug)]
pub struct Settled {
    pub authenticator: Arc<str>,
    pub confirmed: usize,
    pub withdrawn: usize,
    pub unavailable: usize,
    pub turn: Option<Turn>,
}

/// An authenticator begins or ceases to be out of reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    Lost { source: Arc<str> },
    Found,
}

impl Batch {
    /// Asks. The answer may take as long as the remote side may.
    pub async fn ask(self) -> Answers {
        let credentials: Vec<_> = self.asked.iter().map(|one| one.kept.credential()).collect();
        let outcomes = self.authenticator.recheck(&credentials, self.now).await;
        drop(credentials);
        Answers {
            batch: self,
            outcomes,
        }
    }
}

impl Rounds {
    pub fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            groups: HashMap::new(),
        }
    }

    /// What is to be asked now: one batch for each authenticator that has none under way. Sessions
    /// that nobody could tell about for too long are told to close.
    pub fn due(&mut self, policy: &Policy, now: UnixTime, steady: Steady) -> Vec<Batch> {
        self.follow(policy, steady);
        self.admit_newcomers(policy, now, steady);
        let mut batches = Vec::new();
        let mut in_grace = Vec::new();
        for group in self.groups.values_mut() {
            group.advance(&self.registry, steady);
            group.end_graces(&self.registry, steady);
            batches.extend(group.batch(&self.registry, now, steady));
            let left = group.in_grace();
            if left > 0 {
                in_grace.push((Arc::clone(&group.authenticator.name), left));
            }
        }
        *self.registry.rechecks.in_grace.lock() = in_grace;
        batches
    }

    /// Acts on what was said of a batch.
    ///
    /// `policies` gives the policy of the moment, for each time that it is called: a session is
    /// judged by the one that is in force when the answer is here.
    pub fn settle(
        &mut self,
        answers: Answers,
        policies: &dyn Fn() -> Arc<Policy>,
        now: UnixTime,
        steady: Steady,
    ) -> Settled {
        let Answers { batch, outcomes } = answers;
        let name = &batch.authenticator.name;
        let mut settled = Settled {
            authenticator: Arc::clone(name),
            confirmed: 0,
            withdrawn: 0,
            unavailable: 0,
            turn: None,
        };
        let Some(group) = self.groups.get_mut(name) else {
            for one in &batch.asked {
                one.live.let_go(name);
            }
            return settled;
        };
        group.end_batch();
        let is_current = find(&policies(), name)
            .is_some_and(|(current, _)| Arc::ptr_eq(&current, &batch.authenticator));
        if !is_current {
            // Another store, or another reading of it: its answer is the one that counts.
            group.ask_first(batch.asked.iter().map(|one| one.live.id));
            return settled;
        }
        let judge =
            |asked: &Asked, verdict| judge(&self.registry, asked, verdict, policies, now, steady);
        let mut problem = None;
        for (asked, outcome) in batch.asked.iter().zip(outcomes) {
            match outcome {
                Outcome::Verified(verified) => {
                    settled.confirmed += 1;
                    asked.kept.confirm(batch.steady);
                    judge(asked, Ok(verified));
                    group.place(&asked.live, &asked.kept, now, steady);
                }
                Outcome::Rejected(rejection) => {
                    settled.withdrawn += 1;
                    judge(asked, Err(rejection));
                }
                Outcome::Unavailable(source) => {
                    settled.unavailable += 1;
                    problem = Some(source);
                    group.set_aside(&self.registry, asked, steady);
                }
                // Nobody is throttled here.
                Outcome::Throttled(_) => {
                    settled.unavailable += 1;
                    group.set_aside(&self.registry, asked, steady);
                }
                // No verifier says so of what it has recognised.
                Outcome::Absent | Outcome::Foreign => judge(asked, Err(Rejection::Malformed)),
            }
        }
        let is_lost = settled.confirmed + settled.withdrawn == 0;
        settled.turn = group.turn(problem.filter(|_| is_lost), steady);
        settled
    }

    /// Keeps to the authenticators and intervals of a new policy.
    fn follow(&mut self, policy: &Policy, steady: Steady) {
        let registry = &self.registry;
        self.groups.retain(|name, group| {
            if let Some((authenticator, rule)) = find(policy, name) {
                group.follow(registry, authenticator, rule, steady);
                return true;
            }
            // Nobody asks about whoever is still here, and so nobody need be able to.
            for live in group.sessions().filter_map(|id| registry.get(id)) {
                live.let_go(name);
            }
            false
        });
    }

    /// Gives those a turn who came since the last tick.
    ///
    /// A session counts as asked about when its verdict was made, however long the handshake has
    /// taken since: what was withdrawn meanwhile is seen no later than in one that lived already.
    fn admit_newcomers(&mut self, policy: &Policy, now: UnixTime, steady: Steady) {
        let newcomers = std::mem::take(&mut *self.registry.rechecks.newcomers.lock());
        for live in newcomers.into_iter().filter_map(|id| self.registry.get(id)) {
            for proof in live.withdrawable() {
                if proof.kept.due().is_some() {
                    continue;
                }
                let name = &proof.authenticator;
                let Some((authenticator, rule)) = find(policy, name) else {
                    live.let_go(name);
                    continue;
                };
                let asked = proof.verified.asked.map_or(now, |asked| asked.at);
                proof.kept.confirm(steady.minus(now.since(asked)));
                let new = || Group::new(authenticator, rule);
                let group = self.groups.entry(Arc::clone(name)).or_insert_with(new);
                group.place(&live, &proof.kept, now, steady);
            }
        }
    }
}

/// The authenticator of this name, if it asks again.
fn find(policy: &Policy, name: &str) -> Option<(Arc<Authenticator>, Recheck)> {
    let mut all = policy.authenticators().iter();
    let authenticator = all.find(|one| *one.name == *name)?;
    Some((Arc::clone(authenticator), authenticator.recheck_rule()?))
}

/// Judges a session by what was said of its credential.
///
/// A policy that takes force meanwhile is found here, or its reload finds what was done here.
fn judge(
    registry: &Registry,
    asked: &Asked,
    verdict: Result<Arc<Verified>, Rejection>,
    policies: &dyn Fn() -> Arc<Policy>,
    now: UnixTime,
    steady: Steady,
) {
    let Asked { live, kept } = asked;
    if !live.settle(kept, verdict, now) {
        return;
    }
    loop {
        let policy = policies();
        match live.judge_anew(&policy, now, steady) {
            Ok(true) => registry.look_at(live),
            Ok(false) => {}
            Err(denial) => {
                registry.end(live, CloseReason::of(&denial));
                return;
            }
        }
        if policies().generation == policy.generation {
            return;
        }
    }
}

#[cfg(test)]
mod tests;

//! The sessions of one authenticator, in the order in which they are asked about.
//!
//! A session is in one of three places: in the queue until its time comes, then waiting for a batch
//! with room, or set aside after nobody could tell. While the remote side is out of reach only a few
//! are asked about, to see whether it is back; the others wait, each until its own grace is over.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Steady, UnixTime};
use crate::gate::standing::{Kept, Withdrawable};
use crate::policy::authenticator::Authenticator;
use crate::scheme::Recheck;
use crate::session::live::Live;
use crate::session::recheck::{Asked, Batch, TICK, Turn, due};
use crate::session::registry::Registry;
use crate::session::{CloseReason, SessionId};

/// Sessions that a batch has room for, however few there are.
const BATCH: usize = 256;
/// Sessions that are asked about to see whether an outage is over.
const PROBE: usize = 16;
/// After nobody could tell, the next question comes so much later.
const RETRY: Duration = Duration::from_secs(1);
/// Entries of ended sessions that are not worth a search.
const QUEUE_SLACK: usize = 1024;

#[derive(Debug)]
pub(super) struct Group {
    pub(super) authenticator: Arc<Authenticator>,
    rule: Recheck,
    /// An entry counts if it is what the session's credential is put off to.
    queue: BinaryHeap<Reverse<(Steady, SessionId)>>,
    /// Those whose time has come, the longest first.
    waiting: VecDeque<SessionId>,
    /// Those about whom nobody could tell, and when to try again.
    in_vain: VecDeque<(Steady, SessionId)>,
    /// How many the batch under way is about, and how many of those nobody could tell about before.
    asking: usize,
    asking_again: usize,
    /// While the remote side is out of reach: when to try again.
    outage: Option<Steady>,
}

impl Group {
    pub(super) fn new(authenticator: Arc<Authenticator>, rule: Recheck) -> Self {
        Self {
            authenticator,
            rule,
            queue: BinaryHeap::new(),
            waiting: VecDeque::new(),
            in_vain: VecDeque::new(),
            asking: 0,
            asking_again: 0,
            outage: None,
        }
    }

    /// Puts a session off to its next turn after the last good answer, if that was about the
    /// credential that it still stands on. The turn may have passed.
    pub(super) fn place(&mut self, live: &Live, kept: &Arc<Kept>, now: UnixTime, steady: Steady) {
        if let Some(proof) = self.proof(live, kept) {
            let end = proof.verified.not_after;
            let end = end.map(|end| steady.plus(end.since(now)));
            let due = due::next(kept.confirmed(), live.id, self.rule.every, end);
            self.put_off(live.id, kept, due);
        }
    }

    fn put_off(&mut self, id: SessionId, kept: &Kept, due: Steady) {
        kept.put_off(due);
        self.queue.push(Reverse((due, id)));
    }

    /// Sets a session aside about which nobody could tell; or ends it, if that was so for too long.
    pub(super) fn set_aside(&mut self, registry: &Registry, asked: &Asked, steady: Steady) {
        let Asked { live, kept } = asked;
        if self.proof(live, kept).is_none() {
            return;
        }
        if self.is_over(kept, steady) {
            registry.end(live, CloseReason::TryAgain);
        } else {
            self.in_vain.push_back((steady.plus(RETRY), live.id));
        }
    }

    /// The batch under way is no more.
    pub(super) fn end_batch(&mut self) {
        self.asking = 0;
        self.asking_again = 0;
    }

    /// Sessions to be asked about before any other.
    pub(super) fn ask_first(&mut self, ids: impl DoubleEndedIterator<Item = SessionId>) {
        for id in ids.rev() {
            self.waiting.push_front(id);
        }
    }

    /// Notes whether the remote side is out of reach, and what that changes.
    pub(super) fn turn(&mut self, problem: Option<Arc<str>>, steady: Steady) -> Option<Turn> {
        let before = self.outage;
        self.outage = problem.is_some().then(|| steady.plus(RETRY));
        match (before, problem) {
            (None, Some(source)) => Some(Turn::Lost { source }),
            (Some(_), None) => Some(Turn::Found),
            (None, None) | (Some(_), Some(_)) => None,
        }
    }

    /// Keeps to what a policy says of the authenticator.
    pub(super) fn follow(
        &mut self,
        registry: &Registry,
        authenticator: Arc<Authenticator>,
        rule: Recheck,
        steady: Steady,
    ) {
        if Arc::ptr_eq(&self.authenticator, &authenticator) {
            return;
        }
        let every = self.rule.every;
        self.authenticator = authenticator;
        self.rule = rule;
        // Perhaps it is within reach now.
        self.outage = None;
        self.waiting
            .extend(self.in_vain.drain(..).map(|(_, id)| id));
        if self.rule.every != every {
            // From now on and not from the last answer, lest all be asked about at once.
            for Reverse((due, id)) in std::mem::take(&mut self.queue) {
                if let Some((_, kept)) = self.live(registry, id, Some(due)) {
                    let due = due::next(steady, id, self.rule.every, None);
                    self.put_off(id, &kept, due);
                }
            }
        }
    }

    /// Lets those wait for a batch whose time has come.
    pub(super) fn advance(&mut self, registry: &Registry, steady: Steady) {
        while let Some(Reverse((due, id))) = self.queue.peek().copied()
            && due <= steady
        {
            self.queue.pop();
            if self.live(registry, id, Some(due)).is_some() {
                self.waiting.push_back(id);
            }
        }
        if self.queue.len() > QUEUE_SLACK.max(2 * registry.len()) {
            let queue = std::mem::take(&mut self.queue).into_vec();
            let counts = |Reverse((due, id)): &Reverse<(Steady, SessionId)>| {
                self.live(registry, *id, Some(*due)).is_some()
            };
            self.queue = queue.into_iter().filter(counts).collect();
        }
    }

    /// Ends those about whom nobody could tell for too long.
    pub(super) fn end_graces(&mut self, registry: &Registry, steady: Steady) {
        let mut in_vain = std::mem::take(&mut self.in_vain);
        in_vain.retain(|(_, id)| self.stays(registry, *id, steady));
        self.in_vain = in_vain;
        if self.outage.is_some() {
            let mut waiting = std::mem::take(&mut self.waiting);
            waiting.retain(|id| self.stays(registry, *id, steady));
            self.waiting = waiting;
        }
    }

    /// What to ask now, unless an answer is still to come.
    pub(super) fn batch(
        &mut self,
        registry: &Registry,
        now: UnixTime,
        steady: Steady,
    ) -> Option<Batch> {
        let room = match self.outage {
            _ if self.asking > 0 => 0,
            Some(retry) if steady < retry => 0,
            Some(_) => PROBE,
            None => self.room(),
        };
        let mut asked = Vec::new();
        while asked.len() < room
            && let Some((id, is_again)) = self.next(steady)
        {
            if let Some((live, kept)) = self.live(registry, id, None) {
                asked.push(Asked { live, kept });
                self.asking += 1;
                self.asking_again += usize::from(is_again);
            }
        }
        (!asked.is_empty()).then(|| Batch {
            authenticator: Arc::clone(&self.authenticator),
            asked,
            now,
            steady,
        })
    }

    /// How many live on though nobody can tell.
    pub(super) fn in_grace(&self) -> usize {
        let more = if self.outage.is_some() {
            self.waiting.len() + self.asking
        } else {
            self.asking_again
        };
        self.in_vain.len() + more
    }

    pub(super) fn sessions(&self) -> impl Iterator<Item = SessionId> {
        let queued = self.queue.iter().map(|Reverse((_, id))| *id);
        let in_vain = self.in_vain.iter().map(|(_, id)| *id);
        queued.chain(self.waiting.iter().copied()).chain(in_vain)
    }

    /// Twice what an even load would be: what piled up in an outage is through within half an
    /// interval, and still spread.
    fn room(&self) -> usize {
        let known = (self.queue.len() + self.waiting.len() + self.in_vain.len()) as u128;
        let twice = 2 * known * TICK.as_millis() / self.rule.every.as_millis().max(1);
        usize::try_from(twice).unwrap_or(usize::MAX).max(BATCH)
    }

    /// The next to be asked about, and whether that is for another time.
    fn next(&mut self, steady: Steady) -> Option<(SessionId, bool)> {
        let again = self.in_vain.pop_front_if(|(at, _)| *at <= steady);
        again
            .map(|(_, id)| (id, true))
            .or_else(|| Some((self.waiting.pop_front()?, false)))
    }

    /// What a session's credential still proves here, if it stands on that.
    fn proof(&self, live: &Live, kept: &Arc<Kept>) -> Option<Withdrawable> {
        let proof = live.withdrawable_by(&self.authenticator.name);
        proof.filter(|proof| Arc::ptr_eq(&proof.kept, kept))
    }

    /// The session and what to ask about it, if it lives and is to live on; and, of a queue's entry,
    /// if that still counts.
    fn live(
        &self,
        registry: &Registry,
        id: SessionId,
        due: Option<Steady>,
    ) -> Option<(Arc<Live>, Arc<Kept>)> {
        let live = registry.get(id)?;
        let proof = live.withdrawable_by(&self.authenticator.name)?;
        let counts = due.is_none() || due == proof.kept.due();
        (counts && live.signal.reason().is_none()).then_some((live, proof.kept))
    }

    fn stays(&self, registry: &Registry, id: SessionId, steady: Steady) -> bool {
        let Some((live, kept)) = self.live(registry, id, None) else {
            return false;
        };
        let is_over = self.is_over(&kept, steady);
        if is_over {
            registry.end(&live, CloseReason::TryAgain);
        }
        !is_over
    }

    fn is_over(&self, kept: &Kept, steady: Steady) -> bool {
        kept.confirmed().plus(self.rule.live_grace) <= steady
    }
}

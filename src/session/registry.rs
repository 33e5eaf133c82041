//! The registry of living sessions, and the sweep that ends them in time.
//!
//! Every session stands in two queues of moments at which something about it may be due: one on the
//! wall clock, as tokens say their end, and one on the steady clock, for silence. What is due is
//! looked up when its moment comes ([`Live`] knows), so traffic itself costs two atomic stores and
//! no lock, and a renewal does not search a queue.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::clock::{Steady, UnixTime};
use crate::config::document::PerDevice;
use crate::gate::denial::Denial;
use crate::policy::Policy;
use crate::principal::ClaimKey;
use crate::session::claims::{Claims, NoPlace, Reservation};
use crate::session::deadline::{Due, share_of};
use crate::session::live::{Live, Renewal};
use crate::session::recheck::Rechecks;
use crate::session::{CloseReason, Opening, SessionId};

#[cfg(test)]
mod tests;

/// Entries of ended sessions that are not worth a search.
const QUEUE_SLACK: usize = 1024;

/// All living sessions of the process.
#[derive(Debug, Default)]
pub struct Registry {
    living: Mutex<Living>,
    pub claims: Arc<Claims>,
    pub rechecks: Rechecks,
    /// When credentials end: on the wall clock, as they say it themselves.
    deadlines: Queue<UnixTime>,
    /// When silence has lasted too long, and closes that were put off: on the steady clock.
    silences: Queue<Steady>,
}

type Queue<T> = Mutex<BinaryHeap<Reverse<(T, SessionId)>>>;

#[derive(Debug, Default)]
struct Living {
    all: HashMap<SessionId, Arc<Live>>,
    /// Those of one user and device type, the oldest first.
    people: HashMap<ClaimKey, SmallVec<[SessionId; 1]>>,
}

/// A registered session. Dropping it takes it out of the registry, whatever ended it.
#[derive(Debug)]
pub struct Session {
    live: Arc<Live>,
    registry: Arc<Registry>,
}

/// A session whose route counts the sessions of a user and device type.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    pub id: SessionId,
    pub key: ClaimKey,
    pub rule: PerDevice,
    pub since: UnixTime,
}

impl Placed {
    /// `None` where places are not counted, and for one that is told to close.
    pub fn of(live: &Live) -> Option<Self> {
        if live.signal.reason().is_some() {
            return None;
        }
        Some(Self {
            id: live.id,
            key: live.opening.claim_key?,
            rule: live.opening.rule.per_device?,
            since: live.since,
        })
    }
}

/// What a renewal came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Renewed {
    pub sessions: usize,
    /// The latest end of those sessions; `None` if one of them has none.
    pub expires_at: Option<UnixTime>,
}

impl Registry {
    /// Registers a session that begins now. From here on it is found by whatever may end it.
    pub fn open(
        self: &Arc<Self>,
        id: SessionId,
        opening: Opening,
        now: UnixTime,
        steady: Steady,
    ) -> Session {
        let live = Arc::new(Live::new(id, opening, now, steady));
        {
            let mut living = self.living.lock();
            living.all.insert(id, Arc::clone(&live));
            if let Some(key) = live.opening.claim_key {
                living.people.entry(key).or_default().push(id);
            }
        }
        if let Some(next) = live.next_deadline() {
            self.deadlines.lock().push(Reverse((next, id)));
        }
        if let Some(next) = live.next_silence() {
            self.silences.lock().push(Reverse((next, id)));
        }
        self.rechecks.watch(&live);
        Session {
            live,
            registry: Arc::clone(self),
        }
    }

    /// Keeps a place for a session that is about to begin.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub async fn reserve_place(
        &self,
        id: SessionId,
        key: ClaimKey,
        rule: PerDevice,
        steady: Steady,
    ) -> Result<Reservation, NoPlace> {
        self.claims.reserve_for(id, key, rule, steady).await
    }

    /// Takes a reserved place for a session, and ends those who have to make room.
    ///
    /// # Errors
    ///
    /// If there is no place for it after all.
    pub async fn take_place(
        &self,
        session: &Session,
        reservation: Reservation,
        steady: Steady,
    ) -> Result<usize, NoPlace> {
        let live = &session.live;
        let key = reservation.key();
        let mut evicted = reservation.take_elsewhere().await?;
        evicted.extend(reservation.take(live.id, steady)?);
        if live.signal.reason().is_some() {
            // Told to close before the place was its own.
            self.claims.release(key, live.id);
        }
        let ended = evicted
            .iter()
            .filter_map(|id| self.get(*id))
            .filter(|live| self.end(live, CloseReason::Replaced));
        Ok(ended.count())
    }

    /// The sessions that have a place or are about to take one.
    pub fn placed(&self) -> Vec<Placed> {
        let all = self.all();
        all.iter().filter_map(|live| Placed::of(live)).collect()
    }

    /// Does whatever is due. Returns how many sessions were told to close.
    pub fn sweep(&self, now: UnixTime, steady: Steady) -> usize {
        self.forget_the_dead();
        let mut closed = 0;
        while let Some(id) = pop_due(&self.deadlines, now) {
            let Some(live) = self.get(id) else { continue };
            if let Due::Close(reason) = live.do_deadlines(now) {
                closed += usize::from(self.end(&live, reason));
            } else if let Some(next) = live.next_deadline() {
                self.deadlines.lock().push(Reverse((next, id)));
            }
        }
        while let Some(id) = pop_due(&self.silences, steady) {
            let Some(live) = self.get(id) else { continue };
            if let Some(reason) = live.do_silences(steady) {
                closed += usize::from(self.end(&live, reason));
            } else if let Some(next) = live.next_silence() {
                self.silences.lock().push(Reverse((next, id)));
            }
        }
        closed
    }

    /// Judges every session under a new policy. Returns how many were told to close.
    ///
    /// The policy must be in force already: whoever registers a session looks for a new policy
    /// afterwards, so that no session slips between the two.
    pub fn judge_again(&self, policy: &Policy, now: UnixTime, steady: Steady) -> usize {
        let judged = |live: &&Arc<Live>| match self.judge(live, policy, now) {
            Ok(()) => false,
            Err(denial) => self.end_in_turn(live, CloseReason::of(&denial), steady),
        };
        self.all().iter().filter(judged).count()
    }

    /// Judges one session under the policy of now, and tells it to close if it would not be let in.
    ///
    /// # Errors
    ///
    /// Why it would not be.
    pub fn judge_one(&self, live: &Live, policy: &Policy, now: UnixTime) -> Result<(), Denial> {
        self.judge(live, policy, now).inspect_err(|denial| {
            self.end(live, CloseReason::of(denial));
        })
    }

    fn judge(&self, live: &Live, policy: &Policy, now: UnixTime) -> Result<(), Denial> {
        if let Some(next) = live.judge_again(policy, now)? {
            self.deadlines.lock().push(Reverse((next, live.id)));
        }
        Ok(())
    }

    /// Prolongs the sessions of a user and device type on a route by a new proof.
    pub fn renew(&self, key: ClaimKey, route: &str, renewal: &Renewal) -> Renewed {
        self.renew_those(key, route, |_| Some(renewal.clone()))
    }

    /// As [`Self::renew`], by a proof that was made elsewhere: only where it would let the session
    /// in here too.
    pub fn renew_if_good(
        &self,
        key: ClaimKey,
        route: &str,
        renewal: &Renewal,
        policy: &Policy,
        now: UnixTime,
    ) -> Renewed {
        self.renew_those(key, route, |live| live.adapt(renewal, policy, now))
    }

    fn renew_those(
        &self,
        key: ClaimKey,
        route: &str,
        renewal: impl Fn(&Live) -> Option<Renewal>,
    ) -> Renewed {
        let ids = {
            let living = self.living.lock();
            living.people.get(&key).cloned().unwrap_or_default()
        };
        let ends: SmallVec<[UnixTime; 1]> = ids
            .iter()
            .filter_map(|id| self.get(*id))
            .filter(|live| *live.opening.route == *route)
            .filter_map(|live| self.renew_one(&live, &renewal(&live)?))
            .collect();
        Renewed {
            sessions: ends.len(),
            expires_at: ends.into_iter().max().filter(|end| *end < UnixTime::NEVER),
        }
    }

    /// Prolongs one session. The answer is when it now ends, [`UnixTime::NEVER`] if it has no end;
    /// `None` if it is about to.
    pub fn renew_one(&self, live: &Live, renewal: &Renewal) -> Option<UnixTime> {
        let end = live.renew(renewal)?;
        // A session that had no end so far stands in no queue.
        self.look_at(live);
        self.rechecks.watch(live);
        Some(end)
    }

    /// Looks at a session when its next moment comes, which is perhaps earlier than it was.
    pub(super) fn look_at(&self, live: &Live) {
        if let Some(next) = live.next_deadline() {
            self.deadlines.lock().push(Reverse((next, live.id)));
        }
    }

    /// Ends every session that is meant. Returns how many were told to close.
    pub fn end_all(&self, reason: CloseReason, is_meant: impl Fn(&Live) -> bool) -> usize {
        let all = self.all();
        let meant = all.iter().filter(|live| is_meant(live));
        meant.filter(|live| self.end(live, reason)).count()
    }

    /// Tells every session to close. Returns how many there were.
    pub fn close_all(&self, reason: CloseReason) -> usize {
        self.end_all(reason, |_| true)
    }

    /// Tells a session to close; from then on its place is free. Returns whether it had not been
    /// told before.
    pub fn end(&self, live: &Live, reason: CloseReason) -> bool {
        let is_first = live.signal.close(reason);
        if is_first && let Some(key) = live.opening.claim_key {
            self.claims.release(key, live.id);
        }
        is_first
    }

    /// Tells a session to close within its route's jitter, so that not all of them come back at
    /// once.
    fn end_in_turn(&self, live: &Live, reason: CloseReason, steady: Steady) -> bool {
        let delay = share_of(live.opening.rule.jitter, live.id);
        if delay.is_zero() || reason == CloseReason::Revoked {
            return self.end(live, reason);
        }
        let when = steady.plus(delay);
        let is_first = live.close_later(when, reason);
        if is_first {
            self.silences.lock().push(Reverse((when, live.id)));
        }
        is_first
    }

    /// All living sessions of this moment.
    pub fn all(&self) -> Vec<Arc<Live>> {
        self.living.lock().all.values().map(Arc::clone).collect()
    }

    pub fn get(&self, id: SessionId) -> Option<Arc<Live>> {
        self.living.lock().all.get(&id).map(Arc::clone)
    }

    pub fn len(&self) -> usize {
        self.living.lock().all.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes ended sessions out of the queue of deadlines, which may be weeks away, once they are
    /// most of it. Silences are never that long.
    fn forget_the_dead(&self) {
        let living = self.living.lock();
        let mut deadlines = self.deadlines.lock();
        if deadlines.len() > QUEUE_SLACK.max(4 * living.all.len()) {
            deadlines.retain(|Reverse((_, id))| living.all.contains_key(id));
        }
    }
}

/// Takes out the next entry whose time has come.
fn pop_due<T: Ord + Copy>(queue: &Queue<T>, now: T) -> Option<SessionId> {
    let mut queue = queue.lock();
    let Reverse((when, id)) = queue.peek().copied()?;
    if when > now {
        return None;
    }
    queue.pop();
    Some(id)
}

impl Session {
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let id = self.live.id;
        {
            let mut living = self.registry.living.lock();
            // Only this very session: a successor under the same id would be another object.
            let is_this = |known: &Arc<Live>| Arc::ptr_eq(known, &self.live);
            if living.all.get(&id).is_some_and(is_this) {
                living.all.remove(&id);
            }
            if let Some(key) = self.live.opening.claim_key
                && let Some(ids) = living.people.get_mut(&key)
            {
                ids.retain(|known| *known != id);
                if ids.is_empty() {
                    living.people.remove(&key);
                }
            }
        }
        if let Some(key) = self.live.opening.claim_key {
            self.registry.claims.release(key, id);
        }
    }
}

//! The registry of living sessions, and the sweep that ends them in time.
//!
//! Every session stands in a queue of moments at which something about it may be due. A session
//! whose traffic has moved its idle limit is simply queued again, so traffic itself costs two
//! atomic stores and no lock.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::clock::{Steady, UnixTime};
use crate::gate::denial::Denial;
use crate::policy::Policy;
use crate::session::signal::CloseSignal;
use crate::session::{CloseReason, Opening, SessionId};

/// Entries of ended sessions that are not worth a search.
const QUEUE_SLACK: usize = 1024;

/// All living sessions of the process.
#[derive(Debug, Default)]
pub struct Registry {
    living: Mutex<HashMap<SessionId, Arc<Live>>>,
    /// When credentials end: on the wall clock, as they say it themselves.
    deadlines: Mutex<BinaryHeap<Reverse<(UnixTime, SessionId)>>>,
    /// When silence has lasted too long: on the steady clock.
    silences: Mutex<BinaryHeap<Reverse<(Steady, SessionId)>>>,
}

/// What the registry and the session's own task share.
#[derive(Debug)]
pub struct Live {
    pub id: SessionId,
    pub opening: Opening,
    pub since: UnixTime,
    pub signal: CloseSignal,
    /// When the proof behind it ends; in milliseconds, [`UnixTime::NEVER`] for never.
    deadline: AtomicI64,
    last_received: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
}

/// A registered session. Dropping it takes it out of the registry, whatever ended it.
#[derive(Debug)]
pub struct Session {
    live: Arc<Live>,
    registry: Arc<Registry>,
}

impl Registry {
    /// Registers a session that begins now.
    pub fn open(
        self: &Arc<Self>,
        id: SessionId,
        opening: Opening,
        now: UnixTime,
        steady: Steady,
    ) -> Session {
        let live = Arc::new(Live {
            id,
            since: now,
            signal: CloseSignal::default(),
            deadline: AtomicI64::new(opening.deadline.unwrap_or(UnixTime::NEVER).as_millis()),
            opening,
            last_received: AtomicU64::new(steady.as_millis()),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        });
        self.living.lock().insert(id, Arc::clone(&live));
        if let Some(deadline) = live.opening.deadline {
            self.deadlines.lock().push(Reverse((deadline, id)));
        }
        self.silences.lock().push(Reverse((live.silence_end(), id)));
        Session {
            live,
            registry: Arc::clone(self),
        }
    }

    /// Closes every session whose time is up. Returns how many were told to close.
    pub fn sweep(&self, now: UnixTime, steady: Steady) -> usize {
        let mut closed = 0;
        self.forget_the_dead();
        while let Some(id) = pop_due(&self.deadlines, now) {
            if let Some(live) = self.get(id) {
                closed += usize::from(live.signal.close(CloseReason::Expired));
            }
        }
        while let Some(id) = pop_due(&self.silences, steady) {
            let Some(live) = self.get(id) else { continue };
            let end = live.silence_end();
            if end <= steady {
                closed += usize::from(live.signal.close(CloseReason::Idle));
            } else {
                self.silences.lock().push(Reverse((end, id)));
            }
        }
        closed
    }

    /// Judges every session under a new policy. Returns how many were told to close.
    ///
    /// The policy must be in force already: whoever registers a session looks for a new policy
    /// afterwards, so that no session slips between the two.
    pub fn judge_again(&self, policy: &Policy, now: UnixTime) -> usize {
        let all: Vec<_> = self.living.lock().values().map(Arc::clone).collect();
        all.iter()
            .filter(|live| self.judge_one(live, policy, now).is_err())
            .count()
    }

    /// Judges one session under a new policy, and tells it to close if it would not be let in.
    ///
    /// # Errors
    ///
    /// Why it would not be.
    pub fn judge_one(&self, live: &Live, policy: &Policy, now: UnixTime) -> Result<(), Denial> {
        match live.opening.standing.judge_again(policy, now) {
            Ok(end) => {
                if let Some(end) = end {
                    self.shorten(live, end);
                }
                Ok(())
            }
            Err(denial) => {
                live.signal.close(CloseReason::of(&denial));
                Err(denial)
            }
        }
    }

    /// Lets a session end earlier; never later, since nobody has seen its credential again.
    fn shorten(&self, live: &Live, end: UnixTime) {
        let before = live.deadline.fetch_min(end.as_millis(), Ordering::Relaxed);
        if before > end.as_millis() {
            self.deadlines.lock().push(Reverse((end, live.id)));
        }
    }

    /// Tells every session to close. Returns how many there were.
    pub fn close_all(&self, reason: CloseReason) -> usize {
        let all: Vec<_> = self.living.lock().values().map(Arc::clone).collect();
        all.iter().filter(|live| live.signal.close(reason)).count()
    }

    pub fn len(&self) -> usize {
        self.living.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes ended sessions out of the queue of deadlines, which may be weeks away, once they are
    /// most of it. Silences are never that long.
    fn forget_the_dead(&self) {
        let living = self.living.lock();
        let mut deadlines = self.deadlines.lock();
        if deadlines.len() > QUEUE_SLACK.max(4 * living.len()) {
            deadlines.retain(|Reverse((_, id))| living.contains_key(id));
        }
    }

    fn get(&self, id: SessionId) -> Option<Arc<Live>> {
        self.living.lock().get(&id).map(Arc::clone)
    }
}

/// Takes out the next entry whose time has come.
fn pop_due<T: Ord + Copy>(
    queue: &Mutex<BinaryHeap<Reverse<(T, SessionId)>>>,
    now: T,
) -> Option<SessionId> {
    let mut queue = queue.lock();
    let Reverse((when, id)) = queue.peek().copied()?;
    if when > now {
        return None;
    }
    queue.pop();
    Some(id)
}

impl Live {
    /// Notes bytes from the client, its sign of life.
    pub fn received(&self, bytes: usize, steady: Steady) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
        self.last_received
            .store(steady.as_millis(), Ordering::Relaxed);
    }

    /// Notes bytes to the client. A push to somebody who is gone is no sign of life.
    pub fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes from and to the client.
    pub fn bytes(&self) -> (u64, u64) {
        (
            self.received.load(Ordering::Relaxed),
            self.sent.load(Ordering::Relaxed),
        )
    }

    fn silence_end(&self) -> Steady {
        Steady::from_millis(self.last_received.load(Ordering::Relaxed))
            .plus(self.opening.idle_timeout)
    }
}

impl Session {
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut living = self.registry.living.lock();
        // Only this very session: a successor under the same id would be another object.
        if living
            .get(&self.live.id)
            .is_some_and(|known| Arc::ptr_eq(known, &self.live))
        {
            living.remove(&self.live.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::gate::standing::Standing;

    fn opening(deadline: Option<i64>, idle: u64) -> Opening {
        Opening {
            route: Arc::from("ws"),
            device_type: None,
            standing: Standing::default(),
            deadline: deadline.map(UnixTime::from_secs),
            idle_timeout: Duration::from_secs(idle),
        }
    }

    fn closed_for(session: &Session) -> Option<CloseReason> {
        let waker = std::task::Waker::noop();
        match session
            .live()
            .signal
            .poll_closed(&std::task::Context::from_waker(waker))
        {
            std::task::Poll::Ready(reason) => Some(reason),
            std::task::Poll::Pending => None,
        }
    }

    fn at(secs: u64) -> Steady {
        Steady::from_millis(secs * 1000)
    }

    #[test]
    fn a_session_ends_at_its_deadline_and_not_before() {
        let registry = Arc::new(Registry::default());
        let start = UnixTime::from_secs(1000);
        let session = registry.open(SessionId(1), opening(Some(1020), 120), start, at(0));
        assert_eq!(registry.sweep(UnixTime::from_millis(1_019_999), at(20)), 0);
        assert_eq!(closed_for(&session), None);
        assert_eq!(registry.sweep(UnixTime::from_secs(1020), at(20)), 1);
        assert_eq!(closed_for(&session), Some(CloseReason::Expired));
    }

    #[test]
    fn only_what_the_client_sends_puts_off_the_idle_limit() {
        let registry = Arc::new(Registry::default());
        let wall = UnixTime::from_secs(0);
        let session = registry.open(SessionId(1), opening(None, 10), wall, at(0));
        session.live().received(1, at(8));
        session.live().sent(1);
        assert_eq!(registry.sweep(wall, at(11)), 0);
        session.live().sent(1);
        assert_eq!(registry.sweep(wall, at(18)), 1);
        assert_eq!(closed_for(&session), Some(CloseReason::Idle));
    }

    #[test]
    fn a_step_of_the_system_clock_is_no_silence() {
        let registry = Arc::new(Registry::default());
        let start = UnixTime::from_secs(0);
        let session = registry.open(SessionId(1), opening(None, 10), start, at(0));
        assert_eq!(registry.sweep(UnixTime::from_secs(1_000_000), at(1)), 0);
        assert_eq!(closed_for(&session), None);
    }

    #[test]
    fn ended_sessions_do_not_wait_for_their_deadline_in_the_queue() {
        let registry = Arc::new(Registry::default());
        let start = UnixTime::from_secs(0);
        let open = |id| registry.open(SessionId(id), opening(Some(1_000_000), 10), start, at(0));
        let stays = open(0);
        for id in 1..5000 {
            drop(open(id));
        }
        registry.sweep(start, at(0));
        assert_eq!(registry.deadlines.lock().len(), 1);
        registry.sweep(UnixTime::from_secs(1_000_000), at(0));
        assert_eq!(closed_for(&stays), Some(CloseReason::Expired));
    }

    #[test]
    fn a_dropped_session_is_forgotten() {
        let registry = Arc::new(Registry::default());
        let start = UnixTime::from_secs(0);
        let session = registry.open(SessionId(7), opening(Some(5), 10), start, at(0));
        assert_eq!(registry.len(), 1);
        drop(session);
        assert!(registry.is_empty());
        assert_eq!(registry.sweep(UnixTime::from_secs(60), at(60)), 0);
    }
}

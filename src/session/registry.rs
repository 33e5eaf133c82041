//! The registry of living sessions, and the sweep that ends them in time.
//!
//! Every session stands in a queue of moments at which something about it may be due. A session
//! whose traffic has moved its idle limit is simply queued again, so traffic itself costs two
//! atomic stores and no lock.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::clock::{Steady, UnixTime};
use crate::session::signal::CloseSignal;
use crate::session::{CloseReason, Opening, SessionId};

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
            opening,
            since: now,
            signal: CloseSignal::default(),
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

    fn opening(deadline: Option<i64>, idle: u64) -> Opening {
        Opening {
            route: Arc::from("ws"),
            device_type: None,
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

//! One address of an upstream: whether it is well, and what it has to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::clock::Steady;
use crate::config::document::HealthRule;
use crate::policy::upstream::health::{State, Turn};

/// An address, and everything that the process knows of it.
#[derive(Debug)]
pub struct Target {
    /// `host:port`, as configured.
    pub address: Arc<str>,
    /// As `state` has it; what requests look at.
    is_up: AtomicBool,
    state: Mutex<State>,
    in_flight: AtomicUsize,
    unreachable: AtomicU64,
    unwell: AtomicU64,
}

impl Target {
    /// It counts as well until something else is known.
    pub(super) fn new(address: Arc<str>) -> Self {
        Self {
            address,
            is_up: AtomicBool::new(true),
            state: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            unreachable: AtomicU64::new(0),
            unwell: AtomicU64::new(0),
        }
    }

    /// Whether it gets requests while others are there.
    pub fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }

    /// Requests and sockets of this process that are there now.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// How often a request could not connect, and how often a question about its health failed.
    pub fn failures(&self) -> (u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.unreachable), read(&self.unwell))
    }

    /// Why it was not well when that was last found; none while it is.
    pub fn problem(&self) -> Option<Arc<str>> {
        self.state.lock().problem()
    }

    /// A request has connected.
    pub fn reached(&self, rule: Option<&HealthRule>) {
        if !self.is_up() {
            self.change(|state| state.reached(rule));
        }
    }

    /// A request could not connect.
    pub fn unreachable(&self, problem: &str, now: Steady) {
        self.unreachable.fetch_add(1, Ordering::Relaxed);
        if self.is_up() {
            self.change(|state| state.unreachable(problem, now));
        }
    }

    /// Whether it is to be asked now.
    pub fn is_due(&self, rule: Option<&HealthRule>, now: Steady) -> bool {
        self.state.lock().is_due(rule, now)
    }

    /// It was asked. `jitter` is a random number from which the time of the next question follows.
    pub fn asked(
        &self,
        rule: Option<&HealthRule>,
        outcome: Result<(), &str>,
        jitter: u8,
        now: Steady,
    ) {
        if outcome.is_err() {
            self.unwell.fetch_add(1, Ordering::Relaxed);
        }
        self.change(|state| state.asked(rule, outcome, jitter, now));
    }

    /// What has changed since this was last asked.
    pub fn take_turn(&self) -> Option<Turn> {
        self.state.lock().take_turn()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        self.is_up.store(state.is_up(), Ordering::Relaxed);
    }
}

/// Counts at an address for as long as it lives.
#[derive(Debug)]
pub struct Load(Arc<Target>);

impl Load {
    pub(super) fn on(target: Arc<Target>) -> Self {
        target.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(target)
    }

    /// Where an upstream without an address would lead, which no configuration has.
    pub(super) fn nowhere() -> Self {
        Self::on(Arc::new(Target::new(Arc::from(""))))
    }

    pub fn target(&self) -> &Arc<Target> {
        &self.0
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

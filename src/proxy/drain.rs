//! How far the gate is on its way out: what requests, probes and operators must know of it.
//!
//! [`crate::shutdown`] decides when each step is taken; here it is written down.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clock::Steady;
use crate::config::document::ShutdownRule;

/// The gate's way out. It goes in one direction only.
#[derive(Debug, Default)]
pub struct Drain {
    plan: OnceLock<Plan>,
    is_leaving: AtomicBool,
}

/// When the gate began to leave, and by which rule: a reload does not change it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    pub began: Steady,
    pub rule: ShutdownRule,
}

impl Plan {
    /// How long it is until so much time has passed since the beginning.
    pub fn until(&self, after: Duration, now: Steady) -> Duration {
        self.began.plus(after).since(now)
    }
}

/// A step of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Serving,
    /// Everything is served; `/readyz` says that nobody more should come.
    LameDuck,
    /// Connections end with their current request, and no WebSocket opens.
    Leaving,
}

impl Stage {
    /// The word for operators.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::LameDuck => "lame_duck",
            Self::Leaving => "leaving",
        }
    }
}

impl Drain {
    /// Takes the first step; later calls give the plan of the first.
    pub(super) fn start(&self, plan: Plan) -> Plan {
        *self.plan.get_or_init(|| plan)
    }

    /// Takes the last step.
    ///
    /// Whoever registers a session looks here afterwards, and whoever counts the sessions to be
    /// closed does so after this: none slips between the two.
    pub(super) fn leave(&self) {
        self.is_leaving.store(true, Ordering::Relaxed);
    }

    pub fn plan(&self) -> Option<Plan> {
        self.plan.get().copied()
    }

    pub fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::Relaxed)
    }

    pub fn stage(&self) -> Stage {
        match (self.is_leaving(), self.plan.get()) {
            (true, _) => Stage::Leaving,
            (false, Some(_)) => Stage::LameDuck,
            (false, None) => Stage::Serving,
        }
    }
}

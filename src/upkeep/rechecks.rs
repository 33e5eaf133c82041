//! Keeps asking about living sessions, and tells of what came of it.
//!
//! One task for all authenticators: their questions are under way side by side, and none waits for
//! another's answer.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::clock;
use crate::proxy::Shared;
use crate::session::recheck::{Batch, Rounds, Settled, TICK, Turn};

/// Asks for as long as the process runs.
pub(super) async fn keep(shared: Arc<Shared>) {
    let mut rounds = Rounds::new(Arc::clone(&shared.registry));
    let mut asking = FuturesUnordered::new();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {
                let due = rounds.due(&shared.policy(), clock::now(), clock::steady());
                asking.extend(due.into_iter().map(Batch::ask));
            }
            Some(answers) = asking.next() => {
                let policies = || shared.policy();
                let settled = rounds.settle(answers, &policies, clock::now(), clock::steady());
                tell(&shared, &settled);
            }
        }
    }
}

fn tell(shared: &Shared, settled: &Settled) {
    shared.metrics.rechecked(settled);
    let authenticator = &*settled.authenticator;
    match &settled.turn {
        Some(Turn::Lost { source }) => warn!(
            authenticator,
            error = &**source,
            "living sessions cannot be asked about; they go on until `live_grace` is over"
        ),
        Some(Turn::Found) => info!(authenticator, "living sessions are asked about again"),
        None => {}
    }
}

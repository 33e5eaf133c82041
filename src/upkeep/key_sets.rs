//! Keeps the key sets of servers fresh, and has sessions judged again when one has changed.
//!
//! A set may also have been fetched by a request; what follows from a change is done here in either
//! case. A verdict that is made meanwhile carries the old epoch, and is looked at again before its
//! session opens.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::clock;
use crate::proxy::Shared;
use crate::scheme::jwt::{RemoteKeys, Turn};

/// How late a session may learn that its key is gone.
const TICK: Duration = Duration::from_millis(200);

/// Keeps at it for as long as the process runs.
pub(super) async fn keep(shared: Arc<Shared>) {
    let mut fetching = FuturesUnordered::new();
    let mut under_way: Vec<Arc<RemoteKeys>> = Vec::new();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {
                for (_, keys) in key_sets(&shared) {
                    let is_under_way = under_way.iter().any(|one| Arc::ptr_eq(one, &keys));
                    if !is_under_way && keys.is_due(clock::now()) {
                        under_way.push(Arc::clone(&keys));
                        fetching.push(fetch(keys));
                    }
                }
            }
            Some(keys) = fetching.next() => under_way.retain(|one| !Arc::ptr_eq(one, &keys)),
        }
        act(&shared);
    }
}

async fn fetch(keys: Arc<RemoteKeys>) -> Arc<RemoteKeys> {
    keys.refresh(clock::now()).await;
    keys
}

fn key_sets(shared: &Shared) -> Vec<(Arc<str>, Arc<RemoteKeys>)> {
    let policy = shared.policy();
    let authenticators = policy.authenticators().iter();
    authenticators
        .filter_map(|one| Some((Arc::clone(&one.name), one.remote_keys()?)))
        .collect()
}

/// Does what follows from what is new, and tells of it.
fn act(shared: &Shared) {
    for (authenticator, keys) in key_sets(shared) {
        let authenticator = &*authenticator;
        match keys.take_turn() {
            Some(Turn::Lost { source }) => warn!(
                authenticator,
                error = &*source,
                "the key set cannot be fetched; the last good one is in use until `max_age`"
            ),
            Some(Turn::Found) => info!(authenticator, "the key set can be fetched again"),
            None => {}
        }
        if !keys.take_change() {
            continue;
        }
        let policy = shared.policy();
        policy.revocations.judge_anew();
        let (now, steady) = (clock::now(), clock::steady());
        let sessions_closed = shared.registry.judge_again(&policy, now, steady);
        let (in_use, unusable, _) = keys.census(now).unwrap_or_default();
        info!(
            authenticator,
            in_use, unusable, sessions_closed, "the key set has changed"
        );
    }
}

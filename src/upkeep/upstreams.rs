//! Asks the addresses of upstreams whether they are well: those that could not be reached, and where
//! `health` is configured all of them, time and again.
//!
//! One task; its questions are under way side by side, one for each address at most.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use pingora::connectors::TransportConnector;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::clock;
use crate::policy::upstream::{Target, Turn, Upstream};
use crate::proxy::Shared;
use crate::proxy::check::check;

/// How late a question may be asked, and a change be told of.
const TICK: Duration = Duration::from_millis(100);

/// Keeps at it for as long as the process runs.
pub(super) async fn keep(shared: Arc<Shared>) {
    let connector = TransportConnector::new(None);
    let mut asking = FuturesUnordered::new();
    let mut under_way: Vec<Arc<Target>> = Vec::new();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {
                for (upstream, target) in due(&shared) {
                    if !under_way.iter().any(|one| Arc::ptr_eq(one, &target)) {
                        under_way.push(Arc::clone(&target));
                        asking.push(ask(&connector, upstream, target));
                    }
                }
            }
            Some(target) = asking.next() => under_way.retain(|one| !Arc::ptr_eq(one, &target)),
        }
        tell(&shared);
    }
}

fn due(shared: &Shared) -> Vec<(Arc<Upstream>, Arc<Target>)> {
    let (policy, now) = (shared.policy(), clock::steady());
    let upstreams = policy.upstreams().iter();
    upstreams
        .flat_map(|upstream| {
            let is_due = |target: &&Arc<Target>| target.is_due(upstream.health.as_ref(), now);
            let due = upstream.targets().iter().filter(is_due);
            due.map(|target| (Arc::clone(upstream), Arc::clone(target)))
        })
        .collect()
}

async fn ask(
    connector: &TransportConnector,
    upstream: Arc<Upstream>,
    target: Arc<Target>,
) -> Arc<Target> {
    let outcome = check(connector, &upstream, &target.address).await;
    let outcome = outcome.as_ref().copied().map_err(String::as_str);
    let mut jitter = [0];
    // Without randomness the questions are merely regular.
    let _ = getrandom::fill(&mut jitter);
    let [jitter] = jitter;
    target.asked(upstream.health.as_ref(), outcome, jitter, clock::steady());
    target
}

/// Of an upstream's only address every request tells that could not reach it.
fn tell(shared: &Shared) {
    let policy = shared.policy();
    let are_told_of =
        |upstream: &&Arc<Upstream>| upstream.health.is_some() || upstream.targets().len() > 1;
    for upstream in policy.upstreams().iter().filter(are_told_of) {
        for target in upstream.targets() {
            let (name, address) = (&*upstream.name, &*target.address);
            match target.take_turn() {
                Some(Turn::Lost { problem }) => warn!(
                    upstream = name,
                    address,
                    problem = &*problem,
                    "an upstream's address is left out while others are well"
                ),
                Some(Turn::Found) => {
                    info!(
                        upstream = name,
                        address, "an upstream's address is well again"
                    );
                }
                None => {}
            }
        }
    }
}

//! When each session's turn comes: evenly over a period, each somewhere within its own slice of it.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Steady;
use crate::session::CloseReason;
use crate::session::live::Live;
use crate::session::registry::Registry;

/// Sessions that are still to be told, the next one last.
#[derive(Debug)]
pub(super) struct Spread(Vec<(Steady, Arc<Live>)>);

impl Spread {
    pub(super) fn over(sessions: Vec<Arc<Live>>, start: Steady, period: Duration) -> Self {
        let count = sessions.len();
        let turns = sessions.into_iter().enumerate().map(|(slice, live)| {
            // The low half of an id is as good as drawn.
            let jitter = u32::try_from(live.id.0 & u128::from(u32::MAX)).unwrap_or_default();
            (start.plus(turn(slice, count, period, jitter)), live)
        });
        let mut turns: Vec<_> = turns.collect();
        turns.reverse();
        Self(turns)
    }

    /// Tells those whose turn has come. Those that have ended meanwhile do not hear it.
    pub(super) fn close_due(&mut self, registry: &Registry, now: Steady) {
        while let Some((_, live)) = self.0.pop_if(|(when, _)| *when <= now) {
            registry.end(&live, CloseReason::ShuttingDown);
        }
    }
}

/// How far into the period this slice's turn comes; `jitter` is where in the slice.
fn turn(slice: usize, count: usize, period: Duration, jitter: u32) -> Duration {
    let part = (slice as u128) << 32 | u128::from(jitter);
    let whole = (count as u128) << 32;
    let millis = period.as_millis() * part / whole.max(1);
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn turns_are_in_order_within_the_period_and_near_their_even_place(
            jitters in proptest::collection::vec(any::<u32>(), 1..500),
            millis in 0_u64..100_000,
        ) {
            let (count, whole) = (jitters.len(), Duration::from_millis(millis));
            let mut before = Duration::ZERO;
            for (slice, jitter) in jitters.into_iter().enumerate() {
                let turn = turn(slice, count, whole, jitter);
                prop_assert!(turn >= before && turn <= whole);
                before = turn;
                let even = whole * u32::try_from(slice).unwrap() / u32::try_from(count).unwrap();
                let width = whole / u32::try_from(count).unwrap() + Duration::from_millis(1);
                prop_assert!(turn + Duration::from_millis(1) >= even && turn <= even + width);
            }
        }
    }
}

//! When a session is due. The moments of all sessions of one interval are spread evenly over it, by
//! their ids: thousands that come at once after a restart are not asked about at once for ever.

use std::time::Duration;

use crate::clock::Steady;
use crate::session::SessionId;
use crate::session::deadline::share_of;

/// So long before its end a proof is asked about once more, since it may have been prolonged.
const LAST_LOOK: Duration = Duration::from_secs(2);

/// When to ask next, after a question at `asked`: later than that, but by no more than `every`.
pub(super) fn next(asked: Steady, id: SessionId, every: Duration, end: Option<Steady>) -> Steady {
    let millis = every.as_millis().max(1);
    let phase = share_of(every, id).as_millis();
    let past = (u128::from(asked.as_millis()) + millis - phase) % millis;
    let left = u64::try_from(millis - past).unwrap_or(u64::MAX);
    let turn = asked.plus(Duration::from_millis(left));
    let last_look = end
        .map(|end| end.minus(LAST_LOOK))
        .filter(|look| *look > asked);
    last_look.map_or(turn, |look| look.min(turn))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::request_id::session_id;

    const EVERY: Duration = Duration::from_secs(30);

    #[test]
    fn sessions_that_come_at_once_are_spread_over_the_interval() {
        let random: Vec<_> = (0..10_000).map(|_| session_id()).collect();
        let in_a_row: Vec<_> = (0..10_000).map(SessionId).collect();
        for ids in [random, in_a_row] {
            let mut load = [0; 60];
            for id in ids {
                let due = next(Steady::from_millis(77_000), id, EVERY, None);
                let after = due.since(Steady::from_millis(77_000)).as_millis();
                load[usize::try_from((after - 1) / 500).unwrap()] += 1;
            }
            let (least, most) = (load.iter().min().unwrap(), load.iter().max().unwrap());
            assert!(*least > 100 && *most < 240, "{load:?}");
        }
    }

    #[test]
    fn a_proof_that_is_about_to_end_is_looked_at_once_more() {
        let id = SessionId(7);
        let asked = Steady::from_millis(100_000);
        let turn = next(asked, id, EVERY, None);
        let left = |millis| {
            next(
                asked,
                id,
                EVERY,
                Some(asked.plus(Duration::from_millis(millis))),
            )
        };
        assert_eq!(left(2001), asked.plus(Duration::from_millis(1)));
        assert_eq!(left(2000), turn, "no time for it");
        assert_eq!(left(3_600_000), turn, "long after the next turn");
    }

    proptest! {
        #[test]
        fn nobody_waits_for_longer_than_the_interval(
            asked in any::<u64>(), id in any::<u128>(), millis in 1_u64..4_000_000, end in any::<u64>(),
        ) {
            let asked = Steady::from_millis(asked / 2);
            let every = Duration::from_millis(millis);
            for end in [None, Some(Steady::from_millis(end))] {
                let due = next(asked, SessionId(id), every, end);
                prop_assert!(due > asked && due <= asked.plus(every), "{asked:?} {due:?}");
            }
        }

        #[test]
        fn every_turn_is_one_interval_after_the_last(id in any::<u128>(), millis in 1_u64..4_000_000) {
            let every = Duration::from_millis(millis);
            let first = next(Steady::from_millis(5), SessionId(id), every, None);
            prop_assert_eq!(next(first, SessionId(id), every, None), first.plus(every));
        }
    }
}

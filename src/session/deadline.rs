//! When a session ends, and when its client is told so beforehand.
//!
//! ```text
//!         notice                end                close
//! ----------|--------------------|-----------------|----->
//!            <---- before ------> <- grace, jitter ->
//! ```

use std::time::Duration;

use crate::clock::UnixTime;
use crate::config::document::{AtExpiry, SessionRule};
use crate::session::{CloseReason, SessionId};

/// What has become of the moments that have passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    Close(CloseReason),
    /// Nothing more for now.
    Nothing,
}

/// The end of a session, whose proof ends at `not_after` and which began at `since`.
pub(super) fn end_of(
    rule: &SessionRule,
    since: UnixTime,
    not_after: Option<UnixTime>,
) -> Option<UnixTime> {
    let of_proof = match rule.at_expiry {
        AtExpiry::Close => not_after,
        AtExpiry::Keep => None,
    };
    let of_rule = rule.max_session.map(|longest| since.plus(longest));
    of_proof.into_iter().chain(of_rule).min()
}

/// When a session with this end is closed.
pub(super) fn close_at(rule: &SessionRule, id: SessionId, end: UnixTime) -> UnixTime {
    end.plus(rule.grace).plus(share_of(rule.jitter, id))
}

/// When its client is told, if it is to be.
pub(super) fn notice_at(rule: &SessionRule, end: UnixTime) -> Option<UnixTime> {
    rule.notice.as_ref().map(|notice| end.minus(notice.before))
}

/// The text of a notice. Seconds are rounded up, so that the last second is not zero.
pub(super) fn notice_text(text: &str, left: Duration) -> String {
    let seconds = left.as_millis().div_ceil(1000);
    text.replace("{seconds}", &seconds.to_string())
}

/// A session's share of a span over which many are spread: always the same, and even among many.
pub(super) fn share_of(span: Duration, id: SessionId) -> Duration {
    // Fibonacci hashing: ids that follow each other lie far apart.
    let folded = u64::try_from((id.0 ^ (id.0 >> 64)) & u128::from(u64::MAX)).unwrap_or(0);
    let spread = folded.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let millis = (u128::from(spread) * span.as_millis()) >> 64;
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_with_its_proof_or_its_longest_time() {
        let at = UnixTime::from_secs;
        let rule = |at_expiry, longest| SessionRule {
            at_expiry,
            max_session: longest,
            ..SessionRule::default()
        };
        let hour = Some(Duration::from_hours(1));
        for (at_expiry, longest, not_after, expected) in [
            (AtExpiry::Close, None, None, None),
            (AtExpiry::Close, None, Some(at(500)), Some(at(500))),
            (AtExpiry::Close, hour, Some(at(500)), Some(at(500))),
            (AtExpiry::Close, hour, Some(at(9000)), Some(at(3700))),
            (AtExpiry::Keep, None, Some(at(500)), None),
            (AtExpiry::Keep, hour, Some(at(500)), Some(at(3700))),
        ] {
            let rule = rule(at_expiry, longest);
            assert_eq!(
                end_of(&rule, at(100), not_after),
                expected,
                "{rule:?} {not_after:?}"
            );
        }
    }

    #[test]
    fn a_notice_never_says_zero() {
        let text = |millis| notice_text("{seconds} s", Duration::from_millis(millis));
        assert_eq!(text(30_000), "30 s");
        assert_eq!(text(29_800), "30 s");
        assert_eq!(text(1), "1 s");
    }

    #[test]
    fn many_are_spread_evenly() {
        let span = Duration::from_secs(10);
        let mut tenths = [0; 10];
        for number in 0..10_000_u128 {
            let id = SessionId((0xfeed << 64) | number);
            let share = share_of(span, id);
            assert!(share < span);
            tenths[usize::try_from(share.as_secs()).unwrap()] += 1;
        }
        assert!(
            tenths.iter().all(|count| (800..1200).contains(count)),
            "{tenths:?}"
        );
        assert_eq!(share_of(Duration::ZERO, SessionId(7)), Duration::ZERO);
    }
}

use std::time::Duration;

use super::*;
use crate::config::document::{AtExpiry, OnConflict, PerDevice, SessionRule};
use crate::gate::standing::Standing;
use crate::principal::Principal;
use crate::request::testing::block_on;
use crate::secret::Digest;

fn opening(deadline: Option<i64>, idle: u64) -> Opening {
    Opening {
        route: Arc::from("ws"),
        rule: Arc::new(SessionRule {
            idle_timeout: Duration::from_secs(idle),
            ..SessionRule::default()
        }),
        not_after: deadline.map(UnixTime::from_secs),
        ..Opening::default()
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

fn with_rule(id: u128, end: Option<i64>, rule: SessionRule) -> Opening {
    Opening {
        route: Arc::from("ws"),
        rule: Arc::new(rule),
        claim_key: Some(ClaimKey(Digest::from_bytes([7; 32]))),
        not_after: end.map(UnixTime::from_secs),
        principal: Some(Arc::new(Principal {
            subject: Some(id.to_string().into()),
            ..Principal::default()
        })),
        ..Opening::default()
    }
}

fn renewal(end: Option<i64>) -> Renewal {
    Renewal {
        standing: Standing::default(),
        not_after: end.map(UnixTime::from_secs),
        unwatched_until: None,
    }
}

const ANYBODY: ClaimKey = ClaimKey(Digest::from_bytes([7; 32]));

#[test]
fn grace_and_jitter_put_off_the_close_and_not_the_end() {
    let registry = Arc::new(Registry::default());
    let rule = SessionRule {
        grace: Duration::from_secs(10),
        jitter: Duration::from_secs(5),
        ..SessionRule::default()
    };
    let start = UnixTime::from_secs(1000);
    let session = registry.open(SessionId(3), with_rule(3, Some(1020), rule), start, at(0));
    assert_eq!(session.live().end(), Some(UnixTime::from_secs(1020)));
    assert_eq!(registry.sweep(UnixTime::from_secs(1029), at(0)), 0);
    assert_eq!(registry.sweep(UnixTime::from_secs(1035), at(0)), 1);
    assert_eq!(closed_for(&session), Some(CloseReason::Expired));
}

#[test]
fn a_renewal_prolongs_and_never_shortens() {
    let registry = Arc::new(Registry::default());
    let start = UnixTime::from_secs(1000);
    let rule = SessionRule::default();
    let session = registry.open(SessionId(1), with_rule(1, Some(1020), rule), start, at(0));
    let renewed = |end| registry.renew(ANYBODY, "ws", &renewal(Some(end)));
    let until = |end| Renewed {
        sessions: 1,
        expires_at: Some(UnixTime::from_secs(end)),
    };
    assert_eq!(renewed(1100), until(1100));
    assert_eq!(
        renewed(1050),
        until(1100),
        "a shorter token shortens nothing"
    );
    assert_eq!(
        registry.renew(ANYBODY, "other", &renewal(None)),
        Renewed::default()
    );
    assert_eq!(registry.sweep(UnixTime::from_secs(1099), at(0)), 0);
    assert_eq!(registry.sweep(UnixTime::from_secs(1100), at(0)), 1);
    assert_eq!(renewed(1200), Renewed::default(), "it is closing");
    assert_eq!(closed_for(&session), Some(CloseReason::Expired));
}

#[test]
fn a_renewal_within_the_grace_is_in_time() {
    let registry = Arc::new(Registry::default());
    let rule = SessionRule {
        grace: Duration::from_secs(10),
        ..SessionRule::default()
    };
    let start = UnixTime::from_secs(1000);
    let session = registry.open(SessionId(1), with_rule(1, Some(1020), rule), start, at(0));
    assert_eq!(registry.sweep(UnixTime::from_secs(1025), at(0)), 0);
    registry.renew(ANYBODY, "ws", &renewal(Some(1060)));
    assert_eq!(registry.sweep(UnixTime::from_secs(1069), at(0)), 0);
    assert_eq!(registry.sweep(UnixTime::from_secs(1070), at(0)), 1);
    assert_eq!(closed_for(&session), Some(CloseReason::Expired));
}

#[test]
fn the_longest_time_of_a_session_is_not_renewed() {
    let registry = Arc::new(Registry::default());
    let rule = SessionRule {
        max_session: Some(Duration::from_secs(50)),
        ..SessionRule::default()
    };
    let start = UnixTime::from_secs(1000);
    let _session = registry.open(SessionId(1), with_rule(1, Some(1020), rule), start, at(0));
    let renewed = registry.renew(ANYBODY, "ws", &renewal(Some(9000)));
    assert_eq!(renewed.expires_at, Some(UnixTime::from_secs(1050)));
    assert_eq!(registry.sweep(UnixTime::from_secs(1050), at(0)), 1);
}

#[test]
fn whoever_makes_room_is_closed_and_others_are_not() {
    let registry = Arc::new(Registry::default());
    let per_device = PerDevice {
        limit: 1,
        on_conflict: OnConflict::Replace,
        replace_limit: PerDevice::REPLACE_LIMIT,
    };
    let start = UnixTime::from_secs(1000);
    let open = |id| {
        let rule = SessionRule {
            per_device: Some(per_device),
            ..SessionRule::default()
        };
        registry.open(SessionId(id), with_rule(id, None, rule), start, at(0))
    };
    let place = || registry.claims.reserve(ANYBODY, per_device, at(0)).unwrap();
    let (first, second) = (open(1), open(2));
    let take = |session| block_on(registry.take_place(session, place(), at(0)));
    assert_eq!(take(&first), Ok(0));
    assert_eq!(take(&second), Ok(1));
    assert_eq!(closed_for(&first), Some(CloseReason::Replaced));
    assert_eq!(closed_for(&second), None);
    drop(first);
    assert_eq!(registry.claims.holders(ANYBODY).as_slice(), &[SessionId(2)]);
    drop(second);
    assert!(registry.claims.holders(ANYBODY).is_empty());
    assert!(registry.living.lock().people.is_empty());
}

#[test]
fn whoever_was_let_in_as_nobody_goes_when_that_is_over() {
    let registry = Arc::new(Registry::default());
    let start = UnixTime::from_secs(1000);
    let until = UnixTime::from_secs(1020);
    let rule = SessionRule {
        at_expiry: AtExpiry::Keep,
        grace: Duration::from_secs(10),
        jitter: Duration::from_secs(10),
        ..SessionRule::default()
    };
    let opening = Opening {
        rule: Arc::new(rule),
        until: Some(until),
        ..opening(None, 120)
    };
    let session = registry.open(SessionId(1), opening, start, at(0));
    assert_eq!(session.live().end(), Some(until));
    assert_eq!(registry.sweep(UnixTime::from_millis(1_019_999), at(20)), 0);
    assert_eq!(registry.sweep(until, at(20)), 1);
    assert_eq!(closed_for(&session), Some(CloseReason::PolicyChanged));
}

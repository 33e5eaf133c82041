//! Which address is chosen, and when one is left out.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::health::{FIRST_PAUSE, LONGEST_PAUSE, State};
use super::testing::{document, upstream};
use super::*;
use crate::clock::Steady;

const THREE: [&str; 3] = ["10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"];
const REFUSED: &str = "connection refused";

fn at(millis: u64) -> Steady {
    Steady::from_millis(millis)
}

/// How often each of the addresses is the first choice, in file order.
fn counts(upstream: &Upstream, requests: usize, subject: Option<&str>) -> Vec<usize> {
    let mut counts = vec![0; upstream.targets().len()];
    for _ in 0..requests {
        let load = upstream.choose(subject).settle();
        let chosen = upstream
            .addresses()
            .position(|one| *one == load.target().address);
        counts[chosen.unwrap()] += 1;
    }
    counts
}

/// The addresses in the order in which a request tries them.
fn order(mut choice: Choice<'_>) -> Vec<String> {
    let mut order = vec![choice.target().address.to_string()];
    while choice.go_on() {
        order.push(choice.target().address.to_string());
    }
    order
}

#[test]
fn requests_go_round_the_addresses() {
    let upstream = upstream(&THREE, Balance::RoundRobin);
    assert_eq!(counts(&upstream, 30, Some("7")), [10, 10, 10]);
    let orders: Vec<_> = (0..3).map(|_| order(upstream.choose(None))).collect();
    for order in &orders {
        let mut sorted = order.clone();
        sorted.sort();
        assert_eq!(sorted, THREE, "each is tried once");
    }
}

#[test]
fn the_turns_of_one_that_is_left_out_fall_to_all_others() {
    let upstream = upstream(&THREE, Balance::RoundRobin);
    upstream.targets()[1].unreachable(REFUSED, at(0));
    assert_eq!(counts(&upstream, 30, None), [15, 0, 15]);
    upstream.targets()[1].reached(None);
    assert_eq!(counts(&upstream, 30, None), [10, 10, 10]);
}

#[test]
fn whoever_is_left_out_is_tried_last_and_if_all_are_all_are_tried() {
    for balance in [
        Balance::HashSubject,
        Balance::LeastConn,
        Balance::RoundRobin,
    ] {
        let upstream = upstream(&THREE, balance);
        upstream.targets()[0].unreachable(REFUSED, at(0));
        for _ in 0..3 {
            assert_eq!(
                order(upstream.choose(Some("7")))[2],
                THREE[0],
                "{balance:?}"
            );
        }
        for target in upstream.targets() {
            target.unreachable(REFUSED, at(0));
        }
        let mut all = order(upstream.choose(Some("7")));
        all.sort();
        assert_eq!(all, THREE, "{balance:?}");
    }
}

#[test]
fn a_choice_knows_its_last_address() {
    let three = upstream(&THREE, Balance::RoundRobin);
    let mut choice = three.choose(None);
    assert!(!choice.is_last());
    assert!(choice.go_on() && !choice.is_last());
    assert!(choice.go_on() && choice.is_last());
    assert!(!choice.go_on());
    let one = upstream(&THREE[..1], Balance::RoundRobin);
    assert!(one.choose(None).is_last());
}

#[test]
fn there_may_be_as_many_addresses_as_the_configuration_allows() {
    let addresses: Vec<String> = (0..64).map(|n| format!("10.0.0.{n}:80")).collect();
    let addresses: Vec<&str> = addresses.iter().map(|address| &**address).collect();
    let upstream = upstream(&addresses, Balance::RoundRobin);
    assert_eq!(order(upstream.choose(None)).len(), 64);
}

#[test]
fn the_least_busy_address_is_chosen_and_equals_take_turns() {
    let upstream = upstream(&THREE, Balance::LeastConn);
    assert_eq!(counts(&upstream, 30, None), [10, 10, 10], "all are idle");
    // Held, they go where the least is.
    let held: Vec<_> = (0..6).map(|_| upstream.choose(None).settle()).collect();
    let in_flight = || -> Vec<_> {
        upstream
            .targets()
            .iter()
            .map(|one| one.in_flight())
            .collect()
    };
    assert_eq!(in_flight(), [2, 2, 2]);
    let busy = THREE[0];
    let (kept, gone): (Vec<_>, Vec<_>) = held
        .into_iter()
        .partition(|load| *load.target().address == *busy);
    drop(gone);
    assert_eq!(in_flight(), [2, 0, 0]);
    assert_eq!(counts(&upstream, 30, None), [0, 15, 15]);
    drop(kept);
    assert_eq!(in_flight(), [0, 0, 0], "nothing is left behind");
}

#[test]
fn a_request_counts_only_where_it_stands() {
    let upstream = upstream(&THREE, Balance::RoundRobin);
    let mut choice = upstream.choose(None);
    for _ in 0..3 {
        let total: usize = upstream.targets().iter().map(|one| one.in_flight()).sum();
        assert_eq!(total, 1);
        assert_eq!(choice.target().in_flight(), 1);
        choice.go_on();
    }
    drop(choice);
    let total: usize = upstream.targets().iter().map(|one| one.in_flight()).sum();
    assert_eq!(total, 0);
}

#[test]
fn a_user_has_an_address_and_nobody_goes_round() {
    let upstream = upstream(&THREE, Balance::HashSubject);
    for subject in ["7", "8", "alice"] {
        let counts = counts(&upstream, 10, Some(subject));
        assert!(counts.contains(&10), "{subject}: {counts:?}");
    }
    assert_eq!(counts(&upstream, 30, None), [10, 10, 10]);
}

/// Replicas, and versions of the gate, have to agree.
#[test]
fn who_goes_where_never_changes() {
    let upstream = upstream(&THREE, Balance::HashSubject);
    for (subject, host) in [
        ("7", 3),
        ("8", 2),
        ("9", 1),
        ("10", 3),
        ("alice", 1),
        ("用户", 3),
    ] {
        let load = upstream.choose(Some(subject)).settle();
        assert_eq!(*load.target().address, *THREE[host - 1], "{subject}");
    }
}

#[test]
fn users_are_spread_evenly() {
    for count in [2, 3, 7] {
        let addresses: Vec<String> = (0..count).map(|n| format!("im-{n}.im:8080")).collect();
        let addresses: Vec<&str> = addresses.iter().map(|address| &**address).collect();
        let upstream = upstream(&addresses, Balance::HashSubject);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for user in 0..10_000 {
            let load = upstream.choose(Some(&user.to_string())).settle();
            *counts.entry(load.target().address.to_string()).or_default() += 1;
        }
        let share = 10_000 / count;
        let is_fair = |users: &usize| users.abs_diff(share) < share / 10;
        assert!(counts.values().all(is_fair), "{counts:?}");
    }
}

proptest! {
    /// Whichever address goes, its users find another, and everybody else stays; as soon as it is
    /// there again, all is as it was. So it is whether it is taken out of the list or left out.
    #[test]
    fn if_an_address_goes_only_its_users_move(
        hosts in prop::collection::btree_set("[a-z]{1,8}", 2..10),
        gone in any::<prop::sample::Index>(),
        subjects in prop::collection::vec(".{0,20}", 1..50),
    ) {
        let addresses: Vec<String> = hosts.iter().map(|host| format!("{host}:80")).collect();
        let addresses: Vec<&str> = addresses.iter().map(|address| &**address).collect();
        let gone = gone.index(addresses.len());
        let fewer: Vec<&str> = addresses.iter().enumerate()
            .filter(|(position, _)| *position != gone).map(|(_, address)| *address).collect();
        // In another order, which must not matter.
        let mut reversed = addresses.clone();
        reversed.reverse();

        let all = upstream(&addresses, Balance::HashSubject);
        let without = upstream(&fewer, Balance::HashSubject);
        let other_way = upstream(&reversed, Balance::HashSubject);
        let left_out = upstream(&addresses, Balance::HashSubject);
        left_out.targets()[gone].unreachable(REFUSED, at(0));
        for subject in &subjects {
            let before = order(all.choose(Some(subject)));
            let after = order(without.choose(Some(subject)));
            prop_assert_eq!(&order(other_way.choose(Some(subject))), &before);
            let expected: Vec<_> =
                before.iter().filter(|one| *one != addresses[gone]).cloned().collect();
            prop_assert_eq!(&after, &expected);
            prop_assert_eq!(&order(left_out.choose(Some(subject)))[..expected.len()], &expected[..]);
        }
    }

    /// Whatever happens, in whatever order: it is asked again within a bounded time, and what requests
    /// see is what was found.
    #[test]
    fn nobody_is_left_out_for_ever(
        events in prop::collection::vec((0..4u8, 0..40_000u64, any::<u8>()), 1..60),
        has_rule in any::<bool>(),
    ) {
        let rule = rule(3, 2);
        let rule = has_rule.then_some(&rule);
        let mut state = State::default();
        let mut now = 0;
        for (event, later, jitter) in events {
            now += later;
            match event {
                0 => state.unreachable(REFUSED, at(now)),
                1 => state.reached(rule),
                2 => state.asked(rule, Ok(()), jitter, at(now)),
                _ => state.asked(rule, Err("answers with 503"), jitter, at(now)),
            }
            prop_assert_eq!(state.problem().is_some(), !state.is_up());
            let soon = now + u64::try_from(LONGEST_PAUSE.as_millis()).unwrap() * 11 / 10;
            prop_assert_eq!(state.is_due(rule, at(soon)), has_rule || !state.is_up());
        }
    }
}

fn rule(unhealthy_after: u32, healthy_after: u32) -> HealthRule {
    HealthRule {
        path: None,
        interval: Duration::from_secs(5),
        timeout: Duration::from_secs(1),
        unhealthy_after,
        healthy_after,
    }
}

/// In the middle between a tenth less and a tenth more, or nearly so.
const NO_JITTER: u8 = 127;

#[test]
fn without_a_rule_only_those_are_asked_that_could_not_be_reached() {
    let mut state = State::default();
    assert!(state.is_up() && !state.is_due(None, at(u64::MAX)));
    state.unreachable(REFUSED, at(10_000));
    assert!(!state.is_up());
    assert_eq!(state.problem().as_deref(), Some(REFUSED));
    // A request that began before does not count again.
    state.unreachable(REFUSED, at(10_900));
    assert!(!state.is_due(None, at(10_999)));
    assert!(state.is_due(None, at(11_000)));
    state.asked(None, Ok(()), NO_JITTER, at(11_000));
    assert!(state.is_up() && !state.is_due(None, at(u64::MAX)));
    assert_eq!(state.problem(), None);
}

#[test]
fn the_pause_grows_to_an_end_and_begins_anew_after_a_success() {
    let mut state = State::default();
    let mut now = at(0);
    state.unreachable(REFUSED, now);
    let mut pauses = Vec::new();
    for _ in 0..7 {
        let step = Duration::from_millis(100);
        let mut pause = Duration::ZERO;
        while !state.is_due(None, now.plus(pause)) {
            pause += step;
        }
        pauses.push(pause.as_secs_f64().round());
        now = now.plus(pause);
        state.asked(None, Err(REFUSED), NO_JITTER, now);
    }
    assert_eq!(pauses, [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]);
    // A thousand failures do not overflow anything.
    for _ in 0..1000 {
        state.asked(None, Err(REFUSED), NO_JITTER, now);
    }
    assert!(!state.is_due(None, now) && state.is_due(None, now.plus(LONGEST_PAUSE)));
    state.asked(None, Ok(()), NO_JITTER, now);
    state.unreachable(REFUSED, now);
    assert!(state.is_due(None, now.plus(FIRST_PAUSE)));
}

#[test]
fn jitter_is_a_tenth_to_both_sides() {
    for (jitter, soonest) in [(0, 4500), (255, 5500)] {
        let mut state = State::default();
        state.asked(Some(&rule(3, 2)), Ok(()), jitter, at(0));
        assert!(
            !state.is_due(Some(&rule(3, 2)), at(soonest - 1)),
            "{jitter}"
        );
        assert!(state.is_due(Some(&rule(3, 2)), at(soonest)), "{jitter}");
    }
}

#[test]
fn with_a_rule_so_many_answers_in_a_row_count() {
    // Answers, and whether the address is well after each.
    for (case, answers, expected) in [
        ("three failures", "---", "++-"),
        ("a success between begins anew", "--+---", "+++++-"),
        ("two successes bring it back", "---++", "++--+"),
        ("a failure between begins anew", "---+-++", "++----+"),
        ("one at a time", "+-+-+-+-", "++++++++"),
    ] {
        let rule = rule(3, 2);
        let mut state = State::default();
        let mut now = 0;
        let seen: String = answers
            .chars()
            .map(|answer| {
                assert!(state.is_due(Some(&rule), at(now)), "{case}");
                let outcome = if answer == '+' {
                    Ok(())
                } else {
                    Err("answers with 503")
                };
                state.asked(Some(&rule), outcome, NO_JITTER, at(now));
                assert!(!state.is_due(Some(&rule), at(now)), "{case}");
                now += 5500;
                if state.is_up() { '+' } else { '-' }
            })
            .collect();
        assert_eq!(seen, expected, "{case}");
    }
}

#[test]
fn with_a_rule_a_connection_proves_nothing_but_its_failure_does() {
    let rule = rule(3, 2);
    let mut state = State::default();
    state.asked(Some(&rule), Ok(()), NO_JITTER, at(0));
    state.unreachable(REFUSED, at(100));
    assert!(!state.is_up());
    assert!(
        state.is_due(Some(&rule), at(1100)),
        "and not only after the interval"
    );
    state.reached(Some(&rule));
    assert!(!state.is_up());
    state.asked(Some(&rule), Ok(()), NO_JITTER, at(1100));
    assert!(!state.is_up());
    state.asked(Some(&rule), Ok(()), NO_JITTER, at(6600));
    assert!(state.is_up());
}

#[test]
fn a_change_is_told_of_once() {
    let mut state = State::default();
    assert_eq!(state.take_turn(), None);
    state.unreachable(REFUSED, at(0));
    let lost = Turn::Lost {
        problem: REFUSED.into(),
    };
    assert_eq!(state.take_turn(), Some(lost));
    state.asked(None, Err(REFUSED), NO_JITTER, at(1000));
    assert_eq!(state.take_turn(), None);
    state.reached(None);
    assert_eq!(state.take_turn(), Some(Turn::Found));
    assert_eq!(state.take_turn(), None);
}

#[test]
fn a_reload_keeps_what_is_known_of_addresses_that_stay() {
    let before = upstream(&THREE, Balance::RoundRobin);
    before.targets()[1].unreachable(REFUSED, at(0));
    let held = before.choose(None).settle();
    let others = ["10.0.0.9:8080", THREE[1], THREE[2], THREE[0]];
    let after = Upstream::new(document(&others, Balance::LeastConn), Some(&before));
    let in_flight: usize = after.targets().iter().map(|one| one.in_flight()).sum();
    assert_eq!(in_flight, 1);
    let ups: Vec<_> = after.targets().iter().map(|one| one.is_up()).collect();
    assert_eq!(ups, [true, false, true, true]);
    assert_eq!(after.targets()[1].failures(), (1, 0));
    drop(before);
    drop(held);
    assert!(after.targets().iter().all(|one| one.in_flight() == 0));
}

#[test]
fn where_it_is_reads_as_it_was_configured() {
    let one = upstream(&THREE[..1], Balance::RoundRobin);
    assert_eq!(one.place(), "10.0.0.1:8080");
    let several = upstream(&THREE[..2], Balance::HashSubject);
    assert_eq!(
        several.place(),
        "10.0.0.1:8080, 10.0.0.2:8080; hash: subject"
    );
}

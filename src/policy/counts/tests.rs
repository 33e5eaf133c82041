use proptest::prelude::*;

use super::*;

fn limiter(count: u32, per: Duration) -> Counts {
    Counts::new(Rate { count, per }, WhenFull::Share)
}

fn forgetful(count: u32, per: Duration) -> Counts {
    Counts::new(Rate { count, per }, WhenFull::Forget)
}

const fn at(millis: u64) -> Steady {
    // No process begins at zero for the limiter's sake.
    Steady::from_millis(1_000_000 + millis)
}

/// How many of these arrivals of one key pass.
fn passing(limiter: &Counts, arrivals: impl IntoIterator<Item = u64>) -> usize {
    let key = limiter.key("a");
    let passed = arrivals
        .into_iter()
        .filter(|millis| limiter.admit(key, at(*millis)).is_ok());
    passed.count()
}

#[test]
fn so_many_pass_at_once_and_then_one_at_a_time() {
    let five = limiter(5, Duration::from_secs(1));
    let key = five.key("a");
    for _ in 0..5 {
        assert_eq!(five.admit(key, at(0)), Ok(()));
    }
    let wait = |millis| {
        Err(Exhausted {
            retry_after: Duration::from_millis(millis),
        })
    };
    assert_eq!(five.admit(key, at(0)), wait(200));
    // What was refused has cost nothing.
    assert_eq!(five.admit(key, at(150)), wait(50));
    assert_eq!(five.admit(key, at(200)), Ok(()));
    assert_eq!(five.admit(key, at(200)), wait(200));
    // After a pause there are as many as at the beginning, and no more.
    assert_eq!(passing(&five, [5000; 9]), 5);
}

#[test]
fn rates_that_divide_no_millisecond_are_kept() {
    // Seven a second, asked for every millisecond of ten seconds: the seven at once, and seventy.
    let seven = limiter(7, Duration::from_secs(1));
    assert_eq!(passing(&seven, 0..10_000), 7 + 69);
    let many = limiter(9_999, Duration::from_secs(1));
    assert_eq!(passing(&many, std::iter::repeat_n(0, 10_100)), 9_999);
}

#[test]
fn the_wait_that_is_told_suffices() {
    let three = limiter(3, Duration::from_secs(10));
    let key = three.key("a");
    let mut now = 0;
    for _ in 0..20 {
        while three.admit(key, at(now)).is_ok() {}
        let Err(Exhausted { retry_after }) = three.admit(key, at(now)) else {
            panic!("used up");
        };
        let wait = u64::try_from(retry_after.as_millis()).unwrap();
        assert!(three.admit(key, at(now + wait - 1)).is_err());
        now += wait;
        assert_eq!(three.admit(key, at(now)), Ok(()));
    }
}

#[test]
fn nobody_uses_what_is_anothers() {
    let one = limiter(1, Duration::from_mins(1));
    assert!(one.admit(one.key(("a", "bc")), at(0)).is_ok());
    assert!(one.admit(one.key(("a", "bc")), at(0)).is_err());
    assert!(one.admit(one.key(("ab", "c")), at(0)).is_ok());
}

#[test]
fn who_is_gone_for_long_enough_is_forgotten() {
    let one = limiter(1, Duration::from_secs(1));
    for round in 0..100 {
        for client in 0..100 {
            assert!(
                one.admit(one.key((round, client)), at(round * 1000))
                    .is_ok()
            );
        }
    }
    assert_eq!(one.len(), 200);
    assert!(one.admit(one.key("later"), at(1_000_000)).is_ok());
    assert_eq!(one.len(), 1);
}

#[test]
fn a_full_table_lets_nobody_through_uncounted_and_forgets_nobody() {
    let one = limiter(1, Duration::from_hours(1));
    let known = one.key("known");
    assert!(one.admit(known, at(0)).is_ok());
    for client in 1..MOST_KEYS {
        assert!(one.admit(one.key(client), at(0)).is_ok());
    }
    assert_eq!(one.len(), MOST_KEYS);
    let passed = (0..20_000).filter(|other| one.admit(one.key(("new", other)), at(1)).is_ok());
    assert_eq!(passed.count(), SHARED_PLACES);
    assert_eq!(one.len(), MOST_KEYS, "no more memory");
    assert!(one.admit(known, at(1)).is_err(), "is counted as before");
    // When its half is the older one, it is still counted, though there is no new place for it.
    let later = 60 * 60 * 1000 - 1;
    assert!(one.admit(known, at(later)).is_err());
}

#[test]
fn where_those_of_long_ago_are_forgotten_the_new_ones_are_as_good_as_any() {
    let one = forgetful(1, Duration::from_hours(1));
    let early = one.key("early");
    assert!(one.admit(early, at(0)).is_ok());
    for other in 0..MOST_KEYS {
        assert!(one.admit(one.key(other), at(1)).is_ok());
    }
    // A half is not enough to be forgotten, and looking is no use of it.
    assert!(one.check(early, at(1)).is_err());
    let flood = 3 * MOST_KEYS;
    for other in MOST_KEYS..flood {
        assert_eq!(one.check(one.key(other), at(2)), Ok(()), "{other}");
        assert!(one.admit(one.key(other), at(2)).is_ok(), "{other}");
        assert!(one.admit(one.key(other), at(2)).is_err(), "{other}");
    }
    assert_eq!(one.check(early, at(2)), Ok(()), "is forgotten by now");
    assert!(one.len() <= 2 * MOST_KEYS, "{}", one.len());
    // Whoever is here again and again is not.
    let two = forgetful(10, Duration::from_hours(1));
    let busy = two.key("busy");
    for other in 0..10 * MOST_KEYS / 2 {
        if other % (MOST_KEYS / 2) == 0 {
            assert!(two.admit(busy, at(0)).is_ok(), "{other}");
        }
        let _ = two.admit(two.key(other), at(0));
    }
    assert!(two.admit(busy, at(0)).is_err());
}

#[test]
fn looking_uses_nothing_and_tells_the_same() {
    let three = forgetful(3, Duration::from_secs(3));
    let key = three.key("a");
    for _ in 0..3 {
        for _ in 0..10 {
            assert_eq!(three.check(key, at(0)), Ok(()));
        }
        assert_eq!(three.admit(key, at(0)), Ok(()));
    }
    for millis in [0, 400, 999] {
        let told = three.check(key, at(millis));
        let wait = Duration::from_millis(1000 - millis);
        assert_eq!(told, Err(Exhausted { retry_after: wait }));
        assert_eq!(told, three.admit(key, at(millis)));
    }
    assert_eq!(three.check(key, at(1000)), Ok(()));
    assert_eq!(three.len(), 1);
    assert_eq!(three.check(three.key("b"), at(1000)), Ok(()));
    assert_eq!(three.len(), 1, "who is looked for is not kept");
}

#[test]
fn what_is_given_back_can_be_used_and_nothing_more() {
    let two = forgetful(2, Duration::from_secs(1));
    let key = two.key("a");
    for _ in 0..100 {
        assert_eq!(two.admit(key, at(0)), Ok(()));
        two.refund(key);
    }
    two.refund(key);
    two.refund(two.key("nobody"));
    assert_eq!(passing(&two, [0; 9]), 2);
    // In the older half as well.
    assert_eq!(two.admit(key, at(500)), Ok(()));
    assert_eq!(two.admit(key, at(500)), wait_of(500));
    assert!(two.admit(two.key("b"), at(1000)).is_ok(), "turns");
    two.refund(key);
    assert_eq!(passing(&two, [1000; 9]), 2);
}

fn wait_of(millis: u64) -> Result<(), Exhausted> {
    Err(Exhausted {
        retry_after: Duration::from_millis(millis),
    })
}

#[test]
fn a_clock_that_is_set_back_a_little_gives_nothing_and_takes_no_more_than_everything() {
    let two = forgetful(2, Duration::from_secs(10));
    let key = two.key("a");
    assert_eq!(passing(&two, [20_000; 3]), 2);
    for back in [19_999, 15_000, 10_000] {
        assert_eq!(two.admit(key, at(back)), wait_of(5000), "{back}");
        assert_eq!(two.check(key, at(back)), wait_of(5000), "{back}");
    }
}

#[test]
fn a_clock_that_was_far_ahead_locks_nobody_out() {
    let two = forgetful(2, Duration::from_secs(10));
    let much_later = 365 * 24 * 60 * 60 * 1000;
    assert_eq!(passing(&two, [much_later; 3]), 2);
    assert_eq!(two.check(two.key("a"), at(0)), Ok(()));
    assert_eq!(passing(&two, [0; 3]), 2);
    // And who was there is forgotten in its time.
    for second in 0..4 {
        assert!(two.admit(two.key(second), at(second * 10_000)).is_ok());
    }
    assert!(two.len() <= 3, "{}", two.len());
}

proptest! {
    /// In no span of time does more pass than what there is at once and what comes again in it.
    #[test]
    fn no_pattern_of_arrivals_gets_more(
        count in 1_u32..20,
        per in 1_u64..5,
        pauses in proptest::collection::vec(0_u64..700, 1..300),
    ) {
        let limiter = limiter(count, Duration::from_secs(per));
        let key = limiter.key("a");
        let mut now = 0;
        let mut passed = Vec::new();
        for pause in pauses {
            now += pause;
            if limiter.admit(key, at(now)).is_ok() {
                passed.push(now);
            }
        }
        for (first, begin) in passed.iter().enumerate() {
            for (last, end) in passed.iter().enumerate().skip(first) {
                let most = u64::from(count) + (end - begin) * u64::from(count) / (per * 1000);
                prop_assert!((last - first + 1) as u64 <= most);
            }
        }
    }
}

use super::*;
use crate::principal::Principal;
use crate::scheme::{Constraints, Reuse, token_digest};

const NOW: UnixTime = UnixTime::from_secs(1000);

fn verified(principal: Principal, issued_at: Option<i64>) -> Verified {
    Verified {
        principal: Arc::new(principal),
        constraints: Constraints::default(),
        not_after: None,
        key: Digest::of(b"key"),
        grounds: None,
        asked: None,
        token: Some(Arc::new(TokenFacts {
            digest: Digest::of(b"token"),
            id: Some(Arc::from("id-1")),
            issued_at: issued_at.map(UnixTime::from_secs),
        })),
        reuse: Reuse::Cacheable,
    }
}

fn ada() -> Principal {
    Principal {
        subject: Some(Arc::from("7")),
        user_type: Some(Arc::from("im_user")),
        device_type: None,
        app: Some(Arc::from("shop")),
    }
}

fn user(subject: &str, user_type: Option<&str>, device_type: Option<&str>) -> Target {
    Target::User {
        subject: Arc::from(subject),
        user_type: user_type.map(Arc::from),
        device_type: device_type.map(Arc::from),
    }
}

#[track_caller]
fn check(target: Target, issued_at: Option<i64>, device_type: Option<&str>, expected: bool) {
    let mut set = RevocationSet::default();
    let revocation = Revocation {
        target,
        issued_before: UnixTime::from_secs(900),
        expires_at: UnixTime::from_secs(2000),
    };
    set.insert(RevocationId(1), revocation.clone());
    let verified = verified(ada(), issued_at);
    let suspect = Suspect {
        verified: &verified,
        device_type,
    };
    assert_eq!(set.covers(&suspect, NOW), expected, "{revocation:?}");
    let over = UnixTime::from_secs(2000);
    assert!(!set.covers(&suspect, over), "ended: {revocation:?}");
    set.remove(RevocationId(1));
    assert!(!set.covers(&suspect, NOW), "lifted: {revocation:?}");
    assert!(set.users.is_empty() && set.apps.is_empty() && set.ends.is_empty());
    assert!(set.tokens.is_empty() && set.token_ids.is_empty());
}

#[test]
fn a_revocation_covers_what_it_names_and_nothing_else() {
    let token = |bytes: &[u8]| Target::Token(Digest::of(bytes));
    check(token(b"token"), Some(950), None, true);
    check(token(b"another"), Some(800), None, false);
    check(Target::TokenId(Arc::from("id-1")), Some(950), None, true);
    check(Target::TokenId(Arc::from("id-2")), None, None, false);
    check(Target::App(Arc::from("shop")), None, None, true);
    check(Target::App(Arc::from("shop")), Some(950), None, false);
    check(Target::App(Arc::from("7")), None, None, false);
    check(user("7", None, None), Some(899), None, true);
    check(user("7", None, None), Some(900), None, false);
    check(user("7", None, None), None, None, true);
    check(user("8", None, None), None, None, false);
    check(user("shop", None, None), None, None, false);
    check(user("7", Some("im_user"), None), None, None, true);
    check(user("7", Some("sys_user"), None), None, None, false);
    check(user("7", None, Some("im_web")), None, Some("im_web"), true);
    check(user("7", None, Some("im_web")), None, Some("im_ios"), false);
    check(user("7", None, Some("im_web")), None, None, false);
}

#[test]
fn a_signature_made_anew_is_no_other_token() {
    // {"alg":"ES256"} and {}
    let one = token_digest(b"eyJhbGciOiJFUzI1NiJ9.e30.AAAA");
    assert_eq!(one, token_digest(b"eyJhbGciOiJFUzI1NiJ9.e30.BBBB"));
    assert_ne!(one, token_digest(b"eyJhbGciOiJFUzI1NiJ9.e31.AAAA"));
    assert_ne!(token_digest(b"opaque.a"), token_digest(b"opaque.b"));
}

#[test]
fn the_epoch_moves_with_every_revocation_and_what_has_ended_is_forgotten() {
    let revocations = Revocations::default();
    let revocation = |end| Revocation {
        target: user("7", None, None),
        issued_before: NOW,
        expires_at: UnixTime::from_secs(end),
    };
    assert_eq!(revocations.epoch(), 0);
    revocations.add(RevocationId(1), revocation(1500)).unwrap();
    revocations.add(RevocationId(2), revocation(2000)).unwrap();
    assert_eq!((revocations.epoch(), revocations.len()), (2, 2));
    forget(&revocations, 1500);
    assert_eq!(revocations.len(), 1);
    let lifted = Entry::Lifted {
        until: UnixTime::from_secs(2000),
    };
    assert_eq!(revocations.lift(RevocationId(2)), Some(lifted));
    assert_eq!(revocations.lift(RevocationId(2)), None);
    assert!(revocations.is_empty());
}

/// What is over at this time has been so for long enough.
fn forget(revocations: &Revocations, seconds: i64) {
    let now = UnixTime::from_secs(seconds);
    revocations.purge(now, Steady::from_millis(0));
    revocations.purge(now, Steady::from_millis(0).plus(DOUBT));
}

#[test]
fn a_clock_that_was_wrong_for_a_while_lifts_no_revocation() {
    let revocations = Revocations::default();
    let verified = verified(ada(), None);
    let suspect = Suspect {
        verified: &verified,
        device_type: None,
    };
    let revocation = Revocation {
        target: user("7", None, None),
        issued_before: NOW,
        expires_at: UnixTime::from_secs(1500),
    };
    revocations.add(RevocationId(1), revocation).unwrap();
    let (right, wrong) = (UnixTime::from_secs(1100), UnixTime::from_secs(100_000));
    let minutes = |count: u64| Steady::from_millis(count * 60_000);
    revocations.purge(right, minutes(0));
    for minute in 1..=90 {
        revocations.purge(wrong, minutes(minute));
    }
    assert!(!revocations.covers(&suspect, wrong));
    assert!(
        revocations.covers(&suspect, right),
        "the clock is right again"
    );
    revocations.purge(right, minutes(91));
    revocations.purge(wrong, minutes(92));
    revocations.purge(wrong, minutes(200));
    assert!(
        revocations.covers(&suspect, right),
        "for as long as it was over"
    );
    revocations.purge(wrong, minutes(300));
    assert!(revocations.is_empty());
}

#[test]
fn replicas_agree_in_whatever_order_they_hear() {
    let revocation = |id: i64| Revocation {
        target: user(&id.to_string(), None, None),
        issued_before: NOW,
        expires_at: UnixTime::from_secs(2000),
    };
    let until = UnixTime::from_secs(2000);
    let said = [
        (RevocationId(1), Entry::InForce(revocation(1))),
        (RevocationId(2), Entry::InForce(revocation(2))),
        (RevocationId(2), Entry::Lifted { until }),
        (RevocationId(3), Entry::Lifted { until }),
        (RevocationId(3), Entry::InForce(revocation(3))),
    ];
    for turn in 0..said.len() {
        for backwards in [false, true] {
            let mut order = said.to_vec();
            order.rotate_left(turn);
            if backwards {
                order.reverse();
            }
            let revocations = Revocations::default();
            for (id, entry) in order.iter().chain(&said) {
                revocations.merge(*id, entry.clone()).unwrap();
            }
            assert_eq!(
                revocations.snapshot(),
                [(RevocationId(1), revocation(1))],
                "{order:?}"
            );
            let mut entries = revocations.entries();
            entries.sort_by_key(|(id, _)| *id);
            assert_eq!(
                entries,
                [said[0].clone(), said[2].clone(), said[3].clone()],
                "{order:?}"
            );
            forget(&revocations, 2000);
            assert!(revocations.entries().is_empty());
        }
    }
}

#[test]
fn only_what_is_new_moves_the_epoch() {
    let revocations = Revocations::incomplete();
    assert!(!revocations.is_complete());
    let entry = Entry::InForce(Revocation {
        target: user("7", None, None),
        issued_before: NOW,
        expires_at: UnixTime::from_secs(2000),
    });
    let merge = |entry: &Entry| revocations.merge(RevocationId(1), entry.clone());
    assert_eq!(merge(&entry), Ok(Merged::InForce));
    assert_eq!(merge(&entry), Ok(Merged::Known));
    assert_eq!(revocations.epoch(), 1);
    let lifted = Entry::Lifted {
        until: entry.until(),
    };
    assert_eq!(merge(&lifted), Ok(Merged::Lifted));
    assert_eq!(merge(&lifted), Ok(Merged::Known));
    assert_eq!(merge(&entry), Ok(Merged::Known), "once lifted, for ever");
    assert_eq!(revocations.epoch(), 1);
    revocations.set_complete();
    assert!(revocations.is_complete());
}

#[test]
fn an_id_reads_as_it_is_written() {
    let id = RevocationId(0x00ab);
    assert_eq!(RevocationId::parse(&id.to_string()), Some(id));
    for wrong in [
        "",
        "ab",
        "+0000000000000000000000000000ab1",
        &"g".repeat(32),
    ] {
        assert_eq!(RevocationId::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn who_is_full_takes_no_more_and_forgets_none() {
    let revocations = Revocations {
        most: 3,
        ..Revocations::default()
    };
    let revocation = |subject: &str| Revocation {
        target: user(subject, None, None),
        issued_before: UnixTime::from_secs(900),
        expires_at: UnixTime::from_secs(2000),
    };
    for id in 1..=3 {
        revocations.add(RevocationId(id), revocation("7")).unwrap();
    }
    assert_eq!(revocations.add(RevocationId(4), revocation("8")), Err(Full));
    let entry = Entry::InForce(revocation("8"));
    assert!(revocations.merge(RevocationId(4), entry).is_err());
    // Another one of the same id takes no more room.
    revocations.add(RevocationId(3), revocation("8")).unwrap();
    // Lifting makes none: what was lifted has to be known until its end.
    revocations.lift(RevocationId(1)).unwrap();
    assert_eq!((revocations.len(), revocations.lifted()), (2, 1));
    assert_eq!(revocations.add(RevocationId(4), revocation("8")), Err(Full));
    let verified = verified(ada(), Some(100));
    let suspect = Suspect {
        verified: &verified,
        device_type: None,
    };
    assert!(revocations.covers(&suspect, NOW));
    let (past, start) = (UnixTime::from_secs(2000), Steady::from_millis(0));
    revocations.purge(past, start);
    revocations.purge(past, start.plus(DOUBT));
    assert_eq!((revocations.len(), revocations.lifted()), (0, 0));
    revocations.add(RevocationId(4), revocation("8")).unwrap();
}

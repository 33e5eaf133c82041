use super::*;
use crate::scheme::{Constraints, Reuse};
use crate::secret::Digest;

fn proof(subject: &str, app: &str, ends: i64) -> Outcome {
    let named = |text: &str| (!text.is_empty()).then(|| Arc::from(text));
    Outcome::Verified(Arc::new(Verified {
        principal: Arc::new(Principal {
            subject: named(subject),
            app: named(app),
            ..Principal::default()
        }),
        constraints: Constraints::default(),
        not_after: (ends > 0).then(|| UnixTime::from_secs(ends)),
        key: Digest::of(b"key"),
        grounds: None,
        token: None,
        asked: None,
        reuse: Reuse::Cacheable,
    }))
}

fn bad() -> Outcome {
    Outcome::Rejected(Rejection::BadSignature)
}

fn expired() -> Outcome {
    Outcome::Rejected(Rejection::Expired)
}

fn down() -> Outcome {
    Outcome::Unavailable(Arc::from("down"))
}

/// Each authenticator saw a credential of its own, unless `shared` says that all saw the same.
fn judged(outcomes: Vec<Outcome>, shared: bool) -> Vec<Judged> {
    outcomes
        .into_iter()
        .enumerate()
        .map(|(position, outcome)| Judged {
            authenticator: AuthenticatorId(position),
            credential: if shared { 0 } else { position },
            outcome,
        })
        .collect()
}

fn text(result: Result<Admitted, Unmet>) -> String {
    match result {
        Ok(admitted) => format!(
            "in as {} by {} until {}",
            admitted.principal.subject.as_deref().unwrap_or("nobody"),
            admitted.authenticator.0,
            admitted.not_after.map_or(0, UnixTime::as_secs),
        ),
        Err(Unmet::NoCredential) => "no credential".to_owned(),
        Err(Unmet::Foreign) => "foreign".to_owned(),
        Err(Unmet::Rejected(id, rejection)) => format!("{} by {}", rejection.as_str(), id.0),
        Err(Unmet::Conflict) => "conflict".to_owned(),
        Err(Unmet::Throttled(_)) => "throttled".to_owned(),
        Err(Unmet::Unavailable(_)) => "unavailable".to_owned(),
    }
}

#[test]
fn any_of_follows_its_table() {
    use Outcome::{Absent, Foreign};
    for (case, outcomes, shared, expected) in [
        ("nothing", vec![Absent, Absent], false, "no credential"),
        ("foreign", vec![Absent, Foreign], false, "foreign"),
        (
            "one good",
            vec![Absent, proof("7", "", 9)],
            false,
            "in as 7 by 1 until 9",
        ),
        (
            "two good: the first leads, the earliest end counts",
            vec![proof("7", "", 0), proof("8", "", 5)],
            false,
            "in as 7 by 0 until 5",
        ),
        (
            "a bad one beside a good one",
            vec![proof("7", "", 0), bad()],
            false,
            "bad_signature by 1",
        ),
        (
            "the first of two bad ones",
            vec![expired(), bad()],
            false,
            "expired by 0",
        ),
        (
            "bad beside unavailable",
            vec![down(), bad()],
            false,
            "bad_signature by 1",
        ),
        (
            "good beside unavailable",
            vec![down(), proof("7", "", 0)],
            false,
            "in as 7 by 1 until 0",
        ),
        (
            "good beside foreign",
            vec![Foreign, proof("7", "", 0)],
            false,
            "in as 7 by 1 until 0",
        ),
        (
            "only unavailable",
            vec![Absent, down()],
            false,
            "unavailable",
        ),
        (
            "the same credential, one success",
            vec![bad(), proof("7", "", 0)],
            true,
            "in as 7 by 1 until 0",
        ),
        (
            "the same credential, all bad",
            vec![bad(), expired()],
            true,
            "bad_signature by 0",
        ),
        (
            "the same credential, one cannot tell",
            vec![bad(), down()],
            true,
            "unavailable",
        ),
    ] {
        assert_eq!(
            text(combine(Combine::AnyOf, &judged(outcomes, shared))),
            expected,
            "{case}"
        );
    }
}

#[test]
fn all_of_follows_its_table() {
    use Outcome::{Absent, Foreign};
    for (case, outcomes, expected) in [
        ("nothing", vec![Absent, Absent], "no credential"),
        (
            "one missing",
            vec![proof("7", "", 0), Absent],
            "no credential",
        ),
        ("one foreign", vec![proof("7", "", 0), Foreign], "foreign"),
        ("one bad", vec![Absent, bad()], "bad_signature by 1"),
        (
            "bad beside unavailable",
            vec![down(), expired()],
            "expired by 1",
        ),
        (
            "missing beside unavailable",
            vec![down(), Absent],
            "no credential",
        ),
        (
            "one cannot tell",
            vec![proof("7", "", 0), down()],
            "unavailable",
        ),
        (
            "an app and a user",
            vec![proof("", "shop", 0), proof("7", "", 9)],
            "in as 7 by 0 until 9",
        ),
        (
            "two subjects",
            vec![proof("7", "", 0), proof("8", "", 0)],
            "conflict",
        ),
        (
            "two apps",
            vec![proof("7", "a", 0), proof("7", "b", 0)],
            "conflict",
        ),
        (
            "the same twice",
            vec![proof("7", "a", 3), proof("7", "a", 2)],
            "in as 7 by 0 until 2",
        ),
    ] {
        assert_eq!(
            text(combine(Combine::AllOf, &judged(outcomes, false))),
            expected,
            "{case}"
        );
    }
}

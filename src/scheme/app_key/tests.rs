use proptest::prelude::*;

use super::*;

const START: UnixTime = UnixTime::from_secs(1_000);
const END: UnixTime = UnixTime::from_secs(2_000);

fn key(id: &str, secret: &str) -> Key {
    Key {
        id: id.into(),
        digest: Digest::of(secret.as_bytes()),
        not_before: None,
        not_after: None,
        routes: None,
    }
}

fn keys() -> AppKey {
    let dated = Key {
        not_before: Some(START),
        not_after: Some(END),
        ..key("b", "second")
    };
    let bound = Key {
        routes: Some(["openapi".into()].into()),
        ..key("c", "third")
    };
    AppKey::new(Config {
        keys: vec![key("a", "first"), dated, bound],
    })
    .unwrap()
}

#[test]
fn a_key_is_judged_by_its_digest_and_its_dates() {
    let just_before = |time: UnixTime| UnixTime::from_millis(time.as_millis() - 1);
    for (case, presented, now, expected) in [
        ("a key", "first", START, Ok("a")),
        ("another", "second", START, Ok("b")),
        ("the last moment", "second", just_before(END), Ok("b")),
        ("the end", "second", END, Err(Rejection::Expired)),
        (
            "too early",
            "second",
            just_before(START),
            Err(Rejection::NotYetValid),
        ),
        (
            "an unknown key",
            "fourth",
            START,
            Err(Rejection::UnknownKey),
        ),
        (
            "the beginning of a key",
            "firs",
            START,
            Err(Rejection::UnknownKey),
        ),
        (
            "a key and more",
            "first ",
            START,
            Err(Rejection::UnknownKey),
        ),
        ("another case", "First", START, Err(Rejection::UnknownKey)),
        ("nothing", "", START, Err(Rejection::UnknownKey)),
        ("an id", "a", START, Err(Rejection::UnknownKey)),
    ] {
        let judged = keys().check(presented.as_bytes(), now);
        let app = judged.map(|verified| verified.principal.app.clone().unwrap());
        assert_eq!(app.as_deref(), expected.as_ref().map(|id| *id), "{case}");
    }
}

#[test]
fn a_proof_names_the_app_and_nobody_else() {
    let proof = keys().check(b"second", START).unwrap();
    assert_eq!(
        *proof.principal,
        Principal {
            app: Some("b".into()),
            ..Principal::default()
        },
        "no subject, no types"
    );
    assert_eq!(proof.not_after, Some(END));
    assert_eq!(proof.reuse, Reuse::Once);
    assert_eq!(proof.constraints, Constraints::default());
    assert_eq!(proof.key, Digest::of(b"second"));
}

#[test]
fn routes_of_a_key_travel_with_its_proof() {
    let proof = keys().check(b"third", START).unwrap();
    assert_eq!(
        proof.constraints.routes.as_deref(),
        Some([Arc::from("openapi")].as_slice())
    );
}

#[test]
fn a_key_that_cannot_be_told_apart_is_refused() {
    for (case, entries) in [
        (
            "twice the same",
            vec![key("a", "one"), key("b", "two"), key("c", "one")],
        ),
        (
            "the digest of nothing",
            vec![key("a", "one"), key("b", "two"), key("c", "")],
        ),
    ] {
        let problem = AppKey::new(Config { keys: entries }).unwrap_err();
        let which = WhichKey::Listed {
            index: 2,
            name: Some("c".into()),
        };
        assert_eq!(problem.which, which, "{case}");
    }
}

#[test]
fn anything_but_nothing_is_recognised() {
    assert!(keys().recognises(&Credential::single(b"\xff")));
    assert!(!keys().recognises(&Credential::single(b"")));
}

#[test]
fn every_part_of_the_configuration_is_in_the_fingerprint() {
    let print = |keys: Vec<Key>| AppKey::new(Config { keys }).unwrap().fingerprint();
    let base = print(vec![key("a", "one")]);
    assert_eq!(base, print(vec![key("a", "one")]));
    for (case, changed) in [
        ("an id", vec![key("b", "one")]),
        ("a secret", vec![key("a", "two")]),
        ("one more", vec![key("a", "one"), key("b", "two")]),
        (
            "a start",
            vec![Key {
                not_before: Some(END),
                ..key("a", "one")
            }],
        ),
        (
            "an end",
            vec![Key {
                not_after: Some(END),
                ..key("a", "one")
            }],
        ),
        (
            "no route",
            vec![Key {
                routes: Some([].into()),
                ..key("a", "one")
            }],
        ),
        (
            "a route",
            vec![Key {
                routes: Some(["x".into()].into()),
                ..key("a", "one")
            }],
        ),
    ] {
        assert_ne!(base, print(changed), "{case}");
    }
}

#[test]
fn nothing_shows_a_key() {
    assert!(!format!("{:?}", keys()).contains("first"));
}

proptest! {
    #[test]
    fn only_the_very_bytes_are_accepted(presented in proptest::collection::vec(any::<u8>(), 0..40)) {
        prop_assume!(!matches!(presented.as_slice(), b"first" | b"second" | b"third"));
        prop_assert_eq!(keys().check(&presented, START).unwrap_err(), Rejection::UnknownKey);
    }
}

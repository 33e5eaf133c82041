use proptest::prelude::*;
use serde::Deserialize;

use super::*;

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
const END: UnixTime = UnixTime::from_secs(1_800_000_000);
const SECRET: &str = "a secret of the tests, long enough";

fn listed(id: &str, keys: &[(&str, Option<UnixTime>)]) -> App {
    let keys = keys.iter();
    App {
        id: id.into(),
        keys: Keys::Listed(
            keys.map(|(key, end)| (Digest::of(key.as_bytes()), *end))
                .collect(),
        ),
        domains: None,
    }
}

fn signed(id: &str, secrets: &[(&str, Option<UnixTime>)], client_id: Option<&str>) -> App {
    let secrets = secrets.iter();
    App {
        id: id.into(),
        keys: Keys::Signed {
            secrets: secrets
                .map(|(secret, end)| (Secret::new(*secret), *end))
                .collect(),
            client_id: client_id.map(Arc::from),
        },
        domains: None,
    }
}

fn verifier(apps: Vec<App>) -> ImkitClientKey {
    ImkitClientKey::new(Config { apps }).unwrap()
}

/// The app, or the reason why there is none.
fn judged(verifier: &ImkitClientKey, key: &str, now: UnixTime) -> String {
    match verifier.check(key.as_bytes(), now) {
        Ok(proof) => proof.principal.app.as_deref().unwrap().to_owned(),
        Err(rejection) => rejection.as_str().to_owned(),
    }
}

#[derive(Deserialize)]
struct Vectors {
    secret: String,
    client_id: String,
    now_ms: i64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    key: String,
    outcome: String,
}

fn vectors() -> Vectors {
    let text = include_str!("../../../tests/vectors/imkit_client_key/vectors.json");
    serde_json::from_str(text).unwrap()
}

#[test]
fn keys_that_another_implementation_has_signed() {
    let Vectors {
        secret,
        client_id,
        now_ms,
        cases,
    } = vectors();
    let verifier = verifier(vec![signed("good", &[(&secret, None)], Some(&client_id))]);
    assert!(cases.len() > 30);
    for Case { name, key, outcome } in cases {
        let judged = judged(&verifier, &key, UnixTime::from_millis(now_ms));
        assert_eq!(judged, outcome, "{name}");
    }
}

#[test]
fn a_listed_key_is_compared_whole_whatever_it_is() {
    let sample = &vectors().cases[0].key;
    let verifier = verifier(vec![
        listed("shop", &[(sample, None), ("the key before", Some(END))]),
        listed("other", &[("9FSk26d4AIbZh0k44F5+Dz==", None)]),
    ]);
    let just_before = UnixTime::from_millis(END.as_millis() - 1);
    for (case, key, now, expected) in [
        ("a JWT", sample.as_str(), NOW, "shop"),
        ("base64", "9FSk26d4AIbZh0k44F5+Dz==", NOW, "other"),
        ("an older one", "the key before", just_before, "shop"),
        ("its end", "the key before", END, "expired"),
        ("in another case", "The key before", NOW, "unknown_key"),
        (
            "a beginning",
            &sample[..sample.len() - 1],
            NOW,
            "unknown_key",
        ),
        (
            "a blank behind it",
            &format!("{sample} "),
            NOW,
            "unknown_key",
        ),
        ("nothing", "", NOW, "unknown_key"),
        ("an id", "shop", NOW, "unknown_key"),
    ] {
        assert_eq!(judged(&verifier, key, now), expected, "{case}");
    }
}

#[test]
fn a_proof_names_the_app_and_its_domains_and_nobody_else() {
    let domains: Arc<[Arc<str>]> = ["shop.example.com".into()].into();
    let app = App {
        domains: Some(Arc::clone(&domains)),
        ..listed("shop", &[("key", Some(END))])
    };
    let proof = verifier(vec![app]).check(b"key", NOW).unwrap();
    let principal = Principal {
        app: Some("shop".into()),
        ..Principal::default()
    };
    assert_eq!(*proof.principal, principal);
    let constraints = Constraints {
        domains: Some(domains),
        ..Constraints::default()
    };
    assert_eq!(proof.constraints, constraints);
    assert_eq!((proof.not_after, proof.reuse), (Some(END), Reuse::Once));
    assert!(proof.token.is_none());
}

#[test]
fn apps_that_share_a_secret_are_told_apart_by_their_client() {
    let mint = |client_id: &str| {
        let order = Mint {
            client_id: client_id.to_owned(),
            random: [7; 32],
        };
        mint(&Secret::new(SECRET), &order, NOW)
    };
    let secret = [
        (SECRET, None),
        ("another secret of 32 bytes or more", Some(NOW)),
    ];
    let verifier = verifier(vec![
        signed("a", &secret, Some("client-a")),
        signed("b", &secret[..1], Some("client-b")),
        listed("c", &[("listed", None)]),
    ]);
    for (client_id, expected) in [
        ("client-a", "a"),
        ("client-b", "b"),
        ("client-c", "wrong_app"),
    ] {
        let key = mint(client_id);
        assert_eq!(judged(&verifier, &key, NOW), expected, "{client_id}");
    }
    let proof = verifier.check(mint("client-a").as_bytes(), NOW).unwrap();
    let facts = proof.token.expect("it can be revoked by name");
    assert_eq!(facts.issued_at, Some(NOW));
    assert_eq!(
        facts.digest,
        crate::scheme::token_digest(mint("client-a").as_bytes())
    );
    // Others are unknown beside listed ones, and bad where all are signed.
    assert_eq!(judged(&verifier, "no key", NOW), "unknown_key");
}

#[test]
fn who_comes_in_is_never_left_open() {
    let one = || signed("a", &[(SECRET, None)], None);
    let of = |id: &str, client_id: &str| signed(id, &[(SECRET, None)], Some(client_id));
    for (case, apps, is_clear) in [
        (
            "two keys",
            vec![listed("a", &[("k", None)]), listed("b", &[("l", None)])],
            true,
        ),
        (
            "one key twice",
            vec![listed("a", &[("k", None)]), listed("b", &[("k", None)])],
            false,
        ),
        (
            "one key twice in one app",
            vec![
                listed("z", &[]),
                listed("a", &[("k", None), ("k", Some(END))]),
            ],
            false,
        ),
        (
            "the digest of nothing",
            vec![listed("z", &[]), listed("a", &[("", None)])],
            false,
        ),
        (
            "one secret twice",
            vec![one(), signed("b", &[(SECRET, None)], None)],
            false,
        ),
        (
            "one for all, one for some",
            vec![one(), of("b", "b")],
            false,
        ),
        (
            "one for some, one for all",
            vec![of("b", "b"), one()],
            false,
        ),
        ("one client twice", vec![of("a", "x"), of("b", "x")], false),
        ("two clients", vec![of("a", "x"), of("b", "y")], true),
        (
            "an empty secret",
            vec![listed("z", &[]), signed("a", &[("", None)], None)],
            false,
        ),
    ] {
        match ImkitClientKey::new(Config { apps }) {
            Ok(_) => assert!(is_clear, "{case}"),
            Err(problem) => {
                assert!(!is_clear, "{case}: {problem}");
                assert!(
                    matches!(&problem.which, WhichKey::App { index: 1, .. }),
                    "{case}: {problem}"
                );
            }
        }
    }
}

#[test]
fn shape_is_asked_for_where_all_keys_are_signed() {
    let listed = verifier(vec![listed("a", &[("k", None)])]);
    let signed = verifier(vec![signed("a", &[(SECRET, None)], None)]);
    let sample = &vectors().cases[0].key;
    for (case, bytes, by_listed, by_signed) in [
        ("a JWT", sample.as_bytes(), true, true),
        ("a word", b"word", true, false),
        ("no text", b"\xff", true, false),
        ("nothing", b"", false, false),
    ] {
        let credential = Credential::single(bytes);
        assert_eq!(listed.recognises(&credential), by_listed, "{case}");
        assert_eq!(signed.recognises(&credential), by_signed, "{case}");
    }
}

#[test]
fn an_earlier_proof_is_judged_by_what_is_configured_now() {
    let bound = |app: App| App {
        domains: Some(["now.example.com".into()].into()),
        ..app
    };
    let mine = || {
        mint(
            &Secret::new(SECRET),
            &Mint {
                client_id: "x".into(),
                random: [1; 32],
            },
            NOW,
        )
    };
    let proofs = [
        verifier(vec![listed("a", &[("k", None)])]).check(b"k", NOW),
        verifier(vec![signed("a", &[(SECRET, None)], None)]).check(mine().as_bytes(), NOW),
    ];
    for (proof, apps) in proofs.into_iter().zip([
        [
            listed("a", &[("k", Some(END))]),
            listed("b", &[("k", None)]),
            listed("a", &[("l", None)]),
        ],
        [
            signed("a", &[(SECRET, Some(END))], None),
            signed("b", &[(SECRET, None)], None),
            signed("a", &[("another secret of 32 bytes or more", None)], None),
        ],
    ]) {
        let proof = proof.unwrap();
        let [same, other, gone] = apps.map(|app| verifier(vec![bound(app)]));
        let upheld = same.uphold(&proof, NOW).unwrap();
        assert_eq!(upheld.not_after, Some(END));
        assert!(upheld.constraints.domains.is_some(), "as of now");
        assert_eq!(upheld.token, proof.token);
        assert_eq!(same.uphold(&proof, END).unwrap_err(), Rejection::Expired);
        assert_eq!(other.uphold(&proof, NOW).unwrap_err(), Rejection::WrongApp);
        assert_eq!(gone.uphold(&proof, NOW).unwrap_err(), Rejection::UnknownKey);
    }
}

#[test]
fn every_part_of_the_configuration_is_in_the_fingerprint() {
    let print = |app: App| verifier(vec![app]).fingerprint();
    let all = [
        listed("a", &[("k", None)]),
        listed("b", &[("k", None)]),
        listed("a", &[("l", None)]),
        listed("a", &[("k", Some(END))]),
        listed("a", &[("k", None), ("l", None)]),
        App {
            domains: Some([].into()),
            ..listed("a", &[("k", None)])
        },
        App {
            domains: Some(["d".into()].into()),
            ..listed("a", &[("k", None)])
        },
        signed("a", &[(SECRET, None)], None),
        signed("a", &[(SECRET, Some(END))], None),
        signed("a", &[(SECRET, None)], Some("")),
        signed("a", &[(SECRET, None)], Some("c")),
    ];
    let prints = all.map(print);
    for (position, one) in prints.iter().enumerate() {
        assert!(!prints[..position].contains(one), "{position}");
    }
}

#[test]
fn nothing_shows_a_key() {
    let verifier = verifier(vec![
        listed("a", &[("listed-key", None)]),
        signed("b", &[(SECRET, None)], None),
    ]);
    let shown = format!("{verifier:?}");
    assert!(
        !shown.contains("listed-key") && !shown.contains(SECRET),
        "{shown}"
    );
}

#[test]
fn what_is_minted_is_in_the_form_of_the_vectors() {
    let good = &vectors().cases[1];
    let order = Mint {
        client_id: vectors().client_id,
        random: std::array::from_fn(|at| u8::try_from(at).unwrap()),
    };
    let now = UnixTime::from_millis(1_591_972_576_414);
    assert_eq!(good.name, "good");
    assert_eq!(mint(&Secret::new(SECRET), &order, now), good.key);
}

fn both() -> ImkitClientKey {
    verifier(vec![
        listed("a", &[("k", None)]),
        signed("b", &[(SECRET, None)], None),
    ])
}

proptest! {
    #[test]
    fn no_bytes_are_accepted_but_those_that_are_known(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assume!(bytes != b"k");
        prop_assert!(both().check(&bytes, NOW).is_err());
    }

    #[test]
    fn no_bit_of_a_good_key_can_be_changed(at in 0_usize..10_000, bit in 0_u8..8) {
        let good = &vectors().cases[1].key;
        let mut bytes = good.clone().into_bytes();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        prop_assert!(both().check(good.as_bytes(), NOW).is_ok());
        prop_assert!(both().check(&bytes, NOW).is_err());
    }

    #[test]
    fn what_looks_like_a_token_is_not_accepted(
        header in "[A-Za-z0-9_-]{0,60}",
        payload in "[A-Za-z0-9_-]{0,120}",
        signature in "[A-Za-z0-9_-]{0,60}",
    ) {
        let signed = verifier(vec![signed("b", &[(SECRET, None)], None)]);
        for header in [header.as_str(), "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9"] {
            let key = format!("{header}.{payload}.{signature}");
            prop_assert!(signed.check(key.as_bytes(), NOW).is_err());
        }
    }
}

#[test]
fn shared_vectors_are_those_that_are_listed_or_signed() {
    let [published, made] = [0, 1]
        .map(|at| crate::scheme::vectors::setting(&format!("/imkit_client_key/cases/{at}/token")));
    let known = verifier(vec![
        listed("listed", &[(&published, None)]),
        signed("signed", &[("imkit-test-secret", None)], None),
    ]);
    assert_eq!(judged(&known, &published, NOW), "listed");
    assert_eq!(judged(&known, &made, NOW), "signed");
    let unknown = verifier(vec![signed("other", &[("another", None)], None)]);
    for key in [&published, &made] {
        assert!(unknown.check(key.as_bytes(), NOW).is_err());
    }
}

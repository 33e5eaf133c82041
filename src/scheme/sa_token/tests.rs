use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::scheme::WhichKey;

const NOW: UnixTime = UnixTime::from_millis(1_750_000_000_000);
const MAX_AGE: Duration = Duration::from_hours(1);
const SECRET: &str = "abcdefghijklmnopqrstuvwxyz";

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/sa_token/vectors.json")).unwrap()
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

fn config() -> Config {
    let previous = Previous {
        secret: Secret::new("the secret before the last rotation"),
        not_after: UnixTime::NEVER,
    };
    Config {
        secret: Secret::new(SECRET),
        previous: vec![previous],
        user_types: vec!["im_user".into()],
        login_type: "login".to_owned(),
        separator: ':',
        sessions: Sessions::None { max_age: MAX_AGE },
    }
}

fn sa_token(config: Config) -> SaToken {
    SaToken::new(config, None, Beginning::default(), |_| {
        panic!("no store is configured")
    })
    .unwrap()
}

fn order(mixin: Option<Mixin>) -> Mint {
    Mint {
        login_type: "login".to_owned(),
        user_type: "im_user".to_owned(),
        separator: ':',
        user: "7".to_owned(),
        random: "0123456789abcdefghijklmnopqrstuv".to_owned(),
        mixin,
    }
}

fn minted(mixin: Option<Mixin>) -> String {
    mint(&Secret::new(SECRET), &order(mixin))
}

fn settled(verifier: &SaToken, token: &str, now: UnixTime) -> Result<Verified, Rejection> {
    let credential = Credential::single(token.as_bytes());
    verifier.judge(&credential, now).settled()
}

#[test]
fn tokens_of_another_implementation_are_judged_alike() {
    let vectors = vectors();
    let verifier = sa_token(config());
    for case in vectors["cases"].as_array().unwrap() {
        let name = text(case, "case").unwrap();
        let outcome = match verifier.check(text(case, "token").unwrap().as_bytes(), NOW) {
            Ok(Login { proof, .. }) => {
                let principal = &proof.principal;
                assert_eq!(
                    principal.subject.as_deref(),
                    text(case, "subject"),
                    "{name}"
                );
                assert_eq!(
                    principal.user_type.as_deref(),
                    text(case, "user_type"),
                    "{name}"
                );
                assert_eq!(
                    principal.device_type.as_deref(),
                    text(case, "device_type"),
                    "{name}"
                );
                if text(case, "case") != Some("the secret before the last rotation") {
                    let end = case.get("not_after").and_then(Value::as_i64);
                    assert_eq!(proof.not_after, end.map(UnixTime::from_millis), "{name}");
                }
                "ok"
            }
            Err(rejection) => rejection.as_str(),
        };
        assert_eq!(outcome, text(case, "expected").unwrap(), "{name}");
    }
}

#[test]
fn tokens_of_the_published_library_are_judged_alike() {
    let published: Value = serde_json::from_str(include_str!(
        "../../../tests/vectors/sa_token/published/vectors.json"
    ))
    .unwrap();
    let verifier = sa_token(Config {
        secret: Secret::new(text(&published, "secret").unwrap()),
        ..config()
    });
    let now = UnixTime::from_millis(published["now_ms"].as_i64().unwrap());
    let cases = published["cases"].as_array().unwrap();
    assert!(cases.len() >= 16, "of two versions");
    for case in cases {
        let name = text(case, "case").unwrap();
        let outcome = match verifier.check(text(case, "token").unwrap().as_bytes(), now) {
            Ok(Login { proof, .. }) => {
                let principal = &proof.principal;
                for (field, expected) in [
                    (&principal.subject, "subject"),
                    (&principal.user_type, "user_type"),
                    (&principal.device_type, "device_type"),
                ] {
                    assert_eq!(field.as_deref(), text(case, expected), "{name}: {expected}");
                }
                "ok"
            }
            Err(rejection) => rejection.as_str(),
        };
        assert_eq!(outcome, text(case, "expected").unwrap(), "{name}");
    }
}

#[test]
fn every_shared_vector_is_judged_as_it_says() {
    let verifier = sa_token(config());
    for case in crate::scheme::vectors::sa_token() {
        let judged = verifier.check(case.token.as_bytes(), UnixTime::from_secs(case.from));
        // A user type that is not allowed is proven, and refused elsewhere.
        let user = judged.ok().and_then(|login| {
            let principal = &login.proof.principal;
            let is_allowed = principal.user_type.as_deref() == Some("im_user");
            is_allowed.then(|| principal.subject.as_deref().unwrap().to_owned())
        });
        assert_eq!(user, case.subject, "{}", case.id);
        assert!(case.from < case.until);
    }
}

#[test]
fn a_minted_token_is_the_one_that_sa_token_makes() {
    let vectors = vectors();
    let token_of = |case: &str| {
        let cases = vectors["cases"].as_array().unwrap();
        let found = cases.iter().find(|one| one["case"] == case).unwrap();
        text(found, "token").unwrap().to_owned()
    };
    let device = || Some("im_web".to_owned());
    let far = Some(UnixTime::from_millis(4_102_444_800_000));
    for (case, mixin) in [
        (
            "mixin mode, deviceType",
            Mixin {
                device: device(),
                expires: far,
            },
        ),
        (
            "mixin mode, for ever",
            Mixin {
                device: device(),
                expires: None,
            },
        ),
    ] {
        assert_eq!(minted(Some(mixin)), token_of(case), "{case}");
    }
    let named = Mint {
        user: "alice".to_owned(),
        ..order(None)
    };
    assert_eq!(
        mint(&Secret::new(SECRET), &named),
        token_of("an id that is a name, with its userId as text")
    );
}

#[test]
fn the_user_type_is_proven_and_allowed_or_not_elsewhere() {
    let verifier = sa_token(config());
    for (user_type, allowed) in [
        ("im_user", true),
        ("im_api_user", false),
        ("IM_USER", false),
    ] {
        let order = Mint {
            user_type: user_type.to_owned(),
            ..order(None)
        };
        let proof = settled(&verifier, &mint(&Secret::new(SECRET), &order), NOW).unwrap();
        let presented = proof.principal.user_type.as_deref();
        assert_eq!(presented, Some(user_type));
        assert_eq!(
            proof.constraints.allow_user_type(presented),
            allowed,
            "{user_type}"
        );
        assert!(!proof.constraints.allow_user_type(None));
    }
}

#[test]
fn separator_and_login_type_are_those_of_the_deployment() {
    let other = Config {
        separator: '#',
        login_type: "user".to_owned(),
        ..config()
    };
    let verifier = sa_token(other);
    let order = Mint {
        separator: '#',
        login_type: "user".to_owned(),
        ..order(None)
    };
    let proof = settled(&verifier, &mint(&Secret::new(SECRET), &order), NOW).unwrap();
    assert_eq!(proof.principal.subject.as_deref(), Some("7"));
    assert_eq!(
        settled(&verifier, &minted(None), NOW).unwrap_err(),
        Rejection::WrongPrincipal
    );
}

#[test]
fn an_old_secret_verifies_until_its_end() {
    let end = NOW.plus(Duration::from_secs(10));
    let previous = Previous {
        secret: Secret::new("old"),
        not_after: end,
    };
    let verifier = sa_token(Config {
        previous: vec![previous],
        ..config()
    });
    let token = mint(&Secret::new("old"), &order(None));
    let login = verifier.check(token.as_bytes(), NOW).unwrap();
    assert_eq!(login.proof.not_after, Some(end));
    assert_eq!(
        verifier.check(token.as_bytes(), end).unwrap_err(),
        Rejection::BadSignature
    );
    let present = verifier.check(minted(None).as_bytes(), end).unwrap();
    assert_ne!(present.proof.key, login.proof.key);
}

#[test]
fn without_sessions_a_token_ages_from_first_sight() {
    let verifier = sa_token(config());
    let token = minted(None);
    let end = NOW.plus(MAX_AGE);
    let half = NOW.plus(MAX_AGE / 2);
    assert_eq!(
        settled(&verifier, &token, NOW).unwrap().not_after,
        Some(end)
    );
    assert_eq!(
        settled(&verifier, &token, half).unwrap().not_after,
        Some(end),
        "no younger"
    );
    assert_eq!(
        settled(&verifier, &token, end).unwrap_err(),
        Rejection::Expired
    );
    assert_eq!(
        settled(&verifier, &token, end.plus(MAX_AGE)).unwrap_err(),
        Rejection::Expired
    );
    let earlier = settled(&verifier, &token, NOW.minus(MAX_AGE)).unwrap();
    assert_eq!(earlier.not_after, Some(end), "a clock that was set back");
    let soon = NOW.plus(Duration::from_secs(1));
    let short = minted(Some(Mixin {
        device: None,
        expires: Some(soon),
    }));
    assert_eq!(
        settled(&verifier, &short, NOW).unwrap().not_after,
        Some(soon),
        "eff is earlier"
    );
    assert!(verifier.caveat().unwrap().contains("logout"));
    assert_eq!(verifier.recheck_rule(), None, "there is nobody to ask");
}

#[test]
fn an_empty_secret_is_found_when_compiled() {
    let none = || Secret::new("");
    let previous = vec![Previous {
        secret: none(),
        not_after: NOW,
    }];
    for (which, config) in [
        (
            WhichKey::Secret,
            Config {
                secret: none(),
                ..config()
            },
        ),
        (
            WhichKey::Previous { index: 0 },
            Config {
                previous,
                ..config()
            },
        ),
    ] {
        let problem = SaToken::new(config, None, Beginning::default(), |_| {
            panic!("no store is configured")
        })
        .unwrap_err();
        assert_eq!(problem.which, which);
    }
}

#[test]
fn every_part_of_the_configuration_is_in_the_fingerprint() {
    let redis = |change: fn(&mut RedisSessions)| {
        let mut redis = session::tests::config(OnOutage::Deny);
        change(&mut redis);
        Config {
            sessions: Sessions::Redis(redis),
            ..config()
        }
    };
    let configurations = [
        config(),
        Config {
            secret: Secret::new("x"),
            ..config()
        },
        Config {
            previous: Vec::new(),
            ..config()
        },
        Config {
            user_types: Vec::new(),
            ..config()
        },
        Config {
            login_type: "x".to_owned(),
            ..config()
        },
        Config {
            separator: '#',
            ..config()
        },
        Config {
            sessions: Sessions::None {
                max_age: Duration::ZERO,
            },
            ..config()
        },
        redis(|_| ()),
        redis(|redis| redis.key.push('x')),
        redis(|redis| redis.max_stale = Duration::ZERO),
        redis(|redis| redis.on_outage = OnOutage::Grace(MAX_AGE)),
        redis(|redis| redis.recheck = None),
        redis(|redis| redis.recheck.as_mut().unwrap().every = MAX_AGE),
        redis(|redis| redis.recheck.as_mut().unwrap().live_grace = MAX_AGE),
        redis(|redis| redis.redis.address.push('0')),
        redis(|redis| redis.redis.username = Some("x".to_owned())),
        redis(|redis| redis.redis.password = Some(Secret::new("x"))),
        redis(|redis| redis.redis.database = 1),
        redis(|redis| redis.redis.timeout = Duration::ZERO),
    ];
    let prints: Vec<Digest> = configurations.iter().map(fingerprint).collect();
    for (index, print) in prints.iter().enumerate() {
        assert!(
            !prints[..index].contains(print),
            "configuration {index} looks like another"
        );
    }
    assert_eq!(fingerprint(&config()), fingerprint(&config()));
}

#[test]
fn every_flipped_bit_is_noticed() {
    let verifier = sa_token(config());
    let token = minted(None).into_bytes();
    assert!(verifier.check(&token, NOW).is_ok());
    for bit in 0..token.len() * 8 {
        let mut flipped = token.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(verifier.check(&flipped, NOW).is_err(), "bit {bit}");
    }
}

#[test]
fn nothing_shows_a_secret() {
    assert!(!format!("{:?}", sa_token(config())).contains(SECRET));
}

proptest! {
    #[test]
    fn any_bytes_are_survived_and_never_accepted(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        prop_assert!(sa_token(config()).check(&bytes, NOW).is_err());
    }

    #[test]
    fn no_proof_outlives_its_token(eff in -1_000_i64..1_000, late in 0_i64..2_000) {
        let expires = UnixTime::from_millis(NOW.as_millis() + eff);
        let now = UnixTime::from_millis(NOW.as_millis() - 1_000 + late);
        let token = minted(Some(Mixin { device: None, expires: Some(expires) }));
        match sa_token(config()).check(token.as_bytes(), now) {
            Ok(login) => {
                prop_assert_eq!(login.proof.not_after, Some(expires));
                prop_assert!(now < expires);
            }
            Err(rejection) => {
                prop_assert_eq!(rejection, Rejection::Expired);
                prop_assert!(now >= expires);
            }
        }
    }
}

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::scheme::{WhichKey, token_digest, vectors};

const ISSUED: i64 = 1_795_181_805;
const NOW: UnixTime = UnixTime::from_secs(ISSUED);
const APP: &str = "easemob-demo#testapp";
const CLIENT_ID: &str = "YXA6-a-client-id-of-the-tests";
const SECRET: &str = "YXA6-a-client-secret-of-the-tests";

fn app(app_key: &str, client_id: &str, secret: &str) -> App {
    App {
        app_key: app_key.into(),
        client_id: client_id.to_owned(),
        client_secret: Secret::new(secret),
        previous: Vec::new(),
    }
}

fn config() -> Config {
    Config {
        apps: vec![
            app(APP, CLIENT_ID, SECRET),
            app("easemob-demo#other", "YXA6-another", "YXA6-another-secret"),
        ],
        ttls: Ttls::new(vec![600, 900]).unwrap(),
    }
}

fn verifier() -> EasemobDynamic {
    EasemobDynamic::new(config()).unwrap()
}

/// A signed token of these texts, whatever they are.
fn parts(user: &str, cur_time: &str, ttl: &str) -> [String; 4] {
    let text = format!("{CLIENT_ID}{APP}{user}{cur_time}{ttl}{SECRET}");
    let signature = Digest::of(text.as_bytes()).to_hex();
    [
        format!("\"signature\":\"{signature}\""),
        format!("\"userId\":{}", Value::from(user)),
        format!("\"curTime\":{cur_time}"),
        format!("\"ttl\":{ttl}"),
    ]
}

fn inside(user: &str, cur_time: &str, ttl: &str) -> String {
    let [signature, user, cur_time, ttl] = parts(user, cur_time, ttl);
    format!("{{{signature},\"appkey\":\"{APP}\",{user},{cur_time},{ttl}}}")
}

fn encoded(inside: &str) -> String {
    URL_SAFE.encode(format!("dt-{inside}"))
}

fn good() -> String {
    encoded(&inside("bobby", &ISSUED.to_string(), "600"))
}

fn outcome(verifier: &EasemobDynamic, token: &str, now: UnixTime) -> String {
    match verifier.check(token.as_bytes(), now) {
        Ok(proof) => proof.principal.subject.as_deref().unwrap().to_owned(),
        Err(rejection) => rejection.as_str().to_owned(),
    }
}

/// A verifier for the app of the shared vectors.
fn verifier_of_vectors() -> EasemobDynamic {
    let setting = |name| vectors::setting(&format!("/easemob_dynamic/{name}"));
    EasemobDynamic::new(Config {
        apps: vec![app(
            &setting("appkey"),
            &setting("clientId"),
            &setting("clientSecret"),
        )],
        ttls: Ttls::new(vec![setting("ttl").parse().unwrap()]).unwrap(),
    })
    .unwrap()
}

#[test]
fn every_vector_is_judged_as_it_says() {
    let verifier = verifier_of_vectors();
    let cases = vectors::easemob_dynamic();
    assert!(cases.len() >= 8);
    for case in cases {
        let at = |seconds| verifier.check(case.token.as_bytes(), UnixTime::from_secs(seconds));
        let Some(subject) = &case.subject else {
            for now in [case.from, case.until - 1, 1_795_181_900] {
                assert!(at(now).is_err(), "{} at {now}", case.id);
            }
            continue;
        };
        for now in [case.from - 60, case.from, case.until - 1] {
            let proof = at(now).unwrap();
            assert_eq!(
                proof.principal.subject.as_deref(),
                Some(subject.as_str()),
                "{}",
                case.id
            );
            assert_eq!(proof.principal.app.as_deref(), Some("easemob-demo#testapp"));
            assert_eq!(proof.not_after, Some(UnixTime::from_secs(case.until)));
        }
        for (now, rejection) in [
            (case.from - 61, Rejection::NotYetValid),
            (case.until, Rejection::Expired),
        ] {
            assert_eq!(at(now).unwrap_err(), rejection, "{} at {now}", case.id);
        }
    }
}

#[test]
fn tokens_of_other_implementations_are_judged_alike() {
    let made: Value = serde_json::from_str(include_str!(
        "../../../tests/vectors/easemob_dynamic/vectors.json"
    ))
    .unwrap();
    let text = |pointer: &str| made.pointer(pointer).unwrap().as_str().unwrap();
    let ttls = made["ttls"].as_array().unwrap().iter();
    let verifier = EasemobDynamic::new(Config {
        apps: vec![app(
            text("/app_key"),
            text("/client_id"),
            text("/client_secret"),
        )],
        ttls: Ttls::new(
            ttls.map(|ttl| ttl.as_u64().unwrap().try_into().unwrap())
                .collect(),
        )
        .unwrap(),
    })
    .unwrap();
    let now = UnixTime::from_secs(made["now"].as_i64().unwrap());
    let cases = made["cases"].as_array().unwrap();
    assert!(cases.len() > 30);
    for case in cases {
        let expected = case["expected"].as_str().unwrap();
        let expected = case["subject"].as_str().unwrap_or(expected);
        let found = outcome(&verifier, case["token"].as_str().unwrap(), now);
        assert_eq!(found, expected, "{}", case["case"]);
    }
}

#[test]
fn every_way_to_write_a_token_is_the_same_token() {
    let verifier = verifier();
    let issued = ISSUED.to_string();
    let [signature, user, cur_time, ttl] = parts("bobby", &issued, "600");
    let app_key = format!("\"appkey\":\"{APP}\"");
    // The documentation's order, and that of a map in Java.
    let documented = format!("{{{signature},{app_key},{user},{cur_time},{ttl}}}");
    let shuffled = format!("{{{cur_time},{signature},{app_key},{ttl},{user}}}");
    let spaced = format!("{{ {signature} ,\n{app_key}, {user}, {cur_time}, {ttl}}} ");
    let mut seen = 0;
    for json in [documented, shuffled, spaced] {
        let text = format!("dt-{json}");
        for token in [
            STANDARD.encode(&text),
            STANDARD_NO_PAD.encode(&text),
            URL_SAFE.encode(&text),
            URL_SAFE_NO_PAD.encode(&text),
        ] {
            let proof = verifier.check(token.as_bytes(), NOW).unwrap();
            assert_eq!(proof.principal.subject.as_deref(), Some("bobby"));
            assert_eq!(proof.token.unwrap().digest, token_digest(good().as_bytes()));
            assert!(verifier.recognises(&Credential::single(token.as_bytes())));
            seen += 1;
        }
    }
    assert_eq!(seen, 12);
    let other = encoded(&inside("bobby", &issued, "900"));
    assert_ne!(
        token_digest(other.as_bytes()),
        token_digest(good().as_bytes())
    );
}

#[test]
fn both_alphabets_are_read_and_never_mixed() {
    // A `>` in the third place of three gives a `+`.
    let json = inside("u>>>>>>>", &ISSUED.to_string(), "600");
    let text = (0..3)
        .map(|blanks| format!("dt-{}{json}", " ".repeat(blanks)))
        .find(|text| STANDARD.encode(text).contains('+'))
        .unwrap();
    let (standard, url_safe) = (STANDARD.encode(&text), URL_SAFE.encode(&text));
    assert_eq!(standard.replace('+', "-").replace('/', "_"), url_safe);
    for token in [&standard, &url_safe] {
        assert_eq!(Token::parse(token.as_bytes()).unwrap().user, "u>>>>>>>");
    }
    let mixed = format!("{}_{}", &standard[..20], &standard[21..]);
    assert!(mixed.contains('+') && Token::parse(mixed.as_bytes()).is_err());
    assert_eq!(
        outcome(&verifier(), &standard, NOW),
        "malformed",
        "nobody's id"
    );
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let verifier = verifier();
    let issued = ISSUED.to_string();
    let [signature, user, cur_time, ttl] = parts("bobby", &issued, "600");
    let app_key = format!("\"appkey\":\"{APP}\"");
    let with = |more: &str| format!("{{{signature},{app_key},{user},{cur_time},{ttl}{more}}}");
    for (case, token) in [
        ("a key twice", encoded(&with(",\"ttl\":600"))),
        (
            "a key twice, once under an escape",
            encoded(&with(",\"\\u0074tl\":601")),
        ),
        ("another key", encoded(&with(",\"userid\":\"root\""))),
        (
            "a key less",
            encoded(&format!("{{{signature},{app_key},{user},{cur_time}}}")),
        ),
        (
            "a number as a text",
            encoded(&inside("bobby", "\"1795181805\"", "600")),
        ),
        ("a fraction", encoded(&inside("bobby", &issued, "600.0"))),
        ("an exponent", encoded(&inside("bobby", &issued, "6e2"))),
        ("a sign", encoded(&inside("bobby", &issued, "-600"))),
        (
            "beyond 64 bits",
            encoded(&inside("bobby", "18446744073709551616", "600")),
        ),
        ("null", encoded(&inside("bobby", "null", "600"))),
        (
            "a signature in capitals",
            encoded(&inside("bobby", &issued, "600").replace(
                &signature,
                &signature.to_uppercase().replace("SIGNATURE", "signature"),
            )),
        ),
        ("an array", encoded("[]")),
        ("something behind it", encoded(&format!("{}{{}}", with("")))),
    ] {
        assert_eq!(
            outcome(&verifier, &token, NOW),
            "malformed",
            "{case}: {token}"
        );
    }
}

#[test]
fn what_no_encoder_makes_is_refused() {
    let verifier = verifier();
    let good = good();
    assert_eq!(outcome(&verifier, &good, NOW), "bobby");
    let padded_once = good.replace("==", "=");
    let trailing = {
        let last = good.trim_end_matches('=').len();
        let next = if good.as_bytes()[last - 1] == b'Q' {
            "R"
        } else {
            "Z"
        };
        format!("{}{next}==", &good[..last - 1])
    };
    for (case, token) in [
        (
            "another kind",
            URL_SAFE.encode(format!(
                "at-{}",
                inside("bobby", &ISSUED.to_string(), "600")
            )),
        ),
        ("no base64", format!("{good}!")),
        (
            "padding in the middle",
            format!("{}={}", &good[..8], &good[8..]),
        ),
        ("half of the padding", padded_once),
        ("more padding", format!("{good}====")),
        ("bits behind the end", trailing),
        ("a blank before", format!(" {good}")),
        (
            "too long",
            encoded(&inside(&"b".repeat(2000), &ISSUED.to_string(), "600")),
        ),
        ("nothing", String::new()),
        ("the kind alone", "ZHQt".to_owned()),
    ] {
        assert_eq!(
            outcome(&verifier, &token, NOW),
            "malformed",
            "{case}: {token}"
        );
    }
}

#[test]
fn only_users_that_there_can_be_are_let_in() {
    let verifier = verifier();
    let issued = ISSUED.to_string();
    let longest = "a".repeat(64);
    for user in ["a", "0", "test2333", "a_b.c-d", longest.as_str()] {
        let token = encoded(&inside(user, &issued, "600"));
        assert_eq!(outcome(&verifier, &token, NOW), user);
    }
    let too_long = "a".repeat(65);
    for user in [
        "",
        "Bob",
        "a b",
        "a/b",
        "\u{5f20}",
        "a\n",
        too_long.as_str(),
    ] {
        let token = encoded(&inside(user, &issued, "600"));
        assert_eq!(outcome(&verifier, &token, NOW), "malformed", "{user:?}");
    }
}

#[test]
fn another_app_or_another_secret_proves_nothing() {
    let verifier = verifier();
    let minted = |app_key: &str, client_id: &str, secret: &str| {
        let order = Mint {
            app_key: app_key.to_owned(),
            client_id: client_id.to_owned(),
            user: "bobby".to_owned(),
            ttl: 600,
        };
        mint(&Secret::new(secret), &order, NOW)
    };
    for (case, token, expected) in [
        ("the first app", minted(APP, CLIENT_ID, SECRET), "bobby"),
        (
            "the second app",
            minted("easemob-demo#other", "YXA6-another", "YXA6-another-secret"),
            "bobby",
        ),
        (
            "an unknown app",
            minted("x#y", CLIENT_ID, SECRET),
            "wrong_app",
        ),
        (
            "the secret where the app key belongs",
            minted(SECRET, CLIENT_ID, APP),
            "wrong_app",
        ),
        (
            "the secret of the other app",
            minted(APP, CLIENT_ID, "YXA6-another-secret"),
            "bad_signature",
        ),
        (
            "another client id",
            minted(APP, "YXA6", SECRET),
            "bad_signature",
        ),
    ] {
        assert_eq!(outcome(&verifier, &token, NOW), expected, "{case}");
    }
    let leaky = Token::parse(minted(SECRET, CLIENT_ID, APP).as_bytes()).unwrap();
    assert!(!format!("{leaky:?} {verifier:?}").contains(SECRET));
}

#[test]
fn the_times_are_bounded_on_both_sides() {
    let verifier = verifier();
    let at = |cur_time: i64, ttl: &str| {
        let token = encoded(&inside("bobby", &cur_time.to_string(), ttl));
        outcome(&verifier, &token, NOW)
    };
    for (cur_time, ttl, expected) in [
        (ISSUED, "600", "bobby"),
        (ISSUED, "900", "bobby"),
        (ISSUED, "601", "malformed"),
        (ISSUED, "0", "malformed"),
        (ISSUED, "6000", "malformed"),
        (ISSUED, "99999999999", "malformed"),
        (ISSUED - 599, "600", "bobby"),
        (ISSUED - 600, "600", "expired"),
        (ISSUED - 600, "900", "bobby"),
        (ISSUED + 60, "600", "bobby"),
        (ISSUED + 61, "600", "not_yet_valid"),
        (9_999_999_999, "600", "not_yet_valid"),
        (10_000_000_000, "600", "malformed"),
        (999_999_999, "600", "malformed"),
    ] {
        assert_eq!(at(cur_time, ttl), expected, "{cur_time} {ttl}");
    }
}

#[test]
fn an_older_secret_counts_until_its_end() {
    let end = NOW.plus(Duration::from_secs(10));
    let rotated = || {
        let mut config = config();
        config.apps[0].client_secret = Secret::new("the newer secret");
        config.apps[0].previous = vec![Previous {
            client_secret: Secret::new(SECRET),
            not_after: end,
        }];
        EasemobDynamic::new(config).unwrap()
    };
    let proof = rotated().check(good().as_bytes(), NOW).unwrap();
    assert_eq!(proof.not_after, Some(end));
    assert_eq!(outcome(&rotated(), &good(), end), "bad_signature");
    // The same secret as before: the proof is the same, and ends sooner.
    let earlier = verifier().check(good().as_bytes(), NOW).unwrap();
    assert_eq!(
        rotated().uphold(&earlier, NOW).unwrap().not_after,
        Some(end)
    );
}

#[test]
fn a_proof_is_upheld_as_long_as_its_app_and_its_ttl_are_accepted() {
    let proof = verifier().check(good().as_bytes(), NOW).unwrap();
    let changed = |change: fn(&mut Config)| {
        let mut config = config();
        change(&mut config);
        let verifier = EasemobDynamic::new(config).unwrap();
        verifier.uphold(&proof, NOW).map(|proof| proof.constraints)
    };
    let same = Constraints {
        app_in_path: Some(APP.into()),
        ..Constraints::default()
    };
    for (case, upheld, expected) in [
        ("nothing", changed(|_| ()), Ok(same.clone())),
        (
            "another ttl more",
            changed(|config| config.ttls = Ttls::new(vec![600]).unwrap()),
            Ok(same),
        ),
        (
            "its ttl is gone",
            changed(|config| config.ttls = Ttls::new(vec![900]).unwrap()),
            Err(Rejection::WrongPrincipal),
        ),
        (
            "its app is gone",
            changed(|config| drop(config.apps.remove(0))),
            Err(Rejection::UnknownKey),
        ),
        (
            "another secret",
            changed(|config| config.apps[0].client_secret = Secret::new("x")),
            Err(Rejection::UnknownKey),
        ),
    ] {
        assert_eq!(upheld, expected, "{case}");
    }
}

#[test]
fn ttls_are_of_one_count_of_digits() {
    for (seconds, expected) in [
        (vec![600], Ok(())),
        (vec![100, 999], Ok(())),
        (vec![1, 9], Ok(())),
        (vec![MAX_TTL, 1_000_000], Ok(())),
        (vec![999, 1000], Err(UnfitTtls::Digits)),
        (vec![600, 900, 60], Err(UnfitTtls::Digits)),
        (vec![], Err(UnfitTtls::Empty)),
        (vec![0], Err(UnfitTtls::Range)),
        (vec![MAX_TTL + 1], Err(UnfitTtls::Range)),
    ] {
        assert_eq!(
            Ttls::new(seconds.clone()).map(drop),
            expected,
            "{seconds:?}"
        );
    }
}

#[test]
fn apps_that_could_be_mistaken_for_one_another_are_refused() {
    let second = |other: App| {
        let apps = vec![app(APP, CLIENT_ID, SECRET), other];
        let config = Config { apps, ..config() };
        EasemobDynamic::new(config).map(drop)
    };
    assert_eq!(second(app("a#b", "another", SECRET)), Ok(()));
    for (case, other) in [
        ("the same", app(APP, CLIENT_ID, "x")),
        ("the same app key", app(APP, "another", "x")),
        ("a longer app key", app(&format!("{APP}x"), CLIENT_ID, "x")),
        ("no app key", app("org/app", "another", "x")),
        ("two marks", app("a#b#c", "another", "x")),
        ("no client id", app("a#b", "", "x")),
        ("no secret", app("a#b", "another", "")),
    ] {
        let problem = second(other).unwrap_err();
        assert!(
            matches!(problem.which, WhichKey::App { index: 1, .. }),
            "{case}"
        );
        assert!(!problem.to_string().contains("org/app"), "{problem}");
    }
}

#[test]
fn a_minted_token_is_the_one_of_the_documentation() {
    let setting = |name| vectors::setting(&format!("/easemob_dynamic/{name}"));
    let cases = vectors::easemob_dynamic();
    let first = &cases[0];
    let order = Mint {
        app_key: setting("appkey"),
        client_id: setting("clientId"),
        user: first.subject.clone().unwrap(),
        ttl: setting("ttl").parse().unwrap(),
    };
    let secret = Secret::new(setting("clientSecret"));
    let minted = mint(&secret, &order, UnixTime::from_secs(first.from));
    assert_eq!(minted, first.token, "{}", first.id);
}

#[test]
fn every_part_of_the_configuration_is_in_the_fingerprint() {
    let print = |change: fn(&mut Config)| {
        let mut config = config();
        change(&mut config);
        EasemobDynamic::new(config).unwrap().fingerprint()
    };
    assert_eq!(print(|_| ()), print(|_| ()));
    for (case, change) in [
        ("an app", (|c| drop(c.apps.pop())) as fn(&mut Config)),
        ("an app key", |c| c.apps[0].app_key = "a#b".into()),
        ("a client id", |c| c.apps[0].client_id.push('x')),
        ("a secret", |c| c.apps[0].client_secret = Secret::new("x")),
        ("an older secret", |c| {
            c.apps[0].previous.push(Previous {
                client_secret: Secret::new("x"),
                not_after: NOW,
            });
        }),
        ("ttls", |c| c.ttls = Ttls::new(vec![600]).unwrap()),
    ] {
        assert_ne!(print(|_| ()), print(change), "{case}");
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let verifier = verifier();
    let token = good().into_bytes();
    assert!(verifier.check(&token, NOW).is_ok());
    for bit in 0..token.len() * 8 {
        let mut flipped = token.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(verifier.check(&flipped, NOW).is_err(), "bit {bit}");
    }
}

/// All ways to divide the signed text into a user and two numbers that are written as numbers are.
fn divisions(text: &str) -> Vec<(&str, &str, &str)> {
    let is_number = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && (text.len() == 1 || !text.starts_with('0'))
    };
    let mut found = Vec::new();
    for end_of_user in 0..text.len() {
        for end_of_time in end_of_user + 1..text.len() {
            let (user, rest) = text.split_at(end_of_user);
            let (cur_time, ttl) = rest.split_at(end_of_time - end_of_user);
            if is_number(cur_time) && is_number(ttl) {
                found.push((user, cur_time, ttl));
            }
        }
    }
    found
}

proptest! {
    #[test]
    fn any_bytes_are_survived_and_never_accepted(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let verifier = verifier();
        prop_assert!(verifier.check(&bytes, NOW).is_err());
        let wrapped = URL_SAFE.encode([b"dt-", bytes.as_slice()].concat());
        prop_assert!(verifier.check(wrapped.as_bytes(), NOW).is_err());
    }

    #[test]
    fn a_signature_is_good_for_one_division_of_its_text(
        user in "[a-z]{0,3}[0-9]{0,12}",
        issued in 1_000_000_000_i64..=9_999_999_999,
        late in 0_i64..600,
    ) {
        prop_assume!(!user.is_empty());
        let verifier = verifier();
        let (issued, ttl) = (issued.to_string(), "600");
        let text = format!("{user}{issued}{ttl}");
        for (other, cur_time, other_ttl) in divisions(&text) {
            let token = encoded(&inside(other, cur_time, other_ttl));
            // Whenever its own time would be.
            let Ok(from) = cur_time.parse::<i64>() else { continue };
            let now = UnixTime::from_secs(from.saturating_add(late));
            let is_genuine = (other, cur_time, other_ttl) == (user.as_str(), issued.as_str(), ttl);
            prop_assert_eq!(
                verifier.check(token.as_bytes(), now).is_ok(), is_genuine,
                "{} {} {}", other, cur_time, other_ttl
            );
        }
    }
}

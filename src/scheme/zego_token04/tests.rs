use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::scheme::{WhichKey, token_digest, vectors};

const MADE: i64 = 1_750_000_000;
const EXPIRE: i64 = MADE + 3600;
const NOW: UnixTime = UnixTime::from_secs(MADE + 10);
const APP_ID: u32 = 1_234_567_890;
const SECRET: &str = "a-server-secret-of-32-characters";

fn config() -> Config {
    Config {
        app_id: APP_ID,
        server_secret: Secret::new(SECRET),
        previous: Vec::new(),
        max_lifetime: MAX_LIFETIME,
        allow_cbc: false,
    }
}

fn verifier() -> ZegoToken04 {
    ZegoToken04::new(config()).unwrap()
}

fn lenient() -> ZegoToken04 {
    let allow_cbc = true;
    ZegoToken04::new(Config {
        allow_cbc,
        ..config()
    })
    .unwrap()
}

fn text() -> String {
    format!(
        r#"{{"app_id":{APP_ID},"user_id":"demo","nonce":-5,"ctime":{MADE},"expire":{EXPIRE},"payload":""}}"#
    )
}

fn blob(expire: i64, iv: &[u8], ciphertext: &[u8], rest: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes();
    [
        expire.to_be_bytes().as_slice(),
        &length(iv),
        iv,
        &length(ciphertext),
        ciphertext,
        rest,
    ]
    .concat()
}

fn written(blob: &[u8]) -> String {
    format!("04{}", STANDARD.encode(blob))
}

fn gcm(text: &str, expire: i64) -> String {
    let mut bytes = text.as_bytes().to_vec();
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, SECRET.as_bytes()).unwrap())
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key([7; 12]),
            Aad::empty(),
            &mut bytes,
        )
        .unwrap();
    written(&blob(expire, &[7; 12], &bytes, &[1]))
}

fn cbc(text: &str, expire: i64) -> String {
    written(&blob(expire, &[7; 16], &cbc_blocks(text), &[]))
}

fn cbc_blocks(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    let key = UnboundCipherKey::new(&AES_256, SECRET.as_bytes()).unwrap();
    let context = EncryptionContext::Iv128(FixedLength::from(&[7_u8; 16]));
    PaddedBlockEncryptingKey::cbc_pkcs7(key)
        .unwrap()
        .less_safe_encrypt(&mut bytes, context)
        .unwrap();
    bytes
}

/// The user, or the one word for everything that is wrong.
fn outcome(verifier: &ZegoToken04, token: &str, now: UnixTime) -> String {
    match verifier.check(token.as_bytes(), now) {
        Ok(proof) => proof.principal.subject.as_deref().unwrap().to_owned(),
        Err(rejection) => rejection.as_str().to_owned(),
    }
}

/// The verifier of the shared vectors.
fn verifier_of_vectors(allow_cbc: bool) -> ZegoToken04 {
    ZegoToken04::new(Config {
        app_id: vectors::setting("/zego_token04/app_id").parse().unwrap(),
        server_secret: Secret::new(vectors::setting("/zego_token04/server_secret")),
        allow_cbc,
        ..config()
    })
    .unwrap()
}

#[test]
fn every_vector_is_judged_as_it_says() {
    let (strict, lenient) = (verifier_of_vectors(false), verifier_of_vectors(true));
    let cases = vectors::zego_token04();
    assert!(cases.len() >= 5);
    for case in cases {
        let is_old = case.id.contains("CBC");
        for (verifier, allows) in [(&strict, !is_old), (&lenient, true)] {
            let at = |seconds| verifier.check(case.token.as_bytes(), UnixTime::from_secs(seconds));
            let good = case.subject.as_ref().filter(|_| allows);
            for now in [case.from - 60, case.from, case.until - 1] {
                let found = at(now);
                let Some(subject) = good else {
                    // Nobody can see that the one changed token of the old mode was changed.
                    if !(case.id.contains("ATTACK") && allows) {
                        assert_eq!(found.unwrap_err(), REFUSED, "{} at {now}", case.id);
                    }
                    continue;
                };
                let proof = found.unwrap();
                assert_eq!(
                    proof.principal.subject.as_ref(),
                    Some(&subject.as_str().into())
                );
                assert_eq!(proof.principal.app.as_deref(), Some("1234567890"));
                assert_eq!(proof.not_after, Some(UnixTime::from_secs(case.until)));
            }
            for now in [case.from - 61, case.until] {
                assert_eq!(at(now).unwrap_err(), REFUSED, "{} at {now}", case.id);
            }
        }
    }
}

/// Why the old mode is off: a token for `demo` whose first letters of the user somebody has changed.
#[test]
fn a_changed_token_of_the_old_mode_cannot_be_told() {
    let cases = vectors::zego_token04();
    let attack = cases
        .iter()
        .find(|case| case.id.contains("ATTACK"))
        .unwrap();
    let now = UnixTime::from_secs(attack.from);
    assert_eq!(
        outcome(&verifier_of_vectors(true), &attack.token, now),
        "root"
    );
    assert_eq!(
        outcome(&verifier_of_vectors(false), &attack.token, now),
        "malformed"
    );
    assert!(verifier_of_vectors(true).caveat().is_some());
    assert!(verifier_of_vectors(false).caveat().is_none());
}

/// ZEGO's own example in the older format has the same container around other claims.
#[test]
fn the_container_is_the_one_that_zego_documents() {
    let pointer = |name| format!("/zego_token04/public_official_vector/{name}");
    let token = vectors::setting(&pointer("token"));
    assert!(
        Envelope::parse(token.as_bytes()).is_none(),
        "not of this version"
    );
    let renamed = format!("04{}", token.strip_prefix("03").unwrap());
    let envelope = Envelope::parse(renamed.as_bytes()).unwrap();
    let secret = Secret::new(vectors::setting("/zego_token04/server_secret"));
    let opened = SecretKey::new(1, &secret, None)
        .unwrap()
        .open(&envelope)
        .unwrap();
    assert!(opened.is_whole);
    let expected = vectors::setting(&pointer("plaintext"));
    assert_eq!(String::from_utf8_lossy(&opened.text), expected);
    assert!(Claims::read(&opened.text).is_none());
}

#[test]
fn tokens_of_other_implementations_are_judged_alike() {
    let made: Value = serde_json::from_str(include_str!(
        "../../../tests/vectors/zego_token04/vectors.json"
    ))
    .unwrap();
    let now = UnixTime::from_secs(made["now"].as_i64().unwrap());
    let cases = made["cases"].as_array().unwrap();
    assert!(cases.len() > 30);
    for allow_cbc in [false, true] {
        let verifier = ZegoToken04::new(Config {
            app_id: made["app_id"].as_u64().unwrap().try_into().unwrap(),
            server_secret: Secret::new(made["server_secret"].as_str().unwrap()),
            allow_cbc,
            ..config()
        })
        .unwrap();
        for case in cases {
            let name = case["case"].as_str().unwrap();
            let expected = case["subject"].as_str().unwrap_or("malformed");
            let is_refused = case["mode"] == "cbc" && !allow_cbc;
            let expected = if is_refused { "malformed" } else { expected };
            let found = outcome(&verifier, case["token"].as_str().unwrap(), now);
            assert_eq!(found, expected, "{name}, allow_cbc: {allow_cbc}");
        }
    }
}

#[test]
fn one_answer_whatever_is_wrong() {
    let (strict, lenient) = (verifier(), lenient());
    let good = text();
    assert_eq!(outcome(&strict, &gcm(&good, EXPIRE), NOW), "demo");
    assert_eq!(outcome(&strict, &cbc(&good, EXPIRE), NOW), "malformed");
    assert_eq!(outcome(&lenient, &cbc(&good, EXPIRE), NOW), "demo");
    let with = |from: &str, to: &str| {
        let changed = good.replace(from, to);
        assert_ne!(changed, good);
        changed
    };
    let long = format!("\"user_id\":\"{}\"", "x".repeat(65));
    for (case, text) in [
        ("another app", with("1234567890", "1234567891")),
        ("an app as a text", with("1234567890", "\"1234567890\"")),
        ("an app with a fraction", with("1234567890", "1234567890.0")),
        ("no user", with("\"demo\"", "\"\"")),
        ("a user that is a number", with("\"demo\"", "7")),
        ("a user with a line end", with("\"demo\"", "\"a\\nb\"")),
        (
            "a user who is too long",
            with("\"user_id\":\"demo\"", &long),
        ),
        (
            "a user twice",
            with("\"nonce\"", "\"user_id\":\"root\",\"nonce\""),
        ),
        ("another end inside", with("1750003600", "1750003601")),
        ("an end as a text", with("1750003600", "\"1750003600\"")),
        ("made later", with("1750000000", "1750000071")),
        ("made after its end", with("1750000000", "1750003600")),
        ("no beginning", with("\"ctime\"", "\"time\"")),
        ("too long a life", with("1750000000", "1747929999")),
        ("a number that is none", with("-5", "-5.5")),
        (
            "a payload that is no text",
            with("\"payload\":\"\"", "\"payload\":{}"),
        ),
        ("no object", "[]".to_owned()),
        ("no JSON", "not json".to_owned()),
        ("nothing", String::new()),
    ] {
        let opened = gcm(&text, EXPIRE);
        assert_eq!(outcome(&strict, &opened, NOW), "malformed", "{case}");
        assert_eq!(
            outcome(&lenient, &cbc(&text, EXPIRE), NOW),
            "malformed",
            "{case}"
        );
    }
    // 24 days to the second.
    let longest = with("1750000000", "1747930000");
    assert_eq!(outcome(&strict, &gcm(&longest, EXPIRE), NOW), "demo");
    assert_eq!(
        outcome(&strict, &gcm(&good, EXPIRE + 1), NOW),
        "malformed",
        "outside"
    );
    let (ended, early) = (UnixTime::from_secs(EXPIRE), UnixTime::from_secs(MADE - 61));
    for now in [ended, early] {
        assert_eq!(outcome(&strict, &gcm(&good, EXPIRE), now), "malformed");
        assert_eq!(outcome(&lenient, &cbc(&good, EXPIRE), now), "malformed");
    }
}

#[test]
fn the_container_has_one_form() {
    let lenient = lenient();
    let blocks = cbc_blocks(&text());
    let (iv, token) = ([7; 16], gcm(&text(), EXPIRE));
    let cbc_with = |rest: &[u8]| written(&blob(EXPIRE, &iv, &blocks, rest));
    let cut = |count: usize| written(&blob(EXPIRE, &iv, &blocks, &[])[..count]);
    assert_eq!(outcome(&lenient, &cbc_with(&[]), NOW), "demo");
    assert_eq!(outcome(&lenient, &cbc_with(&[0]), NOW), "demo");
    assert_eq!(
        token_digest(cbc_with(&[]).as_bytes()),
        token_digest(cbc_with(&[0]).as_bytes()),
        "it is one token"
    );
    assert_ne!(
        token_digest(token.as_bytes()),
        token_digest(cbc_with(&[]).as_bytes())
    );
    for (case, token) in [
        ("another version", token.replacen("04", "03", 1)),
        ("no version", token.replacen("04", "", 1)),
        ("an unknown mode", cbc_with(&[2])),
        ("the newer mode with an iv of the older", cbc_with(&[1])),
        ("two bytes behind it", cbc_with(&[0, 0])),
        (
            "half a block",
            written(&blob(EXPIRE, &iv, &blocks[..24], &[])),
        ),
        ("no block", written(&blob(EXPIRE, &iv, &[], &[]))),
        (
            "a block less",
            written(&blob(EXPIRE, &iv, &blocks[..blocks.len() - 16], &[])),
        ),
        (
            "a short iv",
            written(&blob(EXPIRE, &iv[..15], &blocks, &[])),
        ),
        ("no iv", written(&blob(EXPIRE, &[], &blocks, &[]))),
        (
            "a tag alone",
            written(&blob(EXPIRE, &[7; 12], &[0; 16], &[1])),
        ),
        ("cut in the ciphertext", cut(60)),
        ("cut in a count", cut(9)),
        ("cut in the end", cut(7)),
        ("nothing", cut(0)),
        (
            "the URL-safe alphabet",
            token.replace('+', "-").replace('/', "_"),
        ),
        ("no padding", format!("{}x", token.trim_end_matches('='))),
        ("a blank in it", token.replacen('A', " ", 1)),
        ("a line end", format!("{token}\n")),
        ("too long", gcm(&" ".repeat(9000), EXPIRE)),
    ] {
        assert_eq!(
            outcome(&lenient, &token, NOW),
            "malformed",
            "{case}: {token}"
        );
    }
}

/// Only the mode of the newer generators hides what was changed; with the older one every flipped bit of
/// what is in front of the text is noticed at least.
#[test]
fn every_flipped_bit_is_noticed() {
    let (strict, lenient) = (verifier(), lenient());
    let token = gcm(&text(), EXPIRE).into_bytes();
    assert!(strict.check(&token, NOW).is_ok());
    for bit in 0..token.len() * 8 {
        let mut flipped = token.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            strict.check(&flipped, NOW).unwrap_err(),
            REFUSED,
            "bit {bit}"
        );
        assert!(lenient.check(&flipped, NOW).is_err(), "bit {bit}");
    }
    let old = blob(EXPIRE, &[7; 16], &cbc_blocks(&text()), &[]);
    for bit in (0..10 * 8).chain(26 * 8..28 * 8) {
        let mut flipped = old.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            outcome(&lenient, &written(&flipped), NOW),
            "malformed",
            "bit {bit}"
        );
    }
}

#[test]
fn an_older_secret_counts_until_its_end() {
    let end = NOW.plus(Duration::from_secs(10));
    let rotated = ZegoToken04::new(Config {
        server_secret: Secret::new("a-newer-secret-of-32-characters-"),
        previous: vec![Previous {
            server_secret: Secret::new(SECRET),
            not_after: end,
        }],
        ..config()
    })
    .unwrap();
    let token = gcm(&text(), EXPIRE);
    let proof = rotated.check(token.as_bytes(), NOW).unwrap();
    assert_eq!(proof.not_after, Some(end));
    assert_eq!(outcome(&rotated, &token, end), "malformed");
    let earlier = verifier().check(token.as_bytes(), NOW).unwrap();
    assert_eq!(rotated.uphold(&earlier, NOW).unwrap().not_after, Some(end));
}

#[test]
fn a_proof_is_upheld_as_long_as_everything_that_it_rests_on_is() {
    let old = lenient()
        .check(cbc(&text(), EXPIRE).as_bytes(), NOW)
        .unwrap();
    let new = verifier()
        .check(gcm(&text(), EXPIRE).as_bytes(), NOW)
        .unwrap();
    let upheld = |proof: &Verified, change: fn(&mut Config)| {
        let mut config = config();
        change(&mut config);
        let verifier = ZegoToken04::new(config).unwrap();
        verifier.uphold(proof, NOW).map(drop)
    };
    for (case, found, expected) in [
        ("nothing", upheld(&new, |_| ()), Ok(())),
        (
            "the old mode is allowed",
            upheld(&old, |c| c.allow_cbc = true),
            Ok(()),
        ),
        (
            "it is not",
            upheld(&old, |_| ()),
            Err(Rejection::WrongPrincipal),
        ),
        (
            "a shorter life",
            upheld(&new, |c| c.max_lifetime = Duration::from_mins(59)),
            Err(Rejection::WrongPrincipal),
        ),
        (
            "another app",
            upheld(&new, |c| c.app_id = 1),
            Err(Rejection::UnknownKey),
        ),
        (
            "another secret",
            upheld(&new, |c| c.server_secret = Secret::new([b'x'; 32])),
            Err(Rejection::UnknownKey),
        ),
    ] {
        assert_eq!(found, expected, "{case}");
    }
}

#[test]
fn a_secret_has_32_bytes() {
    for length in [0, 16, 24, 31, 33, 64] {
        let unfit = || Secret::new(vec![b'x'; length]);
        let server_secret = unfit();
        let problem = ZegoToken04::new(Config {
            server_secret,
            ..config()
        })
        .unwrap_err();
        assert_eq!(problem.which, WhichKey::Secret, "{length}");
        let older = Previous {
            server_secret: unfit(),
            not_after: NOW,
        };
        let previous = vec![older];
        let problem = ZegoToken04::new(Config {
            previous,
            ..config()
        })
        .unwrap_err();
        assert_eq!(problem.which, WhichKey::Previous { index: 0 }, "{length}");
    }
}

#[test]
fn a_minted_token_is_accepted() {
    let order = Mint {
        app_id: APP_ID,
        user: "d\u{e9}mo \"1\"".to_owned(),
        expires_in: Duration::from_mins(1),
        payload: r#"{"room_id":"a"}"#.to_owned(),
        number: -7,
        iv: [3; 12],
    };
    let token = mint(&Secret::new(SECRET), &order, NOW).unwrap();
    let proof = verifier().check(token.as_bytes(), NOW).unwrap();
    assert_eq!(proof.principal.subject.as_deref(), Some("d\u{e9}mo \"1\""));
    assert_eq!(proof.not_after, Some(NOW.plus(Duration::from_mins(1))));
    assert_eq!(proof.token.unwrap().issued_at, Some(NOW));
    assert!(verifier().recognises(&Credential::single(token.as_bytes())));
    assert!(!verifier().recognises(&Credential::single(b"eyJhbGciOiJIUzI1NiJ9.e30.c2k")));
    let unfit = mint(&Secret::new("short"), &order, NOW);
    assert_eq!(unfit, Err(MintError::UnfitSecret));
}

#[test]
fn every_part_of_the_configuration_is_in_the_fingerprint_and_none_is_shown() {
    let print = |change: fn(&mut Config)| {
        let mut config = config();
        change(&mut config);
        ZegoToken04::new(config).unwrap().fingerprint()
    };
    assert_eq!(print(|_| ()), print(|_| ()));
    for (case, change) in [
        ("the app", (|c| c.app_id = 1) as fn(&mut Config)),
        ("a secret", |c| c.server_secret = Secret::new([b'x'; 32])),
        ("an older secret", |c| {
            c.previous.push(Previous {
                server_secret: Secret::new(SECRET),
                not_after: NOW,
            });
        }),
        ("lifetime", |c| c.max_lifetime = Duration::from_hours(1)),
        ("the old mode", |c| c.allow_cbc = true),
    ] {
        assert_ne!(print(|_| ()), print(change), "{case}");
    }
    let shown = format!("{:?}", verifier());
    assert!(
        !shown.contains(SECRET) && !shown.contains("[97, 45"),
        "{shown}"
    );
}

proptest! {
    #[test]
    fn any_bytes_are_survived_and_never_accepted(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let lenient = lenient();
        prop_assert!(lenient.check(&bytes, NOW).is_err());
        prop_assert_eq!(outcome(&lenient, &written(&bytes), NOW), "malformed");
        let (iv, length) = (&[7; 16], bytes.len() / 16 * 16);
        let old = written(&blob(EXPIRE, iv, &bytes[..length], &[]));
        prop_assert_eq!(outcome(&lenient, &old, NOW), "malformed");
        let new = written(&blob(EXPIRE, &iv[..12], &bytes, &[1]));
        prop_assert_eq!(outcome(&lenient, &new, NOW), "malformed");
    }

    /// What a padding oracle is asked with: the same blocks, the last but one changed.
    #[test]
    fn a_question_to_an_oracle_has_one_answer(
        position in 0_usize..16, value in any::<u8>(), late in 0_i64..10_000,
    ) {
        let mut blocks = cbc_blocks(&text());
        let last = blocks.len() - 32 + position;
        prop_assume!(blocks[last] != value);
        blocks[last] = value;
        let token = written(&blob(EXPIRE, &[7; 16], &blocks, &[]));
        let now = UnixTime::from_secs(MADE + late);
        prop_assert_eq!(lenient().check(token.as_bytes(), now).unwrap_err(), REFUSED);
    }
}

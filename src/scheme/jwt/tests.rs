use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

pub(in crate::scheme) const NOW: UnixTime = UnixTime::from_secs(1_750_000_000);
pub(super) const SECRET: &[u8] = b"a test secret of 37 bytes, not a real";

pub(super) fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/jwt/vectors.json")).unwrap()
}

pub(super) fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap()
}

pub(super) fn key(algorithm: Algorithm, material: KeyMaterial) -> Key {
    Key {
        kid: Some(algorithm.as_str().to_owned()),
        algorithm,
        material,
        not_after: None,
    }
}

pub(super) fn hmac(algorithm: Algorithm) -> Key {
    key(algorithm, KeyMaterial::Hmac(Secret::new(SECRET)))
}

pub(super) fn config(keys: Vec<Key>) -> Config {
    Config {
        keys: Keys::Listed(keys),
        issuer: Expected::Value("https://id.example.com".to_owned()),
        audience: Expected::Value("im".to_owned()),
        leeway: Duration::ZERO,
        claims: Claims {
            subject: "sub".to_owned(),
            user_type: Some("typ".to_owned()),
            device_type: Some("dev".to_owned()),
            app: Some("app_id".to_owned()),
        },
    }
}

/// A verifier that asks nobody.
pub(super) fn jwt(config: Config) -> Result<Jwt, KeyProblem> {
    Jwt::new(config, None, |_| panic!("the keys are listed"))
}

/// Signs claims as they are with HS256.
pub(super) fn signed(claims: &Value) -> String {
    signed_with(&json!({"alg": "HS256", "kid": "HS256"}), claims, SECRET)
}

pub(super) fn signed_with(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encode(header), encode(claims));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
    let mac = aws_lc_rs::hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac))
}

pub(super) fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": "https://id.example.com", "aud": "im", "sub": "7", "exp": 1_750_000_100,
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

#[test]
fn a_proof_is_upheld_as_long_as_what_it_rests_on_is_there() {
    let token = signed(&claims(&json!({ "aud": ["im", "other"] })));
    let made = jwt(config(vec![hmac(Algorithm::HS256)])).unwrap();
    let proof = made.check(token.as_bytes(), NOW).unwrap();
    let value = |text: &str| Expected::Value(text.to_owned());
    let ending = |end: UnixTime| Key {
        not_after: Some(end),
        ..hmac(Algorithm::HS256)
    };
    let later = NOW.plus(Duration::from_secs(10));
    let same = || config(vec![hmac(Algorithm::HS256)]);
    let cases = [
        ("nothing has changed", same(), Ok(proof.not_after)),
        (
            "a key more",
            config(vec![hmac(Algorithm::HS512), hmac(Algorithm::HS256)]),
            Ok(proof.not_after),
        ),
        (
            "the key is gone",
            config(vec![hmac(Algorithm::HS512)]),
            Err(Rejection::UnknownKey),
        ),
        (
            "the key has ended",
            config(vec![ending(NOW)]),
            Err(Rejection::Expired),
        ),
        (
            "the key is to end",
            config(vec![ending(later)]),
            Ok(Some(later)),
        ),
        (
            "one of two entries of the key has ended",
            config(vec![ending(NOW), hmac(Algorithm::HS256)]),
            Ok(proof.not_after),
        ),
        (
            "any issuer",
            Config {
                issuer: Expected::Any,
                ..same()
            },
            Ok(proof.not_after),
        ),
        (
            "another issuer",
            Config {
                issuer: value("https://evil.example"),
                ..same()
            },
            Err(Rejection::WrongIssuer),
        ),
        (
            "another audience, which the token has too",
            Config {
                audience: value("other"),
                ..same()
            },
            Ok(proof.not_after),
        ),
        (
            "another audience",
            Config {
                audience: value("elsewhere"),
                ..same()
            },
            Err(Rejection::WrongAudience),
        ),
        (
            "the subject stands elsewhere",
            Config {
                claims: Claims {
                    subject: "uid".to_owned(),
                    ..same().claims
                },
                ..same()
            },
            Err(Rejection::WrongPrincipal),
        ),
    ];
    for (case, config, expected) in cases {
        let upheld = jwt(config).unwrap().uphold(&proof, NOW);
        assert_eq!(upheld.map(|proof| proof.not_after), expected, "{case}");
    }
}

#[test]
fn tokens_of_another_implementation_are_judged_alike() {
    let vectors = vectors();
    let public = |set: &str, algorithm: Algorithm| {
        let material = vectors
            .pointer(&format!("/{set}/{}", algorithm.as_str()))
            .unwrap();
        let material = material.as_str().map_or_else(
            || KeyMaterial::Jwk(material.to_string()),
            |pem| KeyMaterial::Pem(pem.into()),
        );
        key(algorithm, material)
    };
    for set in ["public_keys", "jwks"] {
        let keys = Algorithm::ALL.map(|algorithm| {
            if algorithm.is_hmac() {
                hmac(algorithm)
            } else {
                public(set, algorithm)
            }
        });
        let jwt = jwt(config(keys.into())).unwrap();
        for case in vectors["cases"].as_array().unwrap() {
            let name = text(case, "/case");
            let outcome = match jwt.check(text(case, "/token").as_bytes(), NOW) {
                Ok(proof) => {
                    assert_eq!(
                        proof.principal.subject.as_deref(),
                        Some("7"),
                        "{set}: {name}"
                    );
                    "ok"
                }
                Err(rejection) => rejection.as_str(),
            };
            assert_eq!(outcome, text(case, "/expected"), "{set}: {name}");
        }
    }
}

#[test]
fn tokens_of_published_libraries_are_judged_alike() {
    for (library, made, sets) in [
        (
            "jose",
            include_str!("../../../tests/vectors/jwt/published/jose/vectors.json"),
            &["public_keys", "jwks"][..],
        ),
        (
            "golang-jwt",
            include_str!("../../../tests/vectors/jwt/published/golang/vectors.json"),
            &["public_keys"],
        ),
    ] {
        let made: Value = serde_json::from_str(made).unwrap();
        for set in sets {
            judge_published(&made, set, library);
        }
    }
}

/// Judges the tokens of a library with its public keys in one of two forms.
#[track_caller]
fn judge_published(made: &Value, set: &str, library: &str) {
    let keys = Algorithm::ALL.map(|algorithm| {
        let material = if algorithm.is_hmac() {
            KeyMaterial::Hmac(Secret::new(text(made, "/secret")))
        } else {
            let name = algorithm.as_str();
            let material = made.pointer(&format!("/{set}/{name}")).unwrap();
            material.as_str().map_or_else(
                || KeyMaterial::Jwk(material.to_string()),
                |pem| KeyMaterial::Pem(pem.into()),
            )
        };
        key(algorithm, material)
    });
    let jwt = jwt(config(keys.into())).unwrap();
    let cases = made["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 4 * Algorithm::ALL.len());
    for case in cases {
        let outcome = match jwt.check(text(case, "/token").as_bytes(), NOW) {
            Ok(proof) => {
                assert_eq!(proof.principal.app.as_deref(), Some("shop"));
                "ok"
            }
            Err(rejection) => rejection.as_str(),
        };
        let name = text(case, "/case");
        assert_eq!(outcome, text(case, "/expected"), "{library}, {set}: {name}");
    }
}

#[test]
fn claims_become_the_principal() {
    let jwt = jwt(config(vec![hmac(Algorithm::HS256)])).unwrap();
    let named = claims(&json!({"typ": "im_user", "dev": "im_web", "app_id": 42}));
    let proof = jwt.check(signed(&named).as_bytes(), NOW).unwrap();
    let principal = crate::principal::Principal {
        subject: Some("7".into()),
        user_type: Some("im_user".into()),
        device_type: Some("im_web".into()),
        app: Some("42".into()),
    };
    assert_eq!(*proof.principal, principal);
    assert_eq!(proof.not_after, Some(UnixTime::from_secs(1_750_000_100)));
    assert_eq!(
        (proof.constraints, proof.reuse),
        (Constraints::default(), Reuse::Cacheable)
    );
}

#[test]
fn a_token_of_openim_is_understood() {
    // Made with the default secret of OpenIM's `share.yml`.
    let token = crate::scheme::vectors::openim().token;
    let claims = Claims {
        subject: "UserID".to_owned(),
        user_type: None,
        device_type: Some("PlatformID".to_owned()),
        app: None,
    };
    let secret = KeyMaterial::Hmac(Secret::new("openIM123"));
    let key = Key {
        kid: None,
        ..key(Algorithm::HS256, secret)
    };
    let (issuer, audience) = (Expected::Any, Expected::Any);
    let openim = Config {
        keys: Keys::Listed(vec![key]),
        issuer,
        audience,
        leeway: Duration::ZERO,
        claims,
    };
    let proof = jwt(openim).unwrap().check(token.as_bytes(), NOW).unwrap();
    assert_eq!(proof.principal.subject.as_deref(), Some("u1"));
    assert_eq!(proof.principal.device_type.as_deref(), Some("5"));
    assert_eq!(proof.not_after, Some(UnixTime::from_secs(4_102_444_800)));
}

#[test]
fn waived_issuer_and_audience_are_not_looked_at() {
    let waived = Config {
        issuer: Expected::Any,
        audience: Expected::Any,
        ..config(vec![hmac(Algorithm::HS256)])
    };
    let jwt = jwt(waived).unwrap();
    let odd = claims(&json!({"iss": 1, "aud": {}}));
    assert!(jwt.check(signed(&odd).as_bytes(), NOW).is_ok());
}

#[test]
fn the_shape_is_recognised() {
    let jwt = jwt(config(vec![hmac(Algorithm::HS256)])).unwrap();
    let recognises = |token: &str| jwt.recognises(&Credential::single(token.as_bytes()));
    assert!(recognises(&signed(&claims(&json!({})))));
    assert!(!recognises("9FSk26d4AAAA="));
}

#[test]
fn every_part_of_the_configuration_is_in_the_fingerprint() {
    let base = || config(vec![hmac(Algorithm::HS256)]);
    let print = |config| jwt(config).unwrap().fingerprint();
    assert_eq!(print(base()), print(base()));
    let secret = KeyMaterial::Hmac(Secret::new("other"));
    let claims = |change: fn(&mut Claims)| {
        let mut config = base();
        change(&mut config.claims);
        config
    };
    for (case, changed) in [
        ("a secret", config(vec![key(Algorithm::HS256, secret)])),
        ("an algorithm", config(vec![hmac(Algorithm::HS384)])),
        (
            "a kid",
            config(vec![Key {
                kid: None,
                ..hmac(Algorithm::HS256)
            }]),
        ),
        (
            "an end",
            config(vec![Key {
                not_after: Some(NOW),
                ..hmac(Algorithm::HS256)
            }]),
        ),
        (
            "an issuer",
            Config {
                issuer: Expected::Value("x".to_owned()),
                ..base()
            },
        ),
        (
            "no issuer",
            Config {
                issuer: Expected::Any,
                ..base()
            },
        ),
        (
            "no audience",
            Config {
                audience: Expected::Any,
                ..base()
            },
        ),
        (
            "leeway",
            Config {
                leeway: Duration::from_secs(1),
                ..base()
            },
        ),
        (
            "a subject",
            claims(|claims| claims.subject = "user".to_owned()),
        ),
        ("no user type", claims(|claims| claims.user_type = None)),
        ("no device type", claims(|claims| claims.device_type = None)),
        (
            "another app",
            claims(|claims| claims.app = Some("app".to_owned())),
        ),
    ] {
        assert_ne!(print(base()), print(changed), "{case}");
    }
}

#[test]
fn nothing_shows_a_secret() {
    let jwt = jwt(config(vec![hmac(Algorithm::HS256)])).unwrap();
    let signing = SigningKey::new(Algorithm::HS256, &Secret::new(SECRET)).unwrap();
    let shown = format!("{jwt:?} {signing:?}");
    assert!(
        !shown.contains("37 bytes") && !shown.contains("[97, 32"),
        "{shown}"
    );
}

#[test]
fn a_minted_token_is_accepted() {
    let (ec_key, ec_jwk) = p256_pair();
    let (okp_key, okp_jwk) = ed25519_pair();
    let secret = || Secret::new(SECRET);
    for (algorithm, private, material) in [
        (Algorithm::HS256, secret(), KeyMaterial::Hmac(secret())),
        (Algorithm::HS512, secret(), KeyMaterial::Hmac(secret())),
        (Algorithm::ES256, ec_key, KeyMaterial::Jwk(ec_jwk)),
        (Algorithm::EdDSA, okp_key, KeyMaterial::Jwk(okp_jwk)),
    ] {
        let order = Mint {
            kid: Some(algorithm.as_str().to_owned()),
            subject: Some("7".to_owned()),
            issuer: Some("https://id.example.com".to_owned()),
            audience: Some("im".to_owned()),
            claims: vec![("dev".to_owned(), "im_web".into())],
            expires_in: Some(Duration::from_secs(20)),
        };
        let token = mint(&SigningKey::new(algorithm, &private).unwrap(), &order, NOW).unwrap();
        let jwt = jwt(config(vec![key(algorithm, material)])).unwrap();
        let proof = jwt.check(token.as_bytes(), NOW).unwrap();
        assert_eq!(
            proof.principal.device_type.as_deref(),
            Some("im_web"),
            "{algorithm:?}"
        );
        assert_eq!(
            proof.not_after,
            Some(NOW.plus(Duration::from_secs(20))),
            "{algorithm:?}"
        );
    }
}

#[test]
fn an_unfit_signing_key_is_refused() {
    for (case, algorithm, material, expected) in [
        (
            "an empty secret",
            Algorithm::HS256,
            "",
            MintError::EmptySecret,
        ),
        ("no PEM", Algorithm::RS256, "secret", MintError::UnfitKey),
        (
            "no PEM for EC",
            Algorithm::ES256,
            "secret",
            MintError::UnfitKey,
        ),
    ] {
        let key = SigningKey::new(algorithm, &Secret::new(material));
        assert_eq!(key.err(), Some(expected), "{case}");
    }
}

fn pem(label: &str, der: &[u8]) -> Secret {
    let body = STANDARD.encode(der);
    Secret::new(format!(
        "-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"
    ))
}

/// A private key in PEM and its public JWK.
pub(super) fn p256_pair() -> (Secret, String) {
    use aws_lc_rs::signature::KeyPair as _;
    let document =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .unwrap();
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref()).unwrap();
    let point = pair.public_key().as_ref();
    let (x, y) = (
        URL_SAFE_NO_PAD.encode(&point[1..33]),
        URL_SAFE_NO_PAD.encode(&point[33..]),
    );
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y});
    (pem("PRIVATE KEY", document.as_ref()), jwk.to_string())
}

fn ed25519_pair() -> (Secret, String) {
    use aws_lc_rs::signature::KeyPair as _;
    let document = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(document.as_ref()).unwrap();
    let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": x});
    (pem("PRIVATE KEY", document.as_ref()), jwk.to_string())
}

proptest! {
    #[test]
    fn any_bytes_are_survived_and_never_accepted(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let jwt = jwt(config(vec![hmac(Algorithm::HS256)])).unwrap();
        prop_assert!(jwt.check(&bytes, NOW).is_err());
    }

    #[test]
    fn a_forged_payload_is_survived_and_never_accepted(payload in any::<Vec<u8>>()) {
        let jwt = jwt(config(vec![hmac(Algorithm::HS256)])).unwrap();
        let good = signed(&claims(&json!({})));
        let (header, rest) = good.split_once('.').unwrap();
        let (_, mac) = rest.split_once('.').unwrap();
        let forged = format!("{header}.{}.{mac}", URL_SAFE_NO_PAD.encode(&payload));
        prop_assert_eq!(jwt.check(forged.as_bytes(), NOW).unwrap_err(), Rejection::BadSignature);
    }

    #[test]
    fn no_proof_outlives_its_token(
        exp in 1_749_999_000_i64..1_750_001_000, leeway in 0_u64..100, late in 0_i64..2_000,
    ) {
        let leeway = Duration::from_secs(leeway);
        let jwt = jwt(Config { leeway, ..config(vec![hmac(Algorithm::HS256)]) }).unwrap();
        let token = signed(&claims(&json!({"exp": exp})));
        let end = UnixTime::from_secs(exp).plus(leeway);
        let now = UnixTime::from_secs(1_749_999_000 + late);
        match jwt.check(token.as_bytes(), now) {
            Ok(proof) => {
                prop_assert_eq!(proof.not_after, Some(end));
                prop_assert!(now < end);
            }
            Err(rejection) => {
                prop_assert_eq!(rejection, Rejection::Expired);
                prop_assert!(now >= end);
            }
        }
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let vectors = vectors();
    let good = |algorithm: &str| {
        let cases = vectors["cases"].as_array().unwrap();
        let case = cases.iter().find(|case| case["case"] == algorithm).unwrap();
        text(case, "/token").to_owned()
    };
    for (algorithm, material) in [
        (Algorithm::HS256, KeyMaterial::Hmac(Secret::new(SECRET))),
        (
            Algorithm::EdDSA,
            KeyMaterial::Jwk(vectors["jwks"]["EdDSA"].to_string()),
        ),
    ] {
        let token = good(algorithm.as_str()).into_bytes();
        let jwt = jwt(config(vec![key(algorithm, material)])).unwrap();
        assert!(jwt.check(&token, NOW).is_ok());
        for bit in 0..token.len() * 8 {
            let mut flipped = token.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(
                jwt.check(&flipped, NOW).is_err(),
                "{algorithm:?}, bit {bit}"
            );
        }
    }
}

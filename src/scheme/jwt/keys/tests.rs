use serde_json::{Value, json};

use super::*;
use crate::scheme::jwt::tests::{
    NOW, SECRET, claims, config, hmac, jwt, key, p256_pair, signed, signed_with, text, vectors,
};
use crate::secret::Secret;

#[test]
fn a_key_is_the_same_however_it_is_written() {
    let vectors = vectors();
    let digest = |algorithm, material| VerifyingKey::new(key(algorithm, material)).unwrap().digest;
    for algorithm in Algorithm::ALL
        .into_iter()
        .filter(|algorithm| !algorithm.is_hmac())
    {
        let pem = text(&vectors, &format!("/public_keys/{}", algorithm.as_str()));
        let jwk = vectors["jwks"][algorithm.as_str()].to_string();
        assert_eq!(
            digest(algorithm, KeyMaterial::Pem(pem.into())),
            digest(algorithm, KeyMaterial::Jwk(jwk)),
            "{algorithm:?}"
        );
    }
    let pkcs1 = KeyMaterial::Pem(text(&vectors, "/rsa_pkcs1").into());
    let spki = KeyMaterial::Pem(text(&vectors, "/public_keys/RS256").into());
    let same_key = KeyMaterial::Pem(text(&vectors, "/public_keys/RS256").into());
    assert_eq!(
        digest(Algorithm::RS256, pkcs1),
        digest(Algorithm::RS256, spki)
    );
    assert_ne!(
        digest(Algorithm::RS512, same_key),
        digest(
            Algorithm::RS256,
            KeyMaterial::Pem(text(&vectors, "/public_keys/RS256").into())
        ),
        "a key for another algorithm is another key"
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_key_that_cannot_verify_is_refused() {
    let vectors = vectors();
    let pem = |pointer: &str| KeyMaterial::Pem(text(&vectors, pointer).into());
    let jwk = |algorithm: &str, changes: &Value| {
        let mut jwk = vectors["jwks"][algorithm].clone();
        for (name, value) in changes.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        KeyMaterial::Jwk(jwk.to_string())
    };
    let doubled = format!("{0}{0}", text(&vectors, "/public_keys/RS256"));
    let (private_pem, _) = p256_pair();
    for (case, algorithm, material) in [
        (
            "no secret",
            Algorithm::HS256,
            KeyMaterial::Hmac(Secret::new("")),
        ),
        (
            "a PEM for an HMAC",
            Algorithm::HS256,
            pem("/public_keys/RS256"),
        ),
        (
            "a JWK for an HMAC",
            Algorithm::HS512,
            jwk("RS256", &json!({})),
        ),
        (
            "a secret for RSA",
            Algorithm::RS256,
            KeyMaterial::Hmac(Secret::new(SECRET)),
        ),
        (
            "a secret for Ed25519",
            Algorithm::EdDSA,
            KeyMaterial::Hmac(Secret::new([7; 32])),
        ),
        (
            "an EC key for RSA",
            Algorithm::RS256,
            pem("/public_keys/ES256"),
        ),
        (
            "an RSA key for EC",
            Algorithm::ES256,
            pem("/public_keys/RS256"),
        ),
        (
            "an Ed25519 key for EC",
            Algorithm::ES256,
            pem("/public_keys/EdDSA"),
        ),
        (
            "an EC key for Ed25519",
            Algorithm::EdDSA,
            pem("/public_keys/ES256"),
        ),
        (
            "P-384 for ES256",
            Algorithm::ES256,
            pem("/public_keys/ES384"),
        ),
        (
            "P-256 for ES384",
            Algorithm::ES384,
            pem("/public_keys/ES256"),
        ),
        ("secp256k1 for ES256", Algorithm::ES256, pem("/secp256k1")),
        ("RSA with 1024 bits", Algorithm::RS256, pem("/rsa_1024")),
        ("a certificate", Algorithm::RS256, pem("/certificate")),
        (
            "a private key",
            Algorithm::ES256,
            KeyMaterial::Pem(private_pem.expose().to_vec()),
        ),
        (
            "two keys in one PEM",
            Algorithm::RS256,
            KeyMaterial::Pem(doubled.into()),
        ),
        (
            "an empty PEM",
            Algorithm::RS256,
            KeyMaterial::Pem(Vec::new()),
        ),
        (
            "a text that is no PEM",
            Algorithm::RS256,
            KeyMaterial::Pem(b"MIIB".to_vec()),
        ),
        (
            "bytes that are no text",
            Algorithm::RS256,
            KeyMaterial::Pem(vec![0xff; 64]),
        ),
        (
            "an empty JWK",
            Algorithm::RS256,
            KeyMaterial::Jwk("{}".to_owned()),
        ),
        (
            "a JWK of another kind",
            Algorithm::RS256,
            jwk("ES256", &json!({})),
        ),
        (
            "a symmetric JWK",
            Algorithm::RS256,
            KeyMaterial::Jwk(r#"{"kty":"oct","k":"AA"}"#.into()),
        ),
        (
            "a JWK for encryption",
            Algorithm::RS256,
            jwk("RS256", &json!({"use": "enc"})),
        ),
        (
            "a JWK for signing only",
            Algorithm::RS256,
            jwk("RS256", &json!({"key_ops": ["sign"]})),
        ),
        (
            "a JWK for RS512",
            Algorithm::RS256,
            jwk("RS256", &json!({"alg": "RS512"})),
        ),
        (
            "a private JWK",
            Algorithm::ES256,
            jwk("ES256", &json!({"d": "AA"})),
        ),
        (
            "a JWK of another curve",
            Algorithm::ES256,
            jwk("ES256", &json!({"crv": "P-384"})),
        ),
        (
            "a point off the curve",
            Algorithm::ES256,
            jwk("ES256", &json!({"x": "A".repeat(43)})),
        ),
        (
            "half a point",
            Algorithm::ES256,
            jwk("ES256", &json!({"y": ""})),
        ),
        (
            "a short Ed25519 key",
            Algorithm::EdDSA,
            jwk("EdDSA", &json!({"x": "AAAA"})),
        ),
        (
            "an RSA exponent of one",
            Algorithm::RS256,
            jwk("RS256", &json!({"e": "AQ"})),
        ),
        (
            "an even RSA exponent",
            Algorithm::RS256,
            jwk("RS256", &json!({"e": "Ag"})),
        ),
        (
            "an RSA modulus of zero",
            Algorithm::RS256,
            jwk("RS256", &json!({"n": "AA"})),
        ),
        (
            "a JWK key twice",
            Algorithm::RS256,
            KeyMaterial::Jwk(r#"{"kty":"RSA","kty":"RSA"}"#.into()),
        ),
    ] {
        assert!(
            VerifyingKey::new(key(algorithm, material)).is_err(),
            "{case}"
        );
    }
}

#[test]
fn a_problem_says_which_key() {
    let empty = key(Algorithm::HS256, KeyMaterial::Hmac(Secret::new("")));
    let problem = KeyRing::new(vec![hmac(Algorithm::HS384), empty]).unwrap_err();
    assert_eq!(
        problem.to_string(),
        "`keys[1]` (`HS256`): expected a secret that is not empty"
    );
}

#[test]
fn a_key_verifies_until_its_end() {
    let end = UnixTime::from_secs(1_750_000_050);
    let dated = Key {
        not_after: Some(end),
        ..hmac(Algorithm::HS256)
    };
    let jwt = jwt(config(vec![dated, hmac(Algorithm::HS512)])).unwrap();
    let with_kid = signed(&claims(&json!({})));
    let without = signed_with(&json!({"alg": "HS256"}), &claims(&json!({})), SECRET);
    for token in [with_kid, without] {
        let proof = jwt.check(token.as_bytes(), NOW).unwrap();
        assert_eq!(proof.not_after, Some(end), "the key ends before the token");
        let late = jwt.check(token.as_bytes(), end);
        assert_eq!(late.unwrap_err(), Rejection::UnknownKey);
    }
}

#[test]
fn keys_of_one_name_or_none_are_all_tried() {
    let other = |kid: Option<&str>| Key {
        kid: kid.map(str::to_owned),
        ..key(Algorithm::HS256, KeyMaterial::Hmac(Secret::new("another")))
    };
    let named = signed(&claims(&json!({})));
    let nameless = signed_with(&json!({"alg": "HS256"}), &claims(&json!({})), SECRET);
    let strange = signed_with(&json!({"alg": "HS256"}), &claims(&json!({})), b"strange");
    let right = || hmac(Algorithm::HS256);
    for (case, keys, token, expected) in [
        (
            "the second of a name",
            vec![other(Some("HS256")), right()],
            &named,
            None,
        ),
        (
            "the second of all",
            vec![other(None), right()],
            &nameless,
            None,
        ),
        (
            "none of all",
            vec![other(None), right()],
            &strange,
            Some(Rejection::BadSignature),
        ),
        (
            "a name nobody has",
            vec![other(None)],
            &named,
            Some(Rejection::UnknownKey),
        ),
    ] {
        let jwt = jwt(config(keys)).unwrap();
        assert_eq!(jwt.check(token.as_bytes(), NOW).err(), expected, "{case}");
    }
}

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::scheme::jwt::tests::{text, vectors};

fn names(set: &Value) -> Result<Vec<String>, JwksProblem> {
    let set = decode(set.to_string().as_bytes())?;
    let keys = set.keys.into_iter();
    Ok(keys
        .map(|key| {
            let kid = key.kid.unwrap_or_default();
            format!("{kid} {}", key.algorithm.as_str())
        })
        .collect())
}

/// A good public key of this kind.
fn jwk(algorithm: &str, changes: &Value) -> Value {
    let mut jwk = vectors()["jwks"][algorithm].clone();
    for (name, value) in changes.as_object().unwrap() {
        jwk[name] = value.clone();
    }
    jwk
}

fn without(mut jwk: Value, name: &str) -> Value {
    jwk.as_object_mut().unwrap().remove(name);
    jwk
}

#[test]
fn what_can_verify_is_taken_and_the_rest_passed_over() {
    let none = json!({});
    let rsa = |changes: Value| jwk("RS256", &changes);
    let weak = "1ZEjtQxFAp7Fr6UKYmBL1pI3".repeat(7);
    let set = json!({ "keys": [
        jwk("RS256", &json!({ "kid": "rs", "use": "sig", "x5c": ["ignored"] })),
        without(jwk("RS256", &json!({ "kid": "bare" })), "alg"),
        jwk("PS384", &json!({ "kid": "ps", "alg": "PS384" })),
        without(jwk("ES256", &json!({ "kid": "es" })), "alg"),
        jwk("ES384", &json!({ "kid": "es384", "key_ops": ["verify"] })),
        without(without(jwk("EdDSA", &none), "kid"), "alg"),
        // For other purposes, or weak, or no public key at all.
        rsa(json!({ "use": "enc" })),
        rsa(json!({ "key_ops": ["encrypt"] })),
        rsa(json!({ "alg": "HS256" })),
        rsa(json!({ "alg": "none" })),
        rsa(json!({ "alg": "RSA-OAEP" })),
        rsa(json!({ "alg": "ES256" })),
        rsa(json!({ "alg": 1 })),
        rsa(json!({ "e": "AQ" })),
        rsa(json!({ "n": weak })),
        rsa(json!({ "n": "" })),
        rsa(json!({ "d": "AQAB" })),
        rsa(json!({ "kid": 1 })),
        rsa(json!({ "kid": "x".repeat(257) })),
        jwk("ES256", &json!({ "x": "AAAA" })),
        jwk("ES256", &json!({ "crv": "P-384" })),
        json!({ "kty": "oct", "kid": "o", "alg": "HS256", "k": "MGY4YzJlOTRiN2EzNWQ2MWMwZjhlMmI0" }),
        json!({ "kty": "EC", "crv": "P-521", "x": "AA", "y": "AA" }),
        json!({ "kty": "OKP", "crv": "X25519", "x": "xbkRsj_JYBDs0o-PeFkmhnAH6IQ4b63OvVlQgn7i-AI" }),
        json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AA" }),
        json!({}), json!(null), json!("a key"), json!([]),
    ]});
    assert_eq!(
        names(&set).unwrap(),
        [
            "rs RS256",
            "bare RS256",
            "ps PS384",
            "es ES256",
            "es384 ES384",
            " EdDSA"
        ]
    );
    assert_eq!(decode(set.to_string().as_bytes()).unwrap().unusable, 23);
}

#[test]
fn what_is_no_set_is_told_apart() {
    let key = jwk("ES256", &json!({}));
    let many = |count: usize| json!({ "keys": vec![key.clone(); count] });
    for (case, set, expected) in [
        ("another value", json!([]), JwksProblem::NotASet),
        ("no keys", json!({}), JwksProblem::NotASet),
        (
            "keys of another kind",
            json!({ "keys": {} }),
            JwksProblem::NotASet,
        ),
        ("a key alone", key.clone(), JwksProblem::NotASet),
        (
            "an empty set",
            json!({ "keys": [] }),
            JwksProblem::NoUsableKey,
        ),
        (
            "none to use",
            json!({ "keys": [{ "kty": "oct", "k": "AA" }] }),
            JwksProblem::NoUsableKey,
        ),
        ("too many", many(MAX_KEYS + 1), JwksProblem::TooMany),
    ] {
        assert_eq!(names(&set).unwrap_err(), expected, "{case}");
    }
    assert_eq!(names(&many(MAX_KEYS)).unwrap().len(), MAX_KEYS);
    for (case, text) in [
        ("nothing", ""),
        ("a page", "<html>not found</html>"),
        ("cut off", r#"{"keys":[{"kty":"#),
        ("two sets", r#"{"keys":[]}{"keys":[]}"#),
        ("a key twice", r#"{"keys":[],"keys":[]}"#),
        ("a deep one", &"[".repeat(100_000)),
    ] {
        assert_eq!(
            decode(text.as_bytes()).unwrap_err(),
            JwksProblem::NotASet,
            "{case}"
        );
    }
}

#[test]
fn a_weak_rsa_key_of_another_implementation_is_passed_over() {
    // The key of 1024 bits in the vectors, as a JWK.
    let pem = text(&vectors(), "/rsa_1024").to_owned();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body).unwrap();
    let start = der.len() - 5 - 128;
    let n = base64::Engine::encode(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD,
        &der[start..start + 128],
    );
    let set = json!({ "keys": [jwk("RS256", &json!({ "n": n }))] });
    assert_eq!(names(&set).unwrap_err(), JwksProblem::NoUsableKey);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        exercise(&bytes);
    }

    /// A set with something foreign in any place of any member is still a set of good keys.
    #[test]
    fn any_member_may_be_anything(member in "[a-z0-9_]{1,8}", value in "\\PC{0,40}", number: i64) {
        for value in [json!(value), json!(number), json!([value]), json!(null)] {
            let set = json!({ "keys": [jwk("ES256", &json!({ &member: value }))], &member: 1 });
            exercise(set.to_string().as_bytes());
        }
    }

    /// One bit less or more in a set never makes a key that was not there.
    #[test]
    fn a_flipped_bit_makes_no_key_of_another_kind(position in 0usize..10_000, bit in 0u8..8) {
        let set = json!({ "keys": [jwk("ES256", &json!({})), jwk("RS256", &json!({}))] });
        let mut bytes = set.to_string().into_bytes();
        let position = position % bytes.len();
        bytes[position] ^= 1 << bit;
        exercise(&bytes);
    }
}

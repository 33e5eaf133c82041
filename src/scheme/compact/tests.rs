use proptest::prelude::*;

use super::*;

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn token(header: &str, payload: &str) -> String {
    format!(
        "{}.{}.c2ln",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(payload)
    )
}

#[test]
fn parts_are_decoded_and_the_signing_input_is_kept() {
    let text = token(r#"{"alg":"ES256","kid":"k1","jwk":{}}"#, "{}");
    let compact = Compact::parse(text.as_bytes()).unwrap();
    assert_eq!(
        compact.header,
        Header {
            alg: "ES256".to_owned(),
            kid: Some("k1".to_owned())
        }
    );
    assert_eq!(compact.payload, b"{}");
    assert_eq!(compact.encoded_signature, "c2ln");
    assert_eq!(compact.signature, b"sig");
    assert_eq!(
        compact.signing_input,
        text.strip_suffix(".c2ln").unwrap().as_bytes()
    );
}

#[test]
fn a_doubtful_form_is_malformed() {
    let plain = token(HEADER, "{}");
    let long_kid = format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "k".repeat(MAX_KID + 1));
    let swollen = format!(r#"{{"alg":"HS256","x5c":"{}"}}"#, "A".repeat(MAX_HEADER));
    for (case, text) in [
        ("nothing", String::new()),
        ("one part", "e30".to_owned()),
        ("two parts", "e30.e30".to_owned()),
        ("four parts", format!("{plain}.e30")),
        ("five parts, as a JWE has", format!("{plain}.e30.e30")),
        ("many dots", ".".repeat(100_000)),
        ("padding", format!("{plain}=")),
        ("standard alphabet", plain.replace(".c2ln", ".c2+/")),
        ("white space before", format!(" {plain}")),
        ("white space behind", format!("{plain}\n")),
        ("white space inside", plain.replace('.', ". ")),
        ("an empty header", ".e30.c2ln".to_owned()),
        ("a header that is no object", token("[]", "{}")),
        (
            "a header key twice",
            token(r#"{"alg":"HS256","alg":"HS256"}"#, "{}"),
        ),
        ("no algorithm", token(r#"{"typ":"JWT"}"#, "{}")),
        (
            "an algorithm that is no string",
            token(r#"{"alg":["HS256"]}"#, "{}"),
        ),
        ("a null algorithm", token(r#"{"alg":null}"#, "{}")),
        (
            "crit",
            token(r#"{"alg":"HS256","crit":["exp"],"exp":1}"#, "{}"),
        ),
        ("an empty crit", token(r#"{"alg":"HS256","crit":[]}"#, "{}")),
        ("b64", token(r#"{"alg":"HS256","b64":false}"#, "{}")),
        (
            "b64 that says the default",
            token(r#"{"alg":"HS256","b64":true}"#, "{}"),
        ),
        ("zip", token(r#"{"alg":"HS256","zip":"DEF"}"#, "{}")),
        ("enc", token(r#"{"alg":"dir","enc":"A256GCM"}"#, "{}")),
        (
            "a kid that is no string",
            token(r#"{"alg":"HS256","kid":1}"#, "{}"),
        ),
        ("a null kid", token(r#"{"alg":"HS256","kid":null}"#, "{}")),
        ("a long kid", token(&long_kid, "{}")),
        ("a swollen header", token(&swollen, "{}")),
        ("a swollen payload", token(HEADER, &" ".repeat(MAX_PAYLOAD))),
        (
            "a swollen signature",
            format!("{plain}{}", "A".repeat(MAX_SIGNATURE)),
        ),
    ] {
        assert_eq!(
            Compact::parse(text.as_bytes()).err(),
            Some(Rejection::Malformed),
            "{case}"
        );
    }
    assert!(
        Compact::parse(plain.as_bytes()).is_ok(),
        "the same without a fault"
    );
}

#[test]
fn trailing_bits_of_every_part_must_be_zero() {
    // `e30` and `c2k` hold two bytes each: their last characters carry two idle bits.
    for (case, text) in [
        (
            "payload",
            format!("{}.e31.c2k", URL_SAFE_NO_PAD.encode(HEADER)),
        ),
        (
            "signature",
            format!("{}.e30.c2l", URL_SAFE_NO_PAD.encode(HEADER)),
        ),
        (
            "header",
            format!("{}.e30.c2k", "eyJhbGciOiJIUzI1NiJ9".replace("iJ9", "iJ9IB")),
        ),
    ] {
        assert_eq!(
            Compact::parse(text.as_bytes()).err(),
            Some(Rejection::Malformed),
            "{case}"
        );
    }
    let sound = format!("{}.e30.c2k", URL_SAFE_NO_PAD.encode(HEADER));
    assert!(Compact::parse(sound.as_bytes()).is_ok());
}

#[test]
fn only_the_shape_is_recognised() {
    for (case, text, recognised) in [
        ("a token", token(HEADER, "{}"), true),
        (
            "one without a signature",
            token(r#"{"alg":"none"}"#, "{}").replace("c2ln", ""),
            true,
        ),
        (
            "one that will be refused",
            token(r#"{"alg":"HS256","alg":"none"}"#, "x"),
            true,
        ),
        ("four parts", format!("{}.x", token(HEADER, "{}")), false),
        ("two parts", "e30.e30".to_owned(), false),
        (
            "a first part that is no JSON",
            token("no json", "{}"),
            false,
        ),
        ("a first part that is an array", token("[1]", "{}"), false),
        ("no payload", "e30..c2ln".to_owned(), false),
        ("an Easemob token", "YWMtRtgAAAAA".to_owned(), false),
        ("a sentence", "not.a.token at all".to_owned(), false),
        ("nothing", String::new(), false),
    ] {
        assert_eq!(recognises(text.as_bytes()), recognised, "{case}");
    }
}

proptest! {
    #[test]
    fn what_is_accepted_has_one_spelling(bytes in "[A-Za-z0-9_.=+/-]{0,40}") {
        if let Ok(compact) = Compact::parse(bytes.as_bytes()) {
            let mut parts = bytes.split('.');
            prop_assert_eq!(parts.nth(1).unwrap(), URL_SAFE_NO_PAD.encode(&compact.payload));
            prop_assert_eq!(
                parts.next().unwrap(),
                URL_SAFE_NO_PAD.encode(&compact.signature)
            );
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if Compact::parse(&bytes).is_ok() {
            prop_assert!(recognises(&bytes));
        }
    }
}

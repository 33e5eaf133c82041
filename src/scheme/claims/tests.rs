use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: UnixTime = UnixTime::from_secs(1000);

fn claims(value: &Value) -> Object {
    value.as_object().unwrap().clone()
}

#[test]
fn times_are_numbers_and_bound_the_token() {
    let end = |millis| Ok(Some(UnixTime::from_millis(millis)));
    for (case, value, expected) in [
        ("no times", json!({}), Ok(None)),
        ("in the future", json!({"exp": 1001}), end(1_011_000)),
        ("within the leeway", json!({"exp": 991}), end(1_001_000)),
        (
            "the very moment",
            json!({"exp": 990}),
            Err(Rejection::Expired),
        ),
        ("a fraction", json!({"exp": 1000.25}), end(1_010_250)),
        ("negative", json!({"exp": -1}), Err(Rejection::Expired)),
        (
            "a negative fraction",
            json!({"exp": -0.5}),
            Err(Rejection::Expired),
        ),
        (
            "the smallest integer",
            json!({"exp": i64::MIN}),
            Err(Rejection::Expired),
        ),
        (
            "the largest integer",
            json!({"exp": u64::MAX}),
            end(i64::MAX),
        ),
        (
            "a float that is no moment",
            json!({"exp": 1e300}),
            Err(Rejection::Malformed),
        ),
        (
            "a negative one",
            json!({"exp": -1e300}),
            Err(Rejection::Malformed),
        ),
        (
            "a string",
            json!({"exp": "2000"}),
            Err(Rejection::Malformed),
        ),
        ("null", json!({"exp": null}), Err(Rejection::Malformed)),
        (
            "an array",
            json!({"exp": [2000]}),
            Err(Rejection::Malformed),
        ),
        ("a boolean", json!({"exp": true}), Err(Rejection::Malformed)),
        ("not yet", json!({"nbf": 1011}), Err(Rejection::NotYetValid)),
        ("nearly", json!({"nbf": 1010}), Ok(None)),
        (
            "nbf as a string",
            json!({"nbf": "1"}),
            Err(Rejection::Malformed),
        ),
        ("issued in the future", json!({"iat": 5000}), Ok(None)),
        (
            "iat as a string",
            json!({"iat": "1"}),
            Err(Rejection::Malformed),
        ),
    ] {
        let judged = validity(&claims(&value), Duration::from_secs(10), NOW);
        assert_eq!(judged, expected, "{case}");
    }
}

#[test]
fn names_are_texts_that_do_no_harm() {
    let some = |text: &str| Ok(Some(Arc::from(text)));
    for (case, value, expected) in [
        ("absent", json!({}), Ok(None)),
        ("null", json!({"n": null}), Ok(None)),
        ("a string", json!({"n": "im_user"}), some("im_user")),
        ("not ASCII", json!({"n": "张三"}), some("张三")),
        (
            "a snowflake",
            json!({"n": 398_120_364_340_178_i64}),
            some("398120364340178"),
        ),
        ("a negative integer", json!({"n": -7}), some("-7")),
        ("empty", json!({"n": ""}), Err(Rejection::Malformed)),
        (
            "a line break",
            json!({"n": "a\r\nX-Evil: 1"}),
            Err(Rejection::Malformed),
        ),
        ("a NUL", json!({"n": "a\0"}), Err(Rejection::Malformed)),
        (
            "a control character of C1",
            json!({"n": "a\u{9b}"}),
            Err(Rejection::Malformed),
        ),
        ("a fraction", json!({"n": 1.5}), Err(Rejection::Malformed)),
        (
            "an integer that lost digits",
            json!({"n": 1e20}),
            Err(Rejection::Malformed),
        ),
        ("an object", json!({"n": {}}), Err(Rejection::Malformed)),
    ] {
        assert_eq!(name(&claims(&value), "n"), expected, "{case}");
    }
}

proptest! {
    #[test]
    fn a_fraction_is_cut_downwards(secs in -1.0e12_f64..1.0e12) {
        let time = numeric_date(&claims(&json!({"t": secs})), "t").unwrap().unwrap();
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        let millis = time.as_millis() as f64;
        prop_assert!(millis <= secs * 1000.0 + 0.5 && millis > secs * 1000.0 - 1.5);
    }
}

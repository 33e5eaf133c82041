use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::scheme::introspection::HeaderText;

const NOW: UnixTime = UnixTime::from_secs(1_750_000_000);

fn standard(reading: Reading) -> Rules {
    let url = UrlTemplate::parse("https://id.example.com/introspect").unwrap();
    let asking = Asking::Standard {
        client: None,
        headers: Vec::new(),
    };
    Rules::new(reading, &url, &asking)
}

fn of_its_own(url: &str, active: Active) -> Rules {
    let around = HeaderText::AroundToken("Bearer ".to_owned(), String::new());
    let asking = Asking::OfItsOwn {
        method: http::Method::GET,
        headers: vec![(http::header::AUTHORIZATION, around)],
    };
    let reading = Reading {
        active,
        subject: "/data/user/id".to_owned(),
        user_type: Some("/data/type".to_owned()),
        device_type: Some("/data/device".to_owned()),
        app: Some("/data/app".to_owned()),
        expires: Some(Expiry {
            pointer: "/data/until".to_owned(),
            unit: Unit::Milliseconds,
        }),
        issuer: None,
        audience: None,
    };
    Rules::new(reading, &UrlTemplate::parse(url).unwrap(), &asking)
}

fn reply(status: u16, body: &str) -> Reply {
    Reply {
        status,
        content_type: Some("application/json;charset=UTF-8".to_owned()),
        body: body.as_bytes().to_vec(),
    }
}

fn outcome(rules: &Rules, reply: &Reply) -> &'static str {
    match rules.judge(reply, b"opaque", NOW) {
        Ok(_) => "ok",
        Err(VerifyError::Rejected(rejection)) => rejection.as_str(),
        Err(VerifyError::Unavailable { .. }) => "unavailable",
        Err(VerifyError::Throttled { .. }) => "throttled",
    }
}

#[test]
fn an_answer_of_rfc_7662_is_read() {
    let rules = standard(Reading::standard());
    let body = json!({
        "active": true, "sub": "7", "exp": 1_750_000_060, "iat": 1_749_999_000, "jti": "j",
        "client_id": "app", "scope": "im", "token_type": "Bearer",
    });
    let proof = rules
        .judge(&reply(200, &body.to_string()), b"opaque", NOW)
        .unwrap();
    assert_eq!(proof.principal.subject.as_deref(), Some("7"));
    assert_eq!(proof.principal.app, None, "not asked for");
    assert_eq!(proof.not_after, Some(UnixTime::from_secs(1_750_000_060)));
    assert_eq!(proof.asked.unwrap().at, NOW);
    let token = proof.token.as_deref().unwrap();
    assert_eq!(token.id.as_deref(), Some("j"));
    assert_eq!(token.issued_at, Some(UnixTime::from_secs(1_749_999_000)));
    assert_eq!(token.digest, token_digest(b"opaque"));
    assert!(rules.uphold(&proof).is_ok());
}

/// What it is, status, body, and the outcome.
const CASES: &[(&str, u16, &str, &str)] = &[
    ("good", 200, r#"{"active":true,"sub":"7"}"#, "ok"),
    (
        "a number for a subject",
        200,
        r#"{"active":true,"sub":7}"#,
        "ok",
    ),
    ("not good", 200, r#"{"active":false}"#, "expired"),
    (
        "not good, with claims",
        200,
        r#"{"active":false,"sub":"7"}"#,
        "expired",
    ),
    (
        "over",
        200,
        r#"{"active":true,"sub":"7","exp":1750000000}"#,
        "expired",
    ),
    (
        "not yet",
        200,
        r#"{"active":true,"sub":"7","nbf":1750000001}"#,
        "not_yet_valid",
    ),
    ("nobody's", 200, r#"{"active":true}"#, "wrong_principal"),
    (
        "nobody's, too",
        200,
        r#"{"active":true,"sub":null}"#,
        "wrong_principal",
    ),
    (
        "an empty subject",
        200,
        r#"{"active":true,"sub":""}"#,
        "malformed",
    ),
    (
        "a control character",
        200,
        r#"{"active":true,"sub":"7\r\nX: y"}"#,
        "malformed",
    ),
    (
        "a text",
        200,
        r#"{"active":"true","sub":"7"}"#,
        "unavailable",
    ),
    ("a number", 200, r#"{"active":1,"sub":"7"}"#, "unavailable"),
    ("no word of it", 200, r#"{"sub":"7"}"#, "unavailable"),
    (
        "twice",
        200,
        r#"{"active":false,"active":true,"sub":"7"}"#,
        "unavailable",
    ),
    (
        "an end that is none",
        200,
        r#"{"active":true,"sub":"7","exp":"1"}"#,
        "unavailable",
    ),
    ("an empty body", 200, "", "unavailable"),
    ("cut off", 200, r#"{"active":tr"#, "unavailable"),
    (
        "a list",
        200,
        r#"[{"active":true,"sub":"7"}]"#,
        "unavailable",
    ),
    (
        "the gate is not known",
        401,
        r#"{"error":"invalid_client"}"#,
        "unavailable",
    ),
    ("the gate may not ask", 403, "{}", "unavailable"),
    ("not there", 404, "{}", "unavailable"),
    ("too often", 429, "{}", "unavailable"),
    ("a failure", 500, r#"{"active":false}"#, "unavailable"),
    ("elsewhere", 302, "", "unavailable"),
    (
        "another success",
        201,
        r#"{"active":true,"sub":"7"}"#,
        "unavailable",
    ),
];

#[test]
fn yes_no_and_nothing_are_three_answers() {
    let rules = standard(Reading::standard());
    for (case, status, body, expected) in CASES {
        assert_eq!(outcome(&rules, &reply(*status, body)), *expected, "{case}");
    }
}

#[test]
fn an_answer_says_of_itself_that_it_is_json() {
    let rules = standard(Reading::standard());
    let page = Reply {
        content_type: Some("text/html".to_owned()),
        ..reply(200, r#"{"active":true,"sub":"7"}"#)
    };
    assert_eq!(
        outcome(&rules, &page),
        "unavailable",
        "not JSON by its own word"
    );
}

#[test]
fn issuer_and_audience_are_compared_where_they_are_configured() {
    let rules = standard(Reading {
        issuer: Some("https://id.example.com".to_owned()),
        audience: Some("im".to_owned()),
        ..Reading::standard()
    });
    let good = json!({
        "active": true, "sub": "7", "iss": "https://id.example.com", "aud": ["x", "im"],
    });
    for (name, value, expected) in [
        ("scope", json!("x"), "ok"),
        ("aud", json!("im"), "ok"),
        ("aud", json!("x"), "wrong_audience"),
        ("aud", json!(null), "wrong_audience"),
        ("iss", json!("https://id.example.com/"), "wrong_issuer"),
        ("iss", json!(null), "wrong_issuer"),
    ] {
        let mut body = good.clone();
        body[name] = value;
        assert_eq!(
            outcome(&rules, &reply(200, &body.to_string())),
            expected,
            "{body}"
        );
    }
}

#[test]
fn an_answer_of_its_own_kind_is_read_by_pointers() {
    let code = Active::Value {
        pointer: "/code".to_owned(),
        active: vec![json!(200), json!("ok")],
        inactive: Vec::new(),
    };
    let rules = of_its_own("http://127.0.0.1/me", code);
    let body = json!({ "code": 200, "data": {
        "user": { "id": 7 }, "type": "im_user", "device": "im_web", "app": "shop",
        "until": 1_750_000_060_500_u64,
    }});
    let proof = rules
        .judge(&reply(200, &body.to_string()), b"opaque", NOW)
        .unwrap();
    let principal = &proof.principal;
    assert_eq!(principal.subject.as_deref(), Some("7"));
    assert_eq!(principal.user_type.as_deref(), Some("im_user"));
    assert_eq!(principal.device_type.as_deref(), Some("im_web"));
    assert_eq!(principal.app.as_deref(), Some("shop"));
    assert_eq!(
        proof.not_after,
        Some(UnixTime::from_millis(1_750_000_060_500))
    );
    for (case, status, body, expected) in [
        (
            "another yes",
            200,
            r#"{"code":"ok","data":{"user":{"id":"7"}}}"#,
            "ok",
        ),
        ("a no", 200, r#"{"code":401,"msg":"x"}"#, "expired"),
        (
            "a failure in the guise of an answer",
            200,
            r#"{"code":500,"msg":"x"}"#,
            "unavailable",
        ),
        ("nothing", 200, r#"{"msg":"x"}"#, "unavailable"),
        ("a no by status", 401, "", "expired"),
        ("another", 403, "", "expired"),
        ("the place is not there", 404, "", "unavailable"),
        ("a failure", 502, "", "unavailable"),
        (
            "a good one without a user",
            200,
            r#"{"code":200,"data":{}}"#,
            "wrong_principal",
        ),
    ] {
        assert_eq!(outcome(&rules, &reply(status, body)), expected, "{case}");
    }
}

#[test]
fn what_means_no_can_be_said() {
    let code = Active::Value {
        pointer: "/code".to_owned(),
        active: vec![json!(0)],
        inactive: vec![json!(11)],
    };
    let rules = of_its_own("http://127.0.0.1/{token}/me", code);
    for (body, expected) in [
        (r#"{"code":0,"data":{"user":{"id":"7"}}}"#, "ok"),
        (r#"{"code":11}"#, "expired"),
        (r#"{"code":12}"#, "unavailable"),
        (r#"{"code":"11"}"#, "unavailable"),
    ] {
        assert_eq!(outcome(&rules, &reply(200, body)), expected, "{body}");
    }
    assert_eq!(
        outcome(&rules, &reply(404, "")),
        "expired",
        "it is asked for by its name"
    );
    let by_status = of_its_own("http://127.0.0.1/me", Active::Status(200));
    let body = r#"{"data":{"user":{"id":"7"}}}"#;
    assert_eq!(outcome(&by_status, &reply(200, body)), "ok");
    assert_eq!(outcome(&by_status, &reply(204, body)), "unavailable");
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        exercise(&bytes);
    }

    /// Whatever else is in an answer, and in whatever place, only a clear yes admits.
    #[test]
    fn any_member_may_be_anything(member in "[a-z_]{1,8}", value in "\\PC{0,40}", number: i64) {
        for value in [json!(value), json!(number), json!([value]), json!(null), json!(true)] {
            for active in [true, false] {
                let mut answer = json!({ "sub": "7", "exp": 1_760_000_000 });
                answer["active"] = json!(active);
                answer[&member] = value.clone();
                exercise(answer.to_string().as_bytes());
            }
        }
    }

    /// A no does not become a yes by one bit.
    #[test]
    fn a_flipped_bit_admits_nobody(position in 0usize..1_000, bit in 0u8..8) {
        let mut bytes = json!({ "active": false, "sub": "7" }).to_string().into_bytes();
        let position = position % bytes.len();
        bytes[position] ^= 1 << bit;
        let reply = Reply { body: bytes, ..reply(200, "") };
        prop_assert_ne!(outcome(&standard(Reading::standard()), &reply), "ok");
    }
}

//! Tokens of another form or size than theirs (A27, A30), claims of another type (A28), and other
//! spellings of a token (A32). All of them are signed by a key that counts: what is refused is
//! refused for what it says.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use serde_json::{Value, json};

use super::arena::{Arena, Attack, attack};
use super::forge::{SECRET, by_ours, encode, good_claims, refused};
use crate::support::member::bearer;
use crate::support::mint::{claims, now};
use crate::support::raw::{post, request};

const POLICY: &str = "
authenticators:
  member:
    from: [{ header: Authorization, prefix: Bearer }]
    jwt:
      keys: [{ kid: h, algorithm: HS256, secret: { file: keys/h } }]
      issuer: https://id.example.com
      audience: im
      claims: { subject: sub, user_type: typ, device_type: dev, app: app_id }
routes:
  - { name: api, match: { path: /api/** }, require: { any_of: [member] }, upstream: im }
  - { name: open, match: { path: /open/** }, require: public, upstream: im }
";

const HEADER: &str = r#"{"alg":"HS256","kid":"h","typ":"JWT"}"#;

fn arena() -> Arena {
    arena_with("")
}

/// With further sections of the policy.
fn arena_with(more: &str) -> Arena {
    let secret = std::str::from_utf8(SECRET).unwrap();
    let arena = Arena::of(&format!("{POLICY}{more}"), |builder| {
        builder.file("keys/h", secret)
    });
    let honest = by_ours(HEADER, &good_claims());
    arena.expect_open("an honest token", "/api/x", &bearer(&honest));
    arena
}

/// A token of ours whose payload is the good claims with this text in it, in front and at the end.
fn with_text(text: &str) -> [String; 2] {
    let good = good_claims();
    let inner = good.trim_start_matches('{').trim_end_matches('}');
    [format!("{{{text},{inner}}}"), format!("{{{inner},{text}}}")]
        .map(|payload| by_ours(HEADER, &payload))
}

/// A token of ours with one claim changed.
fn with_claim(name: &str, value: &Value) -> String {
    let mut all = claims("7", 3600);
    all[name] = value.clone();
    by_ours(HEADER, &all.to_string())
}

#[test]
fn a_token_larger_than_any_does_not_reach_the_cryptography() {
    // As large as heads and credentials can be made.
    let arena = arena_with("limits: { head_bytes: 128KiB, credential_bytes: 128KiB }\n");
    let good = by_ours(HEADER, &good_claims());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let long = "x".repeat(70_000);
    let many = (0..4_000).map(|key| format!(r#","k{key}":0"#));
    let many = many.collect::<Vec<_>>().concat();
    let deep = |open: &str, close: &str| {
        let levels = 10_000;
        format!(r#""deep":{}1{}"#, open.repeat(levels), close.repeat(levels))
    };
    #[rustfmt::skip]
    let mut cases = vec![
        // HAProxy's overflow while it converted the signature of ES256.
        ("a signature of 21 830 characters".to_owned(), format!("{message}.{}", "A".repeat(21_830))),
        ("a signature of 100 000 characters".to_owned(), format!("{message}.{}", "A".repeat(100_000))),
        ("a signature of one character too many".to_owned(), format!("{message}.{}", "A".repeat(1_367))),
        ("its signature and more".to_owned(), format!("{message}.{signature}{}", "A".repeat(1_400))),
        // golang-jwt split at every dot (CVE-2025-30204).
        ("60 000 dots".to_owned(), ".".repeat(60_000)),
        ("60 000 dots behind it".to_owned(), format!("{good}{}", ".".repeat(60_000))),
        ("60 000 dots before it".to_owned(), format!("{}{good}", ".".repeat(60_000))),
        ("30 000 parts".to_owned(), "e30.".repeat(30_000)),
        ("a long kid".to_owned(), by_ours(&format!(r#"{{"alg":"HS256","kid":"{}"}}"#, &long[..257]), &good_claims(), )),
        ("a very long kid".to_owned(), by_ours(&format!(r#"{{"alg":"HS256","kid":"{long}"}}"#), &good_claims(), )),
        ("a long alg".to_owned(), by_ours(&format!(r#"{{"alg":"HS256{long}","kid":"h"}}"#), &good_claims(), )),
        ("a long header".to_owned(), by_ours(&format!(r#"{{"alg":"HS256","kid":"h","x":"{long}"}}"#), &good_claims(), )),
        ("a header of many keys".to_owned(), by_ours(&format!(r#"{{"alg":"HS256","kid":"h"{many}}}"#), &good_claims())),
        ("a deep header".to_owned(), by_ours(&format!(r#"{{"alg":"HS256","kid":"h",{}}}"#, deep("[", "]")), &good_claims(), )),
        ("a header that is deep without end".to_owned(), by_ours(&"[".repeat(30_000), &good_claims())),
        ("a payload that is deep without end".to_owned(), by_ours(HEADER, &"{\"a\":".repeat(8_000))),
    ];
    for (case, text) in [
        ("lists in lists", deep("[", "]")),
        ("objects in objects", deep("{\"a\":", "}")),
        (
            "17 lists in lists",
            format!(r#""deep":{}{}"#, "[".repeat(17), "]".repeat(17)),
        ),
        ("a long claim", format!(r#""x":"{long}""#)),
        ("a long name of a claim", format!(r#""{long}":1"#)),
        ("a long number", format!(r#""x":{}"#, "9".repeat(70_000))),
    ] {
        cases.extend(with_text(&text).map(|token| (case.to_owned(), token)));
    }
    arena.check(cases.into_iter().map(|(case, token)| refused(case, &token)));
    // Where nothing is configured, none of these is even read.
    let arena = self::arena();
    let large = format!("{message}.{}", "A".repeat(21_830));
    arena.check([attack(
        "a head beyond its limit",
        request("GET", "/api/smuggled", &bearer(&large)),
        431,
    )]);
}

#[test]
fn a_token_in_other_parts_than_three_opens_nothing() {
    let arena = arena();
    let good = by_ours(HEADER, &good_claims());
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts")
    };
    let iv = encode([7; 12]);
    #[rustfmt::skip]
    let cases = [
        ("nothing", String::new()),
        ("a dot", ".".to_owned()),
        ("two dots", "..".to_owned()),
        ("one part", header.to_owned()),
        ("two parts", format!("{header}.{payload}")),
        ("four parts", format!("{good}.{signature}")),
        ("four parts, one empty", format!("{good}.")),
        ("five parts", format!("{header}.{payload}.{signature}.{payload}.{signature}")),
        ("an empty part before it", format!(".{good}")),
        ("an empty header", format!(".{payload}.{signature}")),
        ("an empty payload", format!("{header}..{signature}")),
        ("detached (RFC 7515, appendix F)", by_ours(HEADER, "")),
        ("two tokens", format!("{good}.{good}")),
        ("two tokens with a comma", format!("{good},{good}")),
        ("two tokens with a tilde", format!("{good}~{good}")),
        ("a disclosure (SD-JWT)", format!("{good}~")),
        // JWE, RFC 7516: its first part is a header, and only its holder knows what is in it.
        ("JWE", format!("{}.{payload}.{iv}.{payload}.{signature}", encode(r#"{"alg":"dir","enc":"A256GCM"}"#) )),
        ("JWE of HS256", format!("{}.{payload}.{iv}.{payload}.{signature}", encode(HEADER))),
        ("JWE without parts", format!("{}....", encode(r#"{"alg":"dir","enc":"A256GCM"}"#))),
        ("JWS in JSON", format!(r#"{{"payload":"{payload}","protected":"{header}","signature":"{signature}"}}"# )),
        ("JWS in general JSON", format!(r#"{{"payload":"{payload}","signatures":[{{"protected":"{header}","signature":"{signature}"}}]}}"# )),
        ("a header that is a list", by_ours("[]", &good_claims())),
        ("a header that is a text", by_ours("\"HS256\"", &good_claims())),
        ("a header that is null", by_ours("null", &good_claims())),
        ("a header with something behind it", by_ours(&format!("{HEADER}x"), &good_claims())),
        ("a header twice", by_ours(&HEADER.repeat(2), &good_claims())),
        ("a header with a mark of UTF-8 before it", by_ours(&format!("\u{feff}{HEADER}"), &good_claims())),
        ("a payload that is a list", by_ours(HEADER, &format!("[{}]", good_claims()))),
        ("a payload that is a text", by_ours(HEADER, "\"7\"")),
        ("a payload that is null", by_ours(HEADER, "null")),
        ("a payload that is a token", by_ours(HEADER, &good)),
        ("a payload twice", by_ours(HEADER, &good_claims().repeat(2))),
        ("a payload with a comment", by_ours(HEADER, &format!("/**/{}", good_claims()))),
        ("a payload in single quotes", by_ours(HEADER, &good_claims().replace('"', "'"))),
        ("a payload with a comma too many", by_ours(HEADER, &good_claims().replace('}', ",}"))),
        ("a payload with a zero behind it", by_ours(HEADER, &format!("{}\0", good_claims()))),
    ];
    arena.check(cases.map(|(case, token)| refused(case, &token)));
    let not_utf8 = {
        let payload = [
            good_claims().trim_end_matches('}').as_bytes(),
            b",\"x\":\"\xff\"}",
        ]
        .concat();
        let message = format!("{header}.{}", encode(payload));
        let key = jsonwebtoken::EncodingKey::from_secret(SECRET);
        let algorithm = jsonwebtoken::Algorithm::HS256;
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).unwrap();
        format!("{message}.{signature}")
    };
    arena.check([refused("a payload that is no UTF-8", &not_utf8)]);
}

/// Whoever verifies and whoever uses a token must not read two different ones in it.
#[test]
fn a_key_that_is_there_twice_does_not_have_two_readings() {
    let arena = arena();
    let mut attacks = Vec::new();
    for header in [
        r#"{"alg":"none","alg":"HS256","kid":"h"}"#,
        r#"{"alg":"HS256","alg":"none","kid":"h"}"#,
        r#"{"alg":"HS256","kid":"h","alg":"HS256"}"#,
        r#"{"\u0061lg":"none","alg":"HS256","kid":"h"}"#,
        r#"{"alg":"HS256","a\u006cg":"HS256","kid":"h"}"#,
        r#"{"alg":"HS256","kid":"x","kid":"h"}"#,
        r#"{"alg":"HS256","kid":"h","kid":"x"}"#,
        r#"{"alg":"HS256","kid":"h","x":{"a":1,"a":2}}"#,
    ] {
        attacks.push(refused(header, &by_ours(header, &good_claims())));
    }
    let later = now() + 7200;
    for text in [
        r#""sub":"8""#.to_owned(),
        r#""sub":"7""#.to_owned(),
        r#""s\u0075b":"8""#.to_owned(),
        r#""\u0073\u0075\u0062":"8""#.to_owned(),
        format!(r#""exp":{later}"#),
        r#""exp":1"#.to_owned(),
        r#""exp":null"#.to_owned(),
        r#""iss":"https://evil.example.com""#.to_owned(),
        r#""aud":"billing""#.to_owned(),
        r#""typ":"a","typ":"b""#.to_owned(),
        r#""x":{"a":1,"a":1}"#.to_owned(),
        r#""x":[[{"a":1,"\u0061":1}]]"#.to_owned(),
    ] {
        let tokens = with_text(&text);
        attacks.extend(tokens.map(|token| refused(format!("{text} once more"), &token)));
    }
    arena.check(attacks);
    // Another case is another name, and says nothing (RFC 7519 §10.1.1).
    for (case, token) in with_text(r#""SUB":"8","Exp":1"#).iter().enumerate() {
        arena.expect_open(&format!("in capitals {case}"), "/api/x", &bearer(token));
    }
}

/// CVE-2026-25537: a claim of the wrong type was taken for none, and so not checked.
#[test]
fn a_claim_of_another_type_is_not_taken_for_none() {
    let arena = arena();
    let soon = now() + 3600;
    let mut attacks = Vec::new();
    let mut check = |name: &str, values: &[Value]| {
        for value in values {
            let case = format!("{name}: {value}");
            attacks.push(refused(case, &with_claim(name, value)));
        }
    };
    #[rustfmt::skip]
    let no_dates = [
        json!(""), json!("1"), json!(soon.to_string()), json!("9999999999"), json!("never"), json!("2099-01-01T00:00:00Z"), json!(true), json!(false),
        json!([]), json!([soon]), json!({}), json!({ "exp": soon }), json!(1e300), json!(1e20), json!(-1e300), json!(9.1e15),
    ];
    for name in ["exp", "nbf", "iat"] {
        check(name, &no_dates);
        check(name, &[json!(null)]);
    }
    #[rustfmt::skip]
    check("exp", &[json!(0), json!(-1), json!(-0.0), json!(0.5), json!(1), json!(1.5), json!(1e-300), json!(i64::MIN), json!(now() - 5), json!(-soon)]);
    #[rustfmt::skip]
    check("nbf", &[json!(soon), json!(1e15), json!(i64::MAX), json!(u64::MAX)]);
    #[rustfmt::skip]
    let no_names = [json!(true), json!(false), json!(7.5), json!(7e30), json!([]), json!(["7"]), json!({}), json!({ "id": "7" }), json!("")];
    for name in ["sub", "typ", "dev", "app_id"] {
        check(name, &no_names);
    }
    check("sub", &[json!(null)]);
    #[rustfmt::skip]
    check("iss", &[
        json!(null), json!(""), json!(0), json!(true), json!(["https://id.example.com"]), json!({ "iss": "https://id.example.com" }),
        json!("https://id.example.com/"), json!("https://id.example.com "), json!("HTTPS://id.example.com"), json!("https://id.example.com.evil.example"),
        json!("https://id.example.com\0"),
    ]);
    #[rustfmt::skip]
    check("aud", &[
        json!(null), json!(""), json!(0), json!(true), json!([]), json!({}), json!({ "im": true }), json!(["other"]), json!(["im", 1]), json!([null, "im"]),
        json!([["im"]]), json!("im,other"), json!("im other"), json!(" im"), json!("IM"), json!("i"), json!("imx"), json!("im\0"),
    ]);
    check("jti", &[json!(true), json!([]), json!({}), json!(1.5)]);
    for absent in ["exp", "sub", "iss", "aud"] {
        let mut all = claims("7", 3600);
        all.as_object_mut().unwrap().remove(absent);
        attacks.push(refused(
            format!("no {absent}"),
            &by_ours(HEADER, &all.to_string()),
        ));
    }
    // Numbers that JSON has no room for, and names for them that it does not have.
    for exp in [
        "1e400",
        "-1e400",
        "NaN",
        "Infinity",
        "0x7fffffff",
        "+9999999999",
        "09999999999",
        "9999999999.",
        ".5",
        "1_000",
        "99999999999999999999",
    ] {
        let payload =
            format!(r#"{{"sub":"7","iss":"https://id.example.com","aud":"im","exp":{exp}}}"#);
        attacks.push(refused(format!("exp: {exp}"), &by_ours(HEADER, &payload)));
    }
    arena.check(attacks);
    for (case, name, value) in [
        (
            "a fraction of a second",
            "exp",
            json!(f64::from(u32::try_from(soon).unwrap()) + 0.5),
        ),
        (
            "a float of whole seconds",
            "exp",
            json!(f64::from(u32::try_from(soon).unwrap())),
        ),
        ("several audiences", "aud", json!(["other", "im"])),
        ("a number for a subject", "sub", json!(7)),
        ("no user type", "typ", json!(null)),
    ] {
        arena.expect_open(case, "/api/x", &bearer(&with_claim(name, &value)));
    }
}

/// Envoy, nginx-auth-jwt and HAProxy accept an unknown `crit` (measured).
#[test]
fn a_header_that_must_be_understood_is_not_passed_over() {
    let arena = arena();
    let mut attacks = Vec::new();
    for rest in [
        r#""crit":["exp"],"exp":1"#,
        r#""crit":["b64"],"b64":false"#,
        r#""crit":["b64"],"b64":true"#,
        r#""crit":["x"],"x":1"#,
        r#""crit":["x"]"#,
        r#""crit":["alg"]"#,
        r#""crit":[]"#,
        r#""crit":null"#,
        r#""crit":"""#,
        r#""crit":"b64""#,
        r#""crit":{}"#,
        r#""crit":false"#,
        r#""\u0063rit":["x"]"#,
        r#""b64":false"#,
        r#""b64":true"#,
        r#""b64":null"#,
        r#""zip":"DEF""#,
        r#""zip":"""#,
        r#""zip":null"#,
        r#""enc":"A256GCM""#,
        r#""enc":null"#,
    ] {
        let header = format!(r#"{{"alg":"HS256","kid":"h",{rest}}}"#);
        attacks.push(refused(rest, &by_ours(&header, &good_claims())));
    }
    // Signed as RFC 7797 has it, over the payload itself.
    let header = encode(r#"{"alg":"HS256","kid":"h","b64":false,"crit":["b64"]}"#);
    let payload = good_claims();
    let message = format!("{header}.{payload}");
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET);
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256);
    let signature = signature.unwrap();
    attacks.push(refused(
        "an unencoded payload",
        &format!("{message}.{signature}"),
    ));
    let encoded = encode(&payload);
    attacks.push(refused(
        "an unencoded payload, encoded",
        &format!("{header}.{encoded}.{signature}"),
    ));
    arena.check(attacks);
    // A type is a hint for whoever has several kinds of tokens; here the key says which kind it is.
    for typ in [
        r#""typ":"at+jwt""#,
        r#""typ":"JOSE""#,
        r#""cty":"JWT""#,
        r#""typ":7"#,
    ] {
        let header = format!(r#"{{"alg":"HS256","kid":"h",{typ}}}"#);
        let token = by_ours(&header, &good_claims());
        arena.expect_open(typ, "/api/x", &bearer(&token));
    }
}

/// A token that has two spellings has two places in a cache, and one of them is not revoked.
#[test]
fn another_spelling_of_a_token_opens_nothing() {
    let arena = arena();
    // Payloads of which the encoded form ends within a byte, so that there are bits that say nothing.
    let payload = |blanks: usize| format!("{}{}", good_claims(), " ".repeat(blanks));
    let mut attacks = Vec::new();
    let mut respelled = 0;
    for blanks in 0..3 {
        let good = by_ours(HEADER, &payload(blanks));
        arena.expect_open("with blanks in its JSON", "/api/x", &bearer(&good));
        let parts: Vec<_> = good.split('.').collect();
        for part in 0..3 {
            let with = |text: String| {
                let mut parts: Vec<_> = parts.iter().map(|part| (*part).to_owned()).collect();
                parts[part] = text;
                parts.join(".")
            };
            let own = parts[part];
            let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
                .decode(own)
                .unwrap();
            let mut forms = vec![
                ("padded", URL_SAFE.encode(&bytes)),
                ("in the other alphabet", STANDARD_NO_PAD.encode(&bytes)),
                ("in the other alphabet, padded", STANDARD.encode(&bytes)),
                ("with a `=`", format!("{own}=")),
                ("with two", format!("{own}==")),
                ("with three", format!("{own}===")),
                ("with an escaped `=`", format!("{own}%3D")),
                ("with a letter behind it", format!("{own}A")),
                ("with four", format!("{own}AAAA")),
                ("with a blank in it", format!("{} {}", &own[..8], &own[8..])),
                ("with a tab in it", format!("{}\t{}", &own[..8], &own[8..])),
                ("with a blank behind it", format!("{own} ")),
                ("with a blank before it", format!(" {own}")),
                ("with a `!` in it", format!("{}!{}", &own[..8], &own[8..])),
                ("with a `=` in it", format!("{}={}", &own[..8], &own[8..])),
                (
                    "with a hyphen in it",
                    format!("{}-{}", &own[..8], &own[8..]),
                ),
                (
                    "with an escaped letter",
                    format!("%{:02X}{}", own.as_bytes()[0], &own[1..]),
                ),
            ];
            let last = own.chars().last().unwrap();
            let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let lax = base64::engine::GeneralPurpose::new(
                &base64::alphabet::URL_SAFE,
                base64::engine::GeneralPurposeConfig::new()
                    .with_decode_allow_trailing_bits(true)
                    .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
            );
            // Every letter that a lax reader takes for the same bytes.
            for other in alphabet.chars().filter(|other| *other != last) {
                let other = format!("{}{other}", &own[..own.len() - 1]);
                if lax.decode(&other).is_ok_and(|decoded| decoded == bytes) {
                    forms.push(("with other bits at its end", other));
                    respelled += 1;
                }
            }
            for (case, form) in forms.into_iter().filter(|(_, form)| form != own) {
                // A blank at the end of the whole is the header's, and not the token's.
                let is_the_headers =
                    part == 2 && form.ends_with(' ') || part == 0 && form.starts_with(' ');
                if !is_the_headers {
                    attacks.push(refused(format!("part {part} {case}"), &with(form)));
                }
            }
        }
    }
    assert!(respelled >= 10, "{respelled}");
    arena.check_together(attacks);
}

#[test]
fn a_token_in_another_place_or_under_another_name_opens_nothing() {
    let arena = arena();
    let token = by_ours(HEADER, &good_claims());
    let refuse = |case: &str, target: &str, lines: &str| -> Attack {
        attack(case, request("GET", target, lines), 401)
    };
    let mut attacks = Vec::new();
    for name in [
        "access_token",
        "token",
        "Authorization",
        "authorization",
        "jwt",
        "bearer_token",
        "id_token",
        "auth",
    ] {
        for target in [
            format!("/api/smuggled?{name}={token}"),
            format!("/api/smuggled?{name}=Bearer%20{token}"),
            format!("/api/smuggled?{name}=Bearer+{token}"),
        ] {
            attacks.push(refuse("in the query", &target, ""));
        }
        attacks.push(refuse(
            "in a cookie",
            "/api/smuggled",
            &format!("Cookie: {name}={token}\r\n"),
        ));
        attacks.push(refuse(
            "in a header",
            "/api/smuggled",
            &format!("X-{name}: {token}\r\n"),
        ));
        let form = format!("{name}={token}");
        let lines = "Content-Type: application/x-www-form-urlencoded\r\n";
        attacks.push(attack(
            "in a form",
            post("/api/x", lines, form.as_bytes()),
            401,
        ));
    }
    let bare = by_ours(HEADER, &good_claims());
    for value in [
        format!("Basic {bare}"),
        format!("Token {bare}"),
        format!("JWT {bare}"),
        format!("Bearer: {bare}"),
        format!("Bearer={bare}"),
        format!("Bearer,{bare}"),
        format!("Bearer{bare}"),
        format!("Bearer\"{bare}\""),
        format!("Bearer \"{bare}\""),
        format!("Bearer token={bare}"),
        format!("Bearer {bare} x"),
        format!("Bearer {bare},{bare}"),
        format!("Bearer {bare}, Basic eDp4"),
        format!("Basic eDp4, Bearer {bare}"),
        format!("Bearer {bare};"),
        format!("x Bearer {bare}"),
        format!("Bearer Bearer {bare}"),
        format!("bearer BEARER {bare}"),
        format!("Bearer bearer bearer {bare}"),
        format!("Bearer\tBearer {bare}"),
        format!("Bearer\u{a0}{bare}"),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "Bearer Bearer".to_owned(),
    ] {
        let lines = format!("Authorization: {value}\r\n");
        attacks.push(attack(
            format!("{value:?}"),
            request("GET", "/api/smuggled", &lines),
            401,
        ));
    }
    arena.check(attacks);
    // RFC 9110 §11.1: a scheme is in any case.
    for prefix in ["Bearer", "bearer", "BEARER", "bEaReR", "Bearer  "] {
        let lines = format!("Authorization: {prefix} {bare}\r\n");
        arena.expect_open(prefix, "/api/x", &lines);
    }
}

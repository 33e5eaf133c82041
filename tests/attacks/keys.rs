//! Which key verifies a token is not the token's to say (A29): `kid` is an index into what is
//! configured, and what else a header says of keys is nobody's business.

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::arena::{Arena, attack};
use super::forge::{
    EC, RSA, SECRET, by_ours, by_pair, by_secret, ec_pair, encode, good_claims, refused,
};
use crate::support::idp::{Idp, jwk};
use crate::support::member::bearer;
use crate::support::mint::claims;
use crate::support::raw::request;
use crate::support::{Gate, Recorder};

const POLICY: &str = "
authenticators:
  member:
    from: [{ header: Authorization, prefix: Bearer }]
    jwt:
      keys:
        - { kid: h, algorithm: HS256, secret: { file: keys/h } }
        - { kid: e, algorithm: ES256, public_key: { file: keys/e.pem } }
      issuer: any
      audience: any
routes:
  - { name: api, match: { path: /api/** }, require: { any_of: [member] }, upstream: im }
  - { name: open, match: { path: /open/** }, require: public, upstream: im }
";

fn arena() -> Arena {
    Arena::of(POLICY, |builder| {
        builder
            .file("keys/h", std::str::from_utf8(SECRET).unwrap())
            .file("keys/e.pem", &EC.public)
            .file("keys/empty", "")
    })
}

#[test]
fn a_kid_is_not_a_path_nor_a_query() {
    let arena = arena();
    let listener = Recorder::ok();
    let url = format!("http://{}/key", listener.address());
    let many = format!("[{}]", vec![r#""h""#; 1000].join(","));
    #[rustfmt::skip]
    let kids = [
        r#""/dev/null""#.to_owned(), r#""../../../../../../dev/null""#.to_owned(), r#""..\\..\\..\\dev\\null""#.to_owned(), r#""keys/h""#.to_owned(),
        r#""keys/empty""#.to_owned(), r#""./keys/empty""#.to_owned(), r#""keys/e.pem""#.to_owned(), r#""imgate.yaml""#.to_owned(),
        r#""file:///dev/null""#.to_owned(), r#""/proc/self/environ""#.to_owned(), r#""h/../h""#.to_owned(), format!("\"{url}\""),
        r#""x' UNION SELECT 'secret'--""#.to_owned(), r#""' OR '1'='1""#.to_owned(), r#""h'--""#.to_owned(), r#""$(id)""#.to_owned(),
        r#""`id`""#.to_owned(), r#""|id""#.to_owned(), r#""${jndi:ldap://x/y}""#.to_owned(), r#""{{7*7}}""#.to_owned(), r#""%h""#.to_owned(),
        r#""*""#.to_owned(), r#""h*""#.to_owned(), r#"".*""#.to_owned(), r#""""#.to_owned(), r#"" ""#.to_owned(), r#""h ""#.to_owned(),
        r#"" h""#.to_owned(), r#""H""#.to_owned(), r#""h\u0000""#.to_owned(), r#""h\n""#.to_owned(), r#""\u0000h""#.to_owned(), r#""h,e""#.to_owned(),
        r#""__proto__""#.to_owned(), r#""constructor""#.to_owned(), r#""0""#.to_owned(), r#""-1""#.to_owned(), "0".to_owned(), "1".to_owned(),
        "-1".to_owned(), "1e300".to_owned(), "null".to_owned(), "true".to_owned(), "false".to_owned(), "[]".to_owned(), r#"["h"]"#.to_owned(), many,
        "{}".to_owned(), r#"{"kid":"h"}"#.to_owned(), format!("\"{}\"", "h".repeat(256)), format!("\"{}\"", "h".repeat(257)),
        format!("\"{}\"", "../".repeat(1500)),
    ];
    let claims = good_claims();
    let mut attacks = Vec::new();
    for kid in &kids {
        let header = format!(r#"{{"alg":"HS256","kid":{kid}}}"#);
        let shown: String = header.chars().take(60).collect();
        for (case, secret) in [
            ("nothing", &b""[..]),
            ("a zero", b"\0"),
            ("what an injected query would give", b"secret"),
            ("what a listener would give", b"ok"),
            ("the secret", SECRET),
        ] {
            let token = by_secret(Algorithm::HS256, secret, &header, &claims);
            attacks.push(refused(format!("{shown} by {case}"), &token));
        }
        let header = format!(r#"{{"alg":"ES256","kid":{kid}}}"#);
        let token = by_pair(Algorithm::ES256, &EC, &header, &claims);
        attacks.push(refused(format!("{shown} of ES256"), &token));
    }
    arena.check_together(attacks);
    assert_eq!(listener.connections(), 0);
}

/// CVE-2018-0114: the key that comes with a token verifies it, of course.
#[test]
fn a_key_that_comes_with_a_token_does_not_verify_it() {
    let arena = arena();
    let listener = Recorder::ok();
    let url = |path: &str| format!("http://{}/{path}", listener.address());
    let own = ec_pair();
    let own_jwk = jwk("e", &own.public);
    let certificate = encode(own.public_der());
    #[rustfmt::skip]
    let offers: [(&str, Value); 12] = [
        ("jwk", json!({ "jwk": own_jwk })),
        ("jwk of a secret", json!({ "jwk": { "kty": "oct", "k": encode("secret"), "kid": "h" } })),
        ("jwk as a text", json!({ "jwk": own_jwk.to_string() })),
        ("jwks", json!({ "jwks": { "keys": [own_jwk] } })),
        ("jku", json!({ "jku": url("jwks.json") })),
        ("jku of the issuer", json!({ "jku": url("id.example.com/jwks.json"), "iss": "https://id.example.com" })),
        ("jku of a file", json!({ "jku": "file:///dev/null" })),
        ("x5u", json!({ "x5u": url("certificate.pem") })),
        ("x5c", json!({ "x5c": [certificate] })),
        ("x5t", json!({ "x5t": encode([7; 20]), "x5t#S256": encode([7; 32]) })),
        ("all of them", json!({ "jwk": own_jwk, "jku": url("a"), "x5u": url("b"), "x5c": [certificate], "url": url("c"), "iss": url("d") })),
        ("epk", json!({ "epk": own_jwk, "p2c": 1_000_000_000, "p2s": "x" })),
    ];
    let mut attacks = Vec::new();
    for (case, offer) in &offers {
        for kid in [Some("e"), Some("other"), None] {
            let mut header = offer.clone();
            if let Some(kid) = kid {
                header["kid"] = json!(kid);
            }
            header["alg"] = json!("ES256");
            let token = by_pair(Algorithm::ES256, &own, &header.to_string(), &good_claims());
            attacks.push(refused(format!("{case} with {kid:?}"), &token));
            header["alg"] = json!("HS256");
            let token = by_secret(
                Algorithm::HS256,
                b"secret",
                &header.to_string(),
                &good_claims(),
            );
            attacks.push(refused(format!("{case} with {kid:?} by a secret"), &token));
        }
    }
    arena.check(attacks);
    // A token that is good does not become anybody's reason to connect somewhere, either.
    for (case, offer) in offers {
        let mut header = offer;
        header["alg"] = json!("HS256");
        header["kid"] = json!("h");
        let token = by_ours(&header.to_string(), &good_claims());
        arena.expect_open(case, "/api/x", &bearer(&token));
    }
    assert_eq!(listener.connections(), 0);
}

/// The claims of a good token, with another issuer.
fn issued_by(issuer: &str) -> String {
    let mut all = claims("7", 3600);
    all["iss"] = issuer.into();
    all.to_string()
}

/// CVE-2026-49998: keys of two issuers were kept by their `kid` alone.
#[test]
fn a_key_of_one_issuer_does_not_verify_anothers_tokens() {
    let (pair_a, pair_b) = (ec_pair(), ec_pair());
    // A set has no names of its own: both call their key `1`, and B lists A's kid twice.
    let a = Idp::with_keys(&[jwk("1", &pair_a.public)]);
    let b = Idp::with_keys(&[jwk("1", &pair_b.public)]);
    let policy = "
authenticators:
  a:
    from: [{ header: Authorization, prefix: Bearer }]
    jwt: { jwks: { url: \"http://$A/jwks.json\" }, issuer: https://a.example.com, audience: any }
  b:
    from: [{ header: Authorization, prefix: Bearer }]
    jwt: { jwks: { url: \"http://$B/jwks.json\" }, issuer: https://b.example.com, audience: any }
  anybody-of-a:
    from: [{ header: Authorization, prefix: Bearer }]
    jwt: { jwks: { url: \"http://$A/jwks.json\" }, issuer: any, audience: any }
routes:
  - { name: a, match: { path: /a/** }, require: { any_of: [a] }, upstream: im }
  - { name: b, match: { path: /b/** }, require: { any_of: [b] }, upstream: im }
  - { name: either, match: { path: /either/** }, require: { any_of: [a, b] }, upstream: im }
  - { name: anybody, match: { path: /anybody/** }, require: { any_of: [anybody-of-a] }, upstream: im }
  - { name: open, match: { path: /open/** }, require: public, upstream: im }
"
    .replace("$A", &a.address().to_string())
    .replace("$B", &b.address().to_string());
    let arena = Arena::of(&policy, |builder| builder);
    let header = r#"{"alg":"ES256","kid":"1"}"#;
    let by = |pair, issuer: &str| by_pair(Algorithm::ES256, pair, header, &issued_by(issuer));
    let of_a = by(&pair_a, "https://a.example.com");
    let of_b = by(&pair_b, "https://b.example.com");
    let a_as_b = by(&pair_a, "https://b.example.com");
    let b_as_a = by(&pair_b, "https://a.example.com");
    let refuse = |case: &str, target: &str, token: &str| {
        attack(
            case,
            request("GET", &format!("{target}/smuggled"), &bearer(token)),
            401,
        )
    };
    // Before, between and after the verdicts that are kept.
    for round in 0..3 {
        arena.check([
            refuse("a token of A at B", "/b", &of_a),
            refuse("a token of B at A", "/a", &of_b),
            refuse("a token of A that says it is B's, at B", "/b", &a_as_b),
            refuse("the same at A", "/a", &a_as_b),
            refuse("the same at either", "/either", &a_as_b),
            refuse("a token of B that says it is A's, at A", "/a", &b_as_a),
            refuse("the same at either", "/either", &b_as_a),
            refuse("a token of B where any issuer does", "/anybody", &of_b),
        ]);
        let case = format!("round {round}");
        arena.expect_open(&case, "/a/x", &bearer(&of_a));
        arena.expect_open(&case, "/b/x", &bearer(&of_b));
        arena.expect_open(&case, "/either/x", &bearer(&of_a));
        arena.expect_open(&case, "/either/x", &bearer(&of_b));
        arena.expect_open(&case, "/anybody/x", &bearer(&a_as_b));
    }
}

/// A set that everybody can fetch may list what nobody should sign with.
#[test]
fn a_key_in_a_set_that_is_no_public_key_of_use_verifies_nothing() {
    let weak = crate::support::mint::Pair::generate(&[
        "-algorithm",
        "RSA",
        "-pkeyopt",
        "rsa_keygen_bits:1024",
    ]);
    let (_, der) = weak.public_pkcs1();
    // The modulus: behind the headers of a sequence and an integer, and before the exponent.
    let modulus = encode(&der[7..7 + 128]);
    let mut encryption = jwk("encryption", &EC.public);
    encryption["use"] = json!("enc");
    let mut named_none = jwk("none", &EC.public);
    named_none["alg"] = json!("none");
    let mut named_hmac = jwk("hmac", &EC.public);
    named_hmac["alg"] = json!("HS256");
    let mut off_curve = jwk("off", &EC.public);
    off_curve["y"] = off_curve["x"].clone();
    let mut infinity = jwk("infinity", &EC.public);
    (infinity["x"], infinity["y"]) = (json!(encode([0; 32])), json!(encode([0; 32])));
    let good = ec_pair();
    let idp = Idp::with_keys(&[
        json!({ "kty": "oct", "k": encode(SECRET), "kid": "oct", "alg": "HS256", "use": "sig" }),
        json!({ "kty": "oct", "k": "", "kid": "empty", "alg": "HS256" }),
        json!({ "kty": "oct", "k": encode(SECRET), "kid": "es", "alg": "ES256" }),
        json!({ "kty": "RSA", "n": modulus, "e": "AQAB", "kid": "weak", "alg": "RS256" }),
        json!({ "kty": "RSA", "n": encode([0xff; 256]), "e": "AQ", "kid": "one", "alg": "RS256" }),
        encryption,
        named_none,
        named_hmac,
        off_curve,
        infinity,
        jwk("good", &good.public),
    ]);
    let policy = POLICY.replace(
        "      keys:
        - { kid: h, algorithm: HS256, secret: { file: keys/h } }
        - { kid: e, algorithm: ES256, public_key: { file: keys/e.pem } }
",
        &format!(
            "      jwks: {{ url: \"http://{}/\", refresh: 10m, cooldown: 1h }}\n",
            idp.address()
        ),
    );
    assert_ne!(policy, POLICY);
    let arena = Arena::of(&policy, |builder| builder);
    let claims = good_claims();
    let header = |alg: &str, kid: &str| format!(r#"{{"alg":"{alg}","kid":"{kid}"}}"#);
    let honest = by_pair(Algorithm::ES256, &good, &header("ES256", "good"), &claims);
    arena.expect_open("the one good key", "/api/x", &bearer(&honest));
    let point = {
        let der = good.public_der();
        der[der.len() - 65..].to_vec()
    };
    let mut attacks = Vec::new();
    for kid in ["oct", "empty", "es", "weak", "hmac", "none", "good"] {
        for (case, secret) in [
            ("nothing", &b""[..]),
            ("the secret", SECRET),
            ("a point", &point),
        ] {
            let header = header("HS256", kid);
            let token = by_secret(Algorithm::HS256, secret, &header, &claims);
            attacks.push(refused(format!("{header} by {case}"), &token));
        }
    }
    let unsigned = format!("{}.{}", encode(header("RS256", "weak")), encode(&claims));
    let signature = encode(weak.sign_rsa(&unsigned));
    attacks.push(refused("by a weak key", &format!("{unsigned}.{signature}")));
    let by_another = by_pair(Algorithm::RS256, &RSA, &header("RS256", "one"), &claims);
    attacks.push(refused("with an exponent of one", &by_another));
    for kid in ["encryption", "none", "hmac", "off", "infinity", "es"] {
        for alg in ["ES256", "none", "HS256"] {
            let token = by_pair(Algorithm::ES256, &EC, &header(alg, kid), &claims);
            attacks.push(refused(format!("{kid} as {alg}"), &token));
        }
        let zero = super::forge::token(&header("ES256", kid), &claims, &[0; 64]);
        attacks.push(refused(format!("{kid} with a signature of zeros"), &zero));
    }
    arena.check_together(attacks);
    // Of a server that everybody can have asked, nobody asks more than this.
    assert!(idp.asked() <= 2, "{}", idp.asked());
}

/// Whoever makes up key ids has the server asked, but not for each of them, and not at once either.
#[test]
fn a_flood_of_key_ids_is_not_a_flood_of_questions() {
    let idp = Idp::with_keys(&[jwk("1", &EC.public)]);
    let backend = Recorder::ok();
    let policy = "
authenticators:
  member:
    from: [{ header: Authorization, prefix: Bearer }]
    jwt: { jwks: { url: \"http://$IDP/\", refresh: 10m, cooldown: 1h }, issuer: any, audience: any }
routes:
  - { name: api, match: { path: /api/** }, require: { any_of: [member] }, upstream: im }
"
    .replace("$IDP", &idp.address().to_string());
    let gate = Gate::with(&policy)
        .upstream("im", backend.address())
        .start();
    let pair = ec_pair();
    std::thread::scope(|scope| {
        for client in 0..8 {
            let (gate, pair) = (&gate, &pair);
            scope.spawn(move || {
                for number in 0..25 {
                    let header = format!(r#"{{"alg":"ES256","kid":"k-{client}-{number}"}}"#);
                    let token = by_pair(Algorithm::ES256, pair, &header, &good_claims());
                    assert_eq!(gate.get("/api/x", &bearer(&token)).status(), 401);
                }
            });
        }
    });
    assert!(idp.asked() <= 2, "{}", idp.asked());
    let header = r#"{"alg":"ES256","kid":"1"}"#;
    let honest = by_pair(Algorithm::ES256, &EC, header, &good_claims());
    assert_eq!(gate.get("/api/x", &bearer(&honest)).status(), 200);
    assert!(idp.asked() <= 2, "{}", idp.asked());
}

//! What answers tell those who guess (A35): nothing that a good guess would be told first.
//!
//! Time is not measured here: on a busy machine no test could. What is compared without telling by
//! its time is a matter of the source, and is looked for there.

use std::fs;
use std::path::Path;

use super::arena::Arena;
use super::forge::{SECRET, by_ours, by_secret, resigned};
use crate::support::idp::{Idp, Mood, good};
use crate::support::member::bearer;
use crate::support::mint::{SA_TOKEN_SECRET, claims, sa_token, sa_token_signed};
use crate::support::raw::{RawClient, request};
use crate::support::redis::Redis;
use crate::support::sources::rust_files;
use crate::support::wire::Answer;
use crate::support::{Gate, Recorder};

/// Every byte of an answer but those that name this very request.
#[track_caller]
fn told(answer: &Answer) -> String {
    let id = answer.header("x-request-id").expect("a request id");
    let all = format!("{}{}", answer.head.text, answer.text());
    all.replace(id, "<id>")
}

/// All of these are told the same, byte for byte.
#[track_caller]
fn expect_one_answer(gate: &Gate, target: &str, cases: &[(&str, String)]) {
    let answers: Vec<_> = cases
        .iter()
        .map(|(case, lines)| (case, told(&gate.send(request("GET", target, lines)))))
        .collect();
    let (first, expected) = &answers[0];
    assert!(expected.starts_with("HTTP/1.1 401 "), "{first}: {expected}");
    for (case, answer) in &answers {
        assert_eq!(answer, expected, "{case}, unlike {first}");
    }
}

#[test]
fn a_key_that_is_nearly_right_is_not_told_from_any_other() {
    let arena = Arena::new();
    let cases = [
        ("a guess", "guess"),
        ("one letter", "k"),
        ("its beginning", "keyAbcd12"),
        ("all but its last letter", "keyAbcd124"),
        ("all but its first letter", "leyAbcd123"),
        ("in capitals", "KEYABCD123"),
        ("it and more", "keyAbcd1234"),
        ("it twice", "keyAbcd123keyAbcd123"),
        ("its id", "partner-a"),
        ("the id of another", "limited"),
        ("a list with it", "keyAbcd123,x"),
        ("a prefix", "Bearer keyAbcd123"),
        ("quoted", "\"keyAbcd123\""),
        (
            "its digest",
            "2a8b7d6a1c5e4f3021ffeeddccbbaa99887766554433221100ffeeddccbbaa99",
        ),
    ];
    let long = ("a long one", "k".repeat(8_000));
    let mut cases: Vec<_> = cases
        .iter()
        .map(|(case, key)| (*case, (*key).to_owned()))
        .collect();
    cases.push(long);
    let lines: Vec<_> = cases
        .into_iter()
        .map(|(case, key)| (case, format!("X-App-Key: {key}\r\n")))
        .collect();
    expect_one_answer(arena.gate(), "/openapi/x", &lines);
    // Nor after some of them are remembered.
    expect_one_answer(arena.gate(), "/openapi/x", &lines);
    arena.expect_arrived(&[]);
}

/// CVE-2026-32595 and CVE-2026-41263: whether a user is there was told by the answer, or its time.
#[test]
fn a_user_that_is_there_is_not_told_from_one_that_is_not() {
    let redis = Redis::start();
    let backend = Recorder::ok();
    let policy = "
authenticators:
  im-token:
    from: [{ header: token, prefix: Bearer }]
    sa_token:
      secret: { value: \"$SECRET\" }
      user_types: [im_user]
      sessions: { redis: { address: \"$REDIS\", key: \"login:{token}\" } }
routes:
  - { name: api, match: { path: /api/** }, require: { any_of: [im-token] }, upstream: im }
"
    .replace("$SECRET", SA_TOKEN_SECRET)
    .replace("$REDIS", &redis.address().to_string());
    let gate = Gate::with(&policy)
        .upstream("im", backend.address())
        .start();
    let good = sa_token("im_user:7");
    redis.set(&format!("login:{good}"), "im_user:7", 600_000);
    let line = |token: &str| format!("token: {token}\r\n");
    let asked = || questions(&redis);
    let before = asked();
    let other = "a secret of somebody else, long enough";
    let another_secret = sa_token_signed("im_user:7", other);
    let broken = resigned(&good, |mut own| {
        own[31] ^= 1;
        own
    });
    // Whose session is there, whose is not, of whatever type: without the signature nobody is told.
    expect_one_answer(
        &gate,
        "/api/x",
        &[
            ("a user who is there", line(&another_secret)),
            ("that user's own token but for a bit", line(&broken)),
            (
                "a user who is not",
                line(&sa_token_signed("im_user:999", other)),
            ),
            (
                "another type of user",
                line(&sa_token_signed("sys_user:1", other)),
            ),
            ("no user", line(&sa_token_signed("", other))),
        ],
    );
    assert_eq!(asked(), before, "nobody was asked about forged tokens");
    assert_eq!(gate.get("/api/x", &line(&good)).status(), 200);
    assert!(asked() > before, "somebody is asked about others");
}

/// How often a session was read, by whatever command.
fn questions(redis: &Redis) -> u64 {
    let all: String = redis.run(&["INFO", "commandstats"]);
    let reads = ["get", "eval", "evalsha", "pttl", "mget", "exists"]
        .map(|name| format!("cmdstat_{name}:calls="));
    let calls = all.lines().filter_map(|line| {
        let rest = reads
            .iter()
            .find_map(|read| line.strip_prefix(read.as_str()))?;
        rest.split(',').next()?.parse::<u64>().ok()
    });
    calls.sum()
}

#[test]
fn an_opaque_token_that_was_good_is_not_told_from_one_that_never_was() {
    let mut tokens = vec![good("good", "7")];
    let ended = r#"{"active":true,"sub":"7","exp":1}"#.to_owned();
    tokens.push(("ended".to_owned(), ended));
    let inactive = r#"{"active":false,"sub":"7","username":"seven"}"#.to_owned();
    tokens.push(("inactive".to_owned(), inactive));
    let idp = Idp::in_mood(Mood::Knows(tokens));
    let backend = Recorder::ok();
    let policy = "
authenticators:
  opaque:
    from: [{ header: Authorization, prefix: Bearer }]
    introspection: { url: \"http://$IDP/\", remote: { unknown_per_client: off } }
routes:
  - { name: api, match: { path: /api/** }, require: { any_of: [opaque] }, upstream: im }
"
    .replace("$IDP", &idp.address().to_string());
    let gate = Gate::with(&policy)
        .upstream("im", backend.address())
        .start();
    assert_eq!(gate.get("/api/x", &bearer("good")).status(), 200);
    expect_one_answer(
        &gate,
        "/api/x",
        &["never", "inactive", "gooe", "goo", "good2"].map(|token| (token, bearer(token))),
    );
}

#[test]
fn what_a_forged_token_claims_is_not_judged_before_its_signature() {
    let policy = "
authenticators:
  member:
    from: [{ header: Authorization, prefix: Bearer }]
    jwt: { keys: [{ kid: h, algorithm: HS256, secret: { file: keys/h } }], issuer: https://id.example.com, audience: im }
routes:
  - { name: api, match: { path: /api/** }, require: { any_of: [member] }, upstream: im }
  - { name: open, match: { path: /open/** }, require: public, upstream: im }
";
    let arena = Arena::of(policy, |builder| {
        builder.file("keys/h", std::str::from_utf8(SECRET).unwrap())
    });
    let header = r#"{"alg":"HS256","kid":"h"}"#;
    let forged = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut all = claims("7", 3600);
        change(&mut all);
        let algorithm = jsonwebtoken::Algorithm::HS256;
        bearer(&by_secret(
            algorithm,
            b"a guess of the attacks",
            header,
            &all.to_string(),
        ))
    };
    expect_one_answer(
        arena.gate(),
        "/api/x",
        &[
            ("good claims", forged(&|_| {})),
            ("an end that is over", forged(&|all| all["exp"] = 1.into())),
            ("another issuer", forged(&|all| all["iss"] = "x".into())),
            ("another audience", forged(&|all| all["aud"] = "x".into())),
            (
                "no subject",
                forged(&|all| all["sub"] = serde_json::Value::Null),
            ),
            (
                "no claims",
                bearer(&by_secret(
                    jsonwebtoken::Algorithm::HS256,
                    b"a guess",
                    header,
                    "{}",
                )),
            ),
            (
                "no JSON",
                bearer(&by_secret(
                    jsonwebtoken::Algorithm::HS256,
                    b"a guess",
                    header,
                    "x",
                )),
            ),
        ],
    );
    arena.expect_open(
        "an honest token",
        "/api/x",
        &bearer(&by_ours(header, &claims("7", 60).to_string())),
    );
}

#[test]
fn an_admin_token_that_is_nearly_right_is_not_told_from_any_other() {
    let backend = Recorder::ok();
    let policy = "routes:\n  - { match: { path: /open/** }, require: public, upstream: im }\n";
    let gate = crate::support::operator::obeyed_by(Gate::with(policy))
        .upstream("im", backend.address())
        .start();
    let tell = |token: &str| {
        let mut client = RawClient::connect(gate.admin_address());
        client.send(format!(
            "POST /drain HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\r\n",
            gate.admin_address()
        ));
        let answer = client.answer();
        assert_eq!(answer.status(), 401, "{token}");
        format!("{}{}", answer.head.text, answer.text())
    };
    let expected = tell("guess");
    let long = "x".repeat(4_000);
    for token in [
        "c",
        "canary-admin-toke",
        "canary-admin-tokem",
        "Canary-admin-token",
        "canary-admin-tokenx",
        &long,
    ] {
        assert_eq!(tell(token), expected, "{token}");
    }
    assert_eq!(gate.admin("/readyz").status(), 200);
}

/// Secrets are compared by [`imgate::secret`] and by nothing else: `==` ends at the first difference.
#[test]
fn a_secret_is_not_compared_byte_by_byte() {
    let mut exposed = 0;
    for path in rust_files("src") {
        let source = fs::read_to_string(&path).unwrap();
        // Unit tests compare what they like.
        let source = source.split("#[cfg(test)]").next().unwrap();
        // One statement may stand on several lines.
        for statement in source.split(';').filter(|one| one.contains(".expose()")) {
            exposed += 1;
            let flat: String = statement.split_whitespace().collect();
            for (before, after) in [("==", "expose()=="), ("!=", "expose()!=")] {
                let is_compared = flat.contains(after)
                    || flat.match_indices(before).any(|(position, _)| {
                        let rest = &flat[position + 2..];
                        let end = rest.find([',', ')', '{', '}', '|']).unwrap_or(rest.len());
                        rest[..end].contains(".expose(")
                    });
                assert!(!is_compared, "{}: {statement}", path.display());
            }
            for method in [
                "expose().eq(",
                "expose().starts_with(",
                "expose().ends_with(",
                "expose().cmp(",
                "expose().contains(",
            ] {
                assert!(!flat.contains(method), "{}: {statement}", path.display());
            }
        }
    }
    assert!(exposed > 10, "{exposed}");
    let secret = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/secret.rs"));
    let secret = secret.unwrap();
    let declared = secret.split("pub struct Secret").next().unwrap();
    let derived = declared.rsplit("#[derive(").next().unwrap();
    assert!(
        !derived.contains("Eq"),
        "no `==` between secrets: {derived}"
    );
}

//! Servers that are asked (A37): what they answer fills no memory, and what they hear is theirs
//! alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use jsonwebtoken::Algorithm;

use super::forge::{EC, by_pair, good_claims};
use crate::support::idp::{Idp, Mood, good, jwk};
use crate::support::member::bearer;
use crate::support::recorder::Exchange;
use crate::support::{Gate, Recorder};

const POLICY: &str = "
authenticators:
  opaque:
    from: [{ header: Authorization, prefix: Bearer }]
    introspection: { url: \"http://$INTROSPECTION/introspect\", timeout: 5s, max_stale: 0s, remote: { unknown_per_client: off } }
  member:
    from: [{ header: Member, prefix: Bearer }]
    jwt: { jwks: { url: \"http://$JWKS/jwks\", timeout: 5s, cooldown: 1s }, issuer: any, audience: any }
routes:
  - { name: api, match: { path: /api/** }, require: { any_of: [opaque] }, upstream: im }
  - { name: jwt, match: { path: /jwt/** }, require: { any_of: [member] }, upstream: im }
  - { name: open, match: { path: /open/** }, require: public, upstream: im }
";

fn policy(introspection: &impl std::fmt::Display, jwks: &impl std::fmt::Display) -> String {
    POLICY
        .replace("$INTROSPECTION", &introspection.to_string())
        .replace("$JWKS", &jwks.to_string())
}

fn member() -> String {
    let token = by_pair(
        Algorithm::ES256,
        &EC,
        r#"{"alg":"ES256","kid":"e"}"#,
        &good_claims(),
    );
    format!("Member: {token}\r\n")
}

/// Writes the same bytes again and again, until nobody takes them any more. The answer is how many.
fn pour(exchange: &mut Exchange, bytes: &[u8]) -> usize {
    const MOST: usize = 256 * 1024 * 1024;
    let mut poured = 0;
    while poured < MOST && exchange.try_send(bytes).is_ok() {
        poured += bytes.len();
    }
    exchange.close();
    poured
}

/// CVE-2026-26998: the answer of whoever was asked was read to its end, however far that was.
#[test]
fn an_answer_without_end_does_not_fill_the_memory() {
    let is_too_much = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_too_much);
    let server = Recorder::serving(move |exchange| {
        let way = String::from_utf8_lossy(&exchange.read_body()).into_owned();
        let piece = "x".repeat(64 * 1024);
        let poured = if way.contains("header") {
            exchange.send("HTTP/1.1 200 OK\r\nX-Long: ");
            pour(exchange, piece.as_bytes())
        } else if way.contains("many") {
            exchange.send("HTTP/1.1 200 OK\r\n");
            pour(exchange, "X-Many: 1\r\n".repeat(1000).as_bytes())
        } else if way.contains("close") {
            exchange.send("HTTP/1.1 200 OK\r\n\r\n{\"active\":true,\"sub\":\"7\",\"x\":\"");
            pour(exchange, piece.as_bytes())
        } else if way.contains("extension") {
            exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;");
            pour(exchange, piece.as_bytes())
        } else {
            // A key set, or a token that is in no other way.
            exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            let chunk = format!("10000\r\n{piece}\r\n");
            pour(exchange, chunk.as_bytes())
        };
        // What sockets hold between the two is not read.
        if poured > 32 * 1024 * 1024 {
            told.store(true, Ordering::Relaxed);
        }
    });
    let backend = Recorder::ok();
    // Whoever fails is left alone for a moment, so each way has a gate of its own.
    for way in ["chunks", "close", "header", "many", "extension"] {
        let gate = Gate::with(&policy(&server.address(), &server.address()))
            .upstream("im", backend.address())
            .start();
        assert_eq!(gate.get("/open/x", "").status(), 200);
        let (before, asked) = (gate.peak_memory_kib(), server.requests().len());
        thread::scope(|scope| {
            for client in 0..4 {
                let gate = &gate;
                scope.spawn(move || {
                    let answer = gate.get("/api/x", &bearer(&format!("{way}-{client}")));
                    assert_eq!(answer.status(), 503, "{way}");
                });
            }
        });
        assert_eq!(gate.get("/jwt/x", &member()).status(), 503, "{way}");
        assert!(server.requests().len() >= asked + 5, "{way}");
        let grown = gate.peak_memory_kib() - before;
        assert!(
            grown < 64 * 1024,
            "{way}: {grown} KiB for answers of 256 MiB each"
        );
        assert_eq!(gate.get("/open/x", "").status(), 200);
    }
    assert!(
        !is_too_much.load(Ordering::Relaxed),
        "an answer was read on and on"
    );
    let arrived = backend.requests();
    assert!(arrived.iter().all(|one| one.head.target() == "/open/x"));
}

/// CVE-2026-41181: what a client sent to one was passed on to another.
#[test]
fn a_question_does_not_carry_what_the_client_has_sent() {
    let introspection = Idp::in_mood(Mood::Knows(vec![good("abc", "7")]));
    let jwks = Idp::with_keys(&[jwk("e", &EC.public)]);
    let backend = Recorder::ok();
    let gate = Gate::with(&policy(&introspection.address(), &jwks.address()))
        .upstream("im", backend.address())
        .start();
    let lines = "Cookie: session=canary\r\nX-Api-Key: canary\r\nProxy-Authorization: Basic canary\r\n\
                 X-Forwarded-For: 192.0.2.99\r\nForwarded: for=192.0.2.99\r\nTraceparent: canary\r\nUser-Agent: canary\r\n\
                 Referer: https://canary.example/\r\nOrigin: https://canary.example\r\nX-Forwarded-Host: canary.example\r\n\
                 Accept-Language: canary\r\n";
    let target = "/api/canary?canary=1";
    let answer = gate.get(
        target,
        &format!("{}{lines}Member: canary\r\n", bearer("abc")),
    );
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let answer = gate.get(
        "/jwt/canary",
        &format!("{}{lines}{}", member(), bearer("canary")),
    );
    assert_eq!(answer.status(), 200, "{}", answer.text());
    for (server, idp) in [("introspection", &introspection), ("jwks", &jwks)] {
        // The key set may be fetched by the background and for the request.
        assert!((1..=2).contains(&idp.asked()), "{server}");
        let asked = idp.last();
        let text = format!(
            "{}{}",
            asked.head.text,
            String::from_utf8_lossy(&asked.body)
        );
        assert!(
            !text.contains("canary") && !text.contains("192.0.2.99"),
            "{server}: {text}"
        );
        assert_eq!(asked.head.header("cookie"), None, "{server}");
        assert_eq!(asked.head.header("authorization"), None, "{server}");
        assert_eq!(
            asked.head.header("host"),
            Some(&*idp.address().to_string()),
            "{server}"
        );
    }
}

/// A token is a value in a form or a segment of an address, whatever is in it.
#[test]
fn a_token_does_not_become_another_question() {
    let server = Recorder::serving(|exchange| {
        exchange.read_body();
        exchange.send(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"active\":false}",
        );
    });
    let policy = "
authenticators:
  form:
    from: [{ header: X-Form }, { query: form }]
    introspection: { url: \"http://$IDP/form\", max_stale: 0s, remote: { unknown_per_client: off } }
  segment:
    from: [{ header: X-Segment }, { query: segment }]
    introspection:
      url: \"http://$IDP/tokens/{token}/user\"
      method: GET
      active: { pointer: /active, value: true }
      subject: /sub
      max_stale: 0s
      remote: { unknown_per_client: off }
  value:
    from: [{ header: X-Value }, { query: value }]
    introspection:
      url: \"http://$IDP/value?t={token}&admin=false\"
      method: GET
      headers: { X-Token: \"T {token}\" }
      active: { pointer: /active, value: true }
      subject: /sub
      max_stale: 0s
      remote: { unknown_per_client: off }
routes:
  - { name: form, match: { path: /form/** }, require: { any_of: [form] }, upstream: im }
  - { name: segment, match: { path: /segment/** }, require: { any_of: [segment] }, upstream: im }
  - { name: value, match: { path: /value/** }, require: { any_of: [value] }, upstream: im }
"
    .replace("$IDP", &server.address().to_string());
    let backend = Recorder::ok();
    let gate = Gate::with(&policy)
        .upstream("im", backend.address())
        .start();
    let hexed = |token: &str| -> String {
        let is_kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        token
            .bytes()
            .map(|byte| {
                if is_kept(byte) {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect()
    };
    #[rustfmt::skip]
    let tokens = [
        "a&token=b", "a&client_id=x", "a=b", "a+b", "a%26b", "a%2Fb", "a%00", "a%0d%0aX:y", "a/b", "a/../admin", "..%2fadmin", "%2e%2e", "./a", "a?b", "a#b", "a;b",
        "a,b", "{token}", "{}", "${a}", "*", "a\\b", "\"a\"", "'a'", "<a>", "a|b", "a`b", "a@b", "//evil.example/", "http://evil.example/", ":80", "[::1]", "a\\..\\b",
    ];
    for token in tokens {
        for way in ["form", "segment", "value"] {
            let sent = server.requests().len();
            let header = format!("X-{way}: {token}\r\n");
            let by_query = format!("/{way}/x?{way}={}", hexed(token));
            for (target, lines) in [(format!("/{way}/x"), header.as_str()), (by_query, "")] {
                assert_eq!(gate.get(&target, lines).status(), 401, "{target} {lines}");
            }
            let asked = server.requests().split_off(sent);
            assert_eq!(asked.len(), 2, "{way}: {token}");
            for asked in asked {
                let encoded = hexed(token);
                let (target, body) = match way {
                    "form" => (
                        "/form".to_owned(),
                        format!("token={encoded}&token_type_hint=access_token"),
                    ),
                    "segment" => (format!("/tokens/{encoded}/user"), String::new()),
                    _ => (format!("/value?t={encoded}&admin=false"), String::new()),
                };
                assert_eq!(asked.head.target(), target, "{way}: {token}");
                let text = String::from_utf8_lossy(&asked.body).into_owned();
                let is_as_asked =
                    text == body || way == "form" && text == format!("token={encoded}");
                assert!(is_as_asked, "{way}: {token}: {text}");
                if way == "value" {
                    assert_eq!(asked.head.header("x-token"), Some(&*format!("T {token}")));
                }
            }
        }
    }
    // These are no segment, and what has a blank or a control character in it is no token.
    for (target, lines) in [
        ("/segment/x", "X-Segment: .\r\n"),
        ("/segment/x", "X-Segment: ..\r\n"),
        ("/segment/x?segment=%2e%2e", ""),
        ("/form/x?form=a%20b", ""),
        ("/value/x?value=a%0d%0aX-Admin:%20true", ""),
        ("/value/x?value=a%00b", ""),
        ("/value/x?value=%ff", ""),
        ("/form/x", "X-Form: a b\r\n"),
    ] {
        let sent = server.requests().len();
        assert_eq!(gate.get(target, lines).status(), 401, "{target} {lines}");
        assert_eq!(server.requests().len(), sent, "{target} {lines}");
    }
    assert!(backend.requests().is_empty());
}

//! A flood of bad tokens: bounded memory, and nothing good is forgotten for it.
//!
//! `IMGATE_TEST_BAD_TOKENS` sets how many; 50 000 unless set, `make soak` sends a million.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::thread;

use jsonwebtoken::{Algorithm, EncodingKey};

use super::super::support::mint::{claims, jwt};
use super::super::support::raw::request;
use super::{Gate, Recorder, SA_TOKEN_SECRET, bearer, token_with};

const POLICY: &str = "
throttle: { failures: 30, per: 24h, by: client_ip }
cache: { max_age: 24h }
authenticators:
  partners: { from: [{ header: X-App-Key }], app_key: { keys: [{ id: a, secret: { value: key-a } }] } }
  member:
    from: [{ header: Authorization, prefix: Bearer }]
    jwt: { keys: [{ kid: h, algorithm: HS256, secret: { value: \"$SECRET\" } }], issuer: any, audience: any }
routes:
  - { name: api, match: { path: /api }, require: { any_of: [partners, member] }, upstream: im }
";

/// Requests that are sent before their answers are read.
const AT_ONCE: usize = 50;
const CONNECTIONS: usize = 4;
/// What the flood may cost once all that is bounded is full, in KiB: the allocator's own scatter.
const MOST_GROWTH: u64 = 16 * 1024;
const GUESSER: &str = "192.0.2.1";

fn how_many() -> usize {
    let count = std::env::var("IMGATE_TEST_BAD_TOKENS").ok();
    count.and_then(|text| text.parse().ok()).unwrap_or(50_000)
}

/// The `number`th bad credential, and whose it is: one of four is the guesser's, the others come from
/// a network of their own each.
fn attempt(number: usize, wrong_key: &EncodingKey) -> String {
    let number = u32::try_from(number).unwrap();
    let client = match number % 4 {
        0 => GUESSER.to_owned(),
        1 => Ipv4Addr::from(0x0b00_0000 | number).to_string(),
        _ => Ipv6Addr::from((0x2001_0db8 << 96) | (u128::from(number) << 64) | 1).to_string(),
    };
    let credential = if number % 2 == 0 {
        let mut claims = claims("7", 86_400);
        claims["jti"] = number.into();
        bearer(&jwt("h", Algorithm::HS256, wrong_key, &claims))
    } else {
        format!("X-App-Key: {:032x}\r\n", u128::from(number) << 40)
    };
    request(
        "GET",
        "/api",
        &format!("X-Forwarded-For: {client}\r\n{credential}"),
    )
}

/// Sends these attempts; how many were answered 401, and how many 429.
fn flood(gate: &Gate, numbers: std::ops::Range<usize>) -> (usize, usize) {
    let wrong_key = EncodingKey::from_secret(&[7; 40]);
    let send = |connection: usize| {
        let mine: Vec<usize> = numbers
            .clone()
            .skip(connection)
            .step_by(CONNECTIONS)
            .collect();
        let mut client = gate.client();
        let (mut refused, mut throttled) = (0, 0);
        for some in mine.chunks(AT_ONCE) {
            let requests: String = some
                .iter()
                .map(|number| attempt(*number, &wrong_key))
                .collect();
            client.send(requests);
            for _ in some {
                match client.answer().status() {
                    401 => refused += 1,
                    429 => throttled += 1,
                    other => panic!("{other}"),
                }
            }
        }
        (refused, throttled)
    };
    thread::scope(|scope| {
        let send = &send;
        let senders: Vec<_> = (0..CONNECTIONS)
            .map(|connection| scope.spawn(move || send(connection)))
            .collect();
        let answers = senders.into_iter().map(|sender| sender.join().unwrap());
        answers.fold((0, 0), |(a, b), (c, d)| (a + c, b + d))
    })
}

#[test]
fn a_flood_of_bad_tokens_costs_no_memory_and_no_good_verdict() {
    let count = how_many();
    let backend = Recorder::ok();
    let gate = Gate::with(&POLICY.replace("$SECRET", SA_TOKEN_SECRET))
        .listener("trusted_proxies: [127.0.0.1/32]")
        .environment("IMGATE_LOG", "warn")
        .upstream("im", backend.address())
        .start();
    let good = bearer(&token_with("7", 86_400, &[]));
    let ask = |client: &str| {
        let lines = format!("X-Forwarded-For: {client}\r\n{good}");
        gate.get("/api", &lines).status()
    };
    assert_eq!(ask(GUESSER), 200);
    let member = [("authenticator", "member")];
    let lookups = || {
        let metrics = gate.metrics();
        ["hits", "misses"]
            .map(|what| metrics.value(&format!("imgate_verdict_cache_{what}_total"), &member))
    };

    // All that is bounded has seen more than its bound by then, or as much as there is.
    let first = (count / 2).min(200_000);
    let early = flood(&gate, 0..first);
    let before = gate.resident_memory_kib();
    let late = flood(&gate, first..count);
    let after = gate.resident_memory_kib();
    let grown = after.saturating_sub(before);
    println!("{count} bad tokens: {before} KiB after {first}, {after} KiB at the end");
    assert!(
        grown < MOST_GROWTH,
        "{before} KiB after {first}, {after} KiB after {count}"
    );

    // The guesser had its failures at once, and everybody else theirs.
    let guesses = count.div_ceil(4);
    let (refused, throttled) = (early.0 + late.0, early.1 + late.1);
    assert_eq!(refused + throttled, count);
    assert!(
        throttled > guesses * 9 / 10 && throttled <= guesses - 30,
        "{throttled}"
    );
    for by in ["client", "credential"] {
        let kept = gate.metrics().value("imgate_throttle_keys", &[("by", by)]);
        assert!(kept < 65_537.0, "{by}: {kept}");
    }

    // What was good is remembered, for whoever brings it.
    let [hits, misses] = lookups();
    assert_eq!([ask(GUESSER), ask("192.0.2.9")], [200, 200]);
    let [hits_now, misses_now] = lookups();
    assert!((hits_now - hits - 2.0).abs() < 0.1, "{hits} {hits_now}");
    assert!((misses_now - misses).abs() < 0.1, "{misses} {misses_now}");
    // Among so many others it may have been forgotten, but not for long.
    let guesses = |number| {
        let lines = format!("X-Forwarded-For: {GUESSER}\r\nX-App-Key: more-{number}\r\n");
        gate.get("/api", &lines).status() == 429
    };
    assert!((0..31).any(guesses));
    assert_eq!(ask(GUESSER), 200);
    let key = format!("X-Forwarded-For: {GUESSER}\r\nX-App-Key: key-a\r\n");
    assert_eq!(gate.get("/api", &key).status(), 200);
}

//! A renewal that is posted to one replica reaches a session at another.

use std::time::{Duration, Instant};

use super::super::support::mint::{SOON, now};
use super::super::support::redis::Redis;
use super::super::support::wait::{patience, pause};
use super::super::support::wire::Answer;
use super::super::support::{Gate, eventually, raw};
use super::{Backends, bearer, client, replicas, token, token_with};

fn renew(gate: &Gate, path: &str, token: &str) -> Answer {
    gate.send(raw::post(path, &bearer(token), b""))
}

#[test]
fn a_session_is_prolonged_wherever_it_is() {
    let (redis, backends) = (Redis::start(), Backends::start());
    let [a, b, c] = replicas(&redis, &backends);
    let mut here = client(&a, "/one", &token_with("7", SOON, &[])).connect();
    let mut other = client(&a, "/one", &token_with("8", SOON, &[])).connect();
    let answer = renew(&b, "/one/renew", &token("7"));
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let json = answer.json();
    assert_eq!(json["renewed"], 1, "{json}");
    let end = json["expires_at"].as_i64().unwrap() - now();
    assert!((570..=600).contains(&end), "{json}");
    assert_eq!(other.expect_close(), 4401, "nobody else is");
    pause(Duration::from_secs(1));
    here.echo("still here");
    // What prolonged it revokes it too, and it can be prolonged again, from its own replica.
    let answer = renew(&a, "/one/renew", &token("7"));
    assert_eq!(answer.json()["renewed"], 1);
    drop(c);
}

#[test]
fn all_sessions_that_fit_are_prolonged_and_counted() {
    let (redis, backends) = (Redis::start(), Backends::start());
    let [a, b, c] = replicas(&redis, &backends);
    let short = token_with("7", SOON, &[]);
    let mut sessions: Vec<_> = [&a, &a, &b]
        .into_iter()
        .map(|gate| client(gate, "/free", &short).connect())
        .collect();
    for gate in [&a, &c] {
        let answer = renew(gate, "/free/renew", &token("7"));
        assert_eq!(answer.json()["renewed"], 3, "{}", answer.text());
    }
    pause(Duration::from_secs(SOON.unsigned_abs() + 1));
    for session in &mut sessions {
        session.echo("still here");
    }
}

#[test]
fn no_session_anywhere_is_404_and_no_answer_is_503() {
    let (mut redis, backends) = (Redis::start(), Backends::start());
    let [mut a, b, mut c] = replicas(&redis, &backends);
    let begin = Instant::now();
    assert_eq!(renew(&b, "/one/renew", &token("7")).status(), 404);
    eprintln!("everybody has answered after {:?}", begin.elapsed());
    let _session = client(&b, "/one", &token("8")).connect();

    // One that has died may have had the session.
    a.kill();
    let answer = renew(&b, "/one/renew", &token("7"));
    assert_eq!(answer.status(), 503, "{}", answer.text());
    assert_eq!(answer.header("retry-after"), Some("1"));
    eventually("its lease has ended", || {
        (renew(&b, "/one/renew", &token("7")).status() == 404).then_some(())
    });

    redis.stop();
    let begin = Instant::now();
    assert_eq!(renew(&c, "/one/renew", &token("8")).status(), 503);
    let answer = renew(&b, "/one/renew", &token("8"));
    assert_eq!(answer.json()["renewed"], 1, "{}", answer.text());
    assert!(begin.elapsed() < patience() / 4, "{:?}", begin.elapsed());
    c.kill();
}

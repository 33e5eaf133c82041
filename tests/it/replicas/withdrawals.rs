//! A renewal at one replica, and what is said afterwards of the token at another.

use std::time::{Duration, Instant};

use super::super::support::Gate;
use super::super::support::mint::{SA_TOKEN_SECRET, now, sa_token};
use super::super::support::raw;
use super::super::support::redis::Redis;
use super::super::support::wait::pause;
use super::super::support::wire::Answer;
use super::super::support::ws_backend::WsBackend;
use super::super::support::ws_client::{Handshake, WsClient};

const POLICY: &str = "
authenticators:
  im-token:
    from: [{ header: token }]
    sa_token:
      secret: { value: \"$SECRET\" }
      user_types: [im_user]
      sessions:
        redis: { address: \"$REDIS\", key: \"token:{token}\" }
        recheck: 1s
        live_grace: 8s
routes:
  - name: ws
    match: { path: /ws }
    websocket: true
    require: { any_of: [im-token] }
    session: { per_device: 1, renew: /ws/renew }
    upstream: ws
store: { redis: { address: \"$REDIS\" } }
";

const HOUR: u64 = 3_600_000;

fn gates(redis: &Redis, backend: &WsBackend) -> [Gate; 2] {
    let policy = POLICY
        .replace("$SECRET", SA_TOKEN_SECRET)
        .replace("$REDIS", &redis.address().to_string());
    [(); 2].map(|()| {
        let gate = Gate::with(&policy)
            .workers(1)
            .upstream("ws", backend.address())
            .start();
        super::wait_until_up(&gate);
        gate
    })
}

fn log_in(redis: &Redis, millis: u64) -> String {
    let token = sa_token("im_user:7");
    redis.set(&format!("token:{token}"), "im_user:7", millis);
    token
}

fn client(gate: &Gate, token: &str) -> Handshake {
    WsClient::to(gate.address(), "/ws").header("token", token)
}

fn renew(gate: &Gate, token: &str) -> Answer {
    gate.send(raw::post("/ws/renew", &format!("token: {token}\r\n"), b""))
}

#[test]
fn the_same_token_is_asked_about_as_before() {
    let (redis, backend) = (Redis::start(), WsBackend::echo());
    let [a, b] = gates(&redis, &backend);
    let token = log_in(&redis, 6_000);
    let mut session = client(&a, &token).connect();
    redis.run::<u32>(&["PEXPIRE", &format!("token:{token}"), &HOUR.to_string()]);
    let answer = renew(&b, &token);
    assert_eq!(answer.json()["renewed"], 1, "{}", answer.text());
    let end = answer.json()["expires_at"].as_i64().unwrap() - now();
    assert!((3570..=3600).contains(&end), "{end}");
    pause(Duration::from_secs(7));
    session.echo("still here");
    redis.overwrite(&format!("token:{token}"), "-5");
    assert_eq!(session.expect_close(), 4403, "kicked out");
}

#[test]
fn another_token_counts_for_the_grace_of_one_that_nobody_can_ask_about() {
    let (redis, backend) = (Redis::start(), WsBackend::echo());
    let [a, b] = gates(&redis, &backend);
    let (old, new) = (log_in(&redis, HOUR), log_in(&redis, HOUR));
    let mut session = client(&a, &old).connect();
    let answer = renew(&b, &new);
    assert_eq!(answer.json()["renewed"], 1, "{}", answer.text());
    let end = answer.json()["expires_at"].as_i64().unwrap() - now();
    assert!((5..=8).contains(&end), "{end}");
    // The old one may go: the session does not stand on it any more.
    redis.overwrite(&format!("token:{old}"), "-4");
    pause(Duration::from_secs(5));
    session.echo("still here");
    let begin = Instant::now();
    assert_eq!(renew(&b, &new).json()["renewed"], 1, "again in time");
    pause(Duration::from_secs(5));
    session.echo("still here");
    assert_eq!(session.expect_close(), 4401);
    assert!(
        begin.elapsed() > Duration::from_secs(7),
        "{:?}",
        begin.elapsed()
    );
    let stored: Vec<String> = redis.run(&["KEYS", "imgate:*"]);
    assert!(!stored.iter().any(|key| key.contains(&new)), "{stored:?}");
    let events: redis::Value = redis.run(&["XRANGE", "imgate:events", "-", "+"]);
    assert!(
        !format!("{events:?}").contains(&new[..40]),
        "no token in it"
    );
}

#[test]
fn at_its_own_replica_a_new_token_is_asked_about() {
    let (redis, backend) = (Redis::start(), WsBackend::echo());
    let [a, b] = gates(&redis, &backend);
    let (old, new) = (log_in(&redis, HOUR), log_in(&redis, HOUR));
    let mut session = client(&a, &old).connect();
    assert_eq!(renew(&b, &new).json()["renewed"], 1);
    assert_eq!(renew(&a, &new).json()["renewed"], 1);
    redis.overwrite(&format!("token:{old}"), "-4");
    pause(Duration::from_secs(9));
    session.echo("still here");
    redis.overwrite(&format!("token:{new}"), "-5");
    assert_eq!(session.expect_close(), 4403, "kicked out");
}

//! What changes while a look-up hangs counts all the same.

use std::thread;
use std::time::Duration;

use super::super::support::gate::handshake;
use super::super::support::wait::pause;
use super::{
    Gate, HOUR, POLICY, Redis, SA_TOKEN_SECRET, WsBackend, eventually, redis_key, sa_token,
};

fn policy(redis: &Redis) -> String {
    let policy = POLICY
        .replace("$SECRET", SA_TOKEN_SECRET)
        .replace(
            "$REDIS\",",
            &format!("{}\", timeout: 10s,", redis.address()),
        )
        .replace("$ON_OUTAGE", "deny");
    format!("revocations: {{ file: revoked.yaml }}{policy}")
}

/// What the client of a handshake is answered that hangs in its look-up while `change` happens.
fn answered(backend: &WsBackend, change: impl FnOnce(&Gate, &Redis)) -> u16 {
    let redis = Redis::start();
    let token = sa_token("im_user:7");
    redis.set(&redis_key(&token), "im_user:7", HOUR);
    let gate = Gate::with(&policy(&redis))
        .upstream("im", backend.address())
        .upstream("ws", backend.address())
        .file("revoked.yaml", "[]\n")
        .start();
    redis.pause();
    let status = thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let headers = format!("token: {token}\r\n");
            gate.send(handshake("/ws", &headers)).status()
        });
        gate.wait_for_metric("imgate_connections_active", &[], |count| count > 0.5);
        // From its connection to its look-up.
        pause(Duration::from_millis(300));
        assert!(!waiting.is_finished(), "the look-up hangs");
        change(&gate, &redis);
        redis.resume();
        waiting.join().unwrap()
    });
    let open = [("route", "ws"), ("device_type", "-")];
    gate.wait_for_metric("imgate_sessions_open", &open, |open| open < 0.5);
    status
}

#[test]
fn what_is_revoked_while_a_look_up_hangs_never_opens() {
    let backend = WsBackend::echo();
    let status = answered(&backend, |gate, _| {
        let before = gate.generation();
        gate.replace_file("revoked.yaml", "- { user: \"7\" }\n");
        eventually("it is in force", || {
            (gate.generation() > before).then_some(())
        });
    });
    assert_eq!(status, 401);
}

#[test]
fn what_a_reload_takes_away_while_a_look_up_hangs_never_opens() {
    let backend = WsBackend::echo();
    let status = answered(&backend, |gate, redis| {
        let other = "another-secret-of-at-least-32-bytes-length";
        gate.reload_and_wait(&policy(redis).replace(SA_TOKEN_SECRET, other));
    });
    assert_eq!(status, 401);
}

/// The same without a change, so that the two above show something.
#[test]
fn a_look_up_that_hangs_for_a_while_opens_in_the_end() {
    let backend = WsBackend::echo();
    assert_eq!(answered(&backend, |_, _| {}), 101);
}

//! What one replica says of a revocation holds at all of them. Here the test itself is that replica:
//! what it writes is what a gate would write, or not quite.

use std::time::Duration;

use super::super::support::eventually;
use super::super::support::mint::now;
use super::super::support::redis::Redis;
use super::super::support::wait::pause;
use super::{
    Backends, bearer, client, replica, replicas, status, token, wait_for_status, wait_until_up,
};

const US: &str = "0000000000000000000000000000feed";

fn id(number: u32) -> String {
    format!("{number:032x}")
}

/// The entry that revokes a user for an hour.
fn of_user(subject: &str) -> String {
    let now = now() * 1000;
    format!(
        "{{\"target\":{{\"user\":{{\"subject\":\"{subject}\",\"user_type\":null,\"device_type\":null}}}},\
         \"issued_before\":{},\"expires_at\":{}}}",
        now + 1000,
        now + 3_600_000
    )
}

fn tell(redis: &Redis, id: &str, entry: &str) {
    redis.run::<String>(&[
        "XADD",
        "chat:events",
        "*",
        "kind",
        "revocation",
        "from",
        US,
        "question",
        "",
        "body",
        &format!("{id} {entry}"),
    ]);
}

fn publish(redis: &Redis, id: &str, entry: &str) {
    redis.run::<u32>(&["HSET", "chat:revocations", id, entry]);
    tell(redis, id, entry);
}

#[test]
fn a_revocation_closes_and_denies_at_every_replica() {
    let (redis, backends) = (Redis::start(), Backends::start());
    let gates: [_; 3] = replicas(&redis, &backends);
    let (token, other) = (token("7"), token("8"));
    let mut sessions: Vec<_> = gates
        .iter()
        .map(|gate| client(gate, "/free", &token).connect())
        .collect();
    let mut stays = client(&gates[0], "/free", &other).connect();
    for gate in &gates {
        assert_eq!(status(gate, &token), 200);
    }
    publish(&redis, &id(1), &of_user("7"));
    for session in &mut sessions {
        assert_eq!(session.expect_close(), 4403);
    }
    for gate in &gates {
        let refused = gate.get("/api", &bearer(&token));
        assert_eq!((refused.status(), &*refused.reason()), (401, "revoked"));
        assert_eq!(status(gate, &other), 200);
    }
    stays.echo("still here");

    let lifted = format!("lifted {}", (now() + 3600) * 1000);
    publish(&redis, &id(1), &lifted);
    for gate in &gates {
        wait_for_status(gate, &token, 200);
    }
    // It does not come back, whoever has missed that.
    publish(&redis, &id(1), &of_user("7"));
    publish(&redis, &id(2), &of_user("8"));
    for gate in &gates {
        wait_for_status(gate, &other, 401);
        assert_eq!(status(gate, &token), 200);
    }
}

#[test]
fn a_replica_that_starts_later_knows_what_was_revoked() {
    let (redis, backends) = (Redis::start(), Backends::start());
    redis.run::<u32>(&["HSET", "chat:revocations", &id(1), &of_user("7")]);
    let [late] = replicas(&redis, &backends);
    assert_eq!(status(&late, &token("7")), 401);
    assert_eq!(status(&late, &token("8")), 200);
}

#[test]
fn whoever_has_missed_something_reads_everything() {
    let (redis, backends) = (Redis::start(), Backends::start());
    let [a] = replicas(&redis, &backends);
    let mut session = client(&a, "/one", &token("7")).connect();
    // Nobody was told of this one.
    redis.run::<u32>(&["HSET", "chat:revocations", &id(1), &of_user("7")]);
    pause(Duration::from_millis(500));
    session.echo("nobody has told");
    redis.run::<u32>(&["XTRIM", "chat:events", "MAXLEN", "0"]);
    assert_eq!(session.expect_close(), 4403);
    assert_eq!(status(&a, &token("7")), 401);
}

#[test]
fn what_is_not_understood_is_counted_and_nothing_else_is_missed() {
    let (redis, backends) = (Redis::start(), Backends::start());
    let [a] = replicas(&redis, &backends);
    let rereads = || {
        let metrics = a.metrics();
        metrics.value("imgate_store_events_total", &[("kind", "reread")])
    };
    let before = rereads();
    let entry = of_user("7");
    redis.run::<u32>(&["HSET", "chat:revocations", &id(1), &of_user("9")]);
    redis.run::<u32>(&[
        "HSET",
        "chat:revocations",
        &id(2),
        &entry[..entry.len() - 1],
    ]);
    redis.run::<u32>(&["HSET", "chat:revocations", "no id", &entry]);
    tell(&redis, &id(3), &format!("{entry} "));
    redis.run::<String>(&["XADD", "chat:events", "*", "of", "somebody", "else", ""]);
    let garbled = [("kind", "garbled")];
    // Two events, and two entries of the set that is read again because of them.
    a.wait_for_metric("imgate_store_events_total", &garbled, |count| count > 3.5);
    wait_for_status(&a, &token("9"), 401);
    assert_eq!(
        status(&a, &token("7")),
        200,
        "what is malformed revokes nobody"
    );
    publish(&redis, &id(4), &of_user("8"));
    wait_for_status(&a, &token("8"), 401);
    assert!(rereads() > before);
}

#[test]
fn revocations_survive_a_store_that_comes_back_empty() {
    let (mut redis, backends) = (Redis::start(), Backends::start());
    let [a, b] = replicas(&redis, &backends);
    publish(&redis, &id(1), &of_user("7"));
    publish(&redis, &id(2), &of_user("8"));
    publish(&redis, &id(2), &format!("lifted {}", (now() + 3600) * 1000));
    for gate in [&a, &b] {
        wait_for_status(gate, &token("7"), 401);
        wait_for_status(gate, &token("8"), 200);
    }
    redis.stop();
    for gate in [&a, &b] {
        gate.wait_for_metric("imgate_store_up", &[], |up| up < 0.5);
        assert_eq!(status(gate, &token("7")), 401, "away");
    }
    redis.restart();
    eventually("the set is written back", || {
        (redis.run::<usize>(&["HLEN", "chat:revocations"]) == 2).then_some(())
    });
    drop((a, b));
    let late = replica(&redis, &backends).start();
    wait_until_up(&late);
    assert_eq!(status(&late, &token("7")), 401);
    assert_eq!(status(&late, &token("8")), 200);
}

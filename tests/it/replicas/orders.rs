//! Orders of an operator, given to one replica and meant for all.

use std::time::Instant;

use super::super::support::gate::handshake;
use super::super::support::redis::Redis;
use super::super::support::wait::patience;
use super::super::support::{Gate, eventually};
use super::{
    Backends, ask, bearer, client, replica, replicas, revoke, status, token, wait_for_status,
    wait_until_up,
};

#[test]
fn a_revocation_counts_what_it_has_closed_everywhere() {
    let (redis, backends) = (Redis::start(), Backends::start());
    let gates: [_; 3] = replicas(&redis, &backends);
    let mut sessions: Vec<_> = [0, 0, 1, 2]
        .into_iter()
        .map(|at: usize| client(&gates[at], "/free", &token("7")).connect())
        .collect();
    let mut other = client(&gates[0], "/free", &token("8")).connect();
    let first = token("7");
    for gate in &gates[1..] {
        assert_eq!(status(gate, &first), 200);
    }
    let begin = Instant::now();
    let revoked = revoke(&gates[1], "7");
    eprintln!("everybody has done so after {:?}", begin.elapsed());
    assert_eq!(revoked["sessions_closed"], 4, "{revoked}");
    assert_eq!(revoked["durable"], true, "{revoked}");
    let evicted = revoked["verdicts_evicted"].as_u64().unwrap();
    // Those of the sockets and those of the requests; equal tokens have one verdict.
    assert!((3..=6).contains(&evicted), "{revoked}");
    for session in &mut sessions {
        assert_eq!(session.expect_close(), 4403);
    }
    other.echo("still here");
    for gate in &gates {
        assert_eq!(status(gate, &first), 401);
        assert_eq!(gate.send(handshake("/free", &bearer(&first))).status(), 401);
    }

    let path = format!("/revocations/{}", revoked["id"].as_str().unwrap());
    let lifted = ask(&gates[2], "DELETE", &path, None);
    assert_eq!(lifted.json()["durable"], true, "{}", lifted.text());
    for gate in &gates {
        wait_for_status(gate, &first, 200);
        let again = ask(gate, "DELETE", &path, None);
        assert_eq!(again.status(), 404, "{}", again.text());
    }
}

#[test]
fn what_is_revoked_or_lifted_in_an_outage_is_so_everywhere_afterwards() {
    let (mut redis, backends) = (Redis::start(), Backends::start());
    let [a, b] = replicas(&redis, &backends);
    let before = revoke(&a, "6");
    let mut session = client(&b, "/free", &token("7")).connect();
    wait_for_status(&b, &token("6"), 401);
    redis.stop();
    for gate in [&a, &b] {
        gate.wait_for_metric("imgate_store_up", &[], |up| up < 0.5);
    }
    let revoked = revoke(&a, "7");
    assert_eq!(revoked["durable"], false, "{revoked}");
    assert_eq!(revoked["sessions_closed"], 0, "{revoked}");
    assert_eq!(status(&a, &token("7")), 401, "in force at once");
    assert_eq!(status(&b, &token("7")), 200, "nobody has told");
    let path = format!("/revocations/{}", before["id"].as_str().unwrap());
    let lifted = ask(&a, "DELETE", &path, None);
    assert_eq!(lifted.json()["durable"], false, "{}", lifted.text());
    assert_eq!(status(&a, &token("6")), 200);
    redis.restart();
    assert_eq!(session.expect_close(), 4403);
    wait_for_status(&b, &token("7"), 401);
    // The other one still believed in it, and has perhaps written it back.
    wait_for_status(&b, &token("6"), 200);
    for gate in [&a, &b] {
        wait_until_up(gate);
    }
    let late = replica(&redis, &backends).start();
    assert_eq!(status(&late, &token("7")), 401);
    assert_eq!(status(&late, &token("6")), 200);
    assert_eq!(status(&a, &token("6")), 200, "and it does not come back");
}

/// Users of the listed sessions, and whether every replica has answered.
fn users(gate: &Gate, query: &str) -> (Vec<String>, u64, bool) {
    let answer = ask(gate, "GET", &format!("/sessions{query}"), None);
    let json = answer.json();
    let sessions = json["sessions"].as_array().unwrap();
    let users = sessions
        .iter()
        .map(|session| session["user"].as_str().unwrap().to_owned());
    (
        users.collect(),
        json["total"].as_u64().unwrap(),
        json["complete"].as_bool().unwrap(),
    )
}

#[test]
fn sessions_are_shown_and_ended_wherever_they_are() {
    let (redis, backends) = (Redis::start(), Backends::start());
    let [mut a, b, c] = replicas(&redis, &backends);
    let open = |gate: &Gate, user| client(gate, "/free", &token(user)).connect();
    let (mut one, mut two, mut three) = (open(&a, "7"), open(&b, "7"), open(&c, "8"));
    for gate in [&a, &b, &c] {
        let (mut all, total, is_complete) = users(gate, "");
        all.sort();
        assert_eq!(
            (all.join(" "), total, is_complete),
            ("7 7 8".to_owned(), 3, true)
        );
        assert_eq!(users(gate, "?user=8"), (vec!["8".to_owned()], 1, true));
        assert_eq!(users(gate, "?user=9"), (Vec::new(), 0, true));
    }
    let answer = ask(&b, "GET", "/sessions?user=8", None).json();
    let id = answer["sessions"][0]["id"].as_str().unwrap().to_owned();
    let ended = ask(&b, "DELETE", &format!("/sessions/{id}"), None);
    assert_eq!(ended.json()["sessions_closed"], 1, "{}", ended.text());
    assert_eq!(three.expect_close(), 4403);
    eventually("it is gone", || {
        let again = ask(&b, "DELETE", &format!("/sessions/{id}"), None);
        (again.status() == 404).then_some(())
    });
    let ended = ask(&c, "DELETE", "/sessions?user=7", None);
    assert_eq!(ended.json()["sessions_closed"], 2, "{}", ended.text());
    assert_eq!((one.expect_close(), two.expect_close()), (4403, 4403));

    a.kill();
    let begin = Instant::now();
    assert_eq!(
        users(&b, ""),
        (Vec::new(), 0, false),
        "one has not answered"
    );
    assert!(begin.elapsed() < patience() / 4, "{:?}", begin.elapsed());
    let ended = ask(&b, "DELETE", &format!("/sessions/{id}"), None);
    assert_eq!(ended.status(), 503, "it may have been there");
}

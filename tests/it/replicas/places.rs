//! One connection per device, wherever it is.

use std::thread;
use std::time::{Duration, Instant};

use super::super::support::eventually;
use super::super::support::gate::handshake;
use super::super::support::process::Signal;
use super::super::support::redis::Redis;
use super::super::support::wait::{patience, pause};
use super::super::support::ws_backend::{WsBackend, accept};
use super::{Backends, Recorder, bearer, client, replicas, token, token_with};

#[test]
fn a_newcomer_takes_the_place_of_one_who_is_elsewhere() {
    let (redis, backends) = (Redis::start(), Backends::start());
    let [a, b, c] = replicas(&redis, &backends);
    let mut old = client(&a, "/one", &token("7")).connect();
    let mut phone = client(&b, "/one", &token_with("7", 600, &[("dev", "phone")])).connect();
    let mut other = client(&b, "/one", &token("8")).connect();
    let mut elsewhere = client(&b, "/free", &token("7")).connect();
    old.echo("hello");
    let mut new = client(&b, "/one", &token("7")).connect();
    assert_eq!(old.expect_close(), 4409);
    let mut newest = client(&c, "/one", &token("7")).connect();
    assert_eq!(new.expect_close(), 4409);
    for stays in [&mut newest, &mut phone, &mut other, &mut elsewhere] {
        stays.echo("still here");
    }
    let replaced = [("route", "one"), ("reason", "replaced")];
    for gate in [&a, &b] {
        gate.wait_for_metric("imgate_sessions_closed_total", &replaced, |count| {
            count > 0.5
        });
    }
    // Nothing is left behind by those who went.
    eventually("one place is taken for each", || {
        let claims: Vec<String> = redis.run(&["KEYS", "chat:claim:*"]);
        let holders: usize = claims
            .iter()
            .map(|claim| redis.run::<usize>(&["ZCARD", claim]))
            .sum();
        (claims.len() == 3 && holders == 3).then_some(())
    });
    drop((newest, phone, other, elsewhere));
    eventually("all places are free", || {
        let left: Vec<String> = redis.run(&["KEYS", "chat:claim:*"]);
        let held: Vec<String> = redis.run(&["KEYS", "chat:holdings:*"]);
        (left.is_empty() && held.is_empty()).then_some(())
    });
}

#[test]
fn where_newcomers_are_rejected_they_are_rejected_everywhere() {
    let (redis, backends) = (Redis::start(), Backends::start());
    let [a, b] = replicas(&redis, &backends);
    let mut first = client(&a, "/alone", &token("7")).connect();
    let request = handshake("/alone", &bearer(&token("7")));
    assert_eq!(b.send(&request).status(), 429);
    assert_eq!(a.send(&request).status(), 429);
    assert_eq!(backends.sockets.handshakes().len(), 1, "nobody was asked");
    first.echo("still here");
    first.close(1000);
    eventually("the place is free again", || {
        (b.send(&request).status() == 101).then_some(())
    });
}

#[test]
fn a_place_is_kept_while_the_backend_is_asked() {
    let redis = Redis::start();
    let backends = Backends {
        sockets: WsBackend::handshaking(|head| {
            pause(Duration::from_millis(700));
            accept(head, "")
        }),
        api: Recorder::ok(),
    };
    let [a, b] = replicas(&redis, &backends);
    let request = handshake("/alone", &bearer(&token("7")));
    let mut slow = a.client();
    slow.send(&request);
    eventually("the place is reserved", || {
        let claims: Vec<String> = redis.run(&["KEYS", "chat:claim:*"]);
        (!claims.is_empty()).then_some(())
    });
    assert_eq!(b.send(&request).status(), 429);
    assert_eq!(slow.answer_to_head().status(), 101);
    assert_eq!(b.send(&request).status(), 429);
}

#[test]
fn many_that_race_at_all_replicas_leave_one() {
    let (redis, backends) = (Redis::start(), Backends::start());
    let gates: [_; 3] = replicas(&redis, &backends);
    for path in ["/one", "/alone"] {
        let request = handshake(path, &bearer(&token(path)));
        let sockets: Vec<_> = thread::scope(|scope| {
            let attempts: Vec<_> = (0..6)
                .map(|number| {
                    let (gate, request) = (&gates[number % 3], &request);
                    scope.spawn(move || {
                        let mut client = gate.client();
                        client.send(request);
                        (client.answer_to_head().status() == 101).then_some(client)
                    })
                })
                .collect();
            attempts
                .into_iter()
                .filter_map(|attempt| attempt.join().unwrap())
                .collect()
        });
        let labels = [("route", &path[1..])];
        eventually("one is left", || {
            let open = gates
                .iter()
                .map(|gate| gate.metrics().value("imgate_sessions_open", &labels));
            ((open.sum::<f64>() - 1.0).abs() < 0.1).then_some(())
        });
        drop(sockets);
    }
}

#[test]
fn two_that_replace_each_other_from_different_replicas_are_stopped() {
    let (redis, backends) = (Redis::start(), Backends::start());
    let gates: [_; 2] = replicas(&redis, &backends);
    let request = handshake("/one", &bearer(&token("7")));
    let mut sockets = Vec::new();
    let mut statuses = Vec::new();
    for number in 0..7 {
        let mut socket = gates[number % 2].client();
        socket.send(&request);
        let answer = socket.answer_to_head();
        statuses.push(answer.status());
        if answer.status() == 429 {
            let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=60).contains(&wait), "{wait}");
        }
        sockets.push(socket);
    }
    // The first replaces nobody; the default is five replacements a minute.
    assert_eq!(statuses, [101, 101, 101, 101, 101, 101, 429]);
    assert_eq!(
        backends.sockets.handshakes().len(),
        6,
        "the backend is not asked in vain"
    );
}

#[test]
fn the_places_of_a_replica_that_died_are_free_within_ten_seconds() {
    let (redis, backends) = (Redis::start(), Backends::start());
    let [mut a, b] = replicas(&redis, &backends);
    let first = client(&a, "/alone", &token("7")).connect();
    let request = handshake("/alone", &bearer(&token("7")));
    assert_eq!(b.send(&request).status(), 429);
    a.kill();
    let died = Instant::now();
    let mut attempt = eventually("the place is free", || {
        let mut attempt = b.client();
        attempt.send(&request);
        (attempt.answer_to_head().status() == 101).then_some(attempt)
    });
    let took = died.elapsed();
    eprintln!("free after {took:?}");
    // Ten seconds, and what a busy machine adds.
    assert!(took < Duration::from_secs(10) + patience() / 4, "{took:?}");
    assert!(
        took > Duration::from_secs(4),
        "a lease is no less: {took:?}"
    );
    attempt.finish_sending();
    drop(first);
}

#[test]
fn the_places_of_a_replica_that_leaves_are_free_at_once() {
    let (redis, backends) = (Redis::start(), Backends::start());
    let [mut a, b] = replicas(&redis, &backends);
    let mut first = client(&a, "/alone", &token("7")).connect();
    a.signal(Signal::Int);
    assert_eq!(first.expect_close(), 1001);
    a.exit_code();
    let request = handshake("/alone", &bearer(&token("7")));
    assert_eq!(b.send(&request).status(), 101);
}

#[test]
fn a_replica_that_was_held_up_gives_way_to_whoever_came_meanwhile() {
    let (redis, backends) = (Redis::start(), Backends::start());
    let [a, b] = replicas(&redis, &backends);
    let mut old = client(&a, "/one", &token("7")).connect();
    let mut kept = client(&a, "/one", &token("8")).connect();
    a.signal(Signal::Stop);
    // Longer than its lease.
    pause(Duration::from_millis(9_500));
    let mut new = client(&b, "/one", &token("7")).connect();
    new.echo("in its place");
    a.signal(Signal::Cont);
    assert_eq!(old.expect_close(), 4409);
    new.echo("still here");
    kept.echo("still here");
    // The one that kept its place has it again.
    let _newest = client(&b, "/one", &token("8")).connect();
    assert_eq!(kept.expect_close(), 4409);
}

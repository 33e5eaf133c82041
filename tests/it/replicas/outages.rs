//! Redis goes away under load: nobody loses a session, no request fails, and everything is as it
//! should be afterwards.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::super::support::frames::{self, Frame};
use super::super::support::gate::handshake;
use super::super::support::redis::Redis;
use super::super::support::wait::pause;
use super::super::support::{Gate, RawClient, eventually};
use super::{
    Backends, POLICY, bearer, client, replica_of, replicas, revoke, status, token, wait_for_status,
    wait_until_up,
};

/// Sockets at each replica.
const SOCKETS: usize = 10;
/// So many messages, or answers, are a load.
const ENOUGH: usize = 100;

/// How long a gate waits for a store that hangs. Longer than any pause of a busy machine, so that
/// whoever took less has not waited for it.
const TIMEOUT: Duration = Duration::from_secs(3);

struct Load<'a> {
    gates: &'a [Gate],
    is_over: AtomicBool,
}

/// Ends the load, also where the disturbance panics: the threads under load would go on for ever.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Load<'_> {
    /// However short the disturbance is, the load lasts long enough to be one.
    fn goes_on(&self, count: usize) -> bool {
        count <= ENOUGH || !self.is_over.load(Ordering::Relaxed)
    }

    /// Echoes on a socket until it is over. Counts the messages.
    fn echo(&self, mut socket: RawClient) -> usize {
        let frame = Frame::new(frames::TEXT, "hello");
        let mut count = 0;
        while self.goes_on(count) {
            socket.send_frame(&frame);
            assert!(socket.frame() == frame, "after {count} messages");
            count += 1;
            pause(Duration::from_millis(5));
        }
        count
    }

    /// Asks until it is over. Counts the answers, and gives the longest that one took.
    fn ask(&self, gate: &Gate, token: &str) -> (usize, Duration) {
        let mut client = gate.client();
        let (mut count, mut longest) = (0, Duration::ZERO);
        while self.goes_on(count) {
            let begin = Instant::now();
            let answer = client.get("/api", &bearer(token));
            assert_eq!(answer.status(), 200, "after {count} answers");
            longest = longest.max(begin.elapsed());
            count += 1;
            pause(Duration::from_millis(2));
        }
        (count, longest)
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begin = Instant::now();
    let done = work();
    (done, begin.elapsed())
}

fn open(gate: &Gate, path: &str, token: &str) -> RawClient {
    let mut socket = gate.client();
    socket.send(handshake(path, &bearer(token)));
    assert_eq!(socket.answer_to_head().status(), 101);
    socket
}

/// Puts load on all gates while `disturb` runs.
fn under_load(gates: &[Gate], disturb: impl FnOnce()) {
    let load = Load {
        gates,
        is_over: AtomicBool::new(false),
    };
    thread::scope(|scope| {
        let load = &load;
        let mut sockets = Vec::new();
        let mut requests = Vec::new();
        for (at, gate) in load.gates.iter().enumerate() {
            for number in 0..SOCKETS {
                let socket = open(gate, "/one", &token(&format!("user-{at}-{number}")));
                sockets.push(scope.spawn(move || load.echo(socket)));
            }
            requests.push(scope.spawn(move || load.ask(gate, &token("asking"))));
        }
        let ending = Ending(&load.is_over);
        disturb();
        drop(ending);
        for socket in sockets {
            assert!(socket.join().unwrap() > ENOUGH);
        }
        for request in requests {
            let (count, longest) = request.join().unwrap();
            eprintln!("{count} answers, the longest took {longest:?}");
            assert!(count > ENOUGH);
            assert!(longest < TIMEOUT, "{longest:?}");
        }
    });
}

fn wait_until_down(gates: &[Gate]) {
    for gate in gates {
        gate.wait_for_metric("imgate_store_up", &[], |up| up < 0.5);
        let status = gate.status();
        assert_eq!(status["ready"], true, "it serves: {status}");
        assert_eq!(status["store_up"], false, "{status}");
        assert!(status["caveats"].to_string().contains("away"), "{status}");
    }
}

/// Every socket has its place.
fn check_places(redis: &Redis, expected: usize) {
    eventually("all places are written down", || {
        let claims: Vec<String> = redis.run(&["KEYS", "chat:claim:*"]);
        (claims.len() == expected).then_some(())
    });
}

#[test]
fn a_store_that_restarts_empty_costs_nobody_a_session() {
    let (mut redis, backends) = (Redis::start(), Backends::start());
    let gates: [_; 3] = replicas(&redis, &backends);
    let mut lasting = client(&gates[0], "/one", &token("7")).connect();
    assert_eq!(revoke(&gates[0], "9")["durable"], true);
    under_load(&gates, || {
        redis.stop();
        wait_until_down(&gates);
        for gate in &gates {
            assert_eq!(status(gate, &token("9")), 401);
        }
        // Whoever comes now is served, and counted at one replica alone.
        let mut first = client(&gates[1], "/alone", &token("8")).connect();
        let refused = gates[1].send(handshake("/alone", &bearer(&token("8"))));
        assert_eq!(refused.status(), 429);
        first.echo("in the outage");
        let revoked = revoke(&gates[1], "10");
        assert_eq!(revoked["durable"], false, "{revoked}");
        redis.restart();
        gates.iter().for_each(wait_until_up);
        check_places(&redis, 3 * SOCKETS + 2);
        for gate in &gates {
            wait_for_status(gate, &token("9"), 401);
            wait_for_status(gate, &token("10"), 401);
        }
        let refused = gates[2].send(handshake("/alone", &bearer(&token("8"))));
        assert_eq!(refused.status(), 429, "everybody knows of it");
        first.echo("still here");
    });
    lasting.echo("still here");
    let _new = client(&gates[2], "/one", &token("7")).connect();
    assert_eq!(lasting.expect_close(), 4409);
}

#[test]
fn a_store_that_hangs_costs_nobody_a_session() {
    let (redis, backends) = (Redis::start(), Backends::start());
    let policy = POLICY.replace("prefix: \"chat:\"", "timeout: 3s, prefix: \"chat:\"");
    let gates = [(); 3].map(|()| replica_of(&policy, &redis, &backends).start());
    gates.iter().for_each(wait_until_up);
    let mut lasting = client(&gates[0], "/one", &token("7")).connect();
    under_load(&gates, || {
        redis.pause();
        // The first who asks waits for the time limit, and nobody after that.
        let (mut first, waited) = timed(|| client(&gates[1], "/one", &token("8")).connect());
        eprintln!("the first handshake took {waited:?}");
        assert!(waited < 2 * TIMEOUT, "it waits once: {waited:?}");
        let (mut second, waited) = timed(|| client(&gates[1], "/one", &token("9")).connect());
        assert!(waited < TIMEOUT, "{waited:?}");
        wait_until_down(&gates);
        let (revoked, waited) = timed(|| revoke(&gates[2], "10"));
        assert_eq!(revoked["durable"], false);
        assert!(waited < TIMEOUT, "{waited:?}");
        assert_eq!(status(&gates[2], &token("10")), 401, "in force at once");
        // Longer than all leases.
        pause(Duration::from_secs(10));
        redis.resume();
        gates.iter().for_each(wait_until_up);
        check_places(&redis, 3 * SOCKETS + 3);
        for gate in &gates {
            wait_for_status(gate, &token("10"), 401);
        }
        first.echo("still here");
        second.echo("still here");
        let _new = client(&gates[2], "/one", &token("8")).connect();
        assert_eq!(first.expect_close(), 4409);
    });
    lasting.echo("still here");
}

#[test]
fn who_came_twice_in_an_outage_keeps_the_newer_session() {
    let (mut redis, backends) = (Redis::start(), Backends::start());
    let [a, b] = replicas(&redis, &backends);
    let mut oldest = client(&a, "/one", &token("7")).connect();
    redis.stop();
    for gate in [&a, &b] {
        gate.wait_for_metric("imgate_store_up", &[], |up| up < 0.5);
    }
    let mut newer = client(&b, "/one", &token("7")).connect();
    oldest.echo("nobody knows");
    newer.echo("nobody knows");
    redis.restart();
    assert_eq!(oldest.expect_close(), 4409);
    newer.echo("still here");
    for gate in [&a, &b] {
        wait_until_up(gate);
    }
    newer.echo("still here");
}

#[test]
fn a_store_that_is_flushed_while_it_runs_is_filled_again() {
    let (redis, backends) = (Redis::start(), Backends::start());
    let [a, b] = replicas(&redis, &backends);
    let mut first = client(&a, "/alone", &token("7")).connect();
    redis.run::<String>(&["FLUSHALL"]);
    check_places(&redis, 1);
    let refused = b.send(handshake("/alone", &bearer(&token("7"))));
    assert_eq!(refused.status(), 429);
    first.echo("still here");
}

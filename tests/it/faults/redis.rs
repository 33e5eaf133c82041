//! A real Redis that answers otherwise than it should: an outage for whom it is about, and it ends by
//! itself.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use redis::{Client, Connection};

use super::super::support::mint::{SA_TOKEN_SECRET, sa_token};
use super::super::support::proxy::{Line, Proxy};
use super::super::support::redis::Redis;
use super::super::support::{Gate, Recorder, eventually};
use super::warnings;

const POLICY: &str = "
authenticators:
  im-token:
    from: [{ header: token, prefix: Bearer }]
    sa_token:
      secret: { value: \"$SECRET\" }
      user_types: [im_user]
      sessions:
        redis: { address: \"$REDIS\", key: \"login:{token}\", $KEYS }
        max_stale: 0s
        on_outage: deny
routes:
  - { name: api, match: { path: /api/** }, require: { any_of: [im-token] }, upstream: im }
  - { name: open, match: { path: /open }, require: public, upstream: im }
";

const HOUR: u64 = 3_600_000;

struct Scene {
    redis: Redis,
    gate: Gate,
    token: String,
    _backend: Recorder,
}

impl Scene {
    fn with(keys: &str) -> Self {
        let redis = Redis::start();
        let address = redis.address();
        Self::asking(redis, address, keys)
    }

    fn asking(redis: Redis, address: SocketAddr, keys: &str) -> Self {
        let backend = Recorder::ok();
        let policy = POLICY
            .replace("$SECRET", SA_TOKEN_SECRET)
            .replace("$REDIS", &address.to_string())
            .replace("$KEYS", keys);
        let gate = Gate::with(&policy)
            .upstream("im", backend.address())
            .workers(1)
            .start();
        let token = log_in(&redis);
        Self {
            redis,
            gate,
            token,
            _backend: backend,
        }
    }

    fn status(&self) -> u16 {
        status(&self.gate, &self.token)
    }

    /// Nobody can tell, one line of the log says why, and routes without a token go on.
    #[track_caller]
    fn cannot_tell(&self, why: &str) {
        eventually("the outage is seen", || {
            (self.status() == 503).then_some(())
        });
        let answer = self.gate.get("/api/me", &bearer(&self.token));
        assert_eq!(
            (answer.status(), answer.reason().as_str()),
            (503, "unavailable"),
            "{why}"
        );
        assert_eq!(self.gate.get("/open", "").status(), 200, "{why}");
        let request = answer.header("x-request-id").expect("an id");
        let lines = eventually("the lines of the request", || {
            let output = self.gate.output();
            let lines = output.lines().filter(|line| line.contains(request));
            let lines: Vec<_> = lines.map(str::to_owned).collect();
            (lines.len() > 1).then_some(lines)
        });
        // A warning, and the line that every request has.
        assert_eq!(lines.len(), 2, "{why}: {lines:#?}");
        assert!(lines[0].contains(why), "{why}: {lines:#?}");
        assert!(
            !self.gate.output().contains(&self.token),
            "{why}: {}",
            self.gate.output()
        );
    }

    #[track_caller]
    fn recovers(&self) {
        eventually("the token is good again", || {
            (self.status() == 200).then_some(())
        });
    }
}

fn log_in(redis: &Redis) -> String {
    let token = sa_token("im_user:7");
    redis.set(&format!("login:{token}"), "\"im_user:7\"", HOUR);
    token
}

fn bearer(token: &str) -> String {
    format!("token: Bearer {token}\r\n")
}

fn status(gate: &Gate, token: &str) -> u16 {
    gate.get("/api/me", &bearer(token)).status()
}

/// An operator's connection, which outlives what he does to the others.
struct Operator(Connection);

impl Operator {
    fn of(redis: &Redis) -> Self {
        let client = Client::open(format!("redis://{}/", redis.address())).unwrap();
        Self(client.get_connection().unwrap())
    }

    #[track_caller]
    fn run(&mut self, words: &[&str]) {
        let mut command = redis::Cmd::new();
        command.arg(words);
        command.exec(&mut self.0).unwrap();
    }

    /// Has everybody else connect anew.
    fn cut_off_others(&mut self) {
        self.run(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    }
}

#[test]
fn a_redis_that_is_slow_delays_those_who_need_it_and_no_longer_than_its_time() {
    let redis = Redis::start();
    let proxy = Proxy::before(redis.address());
    let scene = Scene::asking(redis, proxy.address(), "timeout: 2s");
    scene.recovers();
    proxy.is_now(Line::Slow(Duration::from_millis(500)));
    thread::scope(|scope| {
        let slow = scope.spawn(|| scene.status());
        // On the same worker: it waits for nobody.
        assert_eq!(scene.gate.get("/open", "").status(), 200);
        assert_eq!(slow.join().unwrap(), 200, "late is good enough");
    });
    proxy.is_now(Line::Slow(Duration::from_secs(5)));
    scene.cannot_tell("did not answer in time");
    proxy.is_now(Line::Good);
    scene.recovers();
}

#[test]
fn a_redis_that_talks_nonsense_is_an_outage_until_it_makes_sense() {
    for (case, says, why) in [
        (
            "another protocol",
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "not understood",
        ),
        ("bytes", b"\xff\xfe\0\r\n", "not understood"),
        ("an answer to something else", b"+OK\r\n", "not understood"),
        ("a number", b":42\r\n", "not understood"),
        (
            "its data are still being read",
            b"-LOADING Redis is loading the dataset in memory\r\n",
            "LOADING",
        ),
        (
            "a replica without its master",
            b"-MASTERDOWN Link with MASTER is down\r\n",
            "MASTERDOWN",
        ),
        (
            "a script blocks it",
            b"-BUSY Redis is busy running a script.\r\n",
            "BUSY",
        ),
        (
            "it belongs to a cluster",
            b"-MOVED 3999 127.0.0.1:6381\r\n",
            "MOVED",
        ),
    ] {
        eprintln!("{case}");
        let redis = Redis::start();
        let proxy = Proxy::before(redis.address());
        let scene = Scene::asking(redis, proxy.address(), "timeout: 2s");
        scene.recovers();
        proxy.is_now(Line::Says(says));
        scene.cannot_tell(why);
        proxy.is_now(Line::Good);
        scene.recovers();
    }
}

#[test]
fn a_key_of_another_type_is_its_own_tokens_trouble() {
    let scene = Scene::with("timeout: 2s");
    scene.recovers();
    let key = format!("login:{}", scene.token);
    scene.redis.delete(&key);
    scene.redis.run::<u64>(&["LPUSH", &key, "im_user:7"]);
    let other = log_in(&scene.redis);
    scene.cannot_tell("WRONGTYPE");
    assert_eq!(status(&scene.gate, &other), 200);
    scene.redis.delete(&key);
    scene.redis.set(&key, "im_user:7", HOUR);
    scene.recovers();
}

#[test]
fn a_redis_that_refuses_the_gate_is_an_outage() {
    const PASSWORD: &str = "canary-password-of-redis";
    let scene = Scene::with("timeout: 2s");
    scene.recovers();
    let mut operator = Operator::of(&scene.redis);
    operator.run(&["CONFIG", "SET", "requirepass", PASSWORD]);
    operator.cut_off_others();
    scene.cannot_tell("NOAUTH");
    // A gate with the wrong password knows as little, and tells nobody which it was.
    let backend = Recorder::ok();
    let policy = POLICY
        .replace("$SECRET", SA_TOKEN_SECRET)
        .replace("$REDIS", &scene.redis.address().to_string())
        .replace("$KEYS", "password: { value: canary-wrong-password }");
    let wrong = Gate::with(&policy)
        .upstream("im", backend.address())
        .start();
    assert_eq!(status(&wrong, &scene.token), 503);
    let line = eventually("a line about it", || {
        warnings(&wrong, "could not be checked").pop()
    });
    assert!(line.contains("refused the credentials"), "{line}");
    assert!(
        !wrong.output().contains("canary-wrong"),
        "{}",
        wrong.output()
    );
    operator.run(&["CONFIG", "SET", "requirepass", "canary-wrong-password"]);
    eventually("the password is the right one by now", || {
        (status(&wrong, &scene.token) == 200).then_some(())
    });
    operator.run(&["CONFIG", "SET", "requirepass", ""]);
    scene.recovers();
}

#[test]
fn a_redis_without_room_for_another_client_is_an_outage() {
    let scene = Scene::with("timeout: 2s");
    scene.recovers();
    let mut operator = Operator::of(&scene.redis);
    operator.run(&["CONFIG", "SET", "maxclients", "1"]);
    operator.cut_off_others();
    scene.cannot_tell("session store");
    operator.run(&["CONFIG", "SET", "maxclients", "100"]);
    scene.recovers();
}

#[test]
fn a_redis_that_takes_no_writes_is_read_as_before() {
    let scene = Scene::with("timeout: 2s");
    let master = Redis::start();
    scene.recovers();
    scene
        .redis
        .run::<String>(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(scene.status(), 200, "out of memory");
    scene
        .redis
        .run::<String>(&["CONFIG", "SET", "maxmemory", "0"]);
    // The replica's data become its master's.
    let token = log_in(&master);
    let [host, port] = [
        master.address().ip().to_string(),
        master.address().port().to_string(),
    ];
    scene.redis.run::<String>(&["REPLICAOF", &host, &port]);
    eventually("what the master knows, the gate does", || {
        (status(&scene.gate, &token) == 200).then_some(())
    });
    assert_eq!(scene.status(), 401, "it is not known any more");
}

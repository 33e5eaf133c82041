//! Living sockets whose sessions change in Redis, and what an outage of Redis does to them.

use std::time::{Duration, Instant};

use super::super::support::eventually;
use super::super::support::gate::Gate;
use super::super::support::mint::{SA_TOKEN_SECRET, sa_token};
use super::super::support::redis::Redis;
use super::super::support::wait::{patience, pause};
use super::super::support::ws_backend::{End, WsBackend, accept};
use super::super::support::ws_client::WsClient;
use super::{HOUR, redis_key};

const POLICY: &str = "
authenticators:
  im-token:
    from: [{ header: token, prefix: Bearer }]
    sa_token:
      secret: { value: \"$SECRET\" }
      user_types: [im_user]
      sessions:
        redis: { address: \"$REDIS\", key: \"global:Authorization:login:token:{token}\" }
        $RECHECK
routes:
  - { name: ws, match: { path: /ws }, websocket: true, require: { any_of: [im-token] }, upstream: ws }
";

/// What stays with a test: Redis, the backend, and the gate between them.
struct Scene {
    redis: Redis,
    backend: WsBackend,
    gate: Gate,
}

impl Scene {
    fn with(recheck: &str) -> Self {
        Self::before(WsBackend::echo(), recheck)
    }

    fn before(backend: WsBackend, recheck: &str) -> Self {
        let redis = Redis::start();
        let policy = POLICY
            .replace("$SECRET", SA_TOKEN_SECRET)
            .replace("$REDIS", &redis.address().to_string())
            .replace("$RECHECK", recheck);
        let gate = Gate::with(&policy)
            .upstream("ws", backend.address())
            .start();
        Self {
            redis,
            backend,
            gate,
        }
    }

    fn log_in(&self, milliseconds: u64) -> String {
        let token = sa_token("im_user:7");
        self.redis
            .set(&redis_key(&token), "\"im_user:7\"", milliseconds);
        token
    }

    fn connect(&self, token: &str) -> WsClient {
        WsClient::to(self.gate.address(), "/ws")
            .header("token", token)
            .connect()
    }

    /// Counts what was said about living sessions.
    fn answers(&self, result: &str) -> f64 {
        let labels = [("authenticator", "im-token"), ("result", result)];
        self.gate
            .metrics()
            .value("imgate_session_rechecks_total", &labels)
    }

    fn in_grace(&self) -> f64 {
        let labels = [("authenticator", "im-token")];
        self.gate
            .metrics()
            .value("imgate_sessions_in_grace", &labels)
    }
}

#[test]
fn what_happens_to_a_login_happens_to_its_socket() {
    type Change = fn(&Redis, &str);
    let changes: [(&str, Change, u16, &str); 4] = [
        (
            "another login has replaced it",
            |redis, key| redis.overwrite(key, "\"-4\""),
            4409,
            "replaced",
        ),
        (
            "it was kicked out",
            |redis, key| redis.overwrite(key, "-5"),
            4403,
            "revoked",
        ),
        (
            "it has logged out",
            |redis, key| redis.delete(key),
            4401,
            "expired",
        ),
        (
            "its time was cut short",
            |redis, key| redis.expire(key, 1500),
            4401,
            "expired",
        ),
    ];
    for (case, change, code, reason) in changes {
        let scene = Scene::with("recheck: 1s");
        let (goes, stays) = (scene.log_in(HOUR), scene.log_in(HOUR));
        let mut client = scene.connect(&goes);
        let mut bystander = scene.connect(&stays);
        client.echo("open");
        change(&scene.redis, &redis_key(&goes));
        let start = Instant::now();
        assert_eq!(client.expect_close(), code, "{case}");
        // An interval, a tick, what was left of the time; the rest is for the machine.
        assert!(
            start.elapsed() < patience() / 2,
            "{case}: {:?}",
            start.elapsed()
        );
        assert_eq!(scene.backend.first_end(), End::Close(code), "{case}");
        bystander.echo("still here");
        let labels = [("route", "ws"), ("reason", reason)];
        scene
            .gate
            .wait_for_metric("imgate_sessions_closed_total", &labels, |count| count > 0.5);
    }
}

#[test]
fn a_login_that_is_prolonged_keeps_its_socket() {
    let scene = Scene::with("recheck: 1s");
    let token = scene.log_in(6000);
    let start = Instant::now();
    let mut client = scene.connect(&token);
    client.echo("open");
    scene.redis.expire(&redis_key(&token), HOUR);
    pause(Duration::from_secs(8).saturating_sub(start.elapsed()));
    client.echo("two seconds after the first end");
    assert!(scene.answers("confirmed") > 2.5);
}

#[test]
fn who_does_not_ask_again_does_not_see_it() {
    let scene = Scene::with("recheck: off");
    let token = scene.log_in(HOUR);
    let mut client = scene.connect(&token);
    client.echo("open");
    scene.redis.overwrite(&redis_key(&token), "-4");
    pause(Duration::from_secs(2));
    client.echo("still here");
}

#[test]
fn an_outage_shorter_than_the_grace_closes_nobody() {
    let mut scene = Scene::with(
        "recheck: 1s, live_grace: 30s"
            .replace(", ", "\n        ")
            .as_str(),
    );
    let tokens: Vec<_> = (0..20).map(|_| scene.log_in(HOUR)).collect();
    let mut clients: Vec<_> = tokens.iter().map(|token| scene.connect(token)).collect();
    for outage in ["it hangs", "it is gone"] {
        let hangs = outage == "it hangs";
        if hangs {
            scene.redis.pause();
        } else {
            scene.redis.save();
            scene.redis.stop();
        }
        eventually("all are in grace", || {
            (scene.in_grace() > 19.5).then_some(())
        });
        let caveats = scene.gate.status()["caveats"].to_string();
        assert!(
            caveats.contains("im-token") && caveats.contains("20 living"),
            "{caveats}"
        );
        for client in &mut clients {
            client.echo(outage);
        }
        if hangs {
            scene.redis.resume();
        } else {
            scene.redis.restart();
        }
        eventually("nobody is in grace", || {
            (scene.in_grace() < 0.5).then_some(())
        });
        let before = scene.answers("confirmed");
        eventually("all are asked about again", || {
            (scene.answers("confirmed") > before + 19.5).then_some(())
        });
        for client in &mut clients {
            client.echo("still here");
        }
        assert_eq!(scene.gate.status()["caveats"], serde_json::json!([]));
    }
    assert!(scene.answers("unavailable") > 1.5);
    scene.redis.overwrite(&redis_key(&tokens[7]), "-4");
    assert_eq!(clients[7].expect_close(), 4409);
    assert_eq!(scene.backend.first_end(), End::Close(4409));
    assert_eq!(scene.backend.ends().len(), 1);
}

#[test]
fn an_outage_longer_than_the_grace_closes_all() {
    let mut scene = Scene::with("recheck: 1s\n        live_grace: 4s");
    let tokens: Vec<_> = (0..5).map(|_| scene.log_in(HOUR)).collect();
    let mut clients: Vec<_> = tokens.iter().map(|token| scene.connect(token)).collect();
    eventually("all are confirmed", || {
        (scene.answers("confirmed") > 4.5).then_some(())
    });
    scene.redis.stop();
    let start = Instant::now();
    for client in &mut clients {
        // Their tokens may be as good as ever: try again later, do not log in again.
        assert_eq!(client.expect_close(), 1013);
    }
    let took = start.elapsed();
    assert!(
        took.as_secs_f64() > 2.0,
        "the grace counts from an answer: {took:?}"
    );
    eventually("the backend sees it", || {
        (scene.backend.ends().len() == 5).then_some(())
    });
    assert!(
        scene
            .backend
            .ends()
            .iter()
            .all(|end| *end == End::Close(1013))
    );
}

#[test]
fn a_slow_handshake_hides_no_replacement() {
    let backend = WsBackend::handshaking(|head| {
        // Longer than an interval.
        pause(Duration::from_secs(7));
        accept(head, "")
    });
    let scene = Scene::before(backend, "recheck: 6s");
    let token = scene.log_in(HOUR);
    let mut client = std::thread::scope(|threads| {
        let connecting = threads.spawn(|| scene.connect(&token));
        eventually("the upstream is asked", || scene.backend.handshakes().pop());
        scene.redis.overwrite(&redis_key(&token), "-4");
        connecting.join().unwrap()
    });
    let start = Instant::now();
    assert_eq!(client.expect_close(), 4409);
    // It is due at once, and not an interval after its 101.
    assert!(start.elapsed() < patience() / 5, "{:?}", start.elapsed());
}

#[test]
fn many_sockets_cost_few_round_trips() {
    const SOCKETS: usize = 500;
    let scene = Scene::with("recheck: 4s");
    let clients: Vec<_> = (0..SOCKETS)
        .map(|_| scene.connect(&scene.log_in(HOUR)))
        .collect();
    let count = || {
        let names = ["cmdstat_get", "cmdstat_pttl", "total_reads_processed"];
        names.map(|name| scene.redis.statistic(name))
    };
    let confirmed = scene.answers("confirmed");
    let before = count();
    eventually("each is asked about twice", || {
        let asked = scene.answers("confirmed") - confirmed;
        (asked > 2.0 * 500.0).then_some(())
    });
    let [gets, pttls, reads] = {
        let after = count();
        [0, 1, 2].map(|at| after[at] - before[at])
    };
    assert!(gets >= 1000 && pttls >= 1000, "{gets} GET, {pttls} PTTL");
    // 16 ticks of the rounds, each with one pipeline that is read in pieces of 16 KiB.
    assert!(reads < 200, "{reads} reads for {gets} questions");
    assert_eq!(scene.backend.ends(), []);
    drop(clients);
}

#[test]
fn a_redis_that_hangs_delays_no_other() {
    let (hangs, works, backend) = (Redis::start(), Redis::start(), WsBackend::echo());
    let (authenticators, routes) = POLICY.split_once("routes:").unwrap();
    let second = authenticators
        .replace("\nauthenticators:\n", "")
        .replace("im-token", "other")
        .replace("header: token", "header: other")
        .replace("$REDIS", &works.address().to_string());
    let routes = routes.replace("[im-token]", "[im-token, other]");
    let policy = format!("{authenticators}{second}routes:{routes}")
        .replace("$SECRET", SA_TOKEN_SECRET)
        .replace("$REDIS", &hangs.address().to_string())
        .replace("$RECHECK", "recheck: 1s");
    let gate = Gate::with(&policy)
        .upstream("ws", backend.address())
        .start();
    let connect = |redis: &Redis, header| {
        let token = sa_token("im_user:7");
        redis.set(&redis_key(&token), "im_user:7", HOUR);
        let client = WsClient::to(gate.address(), "/ws").header(header, &token);
        (token, client.connect())
    };
    let (_, mut bystander) = connect(&hangs, "token");
    let (token, mut client) = connect(&works, "other");
    hangs.pause();
    let in_grace = [("authenticator", "im-token")];
    gate.wait_for_metric("imgate_sessions_in_grace", &in_grace, |count| count > 0.5);
    works.overwrite(&redis_key(&token), "-5");
    let start = Instant::now();
    assert_eq!(client.expect_close(), 4403);
    assert!(start.elapsed() < patience() / 2, "{:?}", start.elapsed());
    bystander.echo("still here");
}

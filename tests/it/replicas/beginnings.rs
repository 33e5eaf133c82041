//! A gate that has never seen its store knows nothing of what was revoked.

use super::super::support::redis::Redis;
use super::super::support::{Gate, eventually};
use super::{Backends, bearer, replica, token, wait_until_up};

#[test]
fn nobody_is_let_in_before_it_is_known_what_was_revoked() {
    let (mut redis, backends) = (Redis::start(), Backends::start());
    redis.stop();
    let mut gate = replica(&redis, &backends).start_without_waiting();
    eventually("the gate listens", || {
        std::net::TcpStream::connect(gate.address()).ok()
    });
    eventually("it is not ready", || {
        (gate.admin("/readyz").status() == 503).then_some(())
    });
    let refused = gate.get("/api", &bearer(&token("7")));
    assert_eq!((refused.status(), &*refused.reason()), (503, "unavailable"));
    assert_eq!(gate.get("/api", "").status(), 401, "nothing was shown");
    assert_eq!(gate.get("/open", "").status(), 200, "it needs nobody");
    let status = gate.status();
    assert_eq!(status["store_up"], false, "{status}");
    assert!(
        status["caveats"].to_string().contains("revoked"),
        "{status}"
    );

    redis.restart();
    gate.wait_until_ready();
    assert_eq!(gate.get("/api", &bearer(&token("7"))).status(), 200);
    wait_until_up(&gate);
    let status = gate.status();
    assert_eq!(status["store_up"], true, "{status}");
    assert_eq!(status["caveats"].to_string(), "[]");
}

#[test]
fn a_gate_without_a_store_says_so() {
    let gate = Gate::with("routes: [{ match: { path: /open }, require: public, upstream: im }]\n")
        .upstream("im", super::Recorder::ok().address())
        .start();
    assert_eq!(gate.status()["store"], "memory");
    assert!(!gate.metrics().has("imgate_store_up"));
}

#[test]
fn another_store_needs_a_restart() {
    let (redis, backends) = (Redis::start(), Backends::start());
    let gate = replica(&redis, &backends).start();
    let policy = super::POLICY
        .replace("$SECRET", super::SA_TOKEN_SECRET)
        .replace("$REDIS", &redis.address().to_string())
        .replace("chat:", "other:");
    gate.reload(&policy);
    eventually("the reload is refused", || {
        let problem = gate.status()["reload_problem"].to_string();
        problem.contains("restart").then_some(())
    });
}

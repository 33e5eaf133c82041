//! The store of replicas takes no writes, or answers nonsense: each gate goes on by itself, says so once,
//! and is one of several again when it is over.

use std::time::Duration;

use serde_json::json;

use super::super::support::gate::Builder;
use super::super::support::member::{bearer, client, token_with};
use super::super::support::mint::SA_TOKEN_SECRET;
use super::super::support::operator::{self, order};
use super::super::support::proxy::{Line, Proxy};
use super::super::support::redis::Redis;
use super::super::support::wait::pause;
use super::super::support::ws_backend::WsBackend;
use super::super::support::{Gate, eventually};
use super::warnings;

const POLICY: &str = "
authenticators:
  member:
    from: [{ header: Authorization, prefix: Bearer }]
    jwt:
      keys: [{ kid: h, algorithm: HS256, secret: { value: \"$SECRET\" } }]
      issuer: any
      audience: any
      claims: { subject: sub, device_type: dev }
routes:
  - name: one
    match: { path: /one }
    websocket: true
    require: { any_of: [member] }
    session: { per_device: 1 }
    upstream: ws
store: { redis: { address: \"$REDIS\", prefix: \"chat:\" } }
";

fn gate(address: std::net::SocketAddr, sockets: &WsBackend) -> Builder {
    let policy = POLICY
        .replace("$SECRET", SA_TOKEN_SECRET)
        .replace("$REDIS", &address.to_string());
    operator::obeyed_by(Gate::with(&policy))
        .workers(1)
        .upstream("ws", sockets.address())
}

#[track_caller]
fn wait_until_up(gate: &Gate, is_up: bool) {
    gate.wait_for_metric("imgate_store_up", &[], |up| (up > 0.5) == is_up);
}

/// What this does to the store makes the gate alone; undone, it is not any more.
fn alone_for_a_while(gate: &Gate, why: &str, begin: impl FnOnce(), end: impl FnOnce()) {
    let token = token_with("7", 600, &[]);
    let mut lasting = client(gate, "/one", &token).connect();
    lasting.echo("before");
    let before = warnings(gate, "").len();
    begin();
    // Whichever of its connections finds out first, requests must have stopped asking the store.
    eventually("the gate knows that it is alone", || {
        let lines = warnings(gate, "the shared store is away");
        (!lines.is_empty()).then_some(())
    });
    wait_until_up(gate, false);
    // It admits, counts places by itself, and revokes.
    let mut newer = client(gate, "/one", &token).connect();
    assert_eq!(lasting.expect_close(), 4409, "{why}");
    let revoked = order(gate, "POST", "/revocations", Some(&json!({ "user": "8" })));
    assert_eq!(revoked["durable"], false, "{why}: {revoked}");
    let banned = bearer(&token_with("8", 600, &[]));
    let refused = gate.send(super::super::support::gate::handshake("/one", &banned));
    assert_eq!(refused.status(), 401, "{why}");
    // Ten times as long as it takes to try again.
    pause(Duration::from_secs(3));
    let lines = warnings(gate, "");
    let lines = &lines[before..];
    assert!((1..=4).contains(&lines.len()), "{why}: {lines:#?}");
    assert!(
        lines.iter().any(|line| line.contains(why)),
        "{why}: {lines:#?}"
    );
    newer.echo("during");
    end();
    wait_until_up(gate, true);
    newer.echo("after");
    let mut newest = client(gate, "/one", &token).connect();
    assert_eq!(newer.expect_close(), 4409, "{why}");
    newest.close(1000);
    eventually("what was revoked meanwhile is known to all", || {
        let revoked = order(gate, "POST", "/revocations", Some(&json!({ "user": "9" })));
        (revoked["durable"] == true).then_some(())
    });
}

#[test]
fn a_store_that_is_a_read_only_replica_leaves_the_gate_alone() {
    let (redis, master, sockets) = (Redis::start(), Redis::start(), WsBackend::echo());
    let gate = gate(redis.address(), &sockets).start();
    wait_until_up(&gate, true);
    let [host, port] = [
        master.address().ip().to_string(),
        master.address().port().to_string(),
    ];
    alone_for_a_while(
        &gate,
        "READONLY",
        || drop(redis.run::<String>(&["REPLICAOF", &host, &port])),
        || drop(redis.run::<String>(&["REPLICAOF", "NO", "ONE"])),
    );
}

#[test]
fn a_store_that_is_out_of_memory_leaves_the_gate_alone() {
    let (redis, sockets) = (Redis::start(), WsBackend::echo());
    let gate = gate(redis.address(), &sockets).start();
    wait_until_up(&gate, true);
    alone_for_a_while(
        &gate,
        "OOM",
        || drop(redis.run::<String>(&["CONFIG", "SET", "maxmemory", "1"])),
        || drop(redis.run::<String>(&["CONFIG", "SET", "maxmemory", "0"])),
    );
}

#[test]
fn a_store_that_talks_nonsense_leaves_the_gate_alone() {
    for says in [
        &b"+OK\r\n"[..],
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"*0\r\n",
    ] {
        let (redis, sockets) = (Redis::start(), WsBackend::echo());
        let proxy = Proxy::before(redis.address());
        let gate = gate(proxy.address(), &sockets).start();
        wait_until_up(&gate, true);
        alone_for_a_while(
            &gate,
            "not understood",
            || proxy.is_now(Line::Says(says)),
            || proxy.is_now(Line::Good),
        );
    }
}

#[test]
fn a_revocation_is_not_durable_because_somebody_said_something() {
    let (redis, sockets) = (Redis::start(), WsBackend::echo());
    let proxy = Proxy::before(redis.address());
    let gate = gate(proxy.address(), &sockets).start();
    wait_until_up(&gate, true);
    // At once, so that nothing else has found out before.
    proxy.is_now(Line::Says(b"+OK\r\n"));
    let revoked = order(&gate, "POST", "/revocations", Some(&json!({ "user": "8" })));
    assert_eq!(revoked["durable"], false, "{revoked}");
    proxy.is_now(Line::Good);
    eventually("it is written down when the store is back", || {
        let all = redis.run::<Vec<String>>(&["HVALS", "chat:revocations"]);
        (all.len() == 1).then_some(())
    });
}

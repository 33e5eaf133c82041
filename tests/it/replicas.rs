//! Several gates on one Redis: what one learns holds at all of them, and an outage of Redis costs
//! nobody a session.

mod beginnings;
mod orders;
mod outages;
mod places;
mod renewals;
mod revocations;
mod withdrawals;

use serde_json::{Value, json};

use super::support::gate::Builder;
use super::support::member::{bearer, client, token_with};
use super::support::mint::SA_TOKEN_SECRET;
use super::support::operator::{self, ask, order};
use super::support::redis::Redis;
use super::support::ws_backend::WsBackend;
use super::support::{Gate, Recorder, eventually};

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
    session: { per_device: 1, renew: /one/renew }
    upstream: ws
  - name: alone
    match: { path: /alone }
    websocket: true
    require: { any_of: [member] }
    session: { per_device: 1, on_conflict: reject }
    upstream: ws
  - name: free
    match: { path: /free }
    websocket: true
    require: { any_of: [member] }
    session: { renew: /free/renew }
    upstream: ws
  - { name: api, match: { path: /api }, require: { any_of: [member] }, upstream: im }
  - { name: open, match: { path: /open }, require: public, upstream: im }
store: { redis: { address: \"$REDIS\", prefix: \"chat:\" } }
";

/// What the gates stand before.
struct Backends {
    sockets: WsBackend,
    api: Recorder,
}

impl Backends {
    fn start() -> Self {
        Self {
            sockets: WsBackend::echo(),
            api: Recorder::ok(),
        }
    }
}

fn replica(redis: &Redis, backends: &Backends) -> Builder {
    replica_of(POLICY, redis, backends)
}

fn replica_of(policy: &str, redis: &Redis, backends: &Backends) -> Builder {
    let policy = policy
        .replace("$SECRET", SA_TOKEN_SECRET)
        .replace("$REDIS", &redis.address().to_string());
    operator::obeyed_by(Gate::with(&policy))
        .workers(1)
        .upstream_with("ws", backends.sockets.address(), "handshake_timeout: 5s")
        .upstream("im", backends.api.address())
}

/// So many replicas, all in step with the store.
fn replicas<const COUNT: usize>(redis: &Redis, backends: &Backends) -> [Gate; COUNT] {
    let gates = [(); COUNT].map(|()| replica(redis, backends).start());
    for gate in &gates {
        wait_until_up(gate);
    }
    gates
}

fn wait_until_up(gate: &Gate) {
    gate.wait_for_metric("imgate_store_up", &[], |up| up > 0.5);
}

/// Revokes a user. The answer is what the gate says.
#[track_caller]
fn revoke(gate: &Gate, user: &str) -> Value {
    order(gate, "POST", "/revocations", Some(&json!({ "user": user })))
}

fn token(subject: &str) -> String {
    token_with(subject, 600, &[])
}

fn status(gate: &Gate, token: &str) -> u16 {
    gate.get("/api", &bearer(token)).status()
}

#[track_caller]
fn wait_for_status(gate: &Gate, token: &str, expected: u16) {
    eventually("the answer changes", || {
        (status(gate, token) == expected).then_some(())
    });
}

//! What governs a WebSocket after its handshake: how many one user may have, when each ends, and
//! what prolongs it.

mod answers;
mod crowd;
mod orders;
mod places;
mod renewal;
mod revocations;

use super::support::Gate;
use super::support::gate::Builder;
use super::support::member::{bearer, client, token_of, token_with};
use super::support::mint::SA_TOKEN_SECRET;
use super::support::ws_backend::WsBackend;

/// One route for each rule; all of them know the same users.
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
  - name: two
    match: { path: /two }
    websocket: true
    require: { any_of: [member] }
    session: { per_device: 2, on_conflict: reject }
    upstream: ws
  - name: free
    match: { path: /free }
    websocket: true
    require: { any_of: [member] }
    session: { renew: /free/renew, grace: 5s }
    upstream: ws
  - name: talk
    match: { path: /talk }
    websocket: true
    require: { any_of: [member] }
    session: { renew: { path: /talk/renew, message: { pointer: /data/token } } }
    upstream: ws
  - name: short
    match: { path: /short }
    websocket: true
    require: { any_of: [member] }
    session: { at_expiry: keep, max_session: 3s }
    upstream: ws
  - { name: many, match: { path: /many }, websocket: true, require: { any_of: [member] }, upstream: ws }
  - name: kept
    match: { path: /kept }
    websocket: true
    require: { any_of: [member] }
    session: { at_expiry: keep }
    upstream: ws
";

fn policy() -> String {
    POLICY.replace("$SECRET", SA_TOKEN_SECRET)
}

fn gate_before(backend: &WsBackend) -> Builder {
    Gate::with(&policy()).upstream_with("ws", backend.address(), "handshake_timeout: 5s")
}

fn token(subject: &str, seconds: i64) -> String {
    token_with(subject, seconds, &[])
}

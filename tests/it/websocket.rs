//! WebSocket: one policy for all of them, the first issue's `/ws` with a token that needs no
//! Redis.

mod carriers;
mod cookies;
mod endings;
mod gauges;
mod handshake;
mod lifetime;
mod reloads;
mod traffic;

use super::support::Gate;
use super::support::gate::Builder;
use super::support::mint::{SA_TOKEN_SECRET, sa_token};
use super::support::ws_backend::WsBackend;
use super::support::ws_client::{Handshake, WsClient};

const POLICY: &str = "
authenticators:
  im-token:
    from: [{ header: token, prefix: Bearer }, { query: token }, { subprotocol: imgate.bearer. }]
    sa_token:
      secret: { value: \"$SECRET\" }
      user_types: [im_user]
      sessions: { none: { max_age: 12h } }
  member:
    from: [{ header: Authorization, prefix: Bearer }]
    jwt:
      keys: [{ kid: h, algorithm: HS256, secret: { value: \"$SECRET\" } }]
      issuer: any
      audience: any
routes:
  - name: ws
    match: { path: /ws }
    websocket: true
    require:
      any_of: [im-token]
      device_type:
        from: [{ header: deviceType }, { query: deviceType }]
        one_of: [im_app_ios, im_app_android, im_web, im_pc_win, im_pc_mac]
    credential: { form: bare, as: { header: token } }
    upstream: ws
  - name: member
    match: { path: /member }
    websocket: true
    require: { any_of: [member] }
    upstream: ws
  - name: idle
    match: { path: /idle }
    websocket: true
    require: { any_of: [im-token] }
    session: { idle_timeout: 2s }
    upstream: ws
";

fn policy() -> String {
    POLICY.replace("$SECRET", SA_TOKEN_SECRET)
}

fn gate_before(backend: &WsBackend) -> Builder {
    Gate::with(&policy()).upstream_with("ws", backend.address(), "handshake_timeout: 2s")
}

/// The header lines that a good handshake on `/ws` needs.
fn good_headers() -> String {
    format!("token: {}\r\ndeviceType: im_web\r\n", sa_token("im_user:7"))
}

/// A well-behaved client on `/ws`.
fn client(gate: &Gate) -> Handshake {
    WsClient::to(gate.address(), "/ws")
        .header("token", &format!("Bearer {}", sa_token("im_user:7")))
        .header("deviceType", "im_web")
}

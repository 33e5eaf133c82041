//! Routes that observe: nobody is refused whom nobody knows, until the day that the operator has set;
//! and what is refused all the same.

mod denials;
mod endings;
mod telling;

use std::net::SocketAddr;

use super::support::Gate;
use super::support::gate::Builder;
use super::support::idp::{Idp, Mood};
use super::support::mint::{SA_TOKEN_SECRET, now};
use super::support::net;
use super::support::recorder::{Exchange, Recorder};
use super::support::ws_backend::WsBackend;

/// `$MODE` is whether the gate observes.
const POLICY: &str = "
$MODE
revocations: { file: revoked.yaml }
identity: { prefix: X-Auth-, remove: [X-User-Id] }
authenticators:
  keys:
    from: [{ header: X-App-Key }]
    app_key: { keys: [{ id: a, secret: { value: canary-good-key } }, { id: narrow, secret: { value: canary-narrow }, routes: [strict] }] }
  member:
    from: [{ header: Authorization, prefix: Bearer }, { query: token }]
    jwt:
      keys: [{ kid: h, algorithm: HS256, secret: { value: \"$SECRET\" } }]
      issuer: any
      audience: any
  away:
    from: [{ header: X-Away }]
    sa_token:
      secret: { value: \"$SECRET\" }
      user_types: [im_user]
      sessions: { redis: { address: \"$NOBODY\", key: \"login:{token}\" } }
  guessed:
    from: [{ header: X-Opaque }]
    introspection: { url: \"http://$IDP/introspect\", client_id: imgate, client_secret: { value: canary-idp }, remote: { unknown_per_client: 1 per 1h } }
routes:
  - name: keys
    match: { path: /keys, methods: [GET] }
    require: { any_of: [keys] }
    set_headers: { X-Backend-Key: { value: canary-backend-key } }
    upstream: api
  - name: member
    match: { path: /member }
    require: { any_of: [member], match: { subject: { query: userId } } }
    upstream: api
  - name: device
    match: { path: /device }
    require: { any_of: [member], device_type: { from: [{ header: deviceType }], one_of: [im_web] } }
    upstream: api
  - { name: away, match: { path: /away }, require: { any_of: [away] }, upstream: api }
  - { name: guessed, match: { path: /guessed }, require: { any_of: [guessed] }, upstream: api }
  - { name: tls, match: { path: /tls }, require: { any_of: [keys] }, require_tls: true, upstream: api }
  - { name: limited, match: { path: /limited }, require: { any_of: [member] }, limit: { requests: 1, per: 1h, by: subject }, upstream: api }
  - { name: events, match: { path: /events }, require: { any_of: [member] }, upstream: api }
  - name: ws
    match: { path: /ws }
    websocket: true
    require: { any_of: [member], device_type: { from: [{ header: deviceType }], one_of: [im_web] } }
    session: { per_device: 1, renew: { path: /ws/renew, message: { pointer: /data/token } }, grace: 1h }
    upstream: ws
  - { name: strict, match: { path: /strict }, require: { any_of: [keys] }, mode: enforce, upstream: api }
";

fn policy(mode: &str) -> String {
    POLICY
        .replace("$MODE", mode)
        .replace("$SECRET", SA_TOKEN_SECRET)
}

/// Observes for so many seconds from now.
fn observing(seconds: i64) -> String {
    let until = imgate::clock::UnixTime::from_secs(now() + seconds);
    format!("mode: observe\nuntil: {until}")
}

/// What stands around a gate.
struct Scene {
    backend: Recorder,
    sockets: WsBackend,
    idp: Idp,
    /// Where Redis should be.
    nobody: SocketAddr,
}

impl Scene {
    fn new() -> Self {
        Self {
            backend: Recorder::serving(serve),
            sockets: WsBackend::echo(),
            idp: Idp::in_mood(Mood::Knows(Vec::new())),
            nobody: net::free_address(),
        }
    }

    fn policy(&self, mode: &str) -> String {
        policy(mode)
            .replace("$NOBODY", &self.nobody.to_string())
            .replace("$IDP", &self.idp.address().to_string())
    }

    fn gate(&self, mode: &str) -> Builder {
        Gate::with(&self.policy(mode))
            .listener("trusted_proxies: [127.0.0.1/32]")
            .upstream("api", self.backend.address())
            .upstream("ws", self.sockets.address())
            .file("revoked.yaml", "[]\n")
    }
}

/// An event stream without an end, or a short answer.
fn serve(exchange: &mut Exchange) {
    if exchange.head.target() != "/events" {
        return exchange.ok();
    }
    exchange.send(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n\
         8\r\ndata: 1\n\r\n",
    );
    exchange.wait_for_the_gate_to_give_up();
}

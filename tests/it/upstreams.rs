//! Several addresses of an upstream.

use std::net::SocketAddr;

use super::support::door::Door;
use super::support::gate::Builder;
use super::support::mint::{SA_TOKEN_SECRET, sa_token};
use super::support::ws_backend::WsBackend;
use super::support::ws_client::WsClient;
use super::support::{Gate, Recorder};

mod answers;
mod checks;
mod outages;
mod reloads;
mod sockets;
mod spread;
mod users;

const POLICY: &str = "
authenticators:
  im-token:
    from: [{ header: token, prefix: Bearer }]
    sa_token:
      secret: { value: \"$SECRET\" }
      user_types: [im_user]
      sessions: { none: { max_age: 12h } }
routes:
  - { name: open, match: { path: /open/** }, require: public, upstream: im }
  - { name: api, match: { path: /api/** }, require: { any_of: [im-token] }, upstream: im }
  - { name: ws, match: { path: /ws }, websocket: true, require: { any_of: [im-token] }, upstream: im }
";

fn policy() -> String {
    POLICY.replace("$SECRET", SA_TOKEN_SECRET)
}

/// A gate of two workers before these addresses.
fn builder(addresses: &[SocketAddr], keys: &str) -> Builder {
    Gate::with(&policy())
        .upstream_at("im", addresses, keys)
        .workers(2)
}

/// The header line of a user's token.
fn token(user: &str) -> String {
    format!("token: {}\r\n", sa_token(&format!("im_user:{user}")))
}

fn three<T>(make: impl Fn() -> T) -> [T; 3] {
    [make(), make(), make()]
}

/// Three backends that can be shut.
struct Fleet {
    backends: [Recorder; 3],
    doors: [Door; 3],
}

impl Fleet {
    fn new() -> Self {
        let backends = three(Recorder::ok);
        let doors = [0, 1, 2].map(|at: usize| Door::to(backends[at].address()));
        Self { backends, doors }
    }

    fn addresses(&self) -> [SocketAddr; 3] {
        [0, 1, 2].map(|at: usize| self.doors[at].address())
    }

    /// How many requests each has had since this was last asked.
    #[track_caller]
    fn taken(&self) -> [usize; 3] {
        [0, 1, 2].map(|at: usize| self.backends[at].take().len())
    }
}

/// A socket of this user.
#[track_caller]
fn connect(gate: &Gate, user: &str) -> WsClient {
    let token = sa_token(&format!("im_user:{user}"));
    let handshake = WsClient::to(gate.address(), "/ws").header("token", &token);
    handshake.connect()
}

/// What `/readyz?verbose` says of upstreams.
#[track_caller]
fn caveats(gate: &Gate) -> Vec<String> {
    let status = gate.status();
    let caveats = status["caveats"].as_array().unwrap().iter();
    caveats
        .filter(|one| one["upstream"] == "im")
        .map(|one| one["caveat"].to_string())
        .collect()
}

/// How many handshakes each has had so far.
fn handshakes(backends: &[WsBackend; 3]) -> [usize; 3] {
    [0, 1, 2].map(|at: usize| backends[at].handshakes().len())
}

/// The gauge of one address.
fn wait_until_up(gate: &Gate, address: SocketAddr, expected: bool) {
    let address = address.to_string();
    let labels = [("upstream", "im"), ("address", &*address)];
    gate.wait_for_metric("imgate_upstream_up", &labels, |up| (up > 0.5) == expected);
}

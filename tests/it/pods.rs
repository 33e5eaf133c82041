//! What a pod needs: flags for whoever starts the gate there, answers for the kubelet about the
//! applications, and an eye on backends that listen beyond loopback.

mod exposure;
mod flags;
mod grpc;
mod probes;

use std::net::{IpAddr, SocketAddr, TcpListener};

use serde_json::Value;

use super::support::Gate;
use super::support::gate::Builder;

const POLICY: &str = "
routes:
  - { name: open, match: { path: /open/** }, require: public, upstream: im }
";

fn gate() -> Builder {
    Gate::with(POLICY)
}

/// A listener at this address, on a port of the system's choice.
fn listen(ip: impl Into<IpAddr>) -> TcpListener {
    TcpListener::bind((ip.into(), 0)).expect("a free port")
}

/// The same port at another address.
fn at(ip: impl Into<IpAddr>, address: SocketAddr) -> SocketAddr {
    SocketAddr::new(ip.into(), address.port())
}

/// What the caveats say of this upstream.
fn caveats(status: &Value, upstream: &str) -> Vec<String> {
    let caveats = status["caveats"].as_array().expect("a list").iter();
    caveats
        .filter(|one| one["upstream"] == upstream)
        .map(|one| one["caveat"].to_string())
        .collect()
}

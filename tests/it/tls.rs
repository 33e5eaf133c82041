//! Listeners with TLS, their certificates, and routes that require it.

use crate::support::gate::Builder;
use crate::support::tls::{Authority, Identity};
use crate::support::{Gate, Recorder, eventually};

/// Who may shake hands, in which version, and what becomes of whoever may not.
mod handshake;
/// What a reload changes, and what it leaves alone.
mod reload;
/// `require_tls`.
mod require;
/// What holds in plain text holds over TLS.
mod traffic;

/// The key of a listener whose files are `tls.crt` and `tls.key`.
const TLS: &str = "tls: { certificate: { file: tls.crt }, private_key: { file: tls.key } }";

/// The same, for clients that `clients.crt` has issued.
const MUTUAL: &str = "tls: { certificate: { file: tls.crt }, private_key: { file: tls.key }, \
                      client_ca: { file: clients.crt } }";

const POLICY: &str = "
authenticators:
  keys: { from: [{ header: X-App-Key }], app_key: { keys: [{ id: a, secret: { value: key-a } }] } }
limits: { head_timeout: 2s, keepalive_idle: 60s }
routes:
  - { name: keys, match: { path: /keys/** }, require: { any_of: [keys] }, upstream: im }
  - { name: ws, match: { path: /ws }, websocket: true, require: public, upstream: im }
  - { name: open, match: { path: /open/** }, require: public, upstream: im }
";

/// A gate whose second listener has these keys and this certificate. The first one is in plain
/// text.
fn gate(listener: &str, identity: &Identity) -> Builder {
    Gate::with(POLICY)
        .second_listener(listener)
        .file("tls.crt", &identity.certificate)
        .file("tls.key", &identity.key)
}

/// A gate before a backend that says 200, and the authority behind its certificate.
fn serving() -> (Gate, Recorder, Authority) {
    let authority = Authority::new();
    let backend = Recorder::ok();
    let gate = gate(TLS, &authority.server())
        .upstream("im", backend.address())
        .start();
    (gate, backend, authority)
}

/// How many handshakes failed for this reason.
fn failures(gate: &Gate, reason: &str) -> f64 {
    gate.metrics()
        .value("imgate_tls_handshake_failures_total", &[("reason", reason)])
}

/// Waits until so many handshakes have failed for this reason: the gate counts when it has let go
/// of the connection, a moment after the alert.
fn wait_for_failures(gate: &Gate, reason: &str, expected: impl Into<f64>) {
    let expected = expected.into();
    eventually("the handshakes are counted", || {
        ((failures(gate, reason) - expected).abs() < 0.1).then_some(())
    });
}

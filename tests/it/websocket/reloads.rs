//! What a reload does to sockets that are open, and to those that are about to be.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use parking_lot::{Condvar, Mutex};

use super::super::support::gate::handshake;
use super::super::support::mint::{now, sa_token};
use super::super::support::ws_backend::{End, WsBackend, accept};
use super::super::support::ws_client::WsClient;
use super::super::support::{Gate, eventually};
use super::{client, gate_before, good_headers, policy};

const PARTNERS: &str = "
authenticators:
  partners:
    from: [{ header: X-App-Key }]
    app_key: { keys: [{ id: a, secret: { value: key-a } }, { id: b, secret: { value: key-b } }] }
routes:
  - { name: events, match: { path: /events }, websocket: true, require: { any_of: [partners] }, upstream: ws }
";

fn partner(gate: &Gate, key: &str) -> WsClient {
    WsClient::to(gate.address(), "/events")
        .header("X-App-Key", key)
        .connect()
}

#[test]
fn a_removed_key_ends_its_sockets_and_no_others() {
    let backend = WsBackend::echo();
    let gate = Gate::with(PARTNERS)
        .upstream("ws", backend.address())
        .start();
    let (mut a, mut b) = (partner(&gate, "key-a"), partner(&gate, "key-b"));
    a.echo("hello");
    b.echo("hello");
    gate.reload_and_wait(&PARTNERS.replace("{ id: a, secret: { value: key-a } }, ", ""));
    assert_eq!(a.expect_close(), 4403);
    assert_eq!(backend.first_end(), End::Close(4403));
    b.echo("still here");
    let revoked = [("route", "events"), ("reason", "revoked")];
    gate.wait_for_metric("imgate_sessions_closed_total", &revoked, |count| {
        count > 0.5
    });
    // Not even one that was let in before may come again.
    let refused = gate.send(handshake("/events", "X-App-Key: key-a\r\n"));
    assert_eq!(refused.status(), 401);
}

#[test]
fn a_changed_policy_asks_sockets_to_log_in_again() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let mut web = client(&gate).connect();
    let mut idle = WsClient::to(gate.address(), "/idle")
        .header("token", &sa_token("im_user:8"))
        .connect();
    web.echo("hello");
    gate.reload_and_wait(&policy().replace("im_web, ", ""));
    assert_eq!(web.expect_close(), 4401);
    assert_eq!(backend.first_end(), End::Close(4401));
    // The route of the other asks for no device type.
    idle.echo("still here");
    let changed = [("route", "ws"), ("reason", "policy_changed")];
    gate.wait_for_metric("imgate_sessions_closed_total", &changed, |count| {
        count > 0.5
    });
}

#[test]
fn a_key_that_is_given_an_end_ends_its_sockets_then() {
    let backend = WsBackend::echo();
    let gate = Gate::with(PARTNERS)
        .upstream("ws", backend.address())
        .start();
    let mut a = partner(&gate, "key-a");
    a.echo("hello");
    let soon = Duration::from_secs(now().cast_unsigned() + 3);
    let soon = humantime::format_rfc3339_seconds(UNIX_EPOCH + soon);
    let ending = format!("{{ id: a, secret: {{ value: key-a }}, not_after: {soon} }}");
    gate.reload_and_wait(&PARTNERS.replace("{ id: a, secret: { value: key-a } }", &ending));
    assert_eq!(a.expect_close(), 4401);
    assert_eq!(backend.first_end(), End::Close(4401));
}

#[test]
fn a_key_that_is_removed_while_the_backend_hesitates_opens_nothing() {
    let go: Arc<(Mutex<bool>, Condvar)> = Arc::default();
    let gated = Arc::clone(&go);
    let backend = WsBackend::handshaking(move |head| {
        let (went, changed) = &*gated;
        let mut went = went.lock();
        while !*went {
            changed.wait(&mut went);
        }
        accept(head, "")
    });
    let gate = gate_before(&backend).start();
    let mut waiting = gate.client();
    waiting.send(handshake("/ws", &good_headers()));
    eventually("the handshake is there", || {
        (backend.handshakes().len() == 1).then_some(())
    });
    gate.reload_and_wait(&policy().replace("user_types: [im_user]", "user_types: [sys_user]"));
    *go.0.lock() = true;
    go.1.notify_all();
    let answer = waiting.answer();
    assert_eq!(answer.status(), 403, "{}", answer.text());
    assert_eq!(backend.first_end(), End::Gone);
}

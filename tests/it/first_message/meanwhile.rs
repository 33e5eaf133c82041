//! What changes while a socket waits, and while its backend is asked.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use super::super::support::eventually;
use super::super::support::ws_backend::{End, WsBackend, accept};
use super::chat::{Chat, auth2};
use super::{accepted, close_code, gate_before, policy, text, token, wait_until_waiting};

const LOGIN_A: &str = r#"{"data":{"token":"key-a"}}"#;

fn without_key_a() -> String {
    policy().replace("{ id: a, secret: { value: key-a } }, ", "")
}

#[test]
fn a_key_that_is_removed_while_its_owner_waits_counts_no_more() {
    let backend = WsBackend::echo();
    let gate = gate_before(backend.address()).start();
    let mut a = accepted(&gate, "/json", "");
    let mut b = accepted(&gate, "/json", "");
    wait_until_waiting(&gate, 2);
    gate.reload_and_wait(&without_key_a());
    a.send_frame(&text(LOGIN_A));
    assert_eq!(close_code(&mut a), 4401);
    b.send_frame(&text(LOGIN_A.replace("key-a", "key-b")));
    b.frame();
    assert_eq!(backend.handshakes().len(), 1);
}

#[test]
fn a_route_that_asks_for_something_else_meanwhile_gets_nothing() {
    let backend = WsBackend::echo();
    let gate = gate_before(backend.address()).start();
    let mut client = accepted(&gate, "/json", "");
    wait_until_waiting(&gate, 1);
    let rule = "{ first_message: { json: { pointer: /data/token, any_of: [member, partners] }, deadline: 2s } }";
    let changed = policy().replace(rule, "{ any_of: [member, partners] }");
    assert_ne!(changed, policy());
    gate.reload_and_wait(&changed);
    client.send_frame(&text(LOGIN_A));
    assert_eq!(close_code(&mut client), 4401);
    assert!(backend.handshakes().is_empty());
}

/// A backend that accepts once it is told to.
fn hesitating() -> (WsBackend, impl Fn()) {
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
    let let_go = move || {
        *go.0.lock() = true;
        go.1.notify_all();
    };
    (backend, let_go)
}

#[test]
fn a_key_that_is_removed_while_the_backend_hesitates_opens_nothing() {
    let (backend, let_go) = hesitating();
    let gate = gate_before(backend.address()).start();
    let mut client = accepted(&gate, "/json", "");
    client.send_frame(&text(LOGIN_A));
    eventually("the handshake is there", || {
        (backend.handshakes().len() == 1).then_some(())
    });
    gate.reload_and_wait(&without_key_a());
    let_go();
    assert_eq!(close_code(&mut client), 4403);
    // It has seen a handshake and a Close frame, and no message.
    assert_eq!(backend.first_end(), End::Close(4403));
}

#[test]
fn a_key_that_is_removed_during_the_introduction_counts_no_more() {
    let backend = Chat::start();
    let gate = gate_before(backend.address()).start();
    let mut client = Chat::introduced(&gate);
    gate.reload_and_wait(&policy().replace("value: client-key", "value: another-key"));
    client.send_frame(&text(auth2("1", "client-key", &token("7", 60))));
    assert!(client.frame().payload.starts_with(b"431["));
    assert_eq!(close_code(&mut client), 4401);
    assert_eq!(backend.first_end(), End::Close(4401));
    assert_eq!(backend.heard(), ["40"]);
}

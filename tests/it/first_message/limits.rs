//! How long a socket may wait for its credential, and how many may.

use std::time::{Duration, Instant};

use super::super::support::frames::{self, Frame};
use super::super::support::gate::handshake;
use super::super::support::process::Signal;
use super::super::support::wait::pause;
use super::super::support::ws_backend::WsBackend;
use super::super::support::{Gate, eventually};
use super::{accepted, close_code, gate_before, policy, text, wait_until_waiting};

#[test]
fn a_client_that_says_nothing_in_time_is_told_4408() {
    let backend = WsBackend::echo();
    let gate = gate_before(backend.address()).start();
    let started = Instant::now();
    let mut client = accepted(&gate, "/json", "");
    assert_eq!(close_code(&mut client), 4408);
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(1900), "{took:?}");
    assert!(backend.handshakes().is_empty());
    let late = [
        ("route", "json"),
        ("result", "deny"),
        ("reason", "no_credential"),
    ];
    gate.wait_for_metric("imgate_auth_decisions_total", &late, |count| count > 0.5);
}

#[test]
fn neither_a_slow_drip_nor_pings_buy_time() {
    let backend = WsBackend::echo();
    let gate = gate_before(backend.address()).start();
    let message = text(r#"{"data":{"token":"key-a"}}"#.replace(' ', "")).masked();
    for (case, drip) in [
        (
            "a message byte by byte",
            message.iter().map(|byte| vec![*byte]).collect(),
        ),
        ("pings", vec![Frame::new(frames::PING, "").masked(); 60]),
    ] {
        let drip: Vec<Vec<u8>> = drip;
        let mut client = accepted(&gate, "/json", "");
        let started = Instant::now();
        for piece in &drip {
            pause(Duration::from_millis(100));
            if started.elapsed() > Duration::from_secs(3) || client.try_send(piece).is_err() {
                break;
            }
        }
        assert_eq!(close_code(&mut client), 4408, "{case}");
    }
    assert!(backend.handshakes().is_empty());
}

/// The policy with these limits.
fn limited(limits: &str) -> String {
    format!("{}limits: {{ unauthenticated: {limits} }}\n", policy())
}

#[test]
fn each_client_has_room_for_so_many() {
    let backend = WsBackend::echo();
    let gate = Gate::with(&limited("{ per_client: 2 }"))
        .upstream("ws", backend.address())
        .listener("trusted_proxies: [127.0.0.0/8]")
        .start();
    let mut first = accepted(&gate, "/json", "");
    let _second = accepted(&gate, "/json", "");
    wait_until_waiting(&gate, 2);
    let refused = gate.send(handshake("/json", ""));
    assert_eq!(
        (refused.status(), refused.reason().as_str()),
        (429, "limited")
    );
    assert_eq!(refused.header("retry-after"), Some("1"));
    let denied = [("route", "json"), ("result", "deny"), ("reason", "limited")];
    gate.wait_for_metric("imgate_auth_decisions_total", &denied, |count| count > 0.5);
    // Others have room of their own; of IPv6 it is the network that counts.
    let v6 = |host: &str| format!("X-Forwarded-For: 2001:db8:0:1::{host}\r\n");
    let _others = [
        accepted(&gate, "/json", &v6("1")),
        accepted(&gate, "/json", &v6("2")),
    ];
    assert_eq!(gate.send(handshake("/json", &v6("3"))).status(), 429);
    // Whoever has proven something makes room, and so does whoever has gone.
    first.send_frame(&text(r#"{"data":{"token":"key-a"}}"#));
    first.frame();
    let third = accepted(&gate, "/json", "");
    assert_eq!(gate.send(handshake("/json", "")).status(), 429);
    drop(third);
    eventually("there is room again", || {
        (gate.send(handshake("/json", "")).status() == 101).then_some(())
    });
    // Other routes have nothing to do with it.
    assert_eq!(gate.send(handshake("/nowhere", "")).status(), 404);
}

#[test]
fn all_clients_together_have_room_for_so_many() {
    let backend = WsBackend::echo();
    let gate = Gate::with(&limited("{ total: 3, per_client: 2 }"))
        .upstream("ws", backend.address())
        .listener("trusted_proxies: [127.0.0.0/8]")
        .start();
    let from = |n: u8| format!("X-Forwarded-For: 192.0.2.{n}\r\n");
    let mut waiting: Vec<_> = (0..3).map(|n| accepted(&gate, "/json", &from(n))).collect();
    let refused = gate.send(handshake("/json", &from(9)));
    assert_eq!(
        (refused.status(), refused.reason().as_str()),
        (503, "limited")
    );
    assert_eq!(refused.header("retry-after"), Some("1"));
    waiting.clear();
    wait_until_waiting(&gate, 0);
    accepted(&gate, "/json", &from(9));
}

#[test]
fn a_gate_that_ends_tells_those_who_wait() {
    let backend = WsBackend::echo();
    let mut gate = gate_before(backend.address()).start();
    let mut clients: Vec<_> = (0..3).map(|_| accepted(&gate, "/json", "")).collect();
    let mut mute = accepted(&gate, "/json", "");
    wait_until_waiting(&gate, 4);
    gate.signal(Signal::Int);
    for client in &mut clients {
        assert_eq!(close_code(client), 1001);
    }
    assert_eq!(gate.exit_code(), Some(0));
    mute.drain();
}

#[test]
fn a_client_that_goes_is_forgotten() {
    let backend = WsBackend::echo();
    let gate = gate_before(backend.address()).start();
    let mut closing = accepted(&gate, "/json", "");
    closing.send_frame(&Frame::close(4321));
    assert_eq!(close_code(&mut closing), 4321);
    drop(accepted(&gate, "/json", ""));
    wait_until_waiting(&gate, 0);
    assert!(backend.handshakes().is_empty());
}

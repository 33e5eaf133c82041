//! Many sessions at once: what each costs while it is silent, and how they end together.
//!
//! `IMGATE_TEST_SESSIONS` sets how many are held; 2 000 unless set, `make soak` holds 10 000.

use std::time::{Duration, Instant};

use super::super::support::frames::{self, Frame};
use super::super::support::gate::handshake;
use super::super::support::mint::now;
use super::super::support::wait::{patience, pause};
use super::super::support::ws_backend::WsBackend;
use super::super::support::{Gate, RawClient};
use super::{bearer, gate_before, token};

/// What a silent session may keep resident, in bytes.
const MOST_EACH: u64 = 4608;

fn how_many() -> usize {
    let count = std::env::var("IMGATE_TEST_SESSIONS").ok();
    count.and_then(|text| text.parse().ok()).unwrap_or(2000)
}

/// Opens so many sessions, each of which has echoed one message.
fn open(gate: &Gate, path: &str, token: &str, count: usize) -> Vec<RawClient> {
    let request = handshake(path, &bearer(token));
    // Both ends of every socket are in this process.
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let one = |number: usize| {
        let mut client = gate.client();
        client.send(&request);
        assert_eq!(client.answer_to_head().status(), 101, "session {number}");
        let frame = Frame::new(frames::TEXT, "hello");
        client.send_frame(&frame);
        assert!(client.frame() == frame, "session {number}");
        client
    };
    (0..count).map(one).collect()
}

#[test]
fn a_silent_session_costs_little() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).workers(1).start();
    let token = token("7", 6000);
    // What is made once and kept, such as buffers and tables, is not the sessions'.
    let warm = open(&gate, "/kept", &token, 200);
    let before = gate.resident_memory_kib();
    let count = how_many();
    let sessions = open(&gate, "/kept", &token, count);
    let after = gate.resident_memory_kib();
    let each = (after - before) * 1024 / u64::try_from(count).unwrap();
    eprintln!("{count} silent sessions: {each} bytes each");
    assert!(each <= MOST_EACH, "{each} bytes each");
    drop((warm, sessions));
}

#[test]
fn a_thousand_that_expire_together_are_closed_together() {
    const COUNT: usize = 1000;
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    // Time to open them all, also on a busy machine.
    let lifetime = i64::try_from(patience().as_secs()).unwrap().max(10);
    let end = now() + lifetime;
    let mut sessions = open(&gate, "/many", &token("7", lifetime), COUNT);
    let labels = [("route", "many"), ("device_type", "-")];
    assert!((gate.metrics().value("imgate_sessions_open", &labels) - 1000.0).abs() < 0.1);
    while now() < end {
        pause(Duration::from_millis(20));
    }
    let expired = Instant::now();
    for session in &mut sessions {
        assert_eq!(session.frame().close_code(), 4401);
    }
    let took = expired.elapsed();
    eprintln!("all are told after {took:?}");
    // Two seconds, and what a busy machine adds.
    assert!(took < patience() / 4, "all are told after {took:?}");
    gate.wait_for_metric("imgate_sessions_open", &labels, |open| open < 0.5);
}

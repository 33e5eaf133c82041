//! What ends a drain before its time: a second signal, and the deadline.

use std::time::{Duration, Instant};

use super::super::support::crowd::{Crowd, CrowdBackend};
use super::super::support::frames::{self, Frame};
use super::super::support::gate::handshake;
use super::super::support::mint::sa_token;
use super::super::support::process::Signal;
use super::super::support::raw::request;
use super::super::support::recorder::Exchange;
use super::super::support::wait::patience;
use super::super::support::ws_backend::accept;
use super::super::support::{Recorder, eventually};
use super::gate;

#[test]
fn a_second_signal_tells_all_that_are_left() {
    for second in [Signal::Term, Signal::Int] {
        let sockets = CrowdBackend::start();
        let mut gate = gate()
            .upstream("ws", sockets.address())
            .upstream("im", sockets.address())
            .shutdown("lame_duck: 0s, drain: 10m, deadline: 30m")
            .start();
        let crowd = Crowd::connect(gate.address(), "/ws", &sa_token("im_user:7"), 50);
        gate.signal(Signal::Term);
        gate.wait_for_metric("imgate_draining", &[], |value| value > 0.5);
        gate.signal(second);
        for end in crowd.ends(Duration::ZERO) {
            assert_eq!((end.code, &end.error), (Some(1001), &None), "{second:?}");
        }
        assert_eq!(gate.exit_code(), Some(0), "{second:?}");
    }
}

#[test]
fn the_deadline_ends_what_does_not_end_by_itself() {
    let (sockets, backend) = (
        CrowdBackend::start(),
        Recorder::serving(Exchange::wait_for_the_gate_to_give_up),
    );
    let mut gate = gate()
        .upstream("ws", sockets.address())
        .upstream_with("im", backend.address(), "response_timeout: 10m")
        .shutdown("lame_duck: 0s, drain: 1s, deadline: 2s")
        .start();
    let crowd = Crowd::connect(gate.address(), "/ws", &sa_token("im_user:7"), 10);
    let mut client = gate.client();
    client.send(request("GET", "/open/slow", ""));
    eventually("the request arrives", || backend.requests().pop());
    let start = Instant::now();
    gate.signal(Signal::Term);
    for end in crowd.ends(Duration::from_secs(1)) {
        assert_eq!((end.code, end.error), (Some(1001), None));
    }
    assert_eq!(gate.exit_code(), Some(0));
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(2), "gone after {took:?}");
    assert!(
        took < Duration::from_secs(2) + patience(),
        "gone after {took:?}"
    );
    client.expect_closed();
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody() {
    // More than the sockets between the backend and the client take.
    let flood = Frame::new(frames::BINARY, vec![7; 1 << 20]).unmasked();
    let backend = Recorder::serving(move |exchange| {
        exchange.send(accept(&exchange.head, ""));
        for _ in 0..32 {
            exchange.send(&flood);
        }
        exchange.close();
    });
    let sockets = CrowdBackend::start();
    let mut gate = gate()
        .upstream("ws", backend.address())
        .upstream("im", sockets.address())
        .shutdown("lame_duck: 0s, drain: 0s, deadline: 1s")
        .start();
    let mut deaf = gate.client();
    deaf.send(handshake(
        "/ws",
        &format!("token: {}\r\n", sa_token("im_user:7")),
    ));
    assert_eq!(deaf.answer().status(), 101);
    let start = Instant::now();
    gate.signal(Signal::Term);
    assert_eq!(gate.exit_code(), Some(0));
    let took = start.elapsed();
    // The deadline, the goodbye, and the machine.
    assert!(
        took < Duration::from_secs(6) + patience() / 2,
        "gone after {took:?}"
    );
}

//! The end of the gate, and the requests that are under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::super::support::process::Signal;
use super::super::support::raw::request;
use super::super::support::recorder::Exchange;
use super::super::support::{Gate, RawClient, Recorder, eventually};
use super::{POLICY, gate_before};

/// A client whose request has arrived at the backend.
fn waiting_client(gate: &Gate, backend: &Recorder) -> RawClient {
    let mut client = gate.client();
    client.send(request("GET", "/open/slow", ""));
    eventually("the request arrives", || backend.requests().pop());
    client
}

#[test]
fn sigterm_lets_a_request_under_way_be_answered() {
    let may_answer = Arc::new(AtomicBool::new(false));
    let backends = Arc::clone(&may_answer);
    let backend = Recorder::serving(move |exchange| {
        eventually("the backend may answer", || {
            backends.load(Ordering::SeqCst).then_some(())
        });
        exchange.ok();
    });
    let mut gate = gate_before(&backend).start();
    let mut client = waiting_client(&gate, &backend);
    gate.signal(Signal::Term);
    gate.wait_for_metric("imgate_draining", &[], |value| value > 0.5);
    may_answer.store(true, Ordering::SeqCst);
    let answer = client.answer();
    assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"));
    assert_eq!(gate.exit_code(), Some(0));
}

#[test]
fn sigint_waits_for_no_answer() {
    let backend = Recorder::serving(Exchange::wait_for_the_gate_to_give_up);
    let mut gate = Gate::with(POLICY)
        .upstream_with("im", backend.address(), "response_timeout: 10m")
        .start();
    let mut client = waiting_client(&gate, &backend);
    let start = Instant::now();
    gate.signal(Signal::Int);
    assert_eq!(gate.exit_code(), Some(0));
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "after {:?}",
        start.elapsed()
    );
    client.expect_closed();
}

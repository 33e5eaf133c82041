//! Requests go round, or to the address with the least to do.

use std::sync::mpsc;
use std::thread;

use parking_lot::Mutex;

use super::super::support::recorder::Exchange;
use super::super::support::{Gate, Recorder, eventually};
use super::{Fleet, builder, three};

#[test]
fn requests_are_spread_evenly_over_all_addresses() {
    let fleet = Fleet::new();
    let gate = builder(&fleet.addresses(), "connect_timeout: 5s").start();
    for _ in 0..30 {
        assert_eq!(gate.get("/open/x", "").status(), 200);
    }
    assert_eq!(fleet.taken(), [10, 10, 10]);
    // So they are when connections are kept, and go to any of them.
    let mut client = gate.client();
    for _ in 0..30 {
        assert_eq!(client.get("/open/x", "").status(), 200);
    }
    assert_eq!(fleet.taken(), [10, 10, 10]);
}

/// Answers once it is told to, if it is asked to wait.
fn waiting() -> (Recorder, mpsc::Sender<()>) {
    let (go_on, told) = mpsc::channel();
    let told = Mutex::new(told);
    let backend = Recorder::serving(move |exchange: &mut Exchange| {
        if exchange.head.target() == "/open/wait" {
            told.lock().recv().expect("the test goes on");
        }
        exchange.ok();
    });
    (backend, go_on)
}

#[test]
fn an_address_that_is_busy_gets_nothing_more() {
    let backends = three(waiting);
    let addresses = [0, 1, 2].map(|at: usize| backends[at].0.address());
    let gate = builder(&addresses, "balance: least_conn, connect_timeout: 5s").start();
    let counts = || [0, 1, 2].map(|at: usize| backends[at].0.requests().len());

    thread::scope(|scope| {
        let busy = scope.spawn(|| gate.get("/open/wait", "").status());
        let at = eventually("somebody is busy", || {
            counts().iter().position(|count| *count == 1)
        });
        for _ in 0..20 {
            assert_eq!(gate.get("/open/x", "").status(), 200);
            is_left(&gate, 1);
        }
        let mut expected = [10, 10, 10];
        expected[at] = 1;
        assert_eq!(counts(), expected, "the other two took turns");
        backends[at].1.send(()).unwrap();
        assert_eq!(busy.join().unwrap(), 200);
    });
    is_left(&gate, 0);
    let before = counts();
    for _ in 0..3 {
        assert_eq!(gate.get("/open/x", "").status(), 200);
        is_left(&gate, 0);
    }
    assert_eq!(
        counts(),
        before.map(|count| count + 1),
        "it is one of them again"
    );
}

/// A request is counted until its answer is through, which a client may see a little earlier.
#[track_caller]
fn is_left(gate: &Gate, expected: u8) {
    gate.wait_for_metric("imgate_upstream_in_flight", &[], |count| {
        (count - f64::from(expected)).abs() < 0.5
    });
}

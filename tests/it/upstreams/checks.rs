//! `health`: addresses are asked whether they are well, whatever requests come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::support::recorder::Exchange;
use super::super::support::{Gate, Recorder, eventually};
use super::{Fleet, builder, caveats, wait_until_up};

const RULE: &str = "health: { path: \"/health?deep=1\", interval: 100ms, timeout: 10s, \
                    unhealthy_after: 2, healthy_after: 2 }, connect_timeout: 5s";

/// Serves everybody, and says that it is ill while it is told to.
fn moody() -> (Recorder, Arc<AtomicBool>) {
    let is_ill = Arc::<AtomicBool>::default();
    let mood = Arc::clone(&is_ill);
    let backend = Recorder::serving(move |exchange: &mut Exchange| {
        if exchange.head.target().starts_with("/health") && mood.load(Ordering::SeqCst) {
            exchange.send("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
            return;
        }
        exchange.ok();
    });
    (backend, is_ill)
}

fn requests(backend: &Recorder) -> usize {
    let requests = backend.requests().into_iter();
    requests
        .filter(|one| one.head.target() == "/open/x")
        .count()
}

#[track_caller]
fn ask(gate: &Gate, times: usize) {
    for _ in 0..times {
        assert_eq!(gate.get("/open/x", "").status(), 200);
    }
}

#[test]
fn an_address_that_says_it_is_ill_gets_no_requests() {
    let [(first, first_is_ill), (second, second_is_ill)] = [moody(), moody()];
    let addresses = [first.address(), second.address()];
    let gate = builder(&addresses, RULE).start();
    ask(&gate, 10);
    assert_eq!((requests(&first), requests(&second)), (5, 5));

    second_is_ill.store(true, Ordering::SeqCst);
    wait_until_up(&gate, second.address(), false);
    ask(&gate, 10);
    assert_eq!((requests(&first), requests(&second)), (15, 5));
    let told = caveats(&gate);
    assert!(
        told.len() == 1 && told[0].contains("answers with 503"),
        "{told:?}"
    );

    // If both are, somebody may serve all the same.
    first_is_ill.store(true, Ordering::SeqCst);
    wait_until_up(&gate, first.address(), false);
    ask(&gate, 10);
    assert_eq!((requests(&first), requests(&second)), (20, 10));
    // That they can be reached does not make them well.
    wait_until_up(&gate, first.address(), false);

    second_is_ill.store(false, Ordering::SeqCst);
    wait_until_up(&gate, second.address(), true);
    ask(&gate, 10);
    assert_eq!((requests(&first), requests(&second)), (20, 20));
    let second = second.address().to_string();
    let labels = [("address", &*second), ("kind", "check")];
    let failures = gate
        .metrics()
        .value("imgate_upstream_failures_total", &labels);
    assert!(failures > 1.5, "{failures}");
}

#[test]
fn a_question_is_a_plain_request_for_the_path() {
    let backend = Recorder::ok();
    let _gate = builder(&[backend.address()], RULE).start();
    let head = eventually("a question", || {
        Some(backend.requests().first()?.head.clone())
    });
    assert_eq!((head.method(), head.target()), ("GET", "/health?deep=1"));
    assert_eq!(head.header("host"), Some(&*backend.address().to_string()));
    assert_eq!(head.header("connection"), Some("close"));
    assert_eq!(head.header("x-forwarded-for"), None);
}

#[test]
fn without_a_path_it_is_enough_to_connect() {
    let mut fleet = Fleet::new();
    let addresses = fleet.addresses();
    let rule = "health: { interval: 100ms, timeout: 10s, unhealthy_after: 1, healthy_after: 1 }";
    let gate = builder(&addresses, rule).start();
    fleet.doors[1].shut();
    // Without any request.
    wait_until_up(&gate, addresses[1], false);
    ask(&gate, 10);
    assert_eq!(fleet.taken(), [5, 0, 5]);
    fleet.doors[1].open();
    wait_until_up(&gate, addresses[1], true);
    ask(&gate, 12);
    assert_eq!(fleet.taken(), [4, 4, 4]);
}

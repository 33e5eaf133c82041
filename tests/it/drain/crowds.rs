//! Many sockets: each is told, in its turn, and none is cut.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::super::support::crowd::{Crowd, CrowdBackend, Ended};
use super::super::support::mint::sa_token;
use super::super::support::process::Signal;
use super::super::support::raw::request;
use super::super::support::{Gate, Recorder};
use super::gate;

/// Every socket ended with 1001. Gives the moments, in order.
fn all_told(ends: &[Ended]) -> Vec<Instant> {
    let well = |end: &&Ended| end.code == Some(1001) && end.error.is_none();
    let others: Vec<_> = ends.iter().filter(|end| !well(end)).collect();
    assert!(
        others.is_empty(),
        "{} of {} ended otherwise, such as {:?}",
        others.len(),
        ends.len(),
        others[0]
    );
    let mut moments: Vec<_> = ends.iter().map(|end| end.at).collect();
    moments.sort();
    moments
}

/// Asks again and again on one connection until an answer says that it is the last.
fn ask_until_told(gate: &Gate, answered: &AtomicUsize) {
    let mut client = gate.client();
    loop {
        client.send(request("GET", "/open/x", ""));
        let answer = client.answer();
        assert_eq!(answer.status(), 200);
        answered.fetch_add(1, Ordering::Relaxed);
        if answer.header("connection") == Some("close") {
            client.expect_closed();
            return;
        }
    }
}

#[test]
fn under_load_300_sockets_are_told_one_after_the_other_and_no_request_is_lost() {
    const SOCKETS: usize = 300;
    const DRAIN: Duration = Duration::from_secs(4);
    let (sockets, backend) = (CrowdBackend::start(), Recorder::ok());
    let mut gate = gate()
        .upstream("ws", sockets.address())
        .upstream("im", backend.address())
        .workers(2)
        .shutdown("lame_duck: 500ms, drain: 4s, deadline: 1m")
        .start();
    let crowd = Crowd::connect(gate.address(), "/ws", &sa_token("im_user:7"), SOCKETS);
    let answered = AtomicUsize::new(0);
    let (start, ends) = thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| ask_until_told(&gate, &answered));
        }
        let start = Instant::now();
        gate.signal(Signal::Term);
        (start, crowd.ends(DRAIN))
    });
    let moments = all_told(&ends);
    assert_eq!(gate.exit_code(), Some(0));
    assert!(answered.into_inner() > 4, "there was load");

    let (first, last) = (moments[0], moments[SOCKETS - 1]);
    assert!(
        first - start >= Duration::from_millis(500),
        "after the lame duck"
    );
    let took = last - first;
    assert!(
        took >= DRAIN.mul_f64(0.8),
        "{SOCKETS} sockets ended within {took:?}"
    );
    // In each eighth of the time an eighth of the sockets; a busy machine may double that.
    let window = DRAIN / 8;
    let most = moments
        .iter()
        .map(|from| {
            let until = moments.partition_point(|moment| *moment < *from + window);
            until - moments.partition_point(|moment| moment < from)
        })
        .max();
    assert!(
        most <= Some(SOCKETS / 2),
        "{most:?} sockets ended within {window:?}"
    );
}

#[test]
fn all_of_2_000_sockets_are_told() {
    const SOCKETS: usize = 2000;
    const DRAIN: Duration = Duration::from_secs(5);
    let sockets = CrowdBackend::start();
    let mut gate = gate()
        .upstream("ws", sockets.address())
        .upstream("im", sockets.address())
        .workers(2)
        .shutdown("lame_duck: 0s, drain: 5s, deadline: 1m")
        .start();
    let crowd = Crowd::connect(gate.address(), "/ws", &sa_token("im_user:7"), SOCKETS);
    gate.signal(Signal::Term);
    let ends = crowd.ends(DRAIN);
    assert_eq!(all_told(&ends).len(), SOCKETS);
    assert_eq!(gate.exit_code(), Some(0));
}

#[test]
fn sigint_tells_all_at_once() {
    const SOCKETS: usize = 500;
    let sockets = CrowdBackend::start();
    let mut gate = gate()
        .upstream("ws", sockets.address())
        .upstream("im", sockets.address())
        .workers(2)
        .shutdown("lame_duck: 10m, drain: 10m, deadline: 30m")
        .start();
    let crowd = Crowd::connect(gate.address(), "/ws", &sa_token("im_user:7"), SOCKETS);
    gate.signal(Signal::Int);
    let ends = crowd.ends(Duration::ZERO);
    assert_eq!(all_told(&ends).len(), SOCKETS);
    assert_eq!(gate.exit_code(), Some(0));
}

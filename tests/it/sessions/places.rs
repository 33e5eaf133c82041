//! How many sessions one user has on one device type.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::super::support::gate::handshake;
use super::super::support::wait::pause;
use super::super::support::ws_backend::{End, WsBackend, accept};
use super::super::support::{Gate, RawClient, eventually};
use super::{bearer, client, gate_before, policy, token, token_with};

#[test]
fn a_newcomer_takes_the_place_of_the_old_one() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let mut old = client(&gate, "/one", &token("7", 600)).connect();
    let mut other = client(&gate, "/one", &token("8", 600)).connect();
    let mut phone = client(&gate, "/one", &token_with("7", 600, &[("dev", "phone")])).connect();
    let mut elsewhere = client(&gate, "/free", &token("7", 600)).connect();
    old.echo("hello");
    let mut new = client(&gate, "/one", &token("7", 900)).connect();
    assert_eq!(old.expect_close(), 4409);
    assert_eq!(backend.first_end(), End::Close(4409));
    for stays in [&mut new, &mut other, &mut phone, &mut elsewhere] {
        stays.echo("still here");
    }
    let replaced = [("route", "one"), ("reason", "replaced")];
    gate.wait_for_metric("imgate_sessions_closed_total", &replaced, |count| {
        count > 0.5
    });
    // Its cleanup has left the successor its place.
    let _newest = client(&gate, "/one", &token("7", 900)).connect();
    assert_eq!(new.expect_close(), 4409);
}

#[test]
fn the_old_one_stays_while_the_backend_has_not_agreed() {
    let agrees = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&agrees);
    let backend = WsBackend::handshaking(move |head| {
        if asked.load(Ordering::SeqCst) {
            accept(head, "")
        } else {
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_owned()
        }
    });
    let gate = gate_before(&backend).start();
    let mut old = client(&gate, "/one", &token("7", 600)).connect();
    agrees.store(false, Ordering::SeqCst);
    let refused = gate.send(handshake("/one", &bearer(&token("7", 600))));
    assert_eq!(refused.status(), 403);
    old.echo("still here");
}

#[test]
fn where_newcomers_are_rejected_the_old_ones_stay() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let mut first = client(&gate, "/two", &token("7", 600)).connect();
    let mut second = client(&gate, "/two", &token("7", 600)).connect();
    let refused = gate.send(handshake("/two", &bearer(&token("7", 600))));
    assert_eq!(refused.status(), 429);
    assert!(refused.text().contains("limited"), "{}", refused.text());
    assert_eq!(backend.handshakes().len(), 2, "the backend is not asked");
    first.echo("still here");
    second.echo("still here");
    second.close(1000);
    eventually("a place is free again", || {
        let answer = gate.send(handshake("/two", &bearer(&token("7", 600))));
        (answer.status() == 101).then_some(())
    });
}

#[test]
fn many_that_race_leave_exactly_as_many_as_there_are_places() {
    let backend = WsBackend::handshaking(|head| {
        // All of them are under way before the first is done.
        pause(Duration::from_millis(300));
        accept(head, "")
    });
    let gate = gate_before(&backend).workers(2).start();
    for (path, expected) in [("/two", 2), ("/one", 1)] {
        let token = token(path, 600);
        let mut sockets: Vec<_> = thread::scope(|scope| {
            let attempts: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let mut client = gate.client();
                        client.send(handshake(path, &bearer(&token)));
                        (client.answer().status() == 101).then_some(client)
                    })
                })
                .collect();
            attempts
                .into_iter()
                .filter_map(|attempt| attempt.join().unwrap())
                .collect()
        });
        let labels = [
            ("route", path.trim_start_matches('/')),
            ("device_type", "-"),
        ];
        gate.wait_for_metric("imgate_sessions_open", &labels, |open| {
            (open - f64::from(expected)).abs() < 0.1
        });
        if path == "/two" {
            assert_eq!(sockets.len(), 2, "the others were refused");
        }
        sockets.clear();
    }
}

/// The seed's own client connects again three seconds after every close, whatever the code. Here
/// it waits a tenth of that, and the rate is the default one.
#[test]
fn two_copies_of_a_client_that_always_comes_back_do_not_evict_each_other_for_ever() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let token = token("7", 600);
    let ends: Vec<(usize, Option<RawClient>)> = thread::scope(|scope| {
        let copies: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| come_back_until_refused(&gate, &token)))
            .collect();
        copies
            .into_iter()
            .map(|copy| copy.join().unwrap())
            .collect()
    });
    let evicted: usize = ends.iter().map(|(evicted, _)| evicted).sum();
    assert_eq!(evicted, 5, "the default is five replacements a minute");
    let open = [("route", "one"), ("device_type", "-")];
    gate.wait_for_metric("imgate_sessions_open", &open, |open| {
        (open - 1.0).abs() < 0.1
    });
}

/// Connects again after every 4409 and gives up when it is told to wait, or when it is left in
/// peace. Counts how often it was evicted, and gives the socket that is left.
fn come_back_until_refused(gate: &Gate, token: &str) -> (usize, Option<RawClient>) {
    let mut evicted = 0;
    loop {
        let mut socket = gate.client();
        socket.send(handshake("/one", &bearer(token)));
        let answer = socket.answer();
        if answer.status() == 429 {
            let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=60).contains(&wait), "{wait}");
            return (evicted, None);
        }
        assert_eq!(answer.status(), 101);
        let deadline = Some(Duration::from_secs(4));
        socket.wire().stream().set_read_timeout(deadline).unwrap();
        match socket.try_frame() {
            Ok(Some(frame)) => assert_eq!(frame.close_code(), 4409),
            // Left in peace.
            _ => return (evicted, Some(socket)),
        }
        evicted += 1;
        pause(Duration::from_millis(300));
    }
}

#[test]
fn a_lowered_limit_and_a_reload_keep_the_count() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let mut old = client(&gate, "/one", &token("7", 600)).connect();
    gate.reload_and_wait(&policy());
    old.echo("still here");
    let _new = client(&gate, "/one", &token("7", 600)).connect();
    assert_eq!(old.expect_close(), 4409);
}

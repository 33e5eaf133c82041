//! Addresses come and go with a reload: what is known of those that stay is kept, and whoever is
//! connected to one that goes is left in peace.

use super::super::support::gate::addresses_key;
use super::super::support::ws_backend::WsBackend;
use super::super::support::{Gate, eventually};
use super::{Fleet, builder, connect, handshakes, policy, three, wait_until_up};

#[test]
fn what_is_known_of_an_address_outlives_a_reload() {
    let mut fleet = Fleet::new();
    let addresses = fleet.addresses();
    // It would be asked again only after a long time.
    let rule =
        "health: { path: /x, interval: 1h, timeout: 10s, unhealthy_after: 1, healthy_after: 2 }";
    let mut gate = builder(&addresses, rule).start();
    // Each is asked once at the start.
    for backend in &fleet.backends {
        eventually("the first question", || {
            (backend.finished() > 0).then_some(())
        });
    }
    fleet.doors[1].shut();
    for _ in 0..3 {
        assert_eq!(gate.get("/open/x", "").status(), 200);
    }
    wait_until_up(&gate, addresses[1], false);
    let failures = |gate: &Gate| {
        let address = addresses[1].to_string();
        let labels = [("address", &*address), ("kind", "connect")];
        gate.metrics()
            .value("imgate_upstream_failures_total", &labels)
    };
    let before = failures(&gate);
    assert!(before > 0.5, "{before}");

    let fewer = [addresses[1], addresses[2]];
    gate.amend(&addresses_key(&addresses), &addresses_key(&fewer));
    gate.reload_and_wait(&policy());
    assert!(!is_up(&gate, &addresses[1].to_string()), "still left out");
    assert!((failures(&gate) - before).abs() < 0.5);
    let text = gate.metrics().text;
    let gone = format!("address=\"{}\"", addresses[0]);
    assert!(!text.contains(&gone), "{text}");
    fleet.taken();
    for _ in 0..4 {
        assert_eq!(gate.get("/open/x", "").status(), 200);
    }
    let [first, second, _] = fleet.taken();
    assert_eq!((first, second), (0, 0));
}

fn is_up(gate: &Gate, address: &str) -> bool {
    let labels = [("address", address)];
    gate.metrics().value("imgate_upstream_up", &labels) > 0.5
}

#[test]
fn a_socket_at_an_address_that_is_taken_away_lives_on() {
    let backends = three(WsBackend::echo);
    let addresses = [0, 1, 2].map(|at: usize| backends[at].address());
    let mut gate = builder(&addresses, "balance: least_conn").start();
    let open = |gate: &Gate| connect(gate, "7");
    let mut sockets: Vec<_> = (0..3).map(|_| open(&gate)).collect();
    assert_eq!(handshakes(&backends), [1, 1, 1]);

    let fewer = [addresses[1], addresses[2]];
    gate.amend(&addresses_key(&addresses), &addresses_key(&fewer));
    gate.reload_and_wait(&policy());
    for socket in &mut sockets {
        socket.echo("still there");
    }
    // The counts are those of before: one each, so the newcomers are spread.
    sockets.extend((0..2).map(|_| open(&gate)));
    assert_eq!(handshakes(&backends), [1, 2, 2]);

    // It is back, as idle as anybody can be: the gate has forgotten the socket that is there.
    gate.amend(&addresses_key(&fewer), &addresses_key(&addresses));
    gate.reload_and_wait(&policy());
    sockets.push(open(&gate));
    assert_eq!(handshakes(&backends), [2, 2, 2]);
    for mut socket in sockets {
        socket.echo("still there");
        socket.close(1000);
        socket.expect_close();
    }
    gate.wait_for_metric("imgate_upstream_in_flight", &[], |count| count < 0.5);
}

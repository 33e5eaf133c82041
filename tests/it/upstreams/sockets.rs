//! WebSockets are spread, counted for as long as they live, and go on to another address as requests do.

use super::super::support::Gate;
use super::super::support::door::Door;
use super::super::support::ws_backend::WsBackend;
use super::super::support::ws_client::WsClient;
use super::{builder, connect, handshakes, three, wait_until_up};

fn open(gate: &Gate) -> WsClient {
    connect(gate, "7")
}

#[test]
fn sockets_go_where_the_fewest_are() {
    let backends = three(WsBackend::echo);
    let addresses = [0, 1, 2].map(|at: usize| backends[at].address());
    let gate = builder(&addresses, "balance: least_conn").start();
    let mut sockets: Vec<_> = (0..6).map(|_| open(&gate)).collect();
    assert_eq!(handshakes(&backends), [2, 2, 2]);
    gate.wait_for_metric("imgate_upstream_in_flight", &[], |count| count > 5.5);

    // Wherever two end, the next two go.
    for _ in 0..2 {
        let mut gone = sockets.remove(0);
        gone.close(1000);
        gone.expect_close();
    }
    gate.wait_for_metric("imgate_upstream_in_flight", &[], |count| count < 4.5);
    sockets.extend((0..2).map(|_| open(&gate)));
    assert_eq!(handshakes(&backends).iter().sum::<usize>(), 8);
    for address in addresses {
        let address = address.to_string();
        let labels = [("address", &*address)];
        gate.wait_for_metric("imgate_upstream_in_flight", &labels, |count| {
            (count - 2.0).abs() < 0.5
        });
    }
    for mut socket in sockets {
        socket.echo("still there");
        socket.close(1000);
        socket.expect_close();
    }
    gate.wait_for_metric("imgate_upstream_in_flight", &[], |count| count < 0.5);
}

#[test]
fn a_handshake_goes_on_to_the_next_address() {
    let backends = three(WsBackend::echo);
    let mut doors = [0, 1, 2].map(|at: usize| Door::to(backends[at].address()));
    let addresses = [0, 1, 2].map(|at: usize| doors[at].address());
    let gate = builder(&addresses, "connect_timeout: 5s").start();
    doors[0].shut();
    let mut sockets: Vec<_> = (0..6).map(|_| open(&gate)).collect();
    for socket in &mut sockets {
        socket.echo("through");
    }
    let [none, one, other] = handshakes(&backends);
    assert_eq!((none, one + other), (0, 6));
    wait_until_up(&gate, addresses[0], false);

    doors[0].open();
    wait_until_up(&gate, addresses[0], true);
    let more: Vec<_> = (0..3).map(|_| open(&gate)).collect();
    assert_eq!(handshakes(&backends)[0], 1, "it has its turn again");
    drop((sockets, more));
    gate.wait_for_metric("imgate_upstream_in_flight", &[], |count| count < 0.5);
}

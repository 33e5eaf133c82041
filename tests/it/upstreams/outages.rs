//! An address that cannot be reached costs no request, is left out, and comes back.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::super::support::raw::post;
use super::super::support::{Gate, Recorder, eventually, net};
use super::{Fleet, builder, caveats, wait_until_up};

#[test]
fn of_three_one_dies_and_no_request_fails() {
    let mut fleet = Fleet::new();
    let addresses = fleet.addresses();
    let gate = builder(&addresses, "connect_timeout: 5s").start();
    // Connections to all of them are kept by then.
    for _ in 0..12 {
        assert_eq!(gate.get("/open/x", "").status(), 200);
    }
    fleet.taken();

    fleet.doors[1].shut();
    for round in 0..12 {
        // A POST may not be sent twice; it was not sent.
        let answer = gate.send(post("/open/x", "", b"body"));
        assert_eq!(answer.status(), 200, "round {round}");
        assert_eq!(gate.get("/open/x", "").status(), 200, "round {round}");
    }
    let [first, second, third] = fleet.taken();
    assert_eq!((first + third, second), (24, 0));
    assert!(first.abs_diff(third) <= 2, "{first} and {third}");
    wait_until_up(&gate, addresses[1], false);
    wait_until_up(&gate, addresses[0], true);
    tells_who_is_left_out(&gate, addresses[1]);

    fleet.doors[1].open();
    wait_until_up(&gate, addresses[1], true);
    for _ in 0..12 {
        assert_eq!(gate.get("/open/x", "").status(), 200);
    }
    assert_eq!(fleet.taken(), [4, 4, 4]);
    assert!(caveats(&gate).is_empty());
    eventually("a line of the log", || {
        gate.output().contains("is well again").then_some(())
    });
}

#[track_caller]
fn tells_who_is_left_out(gate: &Gate, address: SocketAddr) {
    let address = address.to_string();
    let told = caveats(gate);
    for word in [&*address, "left out", "refused"] {
        assert!(told.len() == 1 && told[0].contains(word), "{told:?}");
    }
    let lines = eventually("a line of the log", || {
        let mut lines = gate.lines("WARN");
        lines.retain(|line| line["address"] == *address);
        (!lines.is_empty()).then_some(lines)
    });
    assert_eq!(lines.len(), 1, "it is told once: {lines:?}");
    let labels = [("address", &*address), ("kind", "connect")];
    let failures = gate
        .metrics()
        .value("imgate_upstream_failures_total", &labels);
    assert!(failures > 0.5, "{failures}");
}

#[test]
fn where_nobody_can_be_reached_all_are_tried_each_time() {
    let mut fleet = Fleet::new();
    let gate = builder(&fleet.addresses(), "connect_timeout: 5s").start();
    for door in &mut fleet.doors {
        door.shut();
    }
    for _ in 0..3 {
        let answer = gate.get("/open/x", "");
        assert_eq!((answer.status(), answer.reason()), (502, "upstream".into()));
    }
    let told = caveats(&gate);
    assert!(
        told.len() == 1 && told[0].contains("no address"),
        "{told:?}"
    );
    // At once: the gate need not have noticed.
    fleet.doors[2].open();
    assert_eq!(gate.get("/open/x", "").status(), 200);
    assert_eq!(fleet.taken(), [0, 0, 1]);
}

/// An address at which connections are neither accepted nor refused, for as long as this lives.
struct Silent {
    _listener: Socket,
    _waiting: Vec<TcpStream>,
    address: SocketAddr,
}

impl Silent {
    fn new() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener
            .bind(&SocketAddr::new(net::loopback(), 0).into())
            .unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        // Until no more fit in.
        let mut waiting = Vec::new();
        while let Ok(one) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
            waiting.push(one);
        }
        Self {
            _listener: listener,
            _waiting: waiting,
            address,
        }
    }
}

#[test]
fn an_address_that_says_nothing_leaves_time_for_the_next() {
    let silent = Silent::new();
    let good = Recorder::ok();
    let addresses = [silent.address, good.address()];
    let gate = builder(&addresses, "connect_timeout: 4s").start();
    // One of the first two begins at the silent one.
    for _ in 0..10 {
        assert_eq!(gate.get("/open/x", "").status(), 200);
    }
    assert_eq!(good.requests().len(), 10);
    wait_until_up(&gate, silent.address, false);
    let address = silent.address.to_string();
    let labels = [("address", &*address), ("kind", "connect")];
    let failures = gate
        .metrics()
        .value("imgate_upstream_failures_total", &labels);
    assert!(failures < 1.5, "only one had to wait, not {failures}");
}

//! `balance: { hash: subject }`: a user stays at an address.

use std::collections::BTreeMap;

use super::super::support::ws_backend::WsBackend;
use super::{Fleet, builder, connect, handshakes, three, token, wait_until_up};

const BY_USER: &str = "balance: { hash: subject }, connect_timeout: 5s";

#[test]
fn a_user_has_one_address_until_it_dies_and_again_when_it_is_back() {
    let mut fleet = Fleet::new();
    let addresses = fleet.addresses();
    let gate = builder(&addresses, BY_USER).start();
    // So many that none of the three has nobody.
    let users: Vec<String> = (0..48).map(|user| user.to_string()).collect();
    // Where each user is, with a new token and a new connection each time.
    let places = |fleet: &Fleet| -> BTreeMap<String, usize> {
        let of = |user: &String| {
            for _ in 0..2 {
                assert_eq!(gate.get("/api/x", &token(user)).status(), 200, "{user}");
            }
            let taken = fleet.taken();
            let at = taken.iter().position(|count| *count == 2);
            (
                user.clone(),
                at.unwrap_or_else(|| panic!("{user}: {taken:?}")),
            )
        };
        users.iter().map(of).collect()
    };
    let before = places(&fleet);
    for at in 0..3 {
        assert!(before.values().any(|place| *place == at), "{before:?}");
    }

    fleet.doors[1].shut();
    let meanwhile = places(&fleet);
    for (user, place) in &before {
        match place {
            1 => assert_ne!(meanwhile[user], 1, "{user}"),
            _ => assert_eq!(meanwhile[user], *place, "{user} has not moved"),
        }
    }
    fleet.doors[1].open();
    wait_until_up(&gate, addresses[1], true);
    assert_eq!(places(&fleet), before);

    // Nobody in particular goes round.
    for _ in 0..12 {
        assert_eq!(gate.get("/open/x", "").status(), 200);
    }
    assert_eq!(fleet.taken(), [4, 4, 4]);
}

#[test]
fn a_socket_that_connects_again_comes_to_the_same_address() {
    let backends = three(WsBackend::echo);
    let addresses = [0, 1, 2].map(|at: usize| backends[at].address());
    let gate = builder(&addresses, BY_USER).start();
    for user in ["7", "8", "9", "10"] {
        let before = handshakes(&backends);
        for _ in 0..4 {
            let mut socket = connect(&gate, user);
            socket.echo("hello");
            socket.close(1000);
            socket.expect_close();
        }
        let after = handshakes(&backends);
        let new = [0, 1, 2].map(|at: usize| after[at] - before[at]);
        assert!(new.contains(&4), "{user}: {new:?}");
    }
}

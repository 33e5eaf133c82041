//! How a socket ends: by its token, by silence, by either end, and with the gate.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey};

use super::super::support::frames::{self, Frame, NO_CODE};
use super::super::support::gate::handshake;
use super::super::support::mint::{SA_TOKEN_SECRET, SOON, claims, jwt, sa_token, sa_token_mixin};
use super::super::support::net;
use super::super::support::process::Signal;
use super::super::support::ws_backend::{End, WsBackend, accept};
use super::super::support::ws_client::WsClient;
use super::super::support::{Gate, Recorder, eventually};
use super::{client, gate_before, good_headers, policy};

#[test]
fn a_jwt_that_ends_closes_both_sides() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let key = EncodingKey::from_secret(SA_TOKEN_SECRET.as_bytes());
    let token = jwt("h", Algorithm::HS256, &key, &claims("7", SOON));
    let mut client = WsClient::to(gate.address(), "/member")
        .header("Authorization", &format!("Bearer {token}"))
        .connect();
    client.echo("still valid");
    assert_eq!(client.expect_close(), 4401);
    assert_eq!(backend.first_end(), End::Close(4401));
    let ended = [("route", "member"), ("reason", "expired")];
    gate.wait_for_metric("imgate_sessions_closed_total", &ended, |count| count > 0.5);
}

#[test]
fn a_sa_token_that_ends_closes_both_sides() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let token = sa_token_mixin("im_user:7", "im_web", SOON);
    let mut client = WsClient::to(gate.address(), "/ws")
        .header("token", &token)
        .header("deviceType", "im_web")
        .connect();
    client.echo("still valid");
    assert_eq!(client.expect_close(), 4401);
    assert_eq!(backend.first_end(), End::Close(4401));
}

#[test]
fn silence_ends_a_socket_and_talk_keeps_it() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let connect = || {
        WsClient::to(gate.address(), "/idle")
            .header("token", &sa_token("im_user:7"))
            .connect()
    };
    let (mut silent, mut talking) = (connect(), connect());
    let end = eventually("the silent socket ends", || {
        talking.echo("still here");
        backend.ends().first().copied()
    });
    assert_eq!(end, End::Close(1001));
    assert_eq!(silent.expect_close(), 1001);
    talking.echo("still here");
    assert_eq!(backend.ends().len(), 1);
}

#[test]
fn the_close_code_of_each_end_reaches_the_other() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    for code in [1000, 1008, 3000, 4123] {
        let mut client = client(&gate).connect();
        client.send(format!("close {code}"));
        assert_eq!(client.expect_close(), code, "from the backend");
    }
    eventually("four sockets end", || {
        (backend.ends().len() == 4).then_some(())
    });
    let mut client = client(&gate).connect();
    client.close(4321);
    assert_eq!(client.expect_close(), 4321, "the backend's answer");
    eventually("five sockets end", || {
        (backend.ends().len() == 5).then_some(())
    });
    let codes: Vec<_> = [1000, 1008, 3000, 4123, 4321].map(End::Close).into();
    assert_eq!(backend.ends(), codes);
}

#[test]
fn a_client_that_vanishes_ends_the_backends_socket() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let mut client = client(&gate).connect();
    client.echo("here");
    let open = [("route", "ws"), ("device_type", "im_web")];
    gate.wait_for_metric("imgate_sessions_open", &open, |count| count > 0.5);
    drop(client);
    let end = backend.first_end();
    assert!(
        matches!(end, End::Gone | End::Close(1001 | NO_CODE)),
        "{end:?}"
    );
    gate.wait_for_metric("imgate_sessions_open", &open, |count| count < 0.5);
}

#[test]
fn the_kernel_looks_after_both_sides_of_a_silent_socket() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let mut client = gate.client();
    client.send(handshake("/ws", &good_headers()));
    assert_eq!(client.answer().status(), 101);
    let frame = Frame::new(frames::TEXT, "hello");
    client.send_frame(&frame);
    assert_eq!(client.frame(), frame);
    let (at_gate, at_client) = (gate.address(), client.local_address());
    let backend = backend.address();
    let minute = Duration::from_secs(50)..=Duration::from_mins(1);
    // Right after the last byte the timer is that of its acknowledgement.
    eventually("the client will be asked", || {
        let next = net::next_keepalive(|local| local == at_gate, |remote| remote == at_client);
        next.filter(|next| minute.contains(next))
    });
    eventually("the backend will be asked", || {
        let next = net::next_keepalive(|local| local != at_gate, |remote| remote == backend);
        next.filter(|next| minute.contains(next))
    });
}

#[test]
fn sigint_closes_every_socket_and_ends_well() {
    let backend = WsBackend::echo();
    let mut gate = gate_before(&backend).workers(2).start();
    let mut clients: Vec<_> = (0..5).map(|_| client(&gate).connect()).collect();
    for client in &mut clients {
        client.echo("here");
    }
    gate.signal(Signal::Int);
    for client in &mut clients {
        assert_eq!(client.expect_close(), 1001);
    }
    assert_eq!(gate.exit_code(), Some(0));
    eventually("the backend's sockets end", || {
        (backend.ends().len() == 5).then_some(())
    });
    assert_eq!(backend.ends(), vec![End::Close(1001); 5]);
}

#[test]
fn a_socket_survives_a_reload_and_a_broken_one() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let mut client = client(&gate).connect();
    client.echo("before");
    gate.reload_and_wait(&policy());
    client.echo("after a reload");
    gate.reload("routes: [");
    gate.wait_for_metric("imgate_config_last_reload_successful", &[], |value| {
        value < 0.5
    });
    client.echo("after a broken reload");
    assert!(backend.ends().is_empty());
}

#[test]
fn the_backends_last_words_reach_a_client_that_keeps_sending() {
    // Small enough to have left the backend when it closes.
    let last_words = Frame::new(frames::TEXT, "x".repeat(5_000));
    let (words, code) = (last_words.clone(), Frame::close(4123));
    let backend = Recorder::serving(move |exchange| {
        exchange.send(accept(&exchange.head, ""));
        exchange.send(words.unmasked());
        exchange.send(code.unmasked());
        // Closing while the client's frames are unread is a reset.
        exchange.close();
    });
    let gate = Gate::with(&policy())
        .upstream("ws", backend.address())
        .start();
    let frame = Frame::new(frames::BINARY, vec![7; 10_000]).masked();
    for round in 0..20 {
        let mut client = gate.client();
        client.send(handshake("/ws", &good_headers()));
        assert_eq!(client.answer().status(), 101);
        for _ in 0..20 {
            if client.try_send(&frame).is_err() {
                break;
            }
        }
        assert!(
            client.frame() == last_words,
            "the last message of round {round}"
        );
        let _ = client.try_send(&frame);
        assert_eq!(client.frame().close_code(), 4123, "round {round}");
    }
}

//! What passes through an open socket: everything, as it is.

use tokio_tungstenite::tungstenite::{Bytes, Message};

use super::super::support::frames::{self, Frame};
use super::super::support::gate::handshake;
use super::super::support::ws_backend::WsBackend;
use super::super::support::{Gate, RawClient};
use super::{client, gate_before, good_headers};

#[test]
fn messages_of_every_size_come_back() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let mut client = client(&gate).connect();
    for size in [0, 1, 125, 126, 127, 65_535, 65_536, 100_000, 1 << 20] {
        client.echo("x".repeat(size));
        client.echo(vec![0xf0; size]);
    }
    client.echo("\u{4f60}\u{597d}");
}

#[test]
fn a_message_of_16_mib_comes_back() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let mut client = raw_client(&gate);
    let payload: Vec<u8> = (0_u32..4 << 20).flat_map(u32::to_be_bytes).collect();
    assert_eq!(payload.len(), 16 << 20);
    let frame = Frame::new(frames::BINARY, payload);
    client.send_frame(&frame);
    assert!(client.frame() == frame, "the same 16 MiB");
}

#[test]
fn pings_are_answered_by_the_other_end() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let mut client = client(&gate).connect();
    client.send(Message::Ping(Bytes::from_static(b"are you there")));
    assert_eq!(
        client.receive(),
        Message::Pong(Bytes::from_static(b"are you there"))
    );
}

#[test]
fn frames_are_neither_joined_nor_split() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let mut client = raw_client(&gate);
    let sent = [
        Frame::part(frames::TEXT, "first, "),
        Frame::part(frames::CONTINUATION, ""),
        Frame::new(frames::PONG, "between the parts"),
        Frame::new(frames::CONTINUATION, "last"),
        Frame::new(frames::BINARY, vec![7; 70_000]),
        Frame::new(frames::TEXT, "next"),
    ];
    // All at once, so that several frames share a read.
    client.send(sent.iter().flat_map(Frame::masked).collect::<Vec<_>>());
    for frame in &sent {
        assert_eq!(client.frame(), *frame);
    }
}

#[test]
fn frames_that_come_byte_by_byte_arrive() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let mut client = raw_client(&gate);
    let frame = Frame::new(frames::TEXT, "x".repeat(130));
    for byte in frame.masked() {
        client.send([byte]);
    }
    assert_eq!(client.frame(), frame);
}

#[test]
fn a_frame_sent_before_the_101_arrives_after_it() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let frame = Frame::new(frames::TEXT, "in a hurry");
    for _ in 0..20 {
        let mut client = gate.client();
        let request = handshake("/ws", &good_headers());
        client.send([request.as_bytes(), &frame.masked()].concat());
        assert_eq!(client.answer().status(), 101);
        assert_eq!(client.frame(), frame);
    }
}

#[test]
fn many_sockets_do_not_mix_their_messages() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).workers(2).start();
    let mut clients: Vec<_> = (0..50).map(|_| client(&gate).connect()).collect();
    for round in 0..3 {
        for (number, client) in clients.iter_mut().enumerate() {
            client.send(format!("round {round} of socket {number}"));
        }
        for (number, client) in clients.iter_mut().enumerate() {
            assert_eq!(
                client.receive(),
                format!("round {round} of socket {number}").into()
            );
        }
    }
}

fn raw_client(gate: &Gate) -> RawClient {
    let mut client = gate.client();
    client.send(handshake("/ws", &good_headers()));
    assert_eq!(client.answer().status(), 101);
    client
}

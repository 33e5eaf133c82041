//! Backends that break off behind their 101. What the client sees is what it would see without a gate,
//! save that nothing malformed reaches it.

use std::time::Duration;

use socket2::SockRef;

use super::super::support::frames::{self, Frame};
use super::super::support::gate::handshake;
use super::super::support::server::Server;
use super::super::support::wait::pause;
use super::super::support::wire::Wire;
use super::super::support::ws_backend::{WsBackend, accept};
use super::super::support::ws_client::WsClient;
use super::super::support::{Gate, RawClient, eventually};

const POLICY: &str = "
routes:
  - { name: bad, match: { path: /bad }, websocket: true, require: public, upstream: bad }
  - { name: good, match: { path: /good }, websocket: true, require: public, upstream: good }
";

/// A client of a backend that does this behind its 101; its session ends for this reason.
fn client_of(
    behind: impl Fn(&mut Wire) + Send + Sync + 'static,
    reason: &str,
    check: impl FnOnce(&mut RawClient),
) {
    let bad = Server::start(move |mut wire| {
        let Ok(Some(head)) = wire.head() else { return };
        wire.send(accept(&head, "").as_bytes()).unwrap();
        behind(&mut wire);
    });
    let good = WsBackend::echo();
    let gate = Gate::with(POLICY)
        .upstream("bad", bad.address())
        .upstream("good", good.address())
        .workers(1)
        .start();
    let mut bystander = WsClient::to(gate.address(), "/good").connect();
    bystander.echo("before");
    let mut client = gate.client();
    client.send(handshake("/bad", ""));
    assert_eq!(client.answer_to_head().status(), 101);
    check(&mut client);
    bystander.echo("still here");
    let labels = [("route", "bad"), ("reason", reason)];
    gate.wait_for_metric("imgate_sessions_closed_total", &labels, |count| count > 0.5);
    let session = eventually("the line of the session", || {
        let mut lines = gate.lines("INFO").into_iter();
        lines.find(|line| line["message"] == "session")
    });
    assert_eq!(session["reason"], reason, "{session}");
    assert!(gate.lines("WARN").is_empty(), "{}", gate.output());
    let open = [("route", "bad")];
    gate.wait_for_metric("imgate_sessions_open", &open, |count| count < 0.5);
}

#[test]
fn garbage_behind_a_101_ends_with_1002_and_reaches_nobody() {
    let cases: [&[u8]; 4] = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        // A masked text, a reserved opcode, a length beyond all.
        b"\x81\x82\x01\x02\x03\x04hi",
        b"\x83\x01x",
        b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
    ];
    for garbage in cases {
        let behind = move |wire: &mut Wire| {
            let good = Frame::new(frames::TEXT, "good").unmasked();
            let _ = wire.send(&[&good, garbage].concat());
            let _ = wire.read_to_end();
        };
        client_of(behind, "protocol_error", |client| {
            assert!(client.frame() == Frame::new(frames::TEXT, "good"));
            assert_eq!(client.frame().close_code(), 1002);
            client.expect_closed();
        });
    }
}

#[test]
fn a_backend_that_breaks_off_within_a_frame_ends_its_client_and_no_other() {
    // A Close frame would be read as payload, so there can be none: the client knows 1006.
    for with_reset in [false, true] {
        let behind = move |wire: &mut Wire| {
            let frame = Frame::new(frames::BINARY, vec![7; 1000]).unmasked();
            let _ = wire.send(&frame[..100]);
            if with_reset {
                // Until the bytes are through.
                pause(Duration::from_millis(100));
                SockRef::from(wire.stream())
                    .set_linger(Some(Duration::ZERO))
                    .unwrap();
            }
        };
        client_of(behind, "backend", |client| {
            let expected = Frame::new(frames::BINARY, vec![7; 1000]).unmasked();
            if !with_reset {
                assert!(client.bytes(100) == expected[..100]);
            }
            client.drain();
        });
    }
}

#[test]
fn a_backend_that_is_gone_between_two_frames_ends_its_client() {
    client_of(
        |wire| {
            let _ = wire.send(&Frame::new(frames::TEXT, "last words").unmasked());
        },
        "backend",
        |client| {
            assert!(client.frame() == Frame::new(frames::TEXT, "last words"));
            client.expect_closed();
        },
    );
}

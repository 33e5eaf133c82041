use super::super::support::frames::{self, Frame};
use super::super::support::gate::handshake;
use super::super::support::ws_backend::{End, WsBackend};
use super::super::support::{Gate, RawClient, eventually};

const POLICY: &str = "
routes:
  - { name: small, match: { path: /small }, websocket: true, require: public, session: { max_message: 1KiB }, upstream: ws }
  - { name: any, match: { path: /any }, websocket: true, require: public, upstream: ws }
";

fn socket(gate: &Gate, path: &str) -> RawClient {
    let mut client = gate.client();
    client.send(handshake(path, ""));
    assert_eq!(client.answer().status(), 101);
    client
}

#[test]
fn a_message_that_is_too_long_ends_the_session_for_both() {
    let sockets = WsBackend::echo();
    let gate = Gate::with(POLICY).upstream("ws", sockets.address()).start();
    let mut client = socket(&gate, "/small");
    // As long as it may be, in one frame and in several.
    client.send_frame(&Frame::new(frames::BINARY, vec![1; 1024]));
    assert_eq!(client.frame().payload.len(), 1024);
    client.send_frame(&Frame::part(frames::BINARY, vec![1; 1000]));
    assert_eq!(client.frame().payload.len(), 1000);
    client.send_frame(&Frame::new(frames::PING, "x"));
    assert_eq!(client.frame().opcode, frames::PONG);
    client.send_frame(&Frame::new(frames::CONTINUATION, vec![2; 25]));
    let close = client.frame();
    assert_eq!((close.opcode, close.close_code()), (frames::CLOSE, 1009));
    assert_eq!(sockets.first_end(), End::Close(1009));
    let labels = [("route", "small"), ("reason", "too_large")];
    gate.wait_for_metric("imgate_sessions_closed_total", &labels, |count| count > 0.5);
    // It is the header that tells, not what comes behind it.
    let mut client = socket(&gate, "/small");
    let huge = Frame::new(frames::BINARY, vec![3; 100_000]).masked();
    client.send(&huge[..14]);
    assert_eq!(client.frame().close_code(), 1009);
    eventually("the backend heard it again", || {
        (sockets.ends() == [End::Close(1009), End::Close(1009)]).then_some(())
    });
    // Others go on as ever.
    let mut client = socket(&gate, "/any");
    client.send_frame(&Frame::new(frames::BINARY, vec![1; 300_000]));
    assert_eq!(client.frame().payload.len(), 300_000);
}

#[test]
fn what_comes_in_the_segment_of_the_handshake_counts() {
    let sockets = WsBackend::echo();
    let gate = Gate::with(POLICY).upstream("ws", sockets.address()).start();
    let mut client = gate.client();
    let mut bytes = handshake("/small", "").into_bytes();
    bytes.extend(Frame::new(frames::TEXT, "hello").masked());
    bytes.extend(Frame::new(frames::TEXT, vec![b'x'; 1025]).masked());
    client.send(bytes);
    assert_eq!(client.answer().status(), 101);
    let mut seen = Vec::new();
    loop {
        let frame = client.frame();
        if frame.opcode == frames::CLOSE {
            assert_eq!(frame.close_code(), 1009);
            break;
        }
        seen.extend(frame.payload);
    }
    assert!(seen.is_empty() || seen == b"hello", "{seen:?}");
    assert_eq!(sockets.first_end(), End::Close(1009));
}

//! Sockets that bring their credential in their first message, as raw bytes.

mod json;
mod limits;
mod meanwhile;
mod socketio;
mod twice;

/// A small Socket.IO server, and its clients' texts.
pub(crate) mod chat;

use jsonwebtoken::{Algorithm, EncodingKey};

use super::support::frames::{self, Frame};
use super::support::gate::{Builder, handshake};
use super::support::mint::{SA_TOKEN_SECRET, claims, jwt};
use super::support::{Gate, RawClient};

const POLICY: &str = "
authenticators:
  member:
    from: [{ header: Authorization, prefix: Bearer }, { query: token }, { subprotocol: imgate.bearer. }]
    jwt: { keys: [{ kid: h, algorithm: HS256, secret: { value: \"$SECRET\" } }], issuer: any, audience: any }
  partners:
    from: [{ header: X-App-Key }]
    app_key: { keys: [{ id: a, secret: { value: key-a } }, { id: b, secret: { value: key-b } }] }
  client:
    from: [{ header: IM-CLIENT-KEY }]
    app_key: { keys: [{ id: shop, secret: { value: client-key } }] }
  user:
    from: [{ header: IM-Authorization }]
    jwt: { keys: [{ kid: h, algorithm: HS256, secret: { value: \"$SECRET\" } }], issuer: any, audience: any }
routes:
  - name: json
    match: { path: /json }
    websocket: true
    require: { first_message: { json: { pointer: /data/token, any_of: [member, partners] }, deadline: 2s } }
    upstream: ws
  - name: moved
    match: { path: /moved }
    websocket: true
    require: { first_message: { json: { pointer: /token, any_of: [member] } } }
    credential: { form: bare, as: { header: token } }
    upstream: ws
  - name: stripped
    match: { path: /stripped }
    websocket: true
    require: { first_message: { json: { pointer: /token, any_of: [member] } } }
    credential: { form: strip }
    upstream: ws
  - name: devices
    match: { path: /devices }
    websocket: true
    require: { first_message: { json: { pointer: /token, any_of: [member] } }, device_type: { from: [{ query: device }], one_of: [im_web, im_pc], aliases: { web: im_web } } }
    session: { per_device: 1, on_conflict: reject }
    upstream: ws
  - name: socket
    match: { path: /socket.io/ }
    websocket: true
    require: { first_message: { socketio_auth2: { all_of: [client, user] }, deadline: 2s } }
    upstream: ws
";

fn policy() -> String {
    POLICY.replace("$SECRET", SA_TOKEN_SECRET)
}

fn gate_before(backend: std::net::SocketAddr) -> Builder {
    Gate::with(&policy()).upstream_with("ws", backend, "handshake_timeout: 2s")
}

/// A JWT for this user and so many seconds.
fn token(subject: &str, seconds: i64) -> String {
    let key = EncodingKey::from_secret(SA_TOKEN_SECRET.as_bytes());
    jwt("h", Algorithm::HS256, &key, &claims(subject, seconds))
}

fn text(text: impl AsRef<str>) -> Frame {
    Frame::new(frames::TEXT, text.as_ref())
}

/// A socket that the gate has accepted.
#[track_caller]
fn accepted(gate: &Gate, target: &str, headers: &str) -> RawClient {
    let mut client = gate.client();
    client.send(handshake(target, headers));
    let answer = client.answer();
    assert_eq!(answer.status(), 101, "{}", answer.text());
    client
}

/// Reads on to the Close frame and sees the connection end. Gives the code.
#[track_caller]
fn close_code(client: &mut RawClient) -> u16 {
    loop {
        let frame = client.frame();
        if frame.opcode == frames::CLOSE {
            client.finish_sending();
            client.expect_closed();
            return frame.close_code();
        }
    }
}

/// Waits until so many sockets wait for their credential.
#[track_caller]
fn wait_until_waiting(gate: &Gate, count: u32) {
    gate.wait_for_metric("imgate_unauthenticated_sockets", &[], |value| {
        (value - f64::from(count)).abs() < 0.5
    });
}

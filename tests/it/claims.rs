//! `match`: whoever a request claims to be is the one who is proven.

use super::support::gate::handshake;
use super::support::mint::{SA_TOKEN_SECRET, claims, jwt};
use super::support::ws_backend::WsBackend;
use super::support::ws_client::WsClient;
use super::support::{Gate, Recorder, frames};

use jsonwebtoken::{Algorithm, EncodingKey};

const POLICY: &str = "
authenticators:
  member:
    from: [{ header: token }]
    jwt:
      keys: [{ kid: h, algorithm: HS256, secret: { value: \"$SECRET\" } }]
      issuer: any
      audience: any
      claims: { subject: sub, device_type: dev, app: app }
routes:
  - { name: api, match: { path: \"/{app}/users/{user}/**\" }, require: { any_of: [member], match: { app: { path: app }, subject: { path: user } } }, upstream: im }
  - name: ws
    match: { path: /ws }
    websocket: true
    require: { any_of: [member], match: { subject: { query: sendID }, device_type: { header: X-Device } } }
    session: { renew: /ws/renew }
    upstream: ws
  - name: later
    match: { path: /later }
    websocket: true
    require:
      first_message: { json: { pointer: /token, any_of: [member] } }
      match: { subject: { query: sendID } }
    upstream: ws
";

fn policy() -> String {
    POLICY.replace("$SECRET", SA_TOKEN_SECRET)
}

fn token(subject: &str) -> String {
    let key = EncodingKey::from_secret(SA_TOKEN_SECRET.as_bytes());
    let mut claims = claims(subject, 600);
    claims["dev"] = "web".into();
    claims["app"] = "acme".into();
    jwt("h", Algorithm::HS256, &key, &claims)
}

#[test]
fn nobody_reaches_what_is_anothers() {
    let backend = Recorder::ok();
    let gate = Gate::with(&policy())
        .upstream("im", backend.address())
        .upstream("ws", backend.address())
        .start();
    let headers = format!("token: {}\r\n", token("7@x"));
    for (target, status, reason) in [
        ("/acme/users/8@x/y", 403, "subject"),
        ("/acme/users/8%40x/y", 403, "subject"),
        ("/other/users/7@x/y", 403, "wrong_app"),
        ("/acme/users/7@x/y", 200, ""),
        ("/acme/users/7%40x", 200, ""),
        // The verdict on the token is remembered by now, and that on the claim is not.
        ("/acme/users/8@x/y", 403, "subject"),
    ] {
        let answer = gate.get(target, &headers);
        assert_eq!(answer.status(), status, "{target}");
        if status != 200 {
            assert_eq!(answer.json()["error"], reason, "{target}");
        }
    }
    let targets: Vec<_> = backend
        .requests()
        .iter()
        .map(|one| one.head.target().to_owned())
        .collect();
    assert_eq!(targets, ["/acme/users/7@x/y", "/acme/users/7%40x"]);
}

#[test]
fn a_socket_is_opened_as_who_is_proven() {
    let backend = WsBackend::echo();
    let gate = Gate::with(&policy())
        .upstream("im", backend.address())
        .upstream("ws", backend.address())
        .start();
    let token = token("7");
    let opening = |target: &str, device: &str| {
        let headers = format!("token: {token}\r\n{device}");
        gate.send(handshake(target, &headers))
    };
    for (target, device, status, reason) in [
        ("/ws?sendID=8", "X-Device: web\r\n", 403, "subject"),
        ("/ws", "X-Device: web\r\n", 403, "subject"),
        ("/ws?sendID=7", "X-Device: ios\r\n", 403, "device_type"),
        ("/ws?sendID=7", "", 403, "device_type"),
        (
            "/ws?sendID=7&sendID=7",
            "X-Device: web\r\n",
            400,
            "conflict",
        ),
        (
            "/ws?sendID=7&SendId=8",
            "X-Device: web\r\n",
            400,
            "conflict",
        ),
        (
            "/ws?sendID=7&sendID%5B%5D=8",
            "X-Device: web\r\n",
            400,
            "conflict",
        ),
        (
            "/ws?sendID=7",
            "X-Device: web\r\nX_Device: ios\r\n",
            400,
            "conflict",
        ),
    ] {
        let answer = opening(target, device);
        assert_eq!(answer.status(), status, "{target} {device}");
        assert_eq!(answer.json()["error"], reason, "{target} {device}");
    }
    assert!(backend.handshakes().is_empty());
    let mut socket = WsClient::to(gate.address(), "/ws?sendID=7&a=b")
        .header("token", &token)
        .header("X-Device", "web")
        .connect();
    socket.echo("hello");
    let head = backend.last_handshake();
    assert_eq!(head.target(), "/ws?sendID=7&a=b");
    assert_eq!(head.header("x-device"), Some("web"));
    // A renewal is of the same user; it has nothing to claim.
    let renewed = gate.send(super::support::raw::post(
        "/ws/renew",
        &format!("token: {token}\r\n"),
        b"",
    ));
    assert_eq!(renewed.status(), 200, "{}", renewed.text());
    socket.echo("still there");
    // What this session was not asked for cannot be told of it, after a reload.
    gate.reload_and_wait(
        &policy().replace("device_type: { header: X-Device }", "app: { query: app }"),
    );
    assert_eq!(socket.expect_close(), 4401);
}

#[test]
fn the_first_message_proves_what_the_handshake_has_claimed() {
    let backend = WsBackend::echo();
    let gate = Gate::with(&policy())
        .upstream("im", backend.address())
        .upstream("ws", backend.address())
        .start();
    assert_eq!(gate.send(handshake("/later", "")).status(), 403);
    for (user, is_in) in [("8", false), ("7", true)] {
        let mut client = gate.client();
        client.send(handshake("/later?sendID=7", ""));
        assert_eq!(client.answer().status(), 101);
        let message = frames::Frame::new(frames::TEXT, format!(r#"{{"token":"{}"}}"#, token(user)));
        client.send_frame(&message);
        let answer = client.frame();
        if is_in {
            assert!(answer == message, "the backend's echo");
        } else {
            assert_eq!(answer.opcode, frames::CLOSE);
            assert_eq!(answer.payload.get(..2), Some(&4401_u16.to_be_bytes()[..]));
            assert!(backend.handshakes().is_empty());
        }
    }
}

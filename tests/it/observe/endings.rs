//! Sockets and streams of those who would have been refused: what they are, and when they end.

use super::super::support::gate::handshake;
use super::super::support::member::{client, token_with};
use super::super::support::mint::now;
use super::super::support::raw::request;
use super::super::support::ws_backend::End;
use super::super::support::ws_client::WsClient;
use super::super::support::{Gate, RawClient, eventually};
use super::{Scene, observing};

/// A socket of somebody whom nobody knows.
fn unknown(gate: &Gate) -> WsClient {
    WsClient::to(gate.address(), "/ws")
        .header("Authorization", "Bearer canary")
        .header("deviceType", "im_web")
        .header("X-Auth-Subject", "forged")
        .connect()
}

fn known(gate: &Gate) -> WsClient {
    let token = token_with("7", 600, &[]);
    let handshake = client(gate, "/ws", &token).header("deviceType", "im_web");
    handshake.connect()
}

/// An event stream of somebody whom nobody knows.
fn stream(gate: &Gate) -> RawClient {
    let mut client = gate.client();
    client.send(request("GET", "/events", ""));
    assert_eq!(client.answer_to_head().status(), 200);
    client
}

/// Reads on until the gate ends the answer. It never gets its last chunk.
fn wait_for_cut(client: &mut RawClient) {
    let rest = client.rest().unwrap_or_default();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "the answer is not whole");
}

fn wait_for_sessions(gate: &Gate, count: f64) {
    gate.wait_for_metric("imgate_sessions_open", &[], |open| {
        (open - count).abs() < 0.1
    });
}

#[test]
fn a_socket_of_nobodys_has_no_name_and_takes_nobodys_place() {
    let scene = Scene::new();
    let gate = scene.gate(&observing(3600)).start();
    let mut first = unknown(&gate);
    let head = scene.sockets.last_handshake();
    for name in [
        "x-auth-subject",
        "x-auth-device-type",
        "x-auth-authenticator",
        "authorization",
    ] {
        assert_eq!(head.header(name), None, "{name}");
    }
    let session = head.header("x-auth-session-id");
    assert!(session.is_some_and(|id| id.len() == 32), "{session:?}");
    let mut second = unknown(&gate);
    let mut known_one = known(&gate);
    first.echo("one");
    second.echo("two");
    known_one.echo("three");
    wait_for_sessions(&gate, 3.0);
    // Places are counted among those who are known.
    let mut known_two = known(&gate);
    assert_eq!(known_one.expect_close(), 4409);
    known_two.echo("four");
    first.echo("five");
    // A credential in a message is the gate's, and there is nothing that it could prolong.
    let token = token_with("7", 600, &[]);
    first.send(format!("{{\"data\":{{\"token\":\"{token}\"}}}}"));
    first.echo("six");
    second.echo("seven");
}

#[test]
fn when_it_is_over_everybody_is_asked_who_they_are() {
    let scene = Scene::new();
    let lasts = 8;
    let before = now();
    let mode = observing(lasts);
    let gate = scene.gate(&mode).start();
    let (mut socket, mut events, mut known) = (unknown(&gate), stream(&gate), known(&gate));
    socket.echo("here");
    known.echo("here");
    wait_for_sessions(&gate, 3.0);
    let gauge = |value: f64| {
        let labels = [("route", "ws")];
        gate.wait_for_metric("imgate_observing", &labels, |shown| {
            (shown - value).abs() < 0.1
        });
    };
    gauge(1.0);
    // Neither grace nor anything else that a token would have.
    assert_eq!(socket.expect_close(), 4401);
    assert!(now() - before >= lasts, "{} s", now() - before);
    assert_eq!(scene.sockets.first_end(), End::Close(4401));
    wait_for_cut(&mut events);
    for (route, count) in [("ws", 1.0), ("events", 1.0)] {
        let labels = [("route", route), ("reason", "policy_changed")];
        gate.wait_for_metric("imgate_sessions_closed_total", &labels, |closed| {
            (closed - count).abs() < 0.1
        });
    }
    known.echo("who is known stays");
    let answer = gate.get("/device", "");
    assert_eq!((answer.status(), &*answer.reason()), (401, "no_credential"));
    let answer = gate.send(handshake("/ws", ""));
    assert_eq!((answer.status(), &*answer.reason()), (401, "no_credential"));
    gauge(0.0);
    eventually("it is said that it is over", || {
        gate.output()
            .contains("no route observes any more")
            .then_some(())
    });
    assert_eq!(gate.status()["caveats"], serde_json::json!([]));
}

#[test]
fn a_reload_that_enforces_ends_the_sockets_of_those_who_are_not_known() {
    let scene = Scene::new();
    let gate = scene.gate(&observing(3600)).start();
    let (mut socket, mut events, mut known) = (unknown(&gate), stream(&gate), known(&gate));
    socket.echo("here");
    known.echo("here");
    wait_for_sessions(&gate, 3.0);
    // One that goes on observing ends nothing.
    gate.reload_and_wait(&scene.policy(&observing(7200)));
    socket.echo("still here");
    gate.reload_and_wait(&scene.policy("mode: enforce"));
    assert_eq!(socket.expect_close(), 4401);
    wait_for_cut(&mut events);
    known.echo("still here");
    assert_eq!(gate.send(handshake("/ws", "")).status(), 401);
    wait_for_sessions(&gate, 1.0);
}

#[test]
fn a_reload_that_moves_the_end_moves_it_for_open_sockets() {
    let scene = Scene::new();
    let gate = scene.gate(&observing(6)).start();
    let first = now();
    let mut longer = unknown(&gate);
    longer.echo("here");
    gate.reload_and_wait(&scene.policy(&observing(3600)));
    while now() - first < 9 {
        longer.echo("lives on");
    }
    let mode = observing(2);
    gate.reload_and_wait(&scene.policy(&mode));
    assert_eq!(longer.expect_close(), 4401);
}

#[test]
fn a_gate_that_begins_to_observe_cuts_nobody() {
    let scene = Scene::new();
    let open = "require: { any_of: [member], device_type: { from: [{ header: deviceType }], one_of: [im_web] } }
    session: { per_device: 1, renew: { path: /ws/renew, message: { pointer: /data/token } }, grace: 1h }";
    let guarded = scene.policy(&observing(3600));
    assert!(guarded.contains(open));
    let gate = Gate::with(&guarded.replace(open, "require: public"))
        .upstream("api", scene.backend.address())
        .upstream("ws", scene.sockets.address())
        .file("revoked.yaml", "[]\n")
        .start();
    let mut socket = WsClient::to(gate.address(), "/ws").connect();
    socket.echo("here");
    gate.reload_and_wait(&guarded);
    socket.echo("still here");
    gate.reload_and_wait(&scene.policy("mode: enforce"));
    assert_eq!(socket.expect_close(), 4401);
}

//! Sockets that stand on a token that the backend may withdraw.

use super::super::support::eventually;
use super::super::support::ws_backend::WsBackend;
use super::super::support::ws_client::WsClient;
use super::backend::Backend;
use super::{INTROSPECT, app_token, policy, user_token};
use crate::support::gate::Gate;

struct Scene {
    backend: Backend,
    gate: Gate,
    _sockets: WsBackend,
}

impl Scene {
    fn new() -> Self {
        let (backend, sockets) = (Backend::start(), WsBackend::echo());
        let introspect = INTROSPECT.replace("60s }", "60s, recheck: 1s, live_grace: 2s }");
        let policy = format!(
            "{}  - {{ match: {{ path: \"/{{org}}/{{app}}/ws\" }}, websocket: true, \
             require: {{ any_of: [easemob-issued] }}, upstream: ws }}\n",
            policy(&backend, &introspect, "s")
        );
        let gate = Gate::with(&policy)
            .upstream("im", backend.address())
            .upstream("ws", sockets.address())
            .start();
        Self {
            backend,
            gate,
            _sockets: sockets,
        }
    }

    fn connect(&self, ttl: u64) -> (WsClient, String) {
        let app = app_token(&self.gate, 600);
        let user = user_token(&self.gate, &app, "alice", ttl);
        let socket = WsClient::to(self.gate.address(), "/org/app/ws")
            .header("Authorization", &format!("Bearer {user}"))
            .connect();
        (socket, user)
    }

    fn answers(&self, result: &str) -> f64 {
        let labels = [("authenticator", "easemob-issued"), ("result", result)];
        let metrics = self.gate.metrics();
        metrics.value("imgate_session_rechecks_total", &labels)
    }
}

#[test]
fn a_living_socket_is_asked_about_and_goes_with_its_token() {
    let scene = Scene::new();
    let (mut socket, token) = scene.connect(600);
    socket.echo("hello");
    eventually("it is asked about", || {
        (scene.answers("confirmed") >= 2.0).then_some(())
    });
    socket.echo("still here");
    scene.backend.withdraw(&token);
    assert_eq!(socket.expect_close(), 4401);
}

#[test]
fn a_banned_user_s_socket_ends_for_good() {
    let scene = Scene::new();
    let (mut socket, _) = scene.connect(600);
    socket.echo("hello");
    scene.backend.ban("alice");
    assert_eq!(socket.expect_close(), 4403);
}

#[test]
fn a_socket_outlives_an_outage_for_its_grace_only() {
    let scene = Scene::new();
    let (mut socket, _) = scene.connect(600);
    scene.backend.fail(500);
    eventually("nobody can tell", || {
        (scene.answers("unavailable") >= 1.0).then_some(())
    });
    assert_eq!(socket.expect_close(), 1013);
}

#[test]
fn a_socket_ends_with_its_token() {
    let scene = Scene::new();
    let (mut socket, _) = scene.connect(2);
    socket.echo("hello");
    assert_eq!(socket.expect_close(), 4401);
}

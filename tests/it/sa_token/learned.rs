//! Logins that are known from the backend's answers, where its Redis is out of reach.

use super::super::support::gate::Gate;
use super::super::support::mint::{SA_TOKEN_SECRET, sa_token, sa_token_signed};
use super::super::support::raw::post;
use super::super::support::wire::Answer;
use super::super::support::ws_backend::WsBackend;
use super::super::support::ws_client::WsClient;
use super::super::support::{Recorder, eventually};
use super::ask;

const POLICY: &str = "
authenticators:
  im-token:
    from: [{ header: token, prefix: Bearer }, { query: token }]
    sa_token:
      secret: { value: \"$SECRET\" }
      user_types: [im_user]
      sessions: { learn: { route: login, lifetime: $LIFETIME } }
routes:
  - { name: login, match: { path: /openapi/v1/user/login, methods: [POST] }, require: public, upstream: im }
  - { name: api, match: { path: /api/** }, require: { any_of: [im-token] }, upstream: im }
  - { name: ws, match: { path: /ws }, websocket: true, require: { any_of: [im-token] }, upstream: ws }
";

fn policy(lifetime: &str) -> String {
    POLICY
        .replace("$SECRET", SA_TOKEN_SECRET)
        .replace("$LIFETIME", lifetime)
}

/// A backend that logs in whoever is named in the body, by that token.
fn backend() -> Recorder {
    Recorder::serving(|exchange| {
        if exchange.head.method() == "GET" {
            return exchange.ok();
        }
        let token = String::from_utf8(exchange.read_body()).unwrap();
        let body = format!(
            r#"{{"code":200,"msg":"success","data":{{"imUserVo":{{"id":"7"}},"token":"Bearer {token}"}}}}"#
        );
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=UTF-8\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
    })
}

fn gate(lifetime: &str, backend: &Recorder, sockets: &WsBackend) -> Gate {
    Gate::with(&policy(lifetime))
        .upstream("im", backend.address())
        .upstream("ws", sockets.address())
        .start()
}

fn log_in(gate: &Gate, token: &str) -> Answer {
    gate.send(post("/openapi/v1/user/login", "", token.as_bytes()))
}

#[test]
fn a_login_opens_what_its_token_opens() {
    let (backend, sockets) = (backend(), WsBackend::echo());
    let gate = gate("30d", &backend, &sockets);
    let token = sa_token("im_user:7");
    let before = ask(&gate, &token);
    assert_eq!(
        (before.status(), before.reason().as_str()),
        (401, "expired")
    );
    let answer = log_in(&gate, &token);
    assert_eq!(answer.json()["data"]["token"], format!("Bearer {token}"));
    assert_eq!(ask(&gate, &token).status(), 200);
    assert_eq!(backend.last().head.header("x-auth-subject"), Some("7"));
    let mut socket = WsClient::to(gate.address(), &format!("/ws?token={token}")).connect();
    socket.echo("hello");
    // Of that login, and no other of the same user; and another type of user is refused all the same.
    assert_eq!(ask(&gate, &sa_token("im_user:7")).status(), 401);
    let admin = sa_token("sys_user:1");
    log_in(&gate, &admin);
    assert_eq!(ask(&gate, &admin).reason(), "user_type");
    let status = gate.status().to_string();
    assert!(status.contains("sessions: learn"), "{status}");
}

#[test]
fn the_backend_s_word_needs_the_backend_s_signature() {
    let (backend, sockets) = (backend(), WsBackend::echo());
    let gate = gate("30d", &backend, &sockets);
    let forged = sa_token_signed("im_user:7", "another secret of thirty-two bytes");
    assert_eq!(log_in(&gate, &forged).status(), 200);
    assert_eq!(ask(&gate, &forged).reason(), "bad_signature");
}

#[test]
fn a_login_ends_after_its_lifetime() {
    let (backend, sockets) = (backend(), WsBackend::echo());
    let gate = gate("6s", &backend, &sockets);
    let token = sa_token("im_user:7");
    log_in(&gate, &token);
    assert_eq!(ask(&gate, &token).status(), 200);
    let mut socket = WsClient::to(gate.address(), &format!("/ws?token={token}")).connect();
    assert_eq!(socket.expect_close(), 4401);
    eventually("the login has ended", || {
        let answer = ask(&gate, &token);
        (answer.status() == 401).then(|| assert_eq!(answer.reason(), "expired"))
    });
}

#[test]
fn a_reload_logs_nobody_out() {
    let (backend, sockets) = (backend(), WsBackend::echo());
    let gate = gate("30d", &backend, &sockets);
    let token = sa_token("im_user:7");
    log_in(&gate, &token);
    gate.reload_and_wait(&policy("12h"));
    assert_eq!(ask(&gate, &token).status(), 200);
}

//! Revocations and sessions by the admin API.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::json;

use super::super::support::gate::handshake;
use super::super::support::mint::now;
use super::super::support::operator::{self, order};
use super::super::support::wait::pause;
use super::super::support::ws_backend::{End, WsBackend, accept};
use super::super::support::{Gate, eventually};
use super::{bearer, client, gate_before, policy, token, token_with};

fn gate_with_admin(backend: &WsBackend) -> Gate {
    operator::obeyed_by(gate_before(backend)).start()
}

#[test]
fn a_revoked_token_closes_its_sockets_and_opens_nothing_any_more() {
    let backend = WsBackend::echo();
    let gate = gate_with_admin(&backend);
    let token = token("7", 600);
    let (mut one, mut two) = (
        client(&gate, "/free", &token).connect(),
        client(&gate, "/free", &token).connect(),
    );
    let mut other = client(&gate, "/free", &super::token("7", 601)).connect();
    let body = json!({ "token": format!("Bearer {token}") });
    let revoked = order(&gate, "POST", "/revocations", Some(&body));
    assert_eq!(revoked["sessions_closed"], 2, "{revoked}");
    assert_eq!(revoked["verdicts_evicted"], 1, "{revoked}");
    assert_eq!(revoked["durable"], false, "{revoked}");
    assert_eq!((one.expect_close(), two.expect_close()), (4403, 4403));
    assert_eq!(backend.first_end(), End::Close(4403));
    other.echo("still here");
    let refused = gate.send(handshake("/free", &bearer(&token)));
    assert_eq!(refused.status(), 401);
    assert!(refused.text().contains("revoked"), "{}", refused.text());

    let id = revoked["id"].as_str().unwrap();
    let lifted = order(&gate, "DELETE", &format!("/revocations/{id}"), None);
    assert_eq!(lifted["lifted"], 1);
    assert_eq!(gate.send(handshake("/free", &bearer(&token))).status(), 101);
}

#[test]
fn a_user_is_revoked_by_type_and_device_and_a_new_login_is_not() {
    let backend = WsBackend::echo();
    let gate = gate_with_admin(&backend);
    let old = |subject: &str| token_with_iat(subject, -60);
    let mut ada = client(&gate, "/free", &old("7")).connect();
    let mut eve = client(&gate, "/free", &old("8")).connect();
    let body = json!({ "user": "8" });
    let revoked = order(&gate, "POST", "/revocations", Some(&body));
    assert_eq!(revoked["sessions_closed"], 1, "{revoked}");
    assert_eq!(eve.expect_close(), 4403);
    ada.echo("still here");
    assert_eq!(
        gate.send(handshake("/free", &bearer(&old("8")))).status(),
        401
    );
    // A token that does not say when it was issued may be an old one.
    assert_eq!(
        gate.send(handshake("/free", &bearer(&token("8", 600))))
            .status(),
        401
    );
    let new = token_with_iat("8", 60);
    assert_eq!(gate.send(handshake("/free", &bearer(&new))).status(), 101);
}

fn token_with_iat(subject: &str, seconds: i64) -> String {
    super::token_of(subject, 600, |claims| {
        claims["iat"] = (now() + seconds).into();
    })
}

#[test]
fn a_session_that_was_renewed_is_still_revoked_by_its_first_token() {
    let backend = WsBackend::echo();
    let gate = gate_with_admin(&backend);
    let first = token_with("7", 300, &[("jti", "first")]);
    let mut socket = client(&gate, "/one", &first).connect();
    let renewal = format!(
        "POST /one/renew HTTP/1.1\r\nHost: im.example.com\r\n{}Content-Length: 0\r\n\r\n",
        bearer(&token("7", 600))
    );
    assert_eq!(gate.send(renewal).status(), 200);
    let revoked = order(
        &gate,
        "POST",
        "/revocations",
        Some(&json!({ "jti": "first" })),
    );
    assert_eq!(revoked["sessions_closed"], 1, "{revoked}");
    assert_eq!(socket.expect_close(), 4403);
}

#[test]
fn sessions_are_shown_without_their_credentials_and_ended_by_id_and_user() {
    let backend = WsBackend::echo();
    let gate = gate_with_admin(&backend);
    let token_of_ada = token_with("7", 600, &[("dev", "phone")]);
    let mut ada = client(&gate, "/free", &token_of_ada).connect();
    let mut eve = client(&gate, "/kept", &token("8", 600)).connect();
    ada.echo("hello");
    let all = order(&gate, "GET", "/sessions", None);
    assert_eq!(all["total"], 2, "{all}");
    let text = all.to_string();
    let signature = token_of_ada.rsplit('.').next().unwrap();
    assert!(!text.contains(signature) && !text.contains("eyJ"), "{text}");
    let found = order(&gate, "GET", "/sessions?user=7&device_type=phone", None);
    let session = &found["sessions"][0];
    assert_eq!(found["total"], 1, "{found}");
    assert_eq!(session["route"], "free");
    assert_eq!(session["authenticator"], "member");
    assert!(session["received"].as_u64().unwrap() > 0);
    assert_eq!(order(&gate, "GET", "/sessions?user=9", None)["total"], 0);

    let id = session["id"].as_str().unwrap();
    let ended = order(&gate, "DELETE", &format!("/sessions/{id}"), None);
    assert_eq!(ended["sessions_closed"], 1);
    assert_eq!(ada.expect_close(), 4403);
    let ended = order(&gate, "DELETE", "/sessions?user=8", None);
    assert_eq!(ended["sessions_closed"], 1);
    assert_eq!(eve.expect_close(), 4403);
    // Its credential is as good as before.
    assert_eq!(
        gate.send(handshake("/free", &bearer(&token("8", 600))))
            .status(),
        101
    );
}

/// A revocation, or a reload without the key, that comes while the backend thinks about its 101.
#[test]
fn what_is_revoked_while_the_backend_delays_its_101_never_opens() {
    for with_reload in [false, true] {
        let agrees = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&agrees);
        let backend = WsBackend::handshaking(move |head| {
            while !asked.load(Ordering::SeqCst) {
                pause(std::time::Duration::from_millis(10));
            }
            accept(head, "")
        });
        let gate = gate_with_admin(&backend);
        let token = token_with("7", 600, &[("jti", "one")]);
        let status = thread::scope(|scope| {
            let waiting = scope.spawn(|| gate.send(handshake("/free", &bearer(&token))).status());
            eventually("the backend is asked", || {
                (!backend.handshakes().is_empty()).then_some(())
            });
            if with_reload {
                gate.reload_and_wait(&policy().replace("kid: h,", "kid: other,").replace(
                    super::SA_TOKEN_SECRET,
                    "another-secret-of-at-least-32-bytes-length",
                ));
            } else {
                let body = json!({ "jti": "one" });
                order(&gate, "POST", "/revocations", Some(&body));
            }
            agrees.store(true, Ordering::SeqCst);
            waiting.join().unwrap()
        });
        assert_eq!(status, 401, "with a reload: {with_reload}");
        let open = [("route", "free"), ("device_type", "-")];
        gate.wait_for_metric("imgate_sessions_open", &open, |open| open < 0.5);
        assert!(backend.first_end() != End::Close(1000));
    }
}

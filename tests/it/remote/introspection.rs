//! Opaque tokens: a server tells whose they are, and may change its mind.

use std::thread;

use super::super::support::idp::{Idp, Mood, good, json_answer};
use super::super::support::ws_backend::WsBackend;
use super::super::support::ws_client::WsClient;
use super::super::support::{Gate, Recorder, eventually};
use super::{bearer, status, wait_for_status};

const POLICY: &str = "
authenticators:
  opaque:
    from: [{ header: Authorization, prefix: Bearer }]
    introspection: { url: \"http://$IDP/introspect\", $KEYS }
routes:
  - { name: api, match: { path: /api/** }, require: { any_of: [opaque] }, upstream: im }
  - { name: ws, match: { path: /ws }, websocket: true, require: { any_of: [opaque] }, upstream: ws }
";

struct Scene {
    idp: Idp,
    backend: Recorder,
    sockets: WsBackend,
}

impl Scene {
    fn knowing(tokens: &[(String, String)]) -> Self {
        Self {
            idp: Idp::in_mood(Mood::Knows(tokens.to_vec())),
            backend: Recorder::ok(),
            sockets: WsBackend::echo(),
        }
    }

    fn gate(&self, keys: &str) -> Gate {
        self.gate_of(&POLICY.replace("$KEYS", keys))
    }

    fn gate_of(&self, policy: &str) -> Gate {
        Gate::with(&policy.replace("$IDP", &self.idp.address().to_string()))
            .file("idp", "s3cret")
            .upstream("im", self.backend.address())
            .upstream("ws", self.sockets.address())
            .start()
    }
}

fn connect(gate: &Gate, token: &str) -> WsClient {
    WsClient::to(gate.address(), "/ws")
        .header("Authorization", &format!("Bearer {token}"))
        .connect()
}

#[test]
fn the_server_says_whose_a_token_is() {
    let scene = Scene::knowing(&[good("the-token-itself", "7")]);
    let gate = scene.gate("client_id: imgate, client_secret: { file: idp }, max_stale: 1h");
    assert_eq!(status(&gate, "the-token-itself"), 200);
    let received = scene.backend.last().head;
    assert_eq!(received.header("x-auth-subject"), Some("7"));
    let asked = scene.idp.last();
    assert_eq!(
        asked.head.header("authorization"),
        Some("Basic aW1nYXRlOnMzY3JldA==")
    );
    assert_eq!(
        asked.body,
        b"token=the-token-itself&token_type_hint=access_token"
    );
    assert_eq!(status(&gate, "the-token-itself"), 200);
    assert_eq!(scene.idp.asked(), 1, "the answer is remembered");
    let answer = gate.get("/api/me", &bearer("xyz"));
    assert_eq!(
        (answer.status(), answer.reason().as_str()),
        (401, "expired")
    );
    assert_eq!(scene.backend.requests().len(), 2);
    let output = gate.output();
    assert!(
        !output.contains("s3cret") && !output.contains("the-token-itself"),
        "{output}"
    );
}

#[test]
fn an_answer_counts_for_max_stale() {
    let scene = Scene::knowing(&[good("abc", "7")]);
    let gate = scene.gate("max_stale: 1s");
    assert_eq!(status(&gate, "abc"), 200);
    scene.idp.is_now(Mood::Knows(Vec::new()));
    wait_for_status(&gate, "abc", 401);
}

#[test]
fn all_who_bring_a_token_at_once_share_one_question() {
    let scene = Scene::knowing(&[]);
    scene.idp.is_now(Mood::Slow);
    let gate = scene.gate("timeout: 20s, max_stale: 1m");
    let statuses: Vec<_> = thread::scope(|scope| {
        let ask = || scope.spawn(|| status(&gate, "abc"));
        let clients: Vec<_> = (0..16).map(|_| ask()).collect();
        scene.idp.wait_until_asked(1);
        // All of them are waiting by now.
        eventually("all requests have arrived", || {
            (gate.metrics().value("imgate_connections_active", &[]) > 15.5).then_some(())
        });
        scene.idp.is_now(Mood::Knows(vec![good("abc", "7")]));
        clients.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(statuses, [200; 16]);
    assert_eq!(scene.idp.asked(), 1);
}

#[test]
fn an_outage_denies_nobody_for_good() {
    let scene = Scene::knowing(&[good("abc", "7")]);
    let gate = scene.gate("max_stale: 0s, timeout: 300ms");
    assert_eq!(status(&gate, "abc"), 200);
    for mood in [Mood::Away, Mood::Silent] {
        scene.idp.is_now(mood);
        // Beyond the point from which the server is left alone.
        for _ in 0..8 {
            let answer = gate.get("/api/me", &bearer("abc"));
            assert_eq!(
                (answer.status(), answer.reason().as_str()),
                (503, "unavailable")
            );
        }
        scene.idp.is_now(Mood::Knows(vec![good("abc", "7")]));
        wait_for_status(&gate, "abc", 200);
    }
    let labels = [("authenticator", "opaque"), ("result", "left_alone")];
    assert!(
        gate.metrics()
            .value("imgate_remote_requests_total", &labels)
            > 0.5
    );
}

#[test]
fn a_grace_admits_what_was_good() {
    let scene = Scene::knowing(&[good("abc", "7")]);
    let gate = scene.gate("max_stale: 0s, on_outage: { grace: 1h }");
    assert_eq!(status(&gate, "abc"), 200);
    scene.idp.is_now(Mood::Away);
    assert_eq!(status(&gate, "abc"), 200);
    assert_eq!(status(&gate, "xyz"), 503);
    scene.idp.is_now(Mood::Knows(Vec::new()));
    wait_for_status(&gate, "abc", 401);
    scene.idp.is_now(Mood::Away);
    assert_eq!(status(&gate, "abc"), 503);
}

#[test]
fn a_living_socket_is_asked_about_and_survives_an_outage() {
    let scene = Scene::knowing(&[good("goes", "7"), good("stays", "8")]);
    let gate = scene.gate("recheck: 1s, live_grace: 1h");
    let mut goes = connect(&gate, "goes");
    let mut stays = connect(&gate, "stays");
    scene.idp.is_now(Mood::Away);
    let labels = [("authenticator", "opaque")];
    gate.wait_for_metric("imgate_sessions_in_grace", &labels, |count| count > 1.5);
    goes.echo("both");
    stays.echo("live");
    scene.idp.is_now(Mood::Knows(vec![good("stays", "8")]));
    assert_eq!(goes.expect_close(), 4401);
    gate.wait_for_metric("imgate_sessions_in_grace", &labels, |count| count < 0.5);
    stays.echo("still here");
}

#[test]
fn a_token_that_turns_into_somebody_elses_is_no_reason_to_stay() {
    let scene = Scene::knowing(&[good("abc", "7")]);
    let gate = scene.gate("recheck: 1s");
    let mut socket = connect(&gate, "abc");
    socket.echo("open");
    let dead = r#"{"active":true,"sub":"7","exp":1}"#.to_owned();
    scene
        .idp
        .is_now(Mood::Knows(vec![("abc".to_owned(), dead)]));
    assert_eq!(socket.expect_close(), 4401);
}

#[test]
fn whoever_guesses_is_not_asked_about_for_long() {
    let scene = Scene::knowing(&[good("abc", "7")]);
    let gate = scene.gate("max_stale: 1h, remote: { unknown_per_client: 3 per 1h }");
    assert_eq!(status(&gate, "abc"), 200);
    for number in 0..3 {
        assert_eq!(status(&gate, &format!("guess{number}")), 401);
    }
    let asked = scene.idp.asked();
    let answer = gate.get("/api/me", &bearer("guess3"));
    assert_eq!(
        (answer.status(), answer.reason().as_str()),
        (429, "throttled")
    );
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=1201).contains(&wait), "{wait}");
    assert_eq!(scene.idp.asked(), asked);
    assert_eq!(status(&gate, "abc"), 200, "what is known is no guess");
    let labels = [
        ("route", "api"),
        ("result", "deny"),
        ("reason", "throttled"),
    ];
    assert!(gate.metrics().value("imgate_auth_decisions_total", &labels) > 0.5);
}

#[test]
fn good_tokens_of_many_users_are_no_guesses() {
    let tokens: Vec<_> = (0..20)
        .map(|number| good(&format!("t{number}"), "7"))
        .collect();
    let scene = Scene::knowing(&tokens);
    let gate = scene.gate("remote: { unknown_per_client: 2 per 1h }");
    for (token, _) in &tokens {
        assert_eq!(status(&gate, token), 200, "{token}");
    }
}

#[test]
fn a_server_may_be_asked_in_its_own_way() {
    let scene = Scene::knowing(&[]);
    let yes = r#"{"code":200,"data":{"id":7,"type":"im_user","until":4102444800000}}"#;
    scene.idp.is_now(Mood::Says(json_answer(yes)));
    let policy = POLICY.replace(
        "{ url: \"http://$IDP/introspect\", $KEYS }",
        "
      url: \"http://$IDP/sessions/{token}/user\"
      method: GET
      headers: { X-Token: \"Bearer {token}\", X-Client: { file: idp } }
      active: { pointer: /code, value: 200 }
      subject: /data/id
      user_type: /data/type
      expires: { pointer: /data/until, unit: ms }
      max_stale: 0s",
    );
    let gate = scene.gate_of(&policy);
    assert_eq!(status(&gate, "a/b"), 200);
    let asked = scene.idp.last().head;
    assert_eq!(asked.target(), "/sessions/a%2Fb/user");
    assert_eq!(asked.header("x-token"), Some("Bearer a/b"));
    assert_eq!(asked.header("x-client"), Some("s3cret"));
    let received = scene.backend.last().head;
    assert_eq!(received.header("x-auth-user-type"), Some("im_user"));
    let asked = scene.idp.asked();
    assert_eq!(status(&gate, ".."), 401, "no segment of a path");
    assert_eq!(scene.idp.asked(), asked);
    for (answer, expected) in [
        (json_answer(r#"{"code":401}"#), 401),
        (json_answer(r#"{"code":500}"#), 503),
        (
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
            401,
        ),
        (
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n".to_owned(),
            401,
        ),
        (
            "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n".to_owned(),
            503,
        ),
    ] {
        scene.idp.is_now(Mood::Says(answer.clone()));
        assert_eq!(status(&gate, "a/b"), expected, "{answer}");
    }
}

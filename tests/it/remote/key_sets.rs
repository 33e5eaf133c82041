//! `jwks: { url }`: keys come and go at the server, and so do their tokens.

use std::net::SocketAddr;
use std::sync::LazyLock;

use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::Value;

use super::super::support::idp::{Idp, Mood, jwk};
use super::super::support::mint::{self, Pair, claims};
use super::super::support::tls::Authority;
use super::super::support::wait::pause;
use super::super::support::ws_backend::WsBackend;
use super::super::support::ws_client::WsClient;
use super::super::support::{Gate, Recorder, eventually};
use super::{bearer, status, wait_for_status};

const POLICY: &str = "
authenticators:
  member:
    from: [{ header: Authorization, prefix: Bearer }]
    jwt:
      jwks: { url: \"$URL\", $KEYS }
      issuer: https://id.example.com
      audience: im
routes:
  - { name: api, match: { path: /api/** }, require: { any_of: [member] }, upstream: im }
  - { name: ws, match: { path: /ws }, websocket: true, require: { any_of: [member] }, upstream: ws }
";

/// Key pairs that all tests share, since each takes openssl a moment.
static PAIRS: LazyLock<[Pair; 2]> = LazyLock::new(|| {
    let pair = || Pair::generate(&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    [pair(), pair()]
});

fn key(kid: &str) -> Value {
    jwk(kid, &pair(kid).public)
}

/// Each of `a` and `b` has a pair; other names are of keys that nobody knows.
fn pair(kid: &str) -> &'static Pair {
    &PAIRS[usize::from(kid == "b")]
}

fn token(kid: &str, subject: &str) -> String {
    let key = EncodingKey::from_ec_pem(pair(kid).private.as_bytes()).unwrap();
    mint::jwt(kid, Algorithm::ES256, &key, &claims(subject, 3600))
}

struct Scene {
    idp: Idp,
    backend: Recorder,
    sockets: WsBackend,
}

impl Scene {
    fn with(idp: Idp) -> Self {
        Self {
            idp,
            backend: Recorder::ok(),
            sockets: WsBackend::echo(),
        }
    }

    fn policy(&self, keys: &str) -> String {
        let url = format!("http://{}/jwks.json", self.idp.address());
        POLICY.replace("$URL", &url).replace("$KEYS", keys)
    }

    fn gate(&self, keys: &str) -> Gate {
        Gate::with(&self.policy(keys))
            .upstream("im", self.backend.address())
            .upstream("ws", self.sockets.address())
            .start()
    }
}

fn connect(address: SocketAddr, token: &str) -> WsClient {
    WsClient::to(address, "/ws")
        .header("Authorization", &format!("Bearer {token}"))
        .connect()
}

#[test]
fn a_set_is_fetched_once_for_all_tokens() {
    let scene = Scene::with(Idp::with_keys(&[key("a"), key("b")]));
    let gate = scene.gate("refresh: 10m");
    for (kid, subject) in [("a", "7"), ("b", "8"), ("a", "9")] {
        assert_eq!(status(&gate, &token(kid, subject)), 200, "{kid}");
        let received = scene.backend.last().head;
        assert_eq!(received.header("x-auth-subject"), Some(subject));
    }
    assert_eq!(scene.idp.asked(), 1);
    let asked = scene.idp.last().head;
    assert_eq!(asked.header("authorization"), None);
    // Signed by one key in the name of another.
    let key = EncodingKey::from_ec_pem(pair("b").private.as_bytes()).unwrap();
    let forged = mint::jwt("a", Algorithm::ES256, &key, &claims("7", 3600));
    let answer = gate.get("/api/me", &bearer(&forged));
    assert_eq!(
        (answer.status(), answer.reason().as_str()),
        (401, "bad_signature")
    );
    let labels = [("authenticator", "member"), ("state", "in_use")];
    let metrics = gate.metrics();
    assert!((metrics.value("imgate_jwks_keys", &labels) - 2.0).abs() < 0.5);
    let answered = [("authenticator", "member"), ("result", "answered")];
    assert!((metrics.value("imgate_remote_requests_total", &answered) - 1.0).abs() < 0.5);
    // A reload that leaves the authenticator as it is keeps the set.
    gate.reload_and_wait(&scene.policy("refresh: 10m"));
    assert_eq!(status(&gate, &token("a", "10")), 200);
    assert_eq!(scene.idp.asked(), 1);
    // And one that changes something else about it takes the set over.
    let policy = scene
        .policy("refresh: 10m")
        .replace("audience: im", "audience: any");
    gate.reload_and_wait(&policy);
    assert_eq!(status(&gate, &token("a", "11")), 200);
    assert_eq!(scene.idp.asked(), 1);
}

#[test]
fn keys_that_come_are_found_and_keys_that_go_take_everything_along() {
    let scene = Scene::with(Idp::with_keys(&[key("a")]));
    let gate = scene.gate("refresh: 1s, cooldown: 1s");
    let (old, new) = (token("a", "7"), token("b", "8"));
    assert_eq!(status(&gate, &old), 200);
    assert_eq!(status(&gate, &new), 401);
    scene.idp.has_now(&[key("a"), key("b")]);
    wait_for_status(&gate, &new, 200);
    let mut goes = connect(gate.address(), &old);
    let mut stays = connect(gate.address(), &new);
    goes.echo("open");
    stays.echo("open");
    assert_eq!(status(&gate, &old), 200, "remembered");
    scene.idp.has_now(&[key("b")]);
    assert_eq!(goes.expect_close(), 4403);
    // The verdict went with the key, not with its own time.
    let answer = gate.get("/api/me", &bearer(&old));
    assert_eq!(
        (answer.status(), answer.reason().as_str()),
        (401, "unknown_key")
    );
    stays.echo("still here");
    assert_eq!(status(&gate, &new), 200);
}

#[test]
fn unknown_keys_have_the_server_asked_once_in_a_while() {
    let scene = Scene::with(Idp::with_keys(&[key("a")]));
    let gate = scene.gate("refresh: 10m, cooldown: 1h");
    assert_eq!(status(&gate, &token("a", "7")), 200);
    for number in 0..30 {
        let answer = gate.get("/api/me", &bearer(&token(&format!("k{number}"), "7")));
        assert_eq!(
            (answer.status(), answer.reason().as_str()),
            (401, "unknown_key")
        );
    }
    assert_eq!(scene.idp.asked(), 2);
}

#[test]
fn a_server_that_is_away_at_the_start_is_found_when_it_comes() {
    let scene = Scene::with(Idp::in_mood(Mood::Away));
    let gate = scene.gate("refresh: 10m");
    let answer = gate.get("/api/me", &bearer(&token("a", "7")));
    assert_eq!(
        (answer.status(), answer.reason().as_str()),
        (503, "unavailable")
    );
    assert!(answer.header("retry-after").is_some());
    let caveats = gate.status()["caveats"].to_string();
    assert!(caveats.contains("key set"), "{caveats}");
    scene.idp.has_now(&[key("a")]);
    wait_for_status(&gate, &token("a", "7"), 200);
    eventually("the gate has no caveat", || {
        gate.status()["caveats"]
            .as_array()?
            .is_empty()
            .then_some(())
    });
}

#[test]
fn the_last_good_set_serves_until_it_is_too_old() {
    let scene = Scene::with(Idp::with_keys(&[key("a")]));
    let gate = scene.gate("refresh: 1s, max_age: 3s");
    let member = token("a", "7");
    assert_eq!(status(&gate, &member), 200);
    let mut socket = connect(gate.address(), &member);
    scene.idp.is_now(Mood::Away);
    let asked = scene.idp.asked();
    scene.idp.wait_until_asked(asked + 1);
    let first = gate.get("/api/me", &bearer(&member)).status();
    wait_for_status(&gate, &member, 503);
    socket.echo("an outage ends no session");
    scene.idp.has_now(&[key("a")]);
    wait_for_status(&gate, &member, 200);
    socket.echo("still here");
    // Unless the machine was asleep for the whole age.
    assert!([200, 503].contains(&first));
}

#[test]
fn nobody_waits_longer_than_the_time_limit() {
    let scene = Scene::with(Idp::in_mood(Mood::Silent));
    let gate = scene.gate("timeout: 300ms");
    assert_eq!(status(&gate, &token("a", "7")), 503);
    scene.idp.has_now(&[key("a")]);
    wait_for_status(&gate, &token("a", "7"), 200);
}

#[test]
fn only_a_server_that_is_certified_is_asked() {
    let (authority, other) = (Authority::new(), Authority::new());
    let scene = Scene::with(Idp::with_keys(&[key("a")]));
    let identity = authority.local_server();
    // A gate of its own stands for the server's TLS.
    let front = Gate::with(
        "routes:\n  - { name: all, match: { path: /** }, require: public, upstream: idp }\n",
    )
    .listener("tls: { certificate: { file: tls.crt }, private_key: { file: tls.key } }")
    .file("tls.crt", &identity.certificate)
    .file("tls.key", &identity.key)
    .upstream("idp", scene.idp.address())
    .start();
    let url = format!("https://{}/jwks.json", front.address());
    let gate = |ca: &str, authority: &Authority| {
        Gate::with(&POLICY.replace("$URL", &url).replace("$KEYS", ca))
            .file("ca.crt", &authority.certificate)
            .upstream("im", scene.backend.address())
            .upstream("ws", scene.sockets.address())
            .start()
    };
    let by_name = gate("ca: { file: ca.crt }", &authority);
    assert_eq!(status(&by_name, &token("a", "7")), 200);
    let asked = scene.idp.asked();
    for stranger in [
        gate("ca: { file: ca.crt }", &other),
        gate("refresh: 10m", &other),
    ] {
        assert_eq!(status(&stranger, &token("a", "7")), 503);
        let labels = [("authenticator", "member"), ("result", "insecure")];
        stranger.wait_for_metric("imgate_remote_requests_total", &labels, |count| count > 0.5);
    }
    assert_eq!(scene.idp.asked(), asked);
}

#[test]
fn a_set_that_changes_during_handshakes_leaves_none_behind() {
    let scene = Scene::with(Idp::with_keys(&[key("a"), key("b")]));
    let gate = scene.gate("refresh: 1s, cooldown: 1s");
    let old = token("a", "7");
    let mut sockets = vec![connect(gate.address(), &old)];
    scene.idp.has_now(&[key("b")]);
    // As many as come in before the gate knows.
    while sockets.len() < 200 && status(&gate, &old) == 200 {
        let handshake = WsClient::to(gate.address(), "/ws");
        let handshake = handshake.header("Authorization", &format!("Bearer {old}"));
        match handshake.try_connect() {
            Ok(socket) => sockets.push(socket),
            Err(_) => break,
        }
        pause(std::time::Duration::from_millis(20));
    }
    for mut socket in sockets {
        assert_eq!(socket.expect_close(), 4403);
    }
}

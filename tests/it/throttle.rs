//! Failed attempts are counted, and whoever has too many of them has nobody asked any more.

mod flood;
mod sockets;

use std::process::Command;

use jsonwebtoken::{Algorithm, EncodingKey};

use super::support::gate::{Builder, binary};
use super::support::idp::{Idp, Mood, good, jwk};
use super::support::member::{bearer, token_with};
use super::support::mint::{Pair, SA_TOKEN_SECRET, claims, jwt, sa_token, sa_token_signed};
use super::support::redis::Redis;
use super::support::wait::pause;
use super::support::wire::Answer;
use super::support::ws_backend::WsBackend;
use super::support::{Gate, Recorder, eventually};

/// So long that nothing comes back while a test runs, and what is remembered stays.
const POLICY: &str = "
throttle: { failures: 3, per: 1h, by: client_ip }
cache: { max_age: 1h }
authenticators:
  partners:
    from: [{ header: X-App-Key }]
    app_key: { keys: [{ id: a, secret: { value: key-a } }, { id: b, secret: { value: key-b }, routes: [elsewhere] }] }
  member:
    from: [{ header: Authorization, prefix: Bearer }]
    jwt: { keys: [{ kid: h, algorithm: HS256, secret: { value: \"$SECRET\" } }], issuer: any, audience: any }
  im-token:
    from: [{ header: token, prefix: Bearer }]
    sa_token:
      secret: { value: \"$SECRET\" }
      user_types: [im_user]
      sessions:
        redis: { address: \"$REDIS\", key: \"login:{token}\" }
        max_stale: 1m
        on_outage: deny
        recheck: off
routes:
  - { name: api, match: { path: /api }, require: { any_of: [partners, member, im-token] }, upstream: im }
  - { name: elsewhere, match: { path: /elsewhere }, require: public, upstream: im }
  - { name: ruoyi, match: { path: /ruoyi }, require: { any_of: [partners] }, errors: ruoyi, upstream: im }
  - name: ws
    match: { path: /ws }
    websocket: true
    require: { any_of: [im-token] }
    session: { renew: { path: /ws/renew, message: { pointer: /token } } }
    upstream: ws
  - { name: later, match: { path: /later }, websocket: true, require: { first_message: { json: { pointer: /key, any_of: [partners, im-token] } } }, upstream: ws }
";

struct Scene {
    redis: Redis,
    backend: Recorder,
    sockets: WsBackend,
}

impl Scene {
    fn new() -> Self {
        Self {
            redis: Redis::start(),
            backend: Recorder::ok(),
            sockets: WsBackend::echo(),
        }
    }

    fn policy(&self) -> String {
        POLICY
            .replace("$SECRET", SA_TOKEN_SECRET)
            .replace("$REDIS", &self.redis.address().to_string())
    }

    fn builder(&self, policy: &str) -> Builder {
        Gate::with(policy)
            .listener("trusted_proxies: [127.0.0.1/32]")
            .upstream("im", self.backend.address())
            .upstream("ws", self.sockets.address())
    }

    fn gate(&self) -> Gate {
        self.builder(&self.policy()).start()
    }

    /// The header line of a login whose session is in Redis.
    fn login(&self, user: &str) -> String {
        let token = self.login_token(user);
        format!("token: Bearer {token}\r\n")
    }

    fn login_token(&self, user: &str) -> String {
        let login_id = format!("im_user:{user}");
        let token = sa_token(&login_id);
        let value = format!("\"{login_id}\"");
        self.redis.set(&format!("login:{token}"), &value, 3_600_000);
        token
    }

    /// How many questions about sessions Redis has seen.
    fn asked(&self) -> u64 {
        self.redis.statistic("cmdstat_pttl")
    }
}

fn from(client: &str) -> String {
    format!("X-Forwarded-For: {client}\r\n")
}

/// What a client is told on `/api`.
fn told(gate: &Gate, client: &str, lines: &str) -> (u16, String) {
    let answer = gate.get("/api", &format!("{}{lines}", from(client)));
    let reason = if answer.status() == 200 {
        String::new()
    } else {
        answer.reason()
    };
    (answer.status(), reason)
}

fn status(gate: &Gate, client: &str, lines: &str) -> u16 {
    told(gate, client, lines).0
}

/// Uses up what a client has.
#[track_caller]
fn guess(gate: &Gate, client: &str) {
    for guess in 0..3 {
        let lines = format!("X-App-Key: {client}/{guess}\r\n");
        assert_eq!(status(gate, client, &lines), 401, "{client}");
    }
}

fn wait_of(answer: &Answer) -> u64 {
    answer.header("retry-after").unwrap().parse().unwrap()
}

const THROTTLED: u16 = 429;

#[test]
fn only_bad_credentials_count() {
    let mut scene = Scene::new();
    let gate = scene.gate();
    let forged = token_with("7", 600, &[]).replace("eyJ", "eyK");
    let gone = sa_token("im_user:7");
    for (client, lines, told_is, counts) in [
        (
            "192.0.2.1",
            "X-App-Key: bad\r\n".to_owned(),
            (401, "unknown_key"),
            true,
        ),
        ("192.0.2.2", bearer(&forged), (401, "malformed"), true),
        (
            "192.0.2.3",
            bearer(&token_with("7", -60, &[])),
            (401, "expired"),
            true,
        ),
        (
            "192.0.2.4",
            format!(
                "token: {}\r\n",
                sa_token_signed("im_user:7", &"x".repeat(40))
            ),
            (401, "bad_signature"),
            true,
        ),
        (
            "192.0.2.5",
            format!("token: {gone}\r\n"),
            (401, "expired"),
            true,
        ),
        ("192.0.2.6", String::new(), (401, "no_credential"), false),
        (
            "192.0.2.7",
            "X-App-Key: key-b\r\n".to_owned(),
            (403, "wrong_app"),
            false,
        ),
        (
            "192.0.2.8",
            "X-App-Key: x\r\nX-App-Key: y\r\n".to_owned(),
            (400, "conflict"),
            false,
        ),
        (
            "192.0.2.9",
            "X-App-Key: key-a\r\n".to_owned(),
            (200, ""),
            false,
        ),
    ] {
        let told_is = (told_is.0, told_is.1.to_owned());
        let too_many = (THROTTLED, "throttled".to_owned());
        let then = if counts { &too_many } else { &told_is };
        for expected in [&told_is, &told_is, &told_is, then, then] {
            assert_eq!(told(&gate, client, &lines), *expected, "{client}: {lines}");
        }
        // Whoever is told to wait may still do what needs nobody.
        assert_eq!(
            status(&gate, client, "X-App-Key: key-a\r\n"),
            200,
            "{lines}"
        );
    }
    scene.redis.stop();
    for _ in 0..5 {
        let lines = format!("token: {}\r\n", sa_token("im_user:7"));
        assert_eq!(
            told(&gate, "192.0.2.10", &lines),
            (503, "unavailable".to_owned())
        );
    }
    let metrics = gate.metrics();
    let throttled = |by| metrics.value("imgate_throttled_answers_total", &[("by", by)]);
    // The same bad credential over and over: both have too many, and one of them is named.
    assert!(
        (throttled("client") + throttled("credential") - 10.0).abs() < 0.1,
        "{}",
        metrics.text
    );
    let kept = |by| metrics.value("imgate_throttle_keys", &[("by", by)]);
    assert!((kept("client") - 5.0).abs() < 0.1, "{}", kept("client"));
    assert!(
        (kept("credential") - 5.0).abs() < 0.1,
        "{}",
        kept("credential")
    );
    assert!(!metrics.text.contains("192.0.2"));
}

#[test]
fn a_throttled_client_is_let_in_by_what_is_known_and_nobody_is_asked() {
    let scene = Scene::new();
    let gate = scene.gate();
    let (known, new) = (scene.login("7"), scene.login("8"));
    assert_eq!(status(&gate, "192.0.2.1", &known), 200);
    guess(&gate, "192.0.2.1");
    let asked = scene.asked();
    assert_eq!(status(&gate, "192.0.2.1", &known), 200, "is remembered");
    assert_eq!(status(&gate, "192.0.2.1", "X-App-Key: key-a\r\n"), 200);
    let fresh = bearer(&token_with("9", 600, &[]));
    assert_eq!(status(&gate, "192.0.2.1", &fresh), 200, "is judged here");
    assert_eq!(
        status(&gate, "192.0.2.1", &new),
        THROTTLED,
        "somebody had to be asked"
    );
    let unknown = format!("token: {}\r\n", sa_token("im_user:7"));
    assert_eq!(status(&gate, "192.0.2.1", &unknown), THROTTLED);
    assert_eq!(scene.asked(), asked, "nobody was asked");
    assert_eq!(status(&gate, "192.0.2.2", &new), 200, "another client");
    assert_eq!(scene.asked(), asked + 1);
    assert_eq!(
        status(&gate, "192.0.2.1", &new),
        200,
        "is remembered by now"
    );
}

#[test]
fn neither_identity_providers_nor_their_keys_are_asked_for_a_throttled_client() {
    let scene = Scene::new();
    let pair = Pair::generate(&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    let keys = Idp::with_keys(&[jwk("a", &pair.public)]);
    let words = Idp::in_mood(Mood::Knows(vec![good("abc", "7"), good("def", "8")]));
    let policy = format!(
        "throttle: {{ failures: 3, per: 1h, by: client_ip }}
authenticators:
  remote-keys:
    from: [{{ header: Authorization, prefix: Bearer }}]
    jwt: {{ jwks: {{ url: \"http://{}/keys\", cooldown: 1s }}, issuer: any, audience: any }}
  opaque:
    from: [{{ header: X-Opaque }}]
    introspection: {{ url: \"http://{}/introspect\", max_stale: 1h, remote: {{ unknown_per_client: 100 per 1s }} }}
routes:
  - {{ name: api, match: {{ path: /api }}, require: {{ any_of: [remote-keys, opaque] }}, upstream: im }}
",
        keys.address(),
        words.address()
    );
    let gate = scene.builder(&policy).start();
    let private = EncodingKey::from_ec_pem(pair.private.as_bytes()).unwrap();
    let token_by = |kid: &str, subject: &str| {
        bearer(&jwt(
            kid,
            Algorithm::ES256,
            &private,
            &claims(subject, 3600),
        ))
    };
    let opaque = |token: &str| format!("X-Opaque: {token}\r\n");
    let client = "192.0.2.1";
    eventually("the keys are there", || {
        (status(&gate, client, &token_by("a", "7")) == 200).then_some(())
    });
    assert_eq!(status(&gate, client, &opaque("abc")), 200);
    for guess in ["x", "y", "z"] {
        assert_eq!(status(&gate, client, &opaque(guess)), 401);
    }
    let asked = words.asked();
    for (case, lines, expected) in [
        ("a known token", opaque("abc"), 200),
        ("a good one that nobody knows yet", opaque("def"), THROTTLED),
        ("another guess", opaque("w"), THROTTLED),
        ("a new token by a known key", token_by("a", "9"), 200),
        ("by a key that may be new", token_by("b", "9"), THROTTLED),
    ] {
        assert_eq!(status(&gate, client, &lines), expected, "{case}");
    }
    // The keys may be fetched again after the cooldown; a throttled client does not see to that.
    let fetched = keys.asked();
    pause(std::time::Duration::from_millis(1100));
    assert_eq!(status(&gate, client, &token_by("b", "9")), THROTTLED);
    assert_eq!((words.asked(), keys.asked()), (asked, fetched));
    assert_eq!(status(&gate, "192.0.2.2", &token_by("b", "9")), 401);
    assert!(keys.asked() > fetched);
}

#[test]
fn clients_behind_a_trusted_proxy_are_apart_and_a_network_is_one() {
    let scene = Scene::new();
    let gate = scene.gate();
    for (clients, sibling, stranger) in [
        (["192.0.2.1"; 3], "192.0.2.1", "192.0.2.2"),
        (
            [
                "2001:db8:1:1::1",
                "2001:db8:1:1::2",
                "[2001:db8:1:1:ffff::9]:443",
            ],
            "2001:db8:1:1:a:b:c:d",
            "2001:db8:1:2::1",
        ),
        (
            ["::ffff:192.0.2.7", "192.0.2.7", "192.0.2.7:80"],
            "192.0.2.7",
            "192.0.2.8",
        ),
    ] {
        for (number, client) in clients.iter().enumerate() {
            let lines = format!("X-App-Key: {client} {number}\r\n");
            assert_eq!(status(&gate, client, &lines), 401, "{client}");
        }
        let lines = format!("X-App-Key: {sibling} again\r\n");
        assert_eq!(status(&gate, sibling, &lines), THROTTLED, "{sibling}");
        assert_eq!(status(&gate, stranger, &lines), 401, "{stranger}");
    }
    // What a client claims of itself counts for nothing.
    for forged in ["198.51.100.1", "198.51.100.2", "198.51.100.3"] {
        let chain = format!("{forged}, 192.0.2.20");
        assert_eq!(
            status(&gate, &chain, &format!("X-App-Key: {forged}\r\n")),
            401
        );
    }
    let chain = "198.51.100.4, 192.0.2.20";
    assert_eq!(status(&gate, chain, "X-App-Key: other\r\n"), THROTTLED);
}

#[test]
fn a_bad_token_is_throttled_from_wherever_it_comes() {
    let scene = Scene::new();
    let gate = scene.gate();
    let replayed = format!("token: {}\r\n", sa_token("im_user:7"));
    for client in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        assert_eq!(status(&gate, client, &replayed), 401);
    }
    let asked = scene.asked();
    for client in ["192.0.2.4", "192.0.2.5", "2001:db8::1"] {
        assert_eq!(status(&gate, client, &replayed), THROTTLED, "{client}");
    }
    assert_eq!(scene.asked(), asked);
    assert_eq!(status(&gate, "192.0.2.4", &scene.login("7")), 200);
    let by = [("by", "credential")];
    let count = gate.metrics().value("imgate_throttled_answers_total", &by);
    assert!((count - 3.0).abs() < 0.1, "{count}");
}

#[test]
fn the_wait_that_is_told_suffices() {
    let scene = Scene::new();
    let policy = scene
        .policy()
        .replace("failures: 3, per: 1h", "failures: 2, per: 4s");
    let gate = scene.builder(&policy).start();
    let attempt = || {
        let lines = format!("{}X-App-Key: bad\r\n", from("192.0.2.1"));
        gate.get("/ruoyi", &lines)
    };
    for _ in 0..2 {
        let refused = eventually("there were too many", || {
            let answer = attempt();
            (answer.status() == THROTTLED).then_some(answer)
        });
        let wait = wait_of(&refused);
        assert!((1..=2).contains(&wait), "{wait}");
        let text = r#"{"code":429,"msg":"too many bad credentials, try again later","data":null}"#;
        assert_eq!(refused.text(), text);
        assert_eq!(refused.header("www-authenticate"), None);
        pause(std::time::Duration::from_secs(wait));
        assert_eq!(attempt().status(), 401);
    }
}

#[test]
fn a_reload_forgives_nobody() {
    let scene = Scene::new();
    let gate = scene.gate();
    guess(&gate, "192.0.2.1");
    let bad = "X-App-Key: bad\r\n";
    // The same rule beside other changes.
    let changed = scene.policy().replace("key-a", "key-c");
    let (rule, rest) = changed.trim().split_once('\n').unwrap();
    gate.reload_and_wait(&format!("\n{rule}\n{rest}"));
    assert_eq!(status(&gate, "192.0.2.1", bad), THROTTLED);
    assert_eq!(status(&gate, "192.0.2.1", "X-App-Key: key-c\r\n"), 200);
    // Another rule is another count, and none counts nothing.
    let rule = rule.replace("failures: 3", "failures: 1");
    gate.reload_and_wait(&format!("\n{rule}\n{rest}"));
    assert_eq!(status(&gate, "192.0.2.1", bad), 401);
    assert_eq!(status(&gate, "192.0.2.1", bad), THROTTLED);
    gate.reload_and_wait(&format!("\n{rest}"));
    for _ in 0..40 {
        assert_eq!(status(&gate, "192.0.2.1", bad), 401);
    }
}

#[test]
fn check_warns_where_a_load_balancer_would_be_everybody() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("imgate.yaml");
    let throttle = "throttle: { failures: 30, per: 1m, by: client_ip }\n";
    let limit = ", limit: { requests: 1, per: 1s, by: client_ip }";
    for (listener, limit, throttle, warns) in [
        ("", "", throttle, true),
        ("", limit, "", true),
        (", trusted_proxies: [10.0.0.0/8]", limit, throttle, false),
        (", trusted_proxies: []", limit, throttle, false),
        ("", "", "", false),
    ] {
        let text = format!(
            "listeners: [{{ address: 127.0.0.1:1{listener} }}]\n\
             upstreams: {{ im: {{ address: 127.0.0.1:2 }} }}\n{throttle}\
             routes:\n  - {{ match: {{ path: /a }}, require: public{limit}, upstream: im }}\n"
        );
        std::fs::write(&path, &text).unwrap();
        let output = Command::new(binary())
            .args(["check", "-c"])
            .arg(&path)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{text}{errors}");
        let warned = errors.contains("warning: ") && errors.contains("listeners[0]");
        assert_eq!(warned, warns, "{text}{errors}");
    }
}

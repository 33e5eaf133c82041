//! The system's clock is set, back or forth, while the gate runs. Tokens follow it, for they speak in its
//! times; nothing that has ended comes back by it, and nobody is locked out.

use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::json;

use super::super::support::gate::Builder;
use super::super::support::idp::{Idp, Mood, good};
use super::super::support::member::{bearer, client, token_with};
use super::super::support::mint::{SA_TOKEN_SECRET, claims, jwt};
use super::super::support::operator::{self, order};
use super::super::support::process::Signal;
use super::super::support::ws_backend::WsBackend;
use super::super::support::{Gate, Recorder, eventually};

const POLICY: &str = "
authenticators:
  member:
    from: [{ header: Authorization, prefix: Bearer }]
    jwt:
      keys: [{ kid: h, algorithm: HS256, secret: { value: \"$SECRET\" } }]
      issuer: any
      audience: any
  opaque:
    from: [{ header: Opaque }]
    introspection: { url: \"http://$IDP/introspect\", max_stale: 60s, timeout: 2s, remote: { unknown_per_client: 3 per 3s } }
routes:
  - { name: api, match: { path: /api }, require: { any_of: [member] }, upstream: im }
  - { name: opaque, match: { path: /opaque }, require: { any_of: [opaque] }, upstream: im }
  - { name: limited, match: { path: /limited }, require: public, upstream: im, limit: { requests: 2, per: 2s, by: client_ip } }
  - name: ws
    match: { path: /ws }
    websocket: true
    require: { any_of: [member] }
    session: { notice: { before: 30s, text: 'soon' } }
    upstream: ws
  - name: grace
    match: { path: /grace }
    websocket: true
    require: { any_of: [member] }
    session: { grace: 20s }
    upstream: ws
";

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

struct Scene {
    gate: Gate,
    idp: Idp,
    _im: Recorder,
    _ws: WsBackend,
}

impl Scene {
    fn knowing(tokens: &[(String, String)]) -> Self {
        let idp = Idp::in_mood(Mood::Knows(tokens.to_vec()));
        let (im, ws) = (Recorder::ok(), WsBackend::echo());
        let policy = POLICY
            .replace("$SECRET", SA_TOKEN_SECRET)
            .replace("$IDP", &idp.address().to_string());
        let gate: Builder = operator::obeyed_by(Gate::with(&policy));
        let gate = gate
            .upstream("im", im.address())
            .upstream("ws", ws.address())
            .stepping_clock()
            .start();
        Self {
            gate,
            idp,
            _im: im,
            _ws: ws,
        }
    }

    fn api(&self, token: &str) -> (u16, String) {
        said(&self.gate, "/api", &bearer(token))
    }

    fn opaque(&self, token: &str) -> u16 {
        said(&self.gate, "/opaque", &format!("Opaque: {token}\r\n")).0
    }
}

fn said(gate: &Gate, path: &str, headers: &str) -> (u16, String) {
    let answer = gate.get(path, headers);
    let reason = if answer.status() == 200 {
        String::new()
    } else {
        answer.reason()
    };
    (answer.status(), reason)
}

#[test]
fn a_step_forth_ends_tokens_and_sessions_at_once() {
    let scene = Scene::knowing(&[]);
    let token = token_with("7", 600, &[]);
    let long = token_with("8", 2 * DAY, &[]);
    assert_eq!(scene.api(&token).0, 200);
    let mut ends = client(&scene.gate, "/ws", &token).connect();
    let mut stays = client(&scene.gate, "/ws", &long).connect();
    scene.gate.step_clock(HOUR);
    assert_eq!(
        scene.api(&token),
        (401, "expired".to_owned()),
        "also from the cache"
    );
    assert_eq!(scene.api(&long).0, 200);
    assert_eq!(ends.expect_close(), 4401);
    stays.echo("still here");
    // What has closed stays closed; the token itself is good again by what it says.
    scene.gate.step_clock(0);
    assert_eq!(scene.api(&token).0, 200);
    scene
        .gate
        .wait_for_metric("imgate_sessions_open", &[("route", "ws")], |open| {
            open < 1.5
        });
    stays.echo("still here");
}

#[test]
fn a_step_back_prolongs_no_remembered_answer() {
    let scene = Scene::knowing(&[good("early", "7"), good("late", "8")]);
    assert_eq!(scene.opaque("early"), 200);
    scene.gate.step_clock(HOUR);
    assert_eq!(scene.opaque("late"), 200);
    let asked = scene.idp.asked();
    assert_eq!(scene.opaque("late"), 200);
    assert_eq!(scene.idp.asked(), asked, "it is remembered for a minute");
    // Withdrawn, and the clock is put right: the answer of the future counts no more.
    scene.idp.is_now(Mood::Knows(Vec::new()));
    scene.gate.step_clock(0);
    assert_eq!(scene.opaque("late"), 401);
    // And one of the past, which had ended by the wrong clock, does not come back.
    scene.gate.step_clock(HOUR);
    assert_eq!(scene.opaque("early"), 401);
    scene.gate.step_clock(1);
    assert_eq!(scene.opaque("early"), 401);
    for step in [-DAY, -DAY + 1, 0] {
        scene.gate.step_clock(step);
        for token in ["early", "late"] {
            // Guesses are limited, also here.
            let asked = || Some(scene.opaque(token)).filter(|status| *status != 429);
            assert_eq!(
                eventually("it is asked about", asked),
                401,
                "{token} at {step}"
            );
        }
    }
}

#[test]
fn a_step_back_locks_nobody_out() {
    let scene = Scene::knowing(&[good("abc", "7")]);
    let limited = || scene.gate.get("/limited", "").status();
    for step in [0, DAY, 0, -DAY, HOUR] {
        scene.gate.step_clock(step);
        eventually("the limit is reached", || (limited() == 429).then_some(()));
        eventually("and passes", || (limited() == 200).then_some(()));
        eventually("guesses are limited", || {
            (scene.opaque("guess") == 429).then_some(())
        });
        eventually("and that passes", || {
            (scene.opaque("guess") == 401).then_some(())
        });
    }
    eventually("a good one is found", || {
        (scene.opaque("abc") == 200).then_some(())
    });
}

#[test]
fn sessions_hang_on_no_step() {
    let scene = Scene::knowing(&[]);
    // Set back before the token was made: it lives until then and no longer.
    let token = token_with("7", 600, &[]);
    let mut told = client(&scene.gate, "/ws", &token).connect();
    let mut graced = client(&scene.gate, "/grace", &token).connect();
    scene.gate.step_clock(-HOUR);
    told.echo("set back");
    graced.echo("set back");
    scene.gate.step_clock(575);
    assert!(told.receive().into_text().unwrap() == "soon");
    graced.echo("in time");
    // Within the grace of the one, past the end of the other.
    scene.gate.step_clock(605);
    assert_eq!(told.expect_close(), 4401);
    graced.echo("in its grace");
    scene.gate.step_clock(625);
    assert_eq!(graced.expect_close(), 4401);
    scene.gate.step_clock(-DAY);
    let mut last = client(&scene.gate, "/ws", &token).connect();
    last.echo("set back a day");
    let Scene { mut gate, .. } = scene;
    gate.signal(Signal::Term);
    assert_eq!(last.expect_close(), 1001, "the way out is on no clock");
    assert_eq!(gate.exit_code(), Some(0));
}

#[test]
fn what_is_revoked_stays_revoked_when_the_clock_comes_back() {
    let scene = Scene::knowing(&[]);
    let key = EncodingKey::from_secret(SA_TOKEN_SECRET.as_bytes());
    let mut claims = claims("7", DAY);
    claims["jti"] = json!("the-one");
    let token = jwt("h", Algorithm::HS256, &key, &claims);
    assert_eq!(scene.api(&token).0, 200);
    order(
        &scene.gate,
        "POST",
        "/revocations",
        Some(&json!({ "user": "7" })),
    );
    assert_eq!(scene.api(&token), (401, "revoked".to_owned()));
    for step in [-DAY, 2 * DAY, 0] {
        scene.gate.step_clock(step);
        assert_ne!(scene.api(&token).0, 200, "{step}");
    }
    assert_eq!(scene.api(&token), (401, "revoked".to_owned()));
}

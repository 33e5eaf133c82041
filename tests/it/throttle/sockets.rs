//! Credentials in messages, and renewals.

use super::super::support::RawClient;
use super::super::support::frames::{self, Frame};
use super::super::support::gate::handshake;
use super::super::support::mint::sa_token;
use super::super::support::raw::request;
use super::super::support::ws_client::WsClient;
use super::{Gate, Scene, THROTTLED, from, guess, status};

/// A socket that the gate has accepted.
#[track_caller]
fn open(gate: &Gate, path: &str, headers: &str) -> RawClient {
    let mut client = gate.client();
    client.send(handshake(path, headers));
    let answer = client.answer();
    assert_eq!(answer.status(), 101, "{}", answer.text());
    client
}

/// The code that a socket with this first message is closed with; `None` if it is let in.
#[track_caller]
fn first_message(gate: &Gate, client: &str, message: &str) -> Option<u16> {
    let mut socket = open(gate, "/later", &from(client));
    socket.send_frame(&Frame::new(frames::TEXT, message));
    let frame = socket.frame();
    (frame.opcode == frames::CLOSE).then(|| frame.close_code())
}

fn login(token: &str) -> String {
    format!(r#"{{"key":"{token}"}}"#)
}

#[test]
fn first_messages_count_and_are_closed_with_4429() {
    let scene = Scene::new();
    let gate = scene.gate();
    let known = scene.login_token("7");
    assert_eq!(first_message(&gate, "192.0.2.1", &login(&known)), None);
    let unknown = sa_token("im_user:7");
    for message in [
        login("bad"),
        "{}".to_owned(),
        "{".to_owned(),
        login(&unknown),
    ] {
        // What has no credential in it counts only if it cannot be read.
        assert_eq!(
            first_message(&gate, "192.0.2.1", &message),
            Some(4401),
            "{message}"
        );
    }
    let asked = scene.asked();
    let new = scene.login_token("8");
    for (message, code) in [
        (login("other"), Some(4429)),
        ("{".to_owned(), Some(4429)),
        (login(&sa_token("im_user:7")), Some(4429)),
        (login(&new), Some(4429)),
        (login(&known), None),
        (login("key-a"), None),
    ] {
        assert_eq!(
            first_message(&gate, "192.0.2.1", &message),
            code,
            "{message}"
        );
    }
    assert_eq!(scene.asked(), asked);
    // Requests and messages are counted together.
    assert_eq!(status(&gate, "192.0.2.1", "X-App-Key: bad\r\n"), THROTTLED);
    assert_eq!(first_message(&gate, "192.0.2.2", &login(&new)), None);
}

#[test]
fn renewals_count_and_a_living_session_does_not_suffer() {
    let scene = Scene::new();
    let policy = scene.policy().replace("recheck: off", "recheck: 1s");
    let gate = scene.builder(&policy).start();
    let known = scene.login_token("7");
    let mut socket = WsClient::to(gate.address(), "/ws")
        .header("token", &known)
        .header("X-Forwarded-For", "192.0.2.1")
        .connect();
    socket.echo("open");
    let renew = |token: &str| {
        let lines = format!(
            "{}token: {token}\r\nContent-Length: 0\r\n",
            from("192.0.2.1")
        );
        gate.send(request("POST", "/ws/renew", &lines)).status()
    };
    assert_eq!(renew(&known), 200);
    for _ in 0..3 {
        assert_eq!(renew(&sa_token("im_user:7")), 401);
    }
    // A renewal goes by what is true now, which nobody is asked.
    let asked_before = gate.metrics();
    assert_eq!(renew(&known), THROTTLED);
    assert_eq!(renew(&sa_token("im_user:7")), THROTTLED);
    let throttled = |metrics: &super::super::support::metrics::Metrics| {
        metrics.value("imgate_throttled_answers_total", &[("by", "client")])
    };
    assert!((throttled(&gate.metrics()) - throttled(&asked_before) - 2.0).abs() < 0.1);
    // In a message as well; there the session lives on, as if nobody could tell.
    socket.send(format!(r#"{{"token":"{known}"}}"#));
    socket.echo("still here");
    assert_eq!(status(&gate, "192.0.2.1", "X-App-Key: bad\r\n"), THROTTLED);
    // Whoever asks about living sessions asks on behalf of nobody.
    let labels = [("authenticator", "im-token"), ("result", "confirmed")];
    let confirmed = gate
        .metrics()
        .value("imgate_session_rechecks_total", &labels);
    gate.wait_for_metric("imgate_session_rechecks_total", &labels, |now| {
        now > confirmed + 1.5
    });
    socket.echo("still here");
    scene.redis.overwrite(&format!("login:{known}"), "\"-4\"");
    assert_eq!(socket.expect_close(), 4409);
    let clients = gate
        .metrics()
        .value("imgate_throttle_keys", &[("by", "client")]);
    assert!((clients - 1.0).abs() < 0.1, "{clients}");
    guess(&gate, "192.0.2.2");
}

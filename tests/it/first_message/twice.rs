//! A client that says again who it is.

use std::time::Duration;

use super::super::support::frames::{self, Frame};
use super::super::support::mint::SOON;
use super::super::support::wait::pause;
use super::super::support::ws_backend::End;
use super::super::support::{Gate, RawClient};
use super::chat::{Chat, auth2};
use super::{close_code, gate_before, text, token};

/// A client that is known, with a token for so many seconds.
fn known(gate: &Gate, seconds: i64) -> RawClient {
    let mut client = Chat::introduced(gate);
    client.send_frame(&text(auth2("0", "client-key", &token("7", seconds))));
    assert!(client.frame() == text(r#"430["eyJSQyI6MH0="]"#));
    client
}

#[test]
fn the_same_user_prolongs_the_session() {
    let backend = Chat::start();
    let gate = gate_before(backend.address()).start();
    let mut client = known(&gate, SOON);
    let again = auth2("5", "client-key", &token("7", 60));
    client.send_frame(&text(again.as_str()));
    assert!(client.frame() == text(r#"435["eyJSQyI6MH0="]"#));
    assert_eq!(backend.heard().last(), Some(&again));
    // The first token has ended by then.
    pause(Duration::from_secs(SOON.unsigned_abs() + 1));
    client.send_frame(&text(r#"426["typing",{}]"#));
    assert!(client.frame() == text(r#"436["eyJSQyI6MH0="]"#));
}

#[test]
fn a_shorter_token_does_not_shorten_the_session() {
    let backend = Chat::start();
    let gate = gate_before(backend.address()).start();
    let mut client = known(&gate, 60);
    client.send_frame(&text(auth2("5", "client-key", &token("7", SOON))));
    client.frame();
    pause(Duration::from_secs(SOON.unsigned_abs() + 1));
    client.send_frame(&text(r#"426["typing",{}]"#));
    assert!(client.frame() == text(r#"436["eyJSQyI6MH0="]"#));
}

#[test]
fn somebody_else_or_nobody_ends_the_session() {
    let backend = Chat::start();
    let gate = gate_before(backend.address()).start();
    let good = auth2("", "client-key", &token("7", 60));
    for (case, said, code) in [
        (
            "another user",
            auth2("", "client-key", &token("8", 60)),
            4401,
        ),
        ("a forged token", auth2("", "client-key", "forged"), 4401),
        (
            "an expired token",
            auth2("", "client-key", &token("7", -5)),
            4401,
        ),
        (
            "another client key",
            auth2("", "other", &token("7", 60)),
            4401,
        ),
        (
            "no client key",
            format!(r#"42["auth2","{}",{{}}]"#, token("7", 60)),
            4401,
        ),
        ("another namespace", good.replace("42[", "42/admin,["), 4401),
        ("an attachment", good.replace("42[", "451-["), 4401),
        (
            "an escaped name",
            auth2("", "client-key", "forged").replace("auth2", r"\u0061uth2"),
            4401,
        ),
        (
            "blanks",
            auth2("", "client-key", "forged").replace("42[", "42 [ "),
            4401,
        ),
        (
            "more than can be inspected",
            auth2("", "client-key", "forged")
                .replace("42[", &format!("42[{}", " ".repeat(1_000_001))),
            1009,
        ),
    ] {
        let mut client = known(&gate, 60);
        let before = backend.heard().len();
        client.send_frame(&text(said));
        assert_eq!(close_code(&mut client), code, "{case}");
        assert_eq!(backend.heard().len(), before, "{case}");
    }
    let denied = [("route", "socket"), ("reason", "denied")];
    gate.wait_for_metric("imgate_sessions_closed_total", &denied, |count| count > 8.5);
    assert_eq!(backend.first_end(), End::Close(4401));
}

#[test]
fn fragments_are_put_together_before_they_are_judged() {
    let backend = Chat::start();
    let gate = gate_before(backend.address()).start();
    let mut client = known(&gate, 60);
    let other = auth2("", "client-key", &token("8", 60));
    let (one, two) = other.split_at(6);
    client.send_frame(&Frame::part(frames::TEXT, one));
    client.send_frame(&Frame::new(frames::CONTINUATION, two));
    assert_eq!(close_code(&mut client), 4401);
}

#[test]
fn other_messages_pass_as_they_are() {
    let backend = Chat::start();
    let gate = gate_before(backend.address()).start();
    let mut client = known(&gate, 60);
    let texts = [
        r#"42["chat message","auth2"]"#,
        r#"42["chat message",["auth2","t",{}]]"#,
        r#"42["chat message","[\"auth2\"]"]"#,
        "3",
    ];
    for text_ in texts {
        client.send_frame(&text(text_));
    }
    let heard = backend.wait_until_heard(2 + texts.len());
    assert_eq!(heard[2..], texts);
}

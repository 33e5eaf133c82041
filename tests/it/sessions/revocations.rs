//! What is revoked opens nothing any more, and what it had opened is closed.

use super::super::support::gate::handshake;
use super::super::support::ws_backend::{End, WsBackend};
use super::{bearer, client, gate_before, policy, token, token_with};

/// The policy with a file of revocations.
fn with_file() -> String {
    format!("revocations: {{ file: revoked.yaml }}{}", policy())
}

#[test]
fn a_revocation_that_is_written_into_the_file_closes_living_sockets() {
    let backend = WsBackend::echo();
    let gate = super::Gate::with(&with_file())
        .upstream("ws", backend.address())
        .file("revoked.yaml", "[]\n")
        .start();
    let mut ada = client(&gate, "/free", &token("7", 600)).connect();
    let mut eve = client(&gate, "/free", &token_with("8", 600, &[("jti", "eve-1")])).connect();
    ada.echo("hello");
    gate.replace_file("revoked.yaml", "- { jti: eve-1 }\n");
    assert_eq!(eve.expect_close(), 4403);
    assert_eq!(backend.first_end(), End::Close(4403));
    ada.echo("still here");
    // The verdict on this token is remembered, and does not count.
    let revoked = token_with("8", 600, &[("jti", "eve-1")]);
    let answer = gate.send(handshake("/free", &bearer(&revoked)));
    assert_eq!(answer.status(), 401);
    assert!(answer.text().contains("revoked"), "{}", answer.text());
    let another = token_with("8", 600, &[("jti", "eve-2")]);
    assert_eq!(
        gate.send(handshake("/free", &bearer(&another))).status(),
        101
    );
    // Lifted again.
    gate.replace_file("revoked.yaml", "[]\n");
    super::super::support::eventually("it is lifted", || {
        let answer = gate.send(handshake("/free", &bearer(&revoked)));
        (answer.status() == 101).then_some(())
    });
}

#[test]
fn a_broken_file_of_revocations_keeps_those_in_force() {
    let backend = WsBackend::echo();
    let gate = super::Gate::with(&with_file())
        .upstream("ws", backend.address())
        .file("revoked.yaml", "- { user: \"8\" }\n")
        .start();
    gate.replace_file("revoked.yaml", "- { user: 8 }\n");
    gate.wait_for_metric("imgate_config_last_reload_successful", &[], |value| {
        value < 0.5
    });
    let refused = gate.send(handshake("/free", &bearer(&token("8", 600))));
    assert_eq!(refused.status(), 401);
    let _ada = client(&gate, "/free", &token("7", 600)).connect();
    drop(gate_before(&backend));
}

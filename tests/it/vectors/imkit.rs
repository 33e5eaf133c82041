//! Client keys of IMKIT, as the shared file has them.

use super::{credentials, policy};
use crate::support::{Gate, Recorder};

/// The keys in file order: a published one whose secret nobody knows, and one of a known secret.
fn client_keys() -> [String; 2] {
    [0, 1].map(|at| credentials::setting(&format!("/imkit_client_key/cases/{at}/token")))
}

/// The app that the backend is told of, or the reason for a 401.
fn app(gate: &Gate, backend: &Recorder, key: &str) -> String {
    let answer = gate.get("/plain", &format!("Authorization: Bearer {key}\r\n"));
    match answer.status() {
        200 => {
            let head = backend.last().head;
            head.header("x-auth-app-id").expect("an app").to_owned()
        }
        401 => answer.reason(),
        other => panic!("{other}"),
    }
}

/// The same key with another last letter of its second part.
fn forged(key: &str) -> String {
    let (text, signature) = key.rsplit_once('.').unwrap();
    let other = if text.ends_with('A') { 'B' } else { 'A' };
    format!("{}{other}.{signature}", &text[..text.len() - 1])
}

#[test]
fn client_keys_are_those_that_are_listed_or_signed() {
    let backend = Recorder::ok();
    let [published, signed] = client_keys();
    let scheme = "imkit_client_key: { apps: [\
                  { id: listed, client_key: { file: published } },\
                  { id: signed, secret: { value: imkit-test-secret }, allow_weak_secret: true }] }";
    let gate = Gate::with(&policy(scheme))
        .file("published", &published)
        .upstream("im", backend.address())
        .start();
    assert_eq!(app(&gate, &backend, &published), "listed");
    assert_eq!(app(&gate, &backend, &signed), "signed");
    for key in [forged(&published), forged(&signed)] {
        assert_eq!(
            gate.get("/plain", &format!("Authorization: Bearer {key}\r\n"))
                .status(),
            401
        );
    }
    assert_eq!(backend.requests().len(), 2);
    let gate = Gate::with(&policy(
        "imkit_client_key: { apps: [{ id: other, secret: { value: another-secret }, allow_weak_secret: true }] }",
    ))
    .upstream("im", backend.address())
    .start();
    for key in [published, signed] {
        assert_eq!(
            gate.get("/plain", &format!("Authorization: Bearer {key}\r\n"))
                .status(),
            401
        );
    }
    assert_eq!(backend.requests().len(), 2);
}

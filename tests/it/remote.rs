//! Whoever is asked over HTTP: key sets behind a URL, and tokens that only a server can tell about.

mod bad_answers;
mod introspection;
mod key_sets;

use super::support::{Gate, eventually};

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

fn status(gate: &Gate, token: &str) -> u16 {
    gate.get("/api/me", &bearer(token)).status()
}

#[track_caller]
fn wait_for_status(gate: &Gate, token: &str, expected: u16) {
    eventually(&format!("the answer is {expected}"), || {
        (status(gate, token) == expected).then_some(())
    });
}

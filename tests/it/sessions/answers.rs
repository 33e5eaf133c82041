//! Answers that stay open are sessions: they end with what let them in.

use std::time::Duration;

use super::super::support::mint::{SA_TOKEN_SECRET, SOON, now};
use super::super::support::raw;
use super::super::support::recorder::Exchange;
use super::super::support::wait::pause;
use super::super::support::{Gate, RawClient, Recorder};
use super::{bearer, token, token_with};

const POLICY: &str = "
revocations: { file: revoked.yaml }
authenticators:
  member:
    from: [{ header: Authorization, prefix: Bearer }]
    jwt:
      keys: [{ kid: h, algorithm: HS256, secret: { value: \"$SECRET\" } }]
      issuer: any
      audience: any
  partners:
    from: [{ header: X-App-Key }]
    app_key: { keys: [{ id: a, secret: { value: key-a } }, { id: b, secret: { value: key-b } }] }
routes:
  - { name: events, match: { path: /events }, require: { any_of: [member, partners] }, upstream: api }
  - { name: slow, match: { path: /slow }, require: { any_of: [member] }, upstream: api }
";

fn policy() -> String {
    POLICY.replace("$SECRET", SA_TOKEN_SECRET)
}

/// A backend that drips until it is cut.
fn dripping() -> Recorder {
    Recorder::serving(|exchange: &mut Exchange| {
        let kind = match exchange.head.target() {
            "/events" => "text/event-stream;charset=utf-8",
            _ => "text/plain",
        };
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
        ));
        for _ in 0..600 {
            if exchange.try_send("8\r\ndata: 1\n\r\n").is_err() {
                exchange.close();
                return;
            }
            pause(Duration::from_millis(100));
        }
    })
}

fn gate_before(backend: &Recorder) -> Gate {
    Gate::with(&policy())
        .upstream("api", backend.address())
        .file("revoked.yaml", "[]\n")
        .start()
}

fn open(gate: &Gate, path: &str, headers: &str) -> RawClient {
    let mut client = gate.client();
    client.send(raw::request("GET", path, headers));
    assert_eq!(client.answer_to_head().status(), 200);
    client
}

/// Reads on until the gate ends the answer. It never gets its last chunk.
fn wait_for_cut(client: &mut RawClient) {
    let rest = client.rest().unwrap_or_default();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "the answer is not whole");
}

#[test]
fn an_event_stream_ends_with_its_token() {
    let backend = dripping();
    let gate = gate_before(&backend);
    let started = now();
    let mut stream = open(&gate, "/events", &bearer(&token("7", SOON)));
    let open_now = [("route", "events"), ("device_type", "-")];
    gate.wait_for_metric("imgate_sessions_open", &open_now, |open| open > 0.5);
    wait_for_cut(&mut stream);
    assert!(now() - started >= SOON - 1);
    let expired = [("route", "events"), ("reason", "expired")];
    gate.wait_for_metric("imgate_sessions_closed_total", &expired, |count| {
        count > 0.5
    });
    gate.wait_for_metric("imgate_sessions_open", &open_now, |open| open < 0.5);
}

#[test]
fn an_event_stream_ends_with_a_revocation_and_with_its_key() {
    let backend = dripping();
    let gate = gate_before(&backend);
    let mut eve = open(
        &gate,
        "/events",
        &bearer(&token_with("8", 600, &[("jti", "eve")])),
    );
    let mut a = open(&gate, "/events", "X-App-Key: key-a\r\n");
    let mut b = open(&gate, "/events", "X-App-Key: key-b\r\n");
    gate.replace_file("revoked.yaml", "- { jti: eve }\n");
    wait_for_cut(&mut eve);
    gate.reload_and_wait(&policy().replace("{ id: a, secret: { value: key-a } }, ", ""));
    wait_for_cut(&mut a);
    assert!(!b.bytes(64).is_empty(), "the other one goes on");
}

#[test]
fn an_answer_that_stays_open_becomes_a_session() {
    let backend = dripping();
    let gate = gate_before(&backend);
    let started = now();
    // Its token ends while it is young: nothing cuts it before it is a session.
    let mut slow = open(&gate, "/slow", &bearer(&token("7", 5)));
    wait_for_cut(&mut slow);
    assert!(now() - started >= 29, "{}", now() - started);
    let expired = [("route", "slow"), ("reason", "expired")];
    gate.wait_for_metric("imgate_sessions_closed_total", &expired, |count| {
        count > 0.5
    });
}

//! Keys that go away: what counts is the policy of the moment in which a request is complete.

use super::super::support::raw::request;
use super::super::support::{Gate, Recorder};

fn policy(secret: &str) -> String {
    format!(
        "
authenticators:
  keys:
    from: [{{ header: X-App-Key }}]
    app_key: {{ keys: [{{ id: demo, secret: {{ value: {secret} }} }}] }}
routes:
  - {{ match: {{ path: /openapi/** }}, require: {{ any_of: [keys] }}, upstream: im }}
"
    )
}

#[test]
fn a_key_that_is_removed_while_a_head_arrives_does_not_open() {
    let backend = Recorder::ok();
    // One worker: what came before the requests of the reload was read before them.
    let gate = Gate::with(&policy("keyAbcd123"))
        .upstream("im", backend.address())
        .workers(1)
        .start();
    let bytes = request("GET", "/openapi/x", "X-App-Key: keyAbcd123\r\n");
    assert_eq!(gate.send(&bytes).status(), 200);
    for ahead in [1, bytes.len() - 1] {
        gate.reload_and_wait(&policy("keyAbcd123"));
        let mut client = gate.client();
        let (first, rest) = bytes.split_at(ahead);
        client.send(first);
        gate.wait_for_metric("imgate_connections_active", &[], |count| count > 0.5);
        gate.reload_and_wait(&policy("another-key"));
        client.send(rest);
        assert_eq!(client.answer().status(), 401, "{ahead} bytes ahead");
    }
    assert_eq!(backend.requests().len(), 1);
}

//! What open sockets are counted as.

use super::super::support::mint::sa_token_mixin;
use super::super::support::ws_backend::WsBackend;
use super::super::support::ws_client::WsClient;
use super::{client, gate_before};

#[test]
fn an_open_socket_is_an_active_connection() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).workers(1).start();
    let mut clients: Vec<_> = (0..3).map(|_| client(&gate).connect()).collect();
    for client in &mut clients {
        client.echo("open");
    }
    let active = gate.metrics().value("imgate_connections_active", &[]);
    assert!((active - 3.0).abs() < 0.5, "{active} connections");
    drop(clients);
    gate.wait_for_metric("imgate_connections_active", &[], |count| count < 0.5);
}

#[test]
fn the_device_of_a_token_is_no_label() {
    let backend = WsBackend::echo();
    let gate = gate_before(&backend).start();
    let token = sa_token_mixin("im_user:7", "canary-device", 600);
    let mut client = WsClient::to(gate.address(), "/idle")
        .header("token", &token)
        .connect();
    client.echo("open");
    let open = [("route", "idle"), ("device_type", "-")];
    let metrics = gate.metrics();
    assert!(
        metrics.value("imgate_sessions_open", &open) > 0.5,
        "{}",
        metrics.text
    );
    assert!(!metrics.text.contains("canary"), "{}", metrics.text);
    client.close(1000);
    client.expect_close();
    gate.wait_for_metric("imgate_sessions_open", &open, |count| count < 0.5);
    let metrics = gate.metrics();
    assert!(!metrics.text.contains("canary"), "{}", metrics.text);
}

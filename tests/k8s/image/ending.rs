//! How a gate in a container leaves.

use super::engine::{Container, Engine};
use super::network::local;
use super::running::{configuration, mounted, start};
use crate::support::recorder::{Exchange, Recorder};
use crate::support::ws_backend::accept;
use crate::support::ws_client::WsClient;

/// More than the gate needs by its own configuration; beyond it comes SIGKILL.
const PATIENCE: u32 = 60;

fn backend(gate: &Container<'_>) -> Recorder {
    Recorder::on(gate.network().listen(8080), |exchange: &mut Exchange| {
        let answer = accept(&exchange.head, "");
        exchange.send(answer);
        exchange.wait_for_the_gate_to_give_up();
    })
}

fn socket(gate: &Container<'_>) -> WsClient {
    gate.network().inside(|| {
        WsClient::to(local(9688), "/ws")
            .header("X-App-Key", "first-key")
            .connect()
    })
}

#[test]
#[ignore = "make k8s"]
fn sigterm_says_goodbye_to_sockets_and_the_exit_code_is_0() {
    let engine = Engine::with_image();
    let _volume = mounted(&engine, &configuration("first-key"));
    let gate = start(&engine, &[]);
    let _backend = backend(&gate);
    let mut socket = socket(&gate);

    std::thread::scope(|scope| {
        scope.spawn(|| gate.stop(PATIENCE));
        assert_eq!(socket.expect_close(), 1001);
    });
    assert_eq!(gate.exit_code(), 0, "and not by SIGKILL");
}

#[test]
#[ignore = "make k8s"]
fn a_hook_drains_the_gate_over_its_socket_file() {
    let engine = Engine::with_image();
    let _volume = mounted(&engine, &configuration("first-key"));
    let gate = start(&engine, &[]);
    let _backend = backend(&gate);
    let mut socket = socket(&gate);

    std::thread::scope(|scope| {
        scope.spawn(|| {
            let hook = ["drain", "--admin-socket", "/run/imgate/admin.sock"];
            let output = gate.exec(&hook);
            assert!(output.status.success(), "{output:?}");
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(said.starts_with("draining 1 session; "), "{output:?}");
        });
        assert_eq!(socket.expect_close(), 1001);
    });
    assert_eq!(gate.exit_code(), 0);
}

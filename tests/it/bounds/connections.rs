use super::super::support::gate::handshake;
use super::super::support::tls::{Authority, NAME, TlsClient};
use super::super::support::ws_backend::WsBackend;
use super::super::support::{Gate, RawClient, Recorder, eventually};

fn policy(most: usize) -> String {
    format!(
        "
limits: {{ connections_per_client: {most} }}
routes:
  - {{ match: {{ path: /open/** }}, require: public, upstream: im }}
  - {{ match: {{ path: /ws }}, websocket: true, require: public, upstream: ws }}
"
    )
}

fn gate(backend: &Recorder, sockets: &WsBackend, listener: &str) -> Gate {
    let gate = Gate::with(&policy(3))
        .upstream("im", backend.address())
        .upstream("ws", sockets.address())
        .workers(2);
    if listener.is_empty() {
        gate.start()
    } else {
        gate.listener(listener).start()
    }
}

/// A connection that is served.
fn served(gate: &Gate) -> RawClient {
    let mut client = gate.client();
    assert_eq!(client.get("/open/x", "").status(), 200);
    client
}

#[track_caller]
fn expect_refused(gate: &Gate) {
    // Nothing has to be sent to hear it.
    let mut client = gate.client();
    let answer = client.answer();
    assert_eq!(answer.status(), 429);
    assert_eq!(
        answer.text(),
        "too many open connections from this address\n"
    );
    client.expect_closed();
}

fn refused(gate: &Gate) -> f64 {
    let labels = [("reason", "too_many")];
    gate.metrics()
        .value("imgate_connections_refused_total", &labels)
}

#[test]
fn one_client_has_so_many_connections_whatever_they_are() {
    let (backend, sockets) = (Recorder::ok(), WsBackend::echo());
    let gate = gate(&backend, &sockets, "");
    let first = served(&gate);
    let mut socket = gate.client();
    socket.send(handshake("/ws", ""));
    assert_eq!(socket.answer().status(), 101);
    // One that has said nothing yet is one, too.
    let _silent = gate.client();
    gate.wait_for_metric("imgate_connections_active", &[], |count| count > 2.5);
    expect_refused(&gate);
    expect_refused(&gate);
    assert!((refused(&gate) - 2.0).abs() < 0.1);
    let clients = gate.metrics().value("imgate_connected_clients", &[]);
    assert!((clients - 1.0).abs() < 0.1, "{clients}");
    // Whoever goes makes room, however it goes.
    drop(first);
    eventually("there is room again", || {
        gate.client()
            .get_or_refused("/open/x")
            .is_some_and(|status| status == 200)
            .then_some(())
    });
    drop(socket);
    let _second = eventually("there is room for one more", || {
        let mut client = gate.client();
        (client.get_or_refused("/open/x") == Some(200)).then_some(client)
    });
    // The metrics are on a listener of their own.
    assert_eq!(gate.admin("/readyz").status(), 200);
}

#[test]
fn a_reload_bounds_those_who_come_later_and_knows_who_is_here() {
    let (backend, sockets) = (Recorder::ok(), WsBackend::echo());
    let gate = gate(&backend, &sockets, "");
    let mut kept: Vec<RawClient> = (0..3).map(|_| served(&gate)).collect();
    expect_refused(&gate);
    gate.replace_policy(&policy(5));
    gate.signal(super::super::support::process::Signal::Hup);
    kept.push(eventually("there may be more", || {
        let mut client = gate.client();
        (client.get_or_refused("/open/x") == Some(200)).then_some(client)
    }));
    gate.replace_policy(&policy(1));
    gate.signal(super::super::support::process::Signal::Hup);
    eventually("there may be fewer", || {
        let mut client = gate.client();
        (client.get_or_refused("/open/x") == Some(429)).then_some(())
    });
    // Who is here stays.
    for client in &mut kept {
        assert_eq!(client.get("/open/x", "").status(), 200);
    }
}

#[test]
fn a_proxy_that_speaks_for_all_is_no_client() {
    let (backend, sockets) = (Recorder::ok(), WsBackend::echo());
    let gate = gate(&backend, &sockets, "trusted_proxies: [127.0.0.0/8]");
    let headers = "X-Forwarded-For: 192.0.2.1\r\n";
    let mut kept = Vec::new();
    for _ in 0..6 {
        let mut client = gate.client();
        assert_eq!(client.get("/open/x", headers).status(), 200);
        kept.push(client);
    }
    assert!(refused(&gate) < 0.1);
}

#[test]
fn behind_the_proxy_protocol_the_named_client_counts() {
    let (backend, sockets) = (Recorder::ok(), WsBackend::echo());
    let gate = gate(
        &backend,
        &sockets,
        "proxy_protocol: v2, trusted_proxies: [127.0.0.0/8]",
    );
    let speak_for = |last: u8| {
        let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".to_vec();
        header.extend([203, 0, 113, last, 192, 0, 2, 1, 0xc3, 0x50, 0x25, 0xd8]);
        let mut client = gate.client();
        client.send(header);
        client
    };
    let mut kept = Vec::new();
    for _ in 0..3 {
        let mut client = speak_for(9);
        assert_eq!(client.get("/open/x", "").status(), 200);
        kept.push(client);
    }
    let mut refused_client = speak_for(9);
    assert_eq!(refused_client.get_or_refused("/open/x"), Some(429));
    assert_eq!(speak_for(10).get("/open/x", "").status(), 200);
    assert!((refused(&gate) - 1.0).abs() < 0.1);
    drop(kept.pop());
    eventually("there is room again", || {
        (speak_for(9).get_or_refused("/open/x") == Some(200)).then_some(())
    });
}

#[test]
fn where_tls_is_spoken_the_connection_just_ends() {
    let authority = Authority::new();
    let server = authority.server();
    let backend = Recorder::ok();
    let gate = Gate::with(
        "
limits: { connections_per_client: 1 }
routes: [{ match: { path: /open/** }, require: public, upstream: im }]
",
    )
    .listener("tls: { certificate: { file: tls.crt }, private_key: { file: tls.key } }")
    .file("tls.crt", &server.certificate)
    .file("tls.key", &server.key)
    .upstream("im", backend.address())
    .start();
    let client = TlsClient::trusting(&authority);
    let mut first = client.connect(gate.address());
    assert_eq!(first.get("/open/x", "").status(), 200, "{NAME}");
    assert!(client.try_connect(gate.address()).is_err());
    // Not a byte comes back.
    gate.client().expect_closed();
    assert!((refused(&gate) - 2.0).abs() < 0.1);
    assert_eq!(first.get("/open/x", "").status(), 200);
}

use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};

use super::{MUTUAL, POLICY, TLS, gate, serving, wait_for_failures};
use crate::support::frames::{self, Frame};
use crate::support::gate::{binary, handshake};
use crate::support::process::Signal;
use crate::support::tls::{Authority, Identity, TlsClient};
use crate::support::ws_backend::WsBackend;
use crate::support::{Gate, RawClient, Recorder, eventually};

fn rotate(gate: &Gate, identity: &Identity) {
    gate.write("tls.crt", &identity.certificate);
    gate.write("tls.key", &identity.key);
}

#[track_caller]
fn certificate(client: &mut RawClient) -> Vec<u8> {
    client.session().peer_certificates().unwrap()[0].to_vec()
}

/// One request, so that tickets have arrived, and how the handshake went.
#[track_caller]
fn kind(gate: &Gate, client: &TlsClient) -> HandshakeKind {
    let mut client = client.connect(gate.second_address());
    assert_eq!(client.get("/open/a", "").status(), 200);
    client.session().handshake_kind().unwrap()
}

fn is_resumed(kind: HandshakeKind) -> bool {
    matches!(kind, HandshakeKind::Resumed)
}

#[test]
fn a_new_certificate_is_for_new_handshakes_and_the_living_go_on() {
    let authority = Authority::new();
    let (old, new) = (authority.server(), authority.server());
    let (backend, sockets) = (Recorder::ok(), WsBackend::echo());
    let policy = POLICY.replace(
        "websocket: true, require: public, upstream: im",
        "websocket: true, require: public, upstream: sockets",
    );
    let gate = Gate::with(&policy)
        .second_listener(TLS)
        .file("tls.crt", &old.certificate)
        .file("tls.key", &old.key)
        .upstream("sockets", sockets.address())
        .upstream("im", backend.address())
        .start();
    let trusting = TlsClient::trusting(&authority);
    let mut living = trusting.connect(gate.second_address());
    assert_eq!(living.get("/open/a", "").status(), 200);
    let mut socket = trusting.connect(gate.second_address());
    socket.send(handshake("/ws", ""));
    assert_eq!(socket.answer().status(), 101);
    // Connected before, but shaking hands after.
    let mut late = RawClient::connect(gate.second_address());

    rotate(&gate, &new);
    gate.reload_and_wait(&policy);

    let mut fresh = TlsClient::trusting(&authority).connect(gate.second_address());
    assert_eq!(certificate(&mut fresh), new.der().to_vec());
    late = late
        .secure(TlsClient::trusting(&authority).session())
        .expect("a handshake");
    assert_eq!(certificate(&mut late), new.der().to_vec());
    assert_eq!(certificate(&mut living), old.der().to_vec());
    assert_eq!(living.get("/open/b", "").status(), 200);
    let frame = Frame::new(frames::TEXT, "still here");
    socket.send_frame(&frame);
    assert_eq!(socket.frame(), frame);
    let output = gate.output();
    assert!(!output.contains("PRIVATE KEY") && !output.contains(new.key.lines().nth(1).unwrap()));
}

#[test]
fn a_key_that_does_not_belong_keeps_the_old_certificate() {
    let authority = Authority::new();
    let (old, new) = (authority.server(), authority.server());
    let backend = Recorder::ok();
    let gate = gate(TLS, &old).upstream("im", backend.address()).start();
    gate.write("tls.crt", &new.certificate);
    gate.signal(Signal::Hup);
    let problem = "listeners[1].tls.private_key: does not belong to the first certificate";
    eventually("the problem is told", || {
        let verbose = gate.admin("/readyz?verbose").text();
        verbose.contains(problem).then_some(())
    });
    let client = TlsClient::trusting(&authority);
    let mut client = client.connect(gate.second_address());
    assert_eq!(certificate(&mut client), old.der().to_vec());

    gate.write("tls.key", &new.key);
    gate.signal(Signal::Hup);
    gate.wait_for_metric("imgate_config_last_reload_successful", &[], |ok| ok > 0.5);
    let mut client = TlsClient::trusting(&authority).connect(gate.second_address());
    assert_eq!(certificate(&mut client), new.der().to_vec());
}

#[test]
fn tickets_are_good_for_as_long_as_tls_stays_as_it_is() {
    for version in [&TLS12, &TLS13] {
        let authority = Authority::new();
        let backend = Recorder::ok();
        let gate = gate(TLS, &authority.server())
            .workers(2)
            .upstream("im", backend.address())
            .start();
        let client = TlsClient::speaking(&authority, &[version]);
        assert!(!is_resumed(kind(&gate, &client)), "nobody knows anybody");
        for _ in 0..4 {
            assert!(
                is_resumed(kind(&gate, &client)),
                "{version:?}, on every worker"
            );
        }
        gate.reload_and_wait(POLICY);
        assert!(
            is_resumed(kind(&gate, &client)),
            "{version:?}, nothing has changed"
        );
        rotate(&gate, &authority.server());
        gate.reload_and_wait(POLICY);
        assert!(
            !is_resumed(kind(&gate, &client)),
            "{version:?}, another certificate"
        );
        assert!(
            is_resumed(kind(&gate, &client)),
            "{version:?}, with its own tickets"
        );
    }
}

#[test]
fn a_ticket_does_not_stand_in_for_a_client_certificate() {
    for version in [&TLS12, &TLS13] {
        let (authority, issuer) = (Authority::new(), Authority::new());
        let backend = Recorder::ok();
        let mut gate = gate(TLS, &authority.server())
            .file("clients.crt", &issuer.certificate)
            .upstream("im", backend.address())
            .start();
        let nobody = TlsClient::speaking(&authority, &[version]);
        kind(&gate, &nobody);
        assert!(is_resumed(kind(&gate, &nobody)));

        gate.amend(TLS, MUTUAL);
        gate.reload_and_wait(POLICY);
        let refused = nobody
            .try_connect(gate.second_address())
            .and_then(|mut client| {
                client.try_send("GET /open/a HTTP/1.1\r\nHost: a\r\n\r\n")?;
                client.try_answer()
            });
        refused.expect_err("a ticket from before");
        wait_for_failures(&gate, "client_certificate", 1);

        // Nor is one given to whoever has a certificate: it would outlive it.
        let somebody = TlsClient::showing(&authority, &issuer.client());
        for _ in 0..3 {
            assert!(!is_resumed(kind(&gate, &somebody)), "{version:?}");
        }
        // Another issuer is in force with the next handshake.
        let other = Authority::new();
        gate.write("clients.crt", &other.certificate);
        gate.reload_and_wait(POLICY);
        let refused = somebody
            .try_connect(gate.second_address())
            .and_then(|mut client| {
                client.try_send("GET /open/a HTTP/1.1\r\nHost: a\r\n\r\n")?;
                client.try_answer()
            });
        refused.expect_err("a certificate of yesterday's issuer");
        kind(&gate, &TlsClient::showing(&authority, &other.client()));
    }
}

#[test]
fn a_listener_may_take_up_tls_and_lay_it_down() {
    let (mut gate, _backend, authority) = serving();
    let client = TlsClient::trusting(&authority);
    let mut secured = client.connect(gate.second_address());
    assert_eq!(secured.get("/open/a", "").status(), 200);

    gate.amend(TLS, "trusted_proxies: []");
    gate.reload_and_wait(POLICY);
    let mut plain = RawClient::connect(gate.second_address());
    assert_eq!(plain.get("/open/a", "").status(), 200);
    assert_eq!(secured.get("/open/a", "").status(), 200, "the living go on");

    gate.amend("trusted_proxies: []", TLS);
    gate.reload_and_wait(POLICY);
    assert_eq!(plain.get("/open/a", "").status(), 200, "the living go on");
    assert_eq!(
        RawClient::connect(gate.second_address())
            .get("/open/a", "")
            .status(),
        400
    );
    let mut secured = client.connect(gate.second_address());
    assert_eq!(secured.get("/open/a", "").status(), 200);
}

#[test]
fn a_certificate_that_has_ended_is_served_with_a_warning() {
    let authority = Authority::new();
    let ended = authority.issue("subjectAltName=DNS:im.example.com", "-days -1");
    let backend = Recorder::ok();
    let gate = gate(TLS, &ended).upstream("im", backend.address()).start();
    eventually("the warning", || {
        let warning = "listeners[1].tls.certificate: the certificate has expired";
        gate.output().contains(warning).then_some(())
    });
    let report = gate.admin("/readyz?verbose").json();
    let caveat = &report["caveats"][0];
    assert_eq!(caveat["caveat"], "the certificate has expired", "{report}");
    assert_eq!(
        caveat["listener"],
        gate.second_address().to_string(),
        "{report}"
    );

    rotate(&gate, &authority.server());
    gate.reload_and_wait(POLICY);
    let report = gate.admin("/readyz?verbose").json();
    assert_eq!(report["caveats"].as_array().unwrap().len(), 0, "{report}");
    let ends = gate.metrics().value(
        "imgate_tls_certificate_not_after_timestamp_seconds",
        &[("listener", &gate.second_address().to_string())],
    );
    assert!(ends > 1.7e9, "{ends}");
}

#[test]
fn check_tells_of_tls() {
    let authority = Authority::new();
    let (one, other) = (authority.server(), authority.server());
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("tls.crt", &one.certificate);
    write("tls.key", &one.key);
    write("clients.crt", &authority.certificate);
    write(
        "imgate.yaml",
        &format!(
            "listeners:\n  - {{ address: 127.0.0.1:1, {TLS} }}\n  - {{ address: 127.0.0.1:2, {MUTUAL} }}\n\
             upstreams: {{ im: {{ address: 127.0.0.1:3 }} }}\n\
             routes: [{{ name: a, match: {{ path: /a }}, require: public, require_tls: true, upstream: im }}]\n"
        ),
    );
    let check = || {
        let output = std::process::Command::new(binary())
            .args(["check", "-c", "imgate.yaml"])
            .current_dir(directory.path())
            .output()
            .unwrap();
        let [said, complained] = [output.stdout, output.stderr].map(String::from_utf8);
        (output.status.code(), said.unwrap(), complained.unwrap())
    };
    let (code, said, complained) = check();
    assert_eq!(code, Some(0), "{complained}");
    for line in [
        "listener 127.0.0.1:1 (TLS)\n",
        "listener 127.0.0.1:2 (TLS, client certificates)\n",
        "route a (/a, any method, TLS): public",
    ] {
        assert!(said.contains(line), "{said}");
    }
    write("tls.key", &other.key);
    let (code, _, complained) = check();
    assert_eq!(code, Some(64));
    assert!(
        complained.contains("imgate.yaml:2: listeners[0].tls.private_key: does not belong"),
        "{complained}"
    );
}

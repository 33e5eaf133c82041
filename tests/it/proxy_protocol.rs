//! The header of the PROXY protocol: whom a load balancer speaks for, on plain and on TLS listeners.

use super::support::gate::handshake;
use super::support::raw::request;
use super::support::tls::{Authority, TlsClient};
use super::support::ws_backend::WsBackend;
use super::support::{Gate, RawClient, Recorder, eventually};

const POLICY: &str = "
limits: { head_timeout: 1s }
routes:
  - { match: { path: /open/** }, require: public, upstream: im }
  - { match: { path: /ws }, websocket: true, require: public, upstream: im }
";

const FROM_LOOPBACK: &str = "proxy_protocol: v2, trusted_proxies: [127.0.0.0/8]";

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn header(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = [SIGNATURE, &[0x20 | command, family]].concat();
    bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend(body);
    bytes
}

/// Speaks for 203.0.113.9, with an extension behind the addresses.
fn client_header() -> Vec<u8> {
    let addresses = [203, 0, 113, 9, 192, 0, 2, 1, 0xc3, 0x50, 0x25, 0xd8];
    let extension = [0x20, 0, 4, 1, 2, 3, 4];
    header(1, 0x11, &[&addresses[..], &extension].concat())
}

fn gate(backend: &Recorder, listener: &str) -> Gate {
    Gate::with(POLICY)
        .listener(listener)
        .upstream("im", backend.address())
        .start()
}

fn ask(client: &mut RawClient, headers: &str) -> u16 {
    client.get("/open/x", headers).status()
}

/// Whom the backend saw as its client.
fn forwarded(backend: &Recorder) -> String {
    let head = backend.only().head;
    head.header("x-forwarded-for").unwrap().to_owned()
}

fn failures(gate: &Gate, reason: &str) -> f64 {
    let metrics = gate.metrics();
    metrics.value(
        "imgate_proxy_protocol_failures_total",
        &[("reason", reason)],
    )
}

#[test]
fn the_backend_sees_the_client_and_not_the_load_balancer() {
    let v6 = [
        &[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7][..],
        &[0; 20],
    ]
    .concat();
    for (case, header, seen) in [
        ("IPv4", client_header(), "203.0.113.9"),
        ("IPv6", header(1, 0x21, &v6), "2001:db8::7"),
        ("a health check", header(0, 0, &[]), "127.0.0.1"),
    ] {
        let backend = Recorder::ok();
        let gate = gate(&backend, FROM_LOOPBACK);
        let mut client = gate.client();
        client.send(&header);
        // The client's own word counts no more than before.
        let claim = "X-Forwarded-For: 198.51.100.66\r\n";
        let expected = if case == "a health check" {
            "198.51.100.66, 127.0.0.1"
        } else {
            seen
        };
        assert_eq!(ask(&mut client, claim), 200, "{case}");
        assert_eq!(forwarded(&backend), expected, "{case}");
    }
}

#[test]
fn it_may_come_together_with_the_first_request_or_byte_by_byte() {
    let backend = Recorder::ok();
    let gate = gate(&backend, FROM_LOOPBACK);
    let both = [client_header(), request("GET", "/open/x", "").into()].concat();
    let mut client = gate.client();
    client.send(&both);
    assert_eq!(client.answer().status(), 200);
    assert_eq!(ask(&mut client, ""), 200, "and the next request has none");
    let mut slow = gate.client();
    for byte in &both {
        slow.send([*byte]);
    }
    assert_eq!(slow.answer().status(), 200);
    for request in backend.requests() {
        assert_eq!(request.head.header("x-forwarded-for"), Some("203.0.113.9"));
    }
}

#[test]
fn it_stands_before_the_handshake_of_tls() {
    let (backend, authority) = (Recorder::ok(), Authority::new());
    let identity = authority.server();
    let gate = Gate::with(POLICY)
        .listener(FROM_LOOPBACK)
        .listener("tls: { certificate: { file: tls.crt }, private_key: { file: tls.key } }")
        .file("tls.crt", &identity.certificate)
        .file("tls.key", &identity.key)
        .upstream("im", backend.address())
        .start();
    let mut plain = gate.client();
    plain.send(client_header());
    let session = TlsClient::trusting(&authority).session();
    let mut client = plain.secure(session).unwrap();
    assert_eq!(ask(&mut client, ""), 200);
    assert_eq!(forwarded(&backend), "203.0.113.9");
}

#[test]
fn a_websocket_behind_it_works() {
    let backend = WsBackend::echo();
    let gate = Gate::with(POLICY)
        .listener(FROM_LOOPBACK)
        .upstream("im", backend.address())
        .start();
    let mut client = gate.client();
    client.send([client_header(), handshake("/ws", "").into()].concat());
    assert_eq!(client.answer_to_head().status(), 101);
}

#[test]
fn whoever_does_not_begin_with_it_is_not_served() {
    let backend = Recorder::ok();
    let gate = gate(&backend, FROM_LOOPBACK);
    let good = request("GET", "/open/x", "");
    let huge = [SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat();
    for (case, bytes) in [
        ("plain HTTP", good.clone().into()),
        (
            "version 1",
            [
                b"PROXY TCP4 203.0.113.9 192.0.2.1 50000 9688\r\n",
                good.as_bytes(),
            ]
            .concat(),
        ),
        ("another version", header(0x31, 0x11, &[0; 12])),
        ("datagrams", header(1, 0x12, &[0; 12])),
        ("nobody", header(1, 0, &[])),
        ("an address cut short", header(1, 0x11, &[0; 11])),
        ("a header without end", huge),
    ] {
        let mut client = gate.client();
        client.send(bytes);
        client.expect_closed();
        assert!(backend.requests().is_empty(), "{case}");
    }
    eventually("each is counted", || {
        (failures(&gate, "malformed") > 6.5).then_some(())
    });
    // A second header is the beginning of a request, and none.
    let mut client = gate.client();
    client.send([client_header(), client_header(), good.into()].concat());
    assert_eq!(client.answer().status(), 400);
    assert!(backend.requests().is_empty());
}

#[test]
fn who_is_not_a_proxy_names_no_client() {
    let backend = Recorder::ok();
    let gate = gate(
        &backend,
        "proxy_protocol: v2, trusted_proxies: [10.0.0.0/8]",
    );
    let mut client = gate.client();
    client.send([client_header(), request("GET", "/open/x", "").into()].concat());
    client.expect_closed();
    assert!(backend.requests().is_empty());
    assert!(failures(&gate, "untrusted") > 0.5);
}

#[test]
fn a_header_on_a_listener_without_the_protocol_is_no_request() {
    let backend = Recorder::ok();
    let gate = gate(&backend, "trusted_proxies: [127.0.0.0/8]");
    let mut client = gate.client();
    client.send([client_header(), request("GET", "/open/x", "").into()].concat());
    assert_eq!(client.answer().status(), 400);
    assert!(backend.requests().is_empty());
}

#[test]
fn half_a_header_does_not_keep_a_connection() {
    let backend = Recorder::ok();
    let gate = gate(&backend, FROM_LOOPBACK);
    let mut client = gate.client();
    // `head_timeout` is 1 s, from the first byte on.
    client.send(&client_header()[..14]);
    client.expect_closed();
    assert!(failures(&gate, "timeout") > 0.5);
    // So it is behind a whole one.
    let mut client = gate.client();
    client.send(client_header());
    client.expect_closed();
}

use std::io::Write as _;
use std::process::{Command, Stdio};

use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, ProtocolVersion};

use super::{MUTUAL, gate, serving, wait_for_failures};
use crate::support::tls::{Authority, NAME, TlsClient};
use crate::support::{Gate, RawClient, Recorder};

/// Another implementation's view: what `openssl s_client` prints, with one request on its input.
fn s_client(gate: &Gate, arguments: &str) -> String {
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", &gate.second_address().to_string()])
        .args(["-servername", NAME, "-ign_eof"])
        .args(arguments.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl runs");
    let request = "GET /open/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    // Where the handshake fails, nobody reads it.
    let _ = child.stdin.take().unwrap().write_all(request.as_bytes());
    let output = child.wait_with_output().unwrap();
    let [said, complained] = [output.stdout, output.stderr].map(String::from_utf8);
    format!("{}{}", said.unwrap(), complained.unwrap())
}

#[test]
fn only_tls_1_2_and_1_3_are_served() {
    let (gate, backend, authority) = serving();
    for (arguments, expected) in [
        ("-tls1 -cipher ALL@SECLEVEL=0", "SSL alert number"),
        ("-tls1_1 -cipher ALL@SECLEVEL=0", "SSL alert number"),
        ("-tls1_2", "New, TLSv1.2"),
        ("-tls1_3", "New, TLSv1.3"),
    ] {
        let said = s_client(&gate, arguments);
        assert!(said.contains(expected), "{arguments}: {said}");
        let served = said.contains("HTTP/1.1 200 OK");
        assert_eq!(served, expected.starts_with("New"), "{arguments}: {said}");
        // The end was told, not only met.
        assert_eq!(said.contains("closed\n"), served, "{arguments}: {said}");
    }
    assert_eq!(backend.take().len(), 2);
    wait_for_failures(&gate, "protocol", 2);

    for (version, expected) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let client = TlsClient::speaking(&authority, &[version]);
        let mut client = client.connect(gate.second_address());
        assert_eq!(client.session().protocol_version(), Some(expected));
        assert_eq!(client.get("/open/a", "").status(), 200);
    }
}

#[test]
fn http_1_1_is_the_one_protocol() {
    let (gate, _backend, authority) = serving();
    for (offered, chosen) in [
        (&[][..], Some(None)),
        (&["http/1.1"], Some(Some("http/1.1"))),
        (&["h2", "http/1.1"], Some(Some("http/1.1"))),
        (&["h2"], None),
        (&["http/1.0"], None),
    ] {
        let client = TlsClient::trusting(&authority).offering(offered);
        match (client.try_connect(gate.second_address()), chosen) {
            (Ok(mut client), Some(chosen)) => {
                let protocol = client.session().alpn_protocol();
                assert_eq!(protocol, chosen.map(str::as_bytes), "{offered:?}");
                assert_eq!(client.get("/open/a", "").status(), 200, "{offered:?}");
            }
            (Err(error), None) => {
                let alert = error.get_ref().unwrap().downcast_ref();
                let expected =
                    rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol);
                assert_eq!(alert, Some(&expected), "{offered:?}");
            }
            (outcome, _) => panic!("{offered:?}: {outcome:?}"),
        }
    }
    wait_for_failures(&gate, "protocol", 2);
}

#[test]
fn where_clients_must_show_a_certificate_no_other_client_is_heard() {
    let (authority, issuer, stranger) = (Authority::new(), Authority::new(), Authority::new());
    let backend = Recorder::ok();
    let gate = gate(MUTUAL, &authority.server())
        .file("clients.crt", &issuer.certificate)
        .upstream("im", backend.address())
        .start();
    let good = TlsClient::showing(&authority, &issuer.client());
    assert_eq!(
        good.connect(gate.second_address())
            .get("/open/a", "")
            .status(),
        200
    );
    assert_eq!(backend.take().len(), 1);

    let expired = issuer.issue("extendedKeyUsage=clientAuth", "-days -1");
    let of_a_server = issuer.issue("extendedKeyUsage=serverAuth", "-days 2");
    let cases = [
        ("none", TlsClient::trusting(&authority)),
        (
            "from another issuer",
            TlsClient::showing(&authority, &stranger.client()),
        ),
        ("expired", TlsClient::showing(&authority, &expired)),
        (
            "for servers only",
            TlsClient::showing(&authority, &of_a_server),
        ),
    ];
    let count = cases.len();
    for (case, client) in cases {
        // With TLS 1.3 the client is done before it is judged.
        let refused = client
            .try_connect(gate.second_address())
            .and_then(|mut client| {
                client.try_send("GET /open/a HTTP/1.1\r\nHost: a\r\n\r\n")?;
                client.try_answer()
            });
        let error = refused.expect_err(case);
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
        assert!(
            matches!(cause, Some(rustls::Error::AlertReceived(_))),
            "{case}: {error:?}"
        );
    }
    wait_for_failures(&gate, "client_certificate", u32::try_from(count).unwrap());
    assert_eq!(backend.requests().len(), 0);
    assert!(
        !gate.output().contains("handshake"),
        "one line each is a flood"
    );
}

#[test]
fn whoever_speaks_the_wrong_language_is_told() {
    let (gate, backend, authority) = serving();
    let mut plain = RawClient::connect(gate.second_address());
    let answer = plain.get("/open/a", "");
    assert_eq!((answer.status(), &*answer.reason()), (400, "syntax"));
    assert!(answer.text().contains("this port speaks TLS only"));
    plain.expect_closed();
    wait_for_failures(&gate, "not_tls", 1);

    let mut hello = Vec::new();
    TlsClient::trusting(&authority)
        .session()
        .write_tls(&mut hello)
        .unwrap();
    let answer = gate.send(&hello);
    assert_eq!((answer.status(), &*answer.reason()), (400, "syntax"));
    assert_eq!(backend.requests().len(), 0);
}

#[test]
fn nonsense_ends_in_an_alert_and_harms_nobody() {
    let (gate, _backend, authority) = serving();
    let hello = {
        let mut hello = Vec::new();
        let mut session = TlsClient::trusting(&authority).session();
        session.write_tls(&mut hello).unwrap();
        hello
    };
    let record = |payload: &[u8]| {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        [&[22, 3, 1], &length[..], payload].concat()
    };
    for (case, bytes) in [
        (
            "a version that never was",
            [&[22, 9, 9, 0, 1], &[1][..]].concat(),
        ),
        ("an empty record", record(b"")),
        ("another handshake message", record(&[2, 0, 0, 1, 0])),
        ("a hello of nothing", record(&[1, 0, 0, 0])),
        ("a record that is too long", vec![22, 3, 1, 0xff, 0xff, 1]),
        (
            "a hello that promises too much",
            record(&[1, 0xff, 0xff, 0xff]),
        ),
        ("a hello twice", [hello.clone(), hello.clone()].concat()),
        ("a hello with a flipped bit", {
            let mut bytes = hello;
            bytes[5 + 38] ^= 0xff;
            bytes
        }),
    ] {
        let mut client = RawClient::connect(gate.second_address());
        client.send(&bytes);
        client.finish_sending();
        client.drain();
        let served = TlsClient::trusting(&authority)
            .connect(gate.second_address())
            .get("/open/a", "");
        assert_eq!(served.status(), 200, "after {case}");
    }
    assert!(!gate.output().contains("panic"));
}

#[test]
fn a_hello_may_come_byte_by_byte() {
    let (gate, _backend, authority) = serving();
    let mut session = TlsClient::trusting(&authority).session();
    let mut hello = Vec::new();
    session.write_tls(&mut hello).unwrap();
    let mut client = RawClient::connect(gate.second_address());
    for byte in hello {
        client.send([byte]);
    }
    let mut client = client.secure(session).expect("a handshake");
    assert_eq!(client.get("/open/a", "").status(), 200);
}

#[test]
fn a_handshake_has_as_long_as_a_head() {
    let (gate, _backend, authority) = serving();
    let mut hello = Vec::new();
    let mut session = TlsClient::trusting(&authority).session();
    session.write_tls(&mut hello).unwrap();
    for (case, bytes, counted) in [
        ("nothing", &[][..], 0.0),
        ("the beginning of a hello", &hello[..20], 1.0),
        ("a hello and nothing more", &hello, 2.0),
    ] {
        let mut client = RawClient::connect(gate.second_address());
        client.send(bytes);
        // The gate ends it; a test that waits in vain fails by its own patience.
        client
            .rest()
            .map(drop)
            .or_else(|error| {
                let reset = error.kind() == std::io::ErrorKind::ConnectionReset;
                if reset { Ok(()) } else { Err(error) }
            })
            .expect(case);
        gate.wait_for_metric(
            "imgate_tls_handshake_failures_total",
            &[("reason", "timeout")],
            |count| (count - counted).abs() < 0.1,
        );
    }
    // Slowly, but never silent: one deadline for all of it.
    let mut client = RawClient::connect(gate.second_address());
    let mut sent = 0;
    while sent < 600 && client.try_send([hello[sent % hello.len()]]).is_ok() {
        crate::support::wait::pause(std::time::Duration::from_millis(100));
        sent += 1;
    }
    assert!(sent < 100, "cut after two seconds, not after {sent} bytes");
    // After the handshake it is the head that is waited for, and its end is told properly.
    let mut client = TlsClient::trusting(&authority).connect(gate.second_address());
    assert_eq!(client.rest().expect("a `close_notify`"), b"");
}

#[test]
fn a_client_that_does_not_trust_the_certificate_is_counted() {
    let (gate, _backend, _authority) = serving();
    let stranger = TlsClient::trusting(&Authority::new());
    stranger
        .try_connect(gate.second_address())
        .expect_err("an unknown issuer");
    gate.wait_for_metric(
        "imgate_tls_handshake_failures_total",
        &[("reason", "alert")],
        |count| count > 0.5,
    );
}

//! Where the gate listens (A38), and who may give it orders (A39).

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use super::arena::Arena;
use crate::support::raw::{RawClient, request};
use crate::support::recorder::Exchange;
use crate::support::{Gate, Recorder, eventually, net, operator};

const POLICY: &str = "
authenticators:
  keys: { from: [{ header: Authorization, prefix: Bearer }], app_key: { keys: [{ id: a, secret: { value: key-of-a-partner } }] } }
routes:
  - { name: api, match: { path: /api/** }, require: { any_of: [keys] }, upstream: im }
  - { name: open, match: { path: /open/** }, require: public, upstream: im }
";

/// Every address at which a process listens, as the kernel has it.
fn listening(pid: u32) -> BTreeSet<SocketAddr> {
    const LISTEN: &str = "0A";
    let own: BTreeSet<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| {
            let link = link.to_str()?.to_owned();
            Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        })
        .collect();
    let mut addresses = BTreeSet::new();
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/net/{table}")) else {
            continue;
        };
        for line in text.lines().skip(1) {
            let fields: Vec<_> = line.split_whitespace().collect();
            // A socket for datagrams hears whatever it is bound for.
            let hears = fields[3] == LISTEN || table.starts_with("udp");
            if !hears || !own.contains(fields[9]) {
                continue;
            }
            let (host, port) = fields[1].split_once(':').unwrap();
            let port = u16::from_str_radix(port, 16).unwrap();
            let host = u32::from_str_radix(host, 16)
                .unwrap_or_else(|_| panic!("the gate listens beyond IPv4: {line}"));
            addresses.insert(SocketAddr::from((Ipv4Addr::from(host.to_ne_bytes()), port)));
        }
    }
    addresses
}

/// Of a sidecar nobody expects a port that is not in its configuration.
#[test]
fn the_gate_does_not_listen_anywhere_else() {
    let backend = Recorder::ok();
    let gate = operator::obeyed_by(Gate::with(POLICY))
        .upstream("im", backend.address())
        .second_listener("trusted_proxies: [192.0.2.1]")
        .start();
    // Under load there would be sockets of other kinds.
    assert_eq!(gate.get("/open/x", "").status(), 200);
    let metrics = gate.admin_client().peer_address();
    let expected = BTreeSet::from([
        gate.address(),
        gate.second_address(),
        gate.admin_address(),
        metrics,
    ]);
    assert_eq!(listening(gate.pid()), expected);
}

/// A sidecar guards what comes through it. Whoever can reach the backend's own port needs no
/// credential, so the gate says that this port is open, and takes no traffic where it was told to.
#[test]
fn a_backend_that_can_be_reached_past_the_gate_does_not_go_unnoticed() {
    let everywhere = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a free port");
    let port = everywhere.local_addr().unwrap().port();
    let backend = Recorder::on(everywhere, Exchange::ok);
    let mut gate = Gate::with(POLICY)
        .upstream("im", SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .arguments(&["--require-loopback"])
        .start_without_waiting();
    gate.wait_until_it_answers();
    // Past the gate, at an address that the gate does not use: the backend answers anybody.
    let past = SocketAddr::new(net::loopback(), port);
    assert_eq!(gate.get("/api/x", "").status(), 401);
    assert_eq!(backend.requests().len(), 0);
    let passed = RawClient::connect(past).get("/api/x", "X-Auth-Subject: admin\r\n");
    assert_eq!(passed.status(), 200);

    gate.wait_for_metric("imgate_backend_exposed", &[("upstream", "im")], |value| {
        value > 0.5
    });
    assert_eq!(gate.admin("/readyz").status(), 503);
    let report = gate.admin("/readyz?verbose").text();
    assert!(report.contains("gets past the gate"), "{report}");
    eventually("the log says so", || {
        let lines = gate.lines("WARN").into_iter();
        let mut about = lines.filter(|line| line["upstream"] == "im");
        about.next()
    });
}

/// Nothing that was sent may have begun a drain, or ended anything.
#[track_caller]
fn assert_still_serving(gate: &Gate) {
    assert_eq!(gate.admin("/readyz").status(), 200);
    let status = operator::order(gate, "GET", "/status", None);
    assert_eq!(status["stage"], "serving");
    assert_eq!(gate.get("/open/x", "").status(), 200);
}

/// CVE-2024-40632: whoever was in the pod could end the sidecar by its metrics port.
#[test]
fn the_metrics_listener_takes_no_orders() {
    let backend = Recorder::ok();
    let gate = operator::obeyed_by(Gate::with(POLICY))
        .upstream("im", backend.address())
        .start();
    let with_token = "Authorization: Bearer canary-admin-token\r\n";
    #[rustfmt::skip]
    let paths = [
        "/", "/drain", "/shutdown", "/quit", "/quitquitquit", "/stop", "/exit", "/reload", "/-/reload", "/-/quit", "/status", "/sessions", "/revocations",
        "/config", "/config_dump", "/env", "/debug", "/debug/pprof/", "/debug/vars", "/logging", "/open/x", "/api/x", "/metrics/", "/metrics/drain",
        "/metrics/../drain", "/metrics/..%2fdrain", "/metrics/%2e%2e/drain", "/metrics;/drain", "/metrics%00", "/metrics%2f", "//metrics", "//drain", "/./drain",
        "/METRICS", "/Metrics", "/metric", "/metricsx", "/livez/", "/livezx", "/readyz/", "/readyz/x", "/readyz%3Fverbose", "/readyz;verbose", "/m%65trics",
        "*", "http://127.0.0.1/drain", "http://evil.example/drain", "//evil.example/drain",
    ];
    for path in paths {
        for method in [
            "GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "DRAIN",
        ] {
            let mut client = gate.admin_client();
            client.send(format!(
                "{method} {path} HTTP/1.1\r\nHost: x\r\n{with_token}Connection: close\r\nContent-Length: 0\r\n\r\n"
            ));
            // What is no HTTP may be answered with the end of the connection.
            if let Ok(answer) = client.try_answer() {
                let status = answer.status();
                assert!(
                    (400..=505).contains(&status) && status != 500,
                    "{method} {path}: {status}"
                );
                assert!(
                    !answer.text().contains("imgate_"),
                    "{method} {path}: {}",
                    answer.text()
                );
            }
        }
    }
    for path in ["/metrics", "/livez", "/readyz", "/readyz?verbose"] {
        for method in [
            "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get", "GETX", "CONNECT",
        ] {
            let mut client = gate.admin_client();
            client.send(format!(
                "{method} {path} HTTP/1.1\r\nHost: x\r\n{with_token}Connection: close\r\nContent-Length: 0\r\n\r\n"
            ));
            if let Ok(answer) = client.try_answer() {
                let status = answer.status();
                assert!(
                    [400, 405, 501].contains(&status),
                    "{method} {path}: {status}"
                );
            }
        }
    }
    assert_still_serving(&gate);
}

#[test]
fn what_stands_behind_a_question_for_metrics_is_no_order() {
    let backend = Recorder::ok();
    let gate = operator::obeyed_by(Gate::with(POLICY))
        .upstream("im", backend.address())
        .start();
    let order = format!(
        "POST /drain HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer canary-admin-token\r\nContent-Length: 0\r\n\r\n",
        gate.admin_address()
    );
    for head in [
        "GET /livez HTTP/1.1\r\nHost: x\r\n".to_owned(),
        format!("GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n", order.len()),
        "POST /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n".to_owned(),
        "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n".to_owned(),
        "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n".to_owned(),
        format!("CONNECT {} HTTP/1.1\r\nHost: x\r\n", gate.admin_address()),
        "GET /livez HTTP/1.1\r\nHost: x\r\nX-HTTP-Method-Override: POST\r\nX-Original-URL: /drain\r\nX-Rewrite-URL: /drain\r\n".to_owned(),
    ] {
        let mut client = gate.admin_client();
        let _ = client.try_send(format!("{head}\r\n{order}"));
        client.finish_sending();
        while let Ok(answer) = client.try_answer() {
            assert!(![101, 202].contains(&answer.status()), "{head}");
        }
        client.drain();
    }
    assert_still_serving(&gate);
}

#[test]
fn the_admin_listener_does_not_take_an_order_in_disguise() {
    let backend = Recorder::ok();
    let gate = operator::obeyed_by(Gate::with(POLICY))
        .upstream("im", backend.address())
        .start();
    let address = gate.admin_address();
    let (ip, port) = (address.ip(), address.port());
    let token = "Authorization: Bearer canary-admin-token\r\n";
    let own = format!("Host: {address}\r\n");
    #[rustfmt::skip]
    let cases = [
        ("a method in a header", format!("GET /drain HTTP/1.1\r\n{own}{token}X-HTTP-Method-Override: POST\r\nX-HTTP-Method: POST\r\n\r\n")),
        ("a method in the query", format!("GET /drain?_method=POST HTTP/1.1\r\n{own}{token}\r\n")),
        ("a path in a header", format!("POST /status HTTP/1.1\r\n{own}{token}X-Original-URL: /drain\r\nX-Rewrite-URL: /drain\r\n\r\n")),
        ("the token in the query", format!("POST /drain?token=canary-admin-token HTTP/1.1\r\n{own}\r\n")),
        ("the token in the query, by its other name", format!("POST /drain?access_token=canary-admin-token HTTP/1.1\r\n{own}\r\n")),
        ("the token in the body", format!("POST /drain HTTP/1.1\r\n{own}Content-Type: application/json\r\nContent-Length: 30\r\n\r\n{{\"token\":\"canary-admin-token\"}}")),
        ("the token as a password", format!("POST /drain HTTP/1.1\r\n{own}Authorization: Basic YWRtaW46Y2FuYXJ5LWFkbWluLXRva2Vu\r\n\r\n")),
        ("the token with a key of a partner", format!("POST /drain HTTP/1.1\r\n{own}{token}Authorization: Bearer key-of-a-partner\r\n\r\n")),
        ("a key of a partner", format!("POST /drain HTTP/1.1\r\n{own}Authorization: Bearer key-of-a-partner\r\n\r\n")),
        ("a doubled prefix", format!("POST /drain HTTP/1.1\r\n{own}Authorization: Bearer Bearer canary-admin-token\r\n\r\n")),
        ("a nominated token", format!("POST /drain HTTP/1.1\r\n{own}Connection: Authorization\r\n{token}X-Nothing: 1\r\nOrigin: x\r\n\r\n")),
        ("an origin in capitals", format!("POST /drain HTTP/1.1\r\n{own}{token}ORIGIN: https://evil.example\r\n\r\n")),
        ("a name that ends like ours", format!("POST /drain HTTP/1.1\r\nHost: evil-localhost:{port}\r\n{token}\r\n")),
        ("a name below ours", format!("POST /drain HTTP/1.1\r\nHost: localhost.evil.example:{port}\r\n{token}\r\n")),
        ("a name of a number", format!("POST /drain HTTP/1.1\r\nHost: {}:{port}\r\n{token}\r\n", u32::from(match ip {std::net::IpAddr::V4(ip) => ip, std::net::IpAddr::V6(_) => panic!("IPv4"), }) )),
        ("a user before the name", format!("POST /drain HTTP/1.1\r\nHost: {address}@evil.example\r\n{token}\r\n")),
        ("another host behind ours", format!("POST /drain HTTP/1.1\r\nHost: {address}, evil.example\r\n{token}\r\n")),
        ("a forwarded host", format!("POST /drain HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: {address}\r\n{token}\r\n")),
        ("an absolute target", format!("POST http://{address}/drain HTTP/1.1\r\nHost: evil.example\r\n{token}\r\n")),
        ("no host in HTTP/1.0", format!("POST /drain HTTP/1.0\r\n{token}\r\n")),
        ("a handshake", format!("GET /drain HTTP/1.1\r\n{own}{token}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")),
        ("the header of a proxy", format!("PROXY TCP4 127.0.0.1 127.0.0.1 1 {port}\r\nPOST /drain HTTP/1.1\r\n{own}{token}\r\n")),
        ("everybody's sessions", format!("DELETE /sessions HTTP/1.1\r\n{own}{token}\r\n")),
        ("everybody's sessions, of nobody", format!("DELETE /sessions?user HTTP/1.1\r\n{own}{token}\r\n")),
        ("one of several users", format!("DELETE /sessions?user=7&user=8 HTTP/1.1\r\n{own}{token}\r\n")),
    ];
    for (case, bytes) in cases {
        let mut client = RawClient::connect(address);
        client.send(bytes);
        let answer = client.answer();
        assert!(
            (400..500).contains(&answer.status()),
            "{case}: {}",
            answer.status()
        );
        assert!(
            !answer.text().contains("canary"),
            "{case}: {}",
            answer.text()
        );
        client.expect_closed();
    }
    assert_still_serving(&gate);
}

/// The public listener knows of no order, whatever comes with it.
#[test]
fn an_order_on_the_public_listener_is_a_request_like_any_other() {
    let arena = Arena::of(
        "
routes:
  - { name: all, match: { path: /** }, require: public, upstream: im }
",
        operator::obeyed_by,
    );
    let gate = arena.gate();
    let token = "Authorization: Bearer canary-admin-token\r\n";
    for path in [
        "/drain",
        "/status",
        "/sessions",
        "/revocations",
        "/metrics",
        "/livez",
        "/readyz",
    ] {
        let host = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\n{token}Content-Length: 0\r\n\r\n",
            gate.admin_address()
        );
        let answer = gate.send(host);
        // It went to the backend, which says what it saw.
        assert_eq!(answer.text(), format!("POST {path}"));
        let arrived = arena.expect_arrived(&[&format!("POST {path}")]);
        assert_eq!(arrived.len(), 1);
        let answer = gate.send(request("GET", path, token));
        assert_eq!(answer.text(), format!("GET {path}"));
        arena.expect_arrived(&[&format!("GET {path}")]);
    }
    assert_eq!(gate.admin("/readyz").status(), 200);
    let status = operator::order(gate, "GET", "/status", None);
    assert_eq!(status["stage"], "serving");
}

/// A peer that says nothing holds a connection, and no more than that; the platform is still answered.
#[test]
fn many_silent_connections_do_not_keep_the_platform_from_its_answers() {
    let backend = Recorder::ok();
    let gate = operator::obeyed_by(Gate::with(POLICY))
        .upstream("im", backend.address())
        .start();
    let silent: Vec<_> = (0..300)
        .map(|number| {
            let mut client = if number % 2 == 0 {
                gate.admin_client()
            } else {
                RawClient::connect(gate.admin_address())
            };
            client.send(if number % 3 == 0 { "GET /li" } else { "G" });
            client
        })
        .collect();
    assert_eq!(gate.admin("/livez").status(), 200);
    assert_still_serving(&gate);
    // The admin listener lets none of them stay.
    for mut client in silent.into_iter().skip(1).step_by(2) {
        eventually("it is told to go", || {
            client
                .try_answer()
                .ok()
                .map(|answer| assert_eq!(answer.status(), 408))
        });
    }
}

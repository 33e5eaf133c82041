//! Good conversations, spoiled at random, one after the other, each on a connection of its own.
//!
//! None of them may make the gate panic, answer with an error of its own making, or keep memory; and
//! whoever comes afterwards is served. `IMGATE_TEST_MUTANTS` says how many there are of each kind.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use jsonwebtoken::{Algorithm, EncodingKey};

use super::super::support::frames::Frame;
use super::super::support::gate::{Builder, handshake};
use super::super::support::mint::{SA_TOKEN_SECRET, bearer_subprotocol, claims, jwt, sa_token};
use super::super::support::raw::{post, post_chunked, request};
use super::super::support::wait::patience;
use super::super::support::ws_backend::WsBackend;
use super::super::support::{Gate, Recorder};
use crate::mutator::Mutator;

const POLICY: &str = "
limits: { head_timeout: 5s }
authenticators:
  keys: { from: [{ header: X-App-Key }], app_key: { keys: [{ id: a, secret: { value: keyAbcd123 } }] } }
  im-token:
    from: [{ header: token, prefix: Bearer }, { query: token }, { subprotocol: imgate.bearer. }, { cookie: im, origins: [https://chat.example.com] }]
    sa_token:
      secret: { value: \"$SECRET\" }
      user_types: [im_user]
      sessions: { none: { max_age: 12h } }
  member:
    from: [{ header: Authorization, prefix: Bearer }]
    jwt: { keys: [{ kid: h, algorithm: HS256, secret: { value: \"$SECRET\" } }], issuer: any, audience: any }
  easemob:
    from: [{ header: E-Token }]
    easemob_dynamic: { apps: [{ app_key: org#app, client_id: YXA6id, client_secret: { value: YXA6secret } }], ttls: [600] }
  issued:
    from: [{ header: Authorization, prefix: Bearer }]
    easemob_token: { principal: user, learn: { route: login } }
  zego:
    from: [{ header: Z-Token }]
    zego_token04: { app_id: 1234567890, server_secret: { value: fa94dd0f974cf2e293728a526b028271 } }
  imkit: { from: [{ header: IM-CLIENT-KEY }], imkit_client_key: { apps: [{ id: shop, client_key: { value: shop-key } }] } }
routes:
  - { match: { path: /open/** }, require: public, upstream: im }
  - { match: { path: /openapi/** }, require: { any_of: [keys] }, upstream: im }
  - { match: { path: /api/** }, require: { any_of: [member] }, upstream: im }
  - { match: { path: /both/** }, require: { all_of: [keys, member] }, upstream: im }
  - { match: { path: /sa/** }, require: { any_of: [im-token] }, upstream: im }
  - { match: { path: /zego/** }, require: { any_of: [zego] }, upstream: im }
  - { match: { path: /imkit/** }, require: { any_of: [imkit] }, upstream: im }
  - { match: { path: \"/{org}/{app}/users/**\" }, require: { any_of: [easemob, issued] }, upstream: im }
  - { name: login, match: { path: \"/{org}/{app}/token\", methods: [POST] }, require: public, upstream: im }
  - { match: { path: /limited }, require: public, limit: { requests: 1000000, per: 1s, by: json./client_id }, upstream: im }
  - name: ws
    match: { path: /ws }
    websocket: true
    require: { any_of: [im-token], device_type: { from: [{ header: deviceType }, { query: deviceType }], one_of: [web] } }
    session: { renew: { message: { pointer: /token } }, idle_timeout: 5s }
    upstream: ws
  - name: first
    match: { path: /first }
    websocket: true
    require: { first_message: { json: { pointer: /token, any_of: [im-token] }, deadline: 5s } }
    upstream: ws
cors: { origins: [https://chat.example.com], headers: [token], max_age: 10m }
";

fn builder(backend: SocketAddr, sockets: SocketAddr) -> Builder {
    Gate::with(&POLICY.replace("$SECRET", SA_TOKEN_SECRET))
        .upstream("im", backend)
        .upstream("ws", sockets)
        // So many lines would only be read by this test's memory.
        .environment("IMGATE_LOG", "error")
}

fn member() -> String {
    let key = EncodingKey::from_secret(SA_TOKEN_SECRET.as_bytes());
    let token = jwt("h", Algorithm::HS256, &key, &claims("7", 6_000));
    format!("Authorization: Bearer {token}\r\n")
}

const KEY: &str = "X-App-Key: keyAbcd123\r\n";

/// Requests that are served, with every kind of credential, framing and place.
fn requests() -> Vec<Vec<u8>> {
    let token = sa_token("im_user:7");
    let member = member();
    let get = |target: &str, headers: &str| request("GET", target, headers).into_bytes();
    let json = "Content-Type: application/json\r\n";
    vec![
        get("/open/a-b_c~d/%E4%BD%A0?q=%2F..%2F&x=1;2", ""),
        get("/openapi/x", KEY),
        get("/api/x", &member),
        get("/both/x", &format!("{KEY}{member}")),
        get("/sa/x", &format!("token: {token}\r\n")),
        get(&format!("/sa/x?token={token}&a=b"), ""),
        get(
            "/sa/x",
            &format!("Origin: https://chat.example.com\r\nCookie: a=b; im={token}; c=d\r\n"),
        ),
        get("/zego/x", "Z-Token: 04AAAAAGhN3dsAEGzKxCqC1ZEfT\r\n"),
        get("/imkit/x", "IM-CLIENT-KEY: shop-key\r\nX-Forwarded-For: 1.2.3.4, [2001:db8::1]:80\r\n"),
        get("/org/app/users/x", "E-Token: dt-eyJhcHBLZXkiOiJvcmcjYXBwIn0=\r\n"),
        get("/org/app/users/x", "Authorization: Bearer YWMtWY779DgJEeS2h9OR7fw4QgAAAUmO4Qukwd9cfJSpkWHiOa7MCSk0MrkVIco\r\n"),
        post("/open/x", "", b"twelve bytes"),
        post_chunked("/open/x", "", b"a body in several chunks", 5),
        post("/limited", json, br#"{"client_id":"a","grant_type":"password"}"#),
        post("/org/app/token", json, br#"{"grant_type":"client_credentials"}"#),
        request(
            "OPTIONS",
            "/api/x",
            "Origin: https://chat.example.com\r\nAccess-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: token\r\n",
        )
        .into_bytes(),
        [get("/openapi/1", KEY), post("/openapi/2", KEY, b"x"), get("/openapi/3", KEY)].concat(),
        post("/openapi/x", &format!("{KEY}Expect: 100-continue\r\n"), b"x"),
    ]
}

/// What a WebSocket client sends from its handshake on.
fn sockets() -> Vec<Vec<u8>> {
    let token = sa_token("im_user:7");
    let opened = |target: &str, headers: &str, frames: &[Frame]| {
        let mut bytes = handshake(target, headers).into_bytes();
        bytes.extend(frames.iter().flat_map(Frame::masked));
        bytes
    };
    let as_web = format!("token: {token}\r\ndeviceType: web\r\n");
    let hello = || Frame::new(1, "hello");
    let prolong = || Frame::new(1, format!(r#"{{"token":"{token}"}}"#));
    vec![
        opened(
            "/ws",
            &as_web,
            &[hello(), Frame::new(9, "ping"), Frame::close(1000)],
        ),
        opened(
            &format!("/ws?token={token}&deviceType=web"),
            "",
            &[hello(), prolong(), hello()],
        ),
        opened(
            "/ws?deviceType=web",
            &format!(
                "Sec-WebSocket-Protocol: {}, chat\r\n",
                bearer_subprotocol(&token)
            ),
            &[
                Frame::part(1, "in "),
                Frame::new(9, ""),
                Frame::new(0, "parts"),
            ],
        ),
        opened(
            "/ws",
            &as_web,
            &[Frame::new(2, vec![7; 300]), Frame::new(2, vec![8; 70_000])],
        ),
        opened("/first", "", &[prolong(), hello(), Frame::close(1000)]),
        opened("/first", "", &[Frame::part(1, "{"), Frame::new(0, "}")]),
    ]
}

fn count() -> usize {
    let asked = std::env::var("IMGATE_TEST_MUTANTS").ok();
    asked.map_or(10_000, |count| count.parse().expect("a number"))
}

/// Sends spoiled conversations, and what comes back to none is an error of the gate's.
#[track_caller]
fn send_mutants(gate: &Gate, kind: &str, seeds: &[Vec<u8>], honest: impl Fn()) {
    const SENDERS: usize = 4;
    let (count, address) = (count(), gate.address());
    let answered = AtomicUsize::new(0);
    let send = |number: u64, count: usize| {
        let mut mutator = Mutator::new(number);
        for _ in 0..count {
            let mutant = mutator.spoil(seeds);
            let heard = converse(address, &mutant);
            answered.fetch_add(usize::from(!heard.is_empty()), Ordering::Relaxed);
            let told = String::from_utf8_lossy(&heard);
            // 505 is right for another version of HTTP.
            let errors = told.split("HTTP/1.1 5").skip(1);
            let own = errors.filter(|rest| !rest.starts_with("05 ")).count();
            assert_eq!(own, 0, "{kind}:\n{}\n\n{told}", mutant.escape_ascii());
        }
    };
    let all = |count: usize, first: u64| {
        thread::scope(|scope| {
            for number in 0..SENDERS as u64 {
                let send = &send;
                scope.spawn(move || send(first + number, count / SENDERS));
            }
        });
    };
    all(count / 5, 1);
    let before = gate.resident_memory_kib();
    all(count - count / 5, 101);
    let growth = gate.resident_memory_kib().saturating_sub(before);
    honest();
    let answered = answered.into_inner();
    println!("{kind}: {count} mutants, {answered} answered, {growth} KiB more");
    assert!(answered > count / 2, "{answered} of {count} heard anything");
    // 1 KiB for each of 100 000 would be far beyond it.
    assert!(growth < 24 * 1024, "{kind}: {growth} KiB more");
    let output = gate.output();
    assert!(!output.contains("panicked"), "{output}");
    let open = gate.metrics().value("imgate_connections_active", &[]);
    assert!(open <= 4.0, "{open} connections are still there");
}

/// Sends these bytes and the end, and listens until the gate ends as well.
#[track_caller]
fn converse(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(patience())).unwrap();
    // The gate may have ended before it was told everything.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut heard = Vec::new();
    if let Err(error) = stream.read_to_end(&mut heard) {
        let is_open = error.kind() == ErrorKind::WouldBlock;
        assert!(!is_open, "still open after {}", bytes.escape_ascii());
    }
    heard
}

#[test]
fn no_spoiled_request_is_the_gates_own_error() {
    let (backend, sockets) = (Recorder::ok(), WsBackend::echo());
    let gate = builder(backend.address(), sockets.address()).start();
    send_mutants(&gate, "requests", &requests(), || {
        assert_eq!(gate.get("/openapi/x", KEY).status(), 200);
    });
}

#[test]
fn no_spoiled_socket_is_the_gates_own_error() {
    let (backend, echo) = (Recorder::ok(), WsBackend::echo());
    let gate = builder(backend.address(), echo.address()).start();
    send_mutants(&gate, "sockets", &sockets(), || {
        assert_eq!(gate.get("/openapi/x", KEY).status(), 200);
    });
    gate.wait_for_metric(
        "imgate_sessions_open",
        &[("route", "ws"), ("device_type", "web")],
        |open| open == 0.0,
    );
    gate.wait_for_metric("imgate_unauthenticated_sockets", &[], |open| open == 0.0);
}

#[test]
fn no_spoiled_header_of_a_load_balancer_is_the_gates_own_error() {
    const HEADER: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x13\xcb\0\x71\x09\xc0\0\x02\x01\xc3\x50\x25\xd8\x20\0\x04\x01\x02\x03\x04";
    let (backend, echo) = (Recorder::ok(), WsBackend::echo());
    let gate = builder(backend.address(), echo.address())
        .listener("proxy_protocol: v2, trusted_proxies: [127.0.0.0/8]")
        .start();
    let request = request("GET", "/openapi/x", KEY).into_bytes();
    let good = [HEADER, &request].concat();
    let health = [b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", &*request].concat();
    send_mutants(&gate, "prefaces", &[good.clone(), health], || {
        let heard = converse(gate.address(), &good);
        assert!(heard.starts_with(b"HTTP/1.1 200 "));
    });
}

//! Whatever is logged, a credential is not in it: every carrier through every outcome, with every line
//! that any library has to say.
//!
//! All secrets have one word in common, and nothing else has it.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::json;

use super::support::frames::{self, Frame};
use super::support::gate::{binary, handshake};
use super::support::idp::{Idp, Mood, good};
use super::support::mint::{bearer_subprotocol, sa_token_signed};
use super::support::raw::{post, post_chunked, request};
use super::support::redis::Redis;
use super::support::tls::{Authority, TlsClient};
use super::support::ws_backend::WsBackend;
use super::support::{Gate, RawClient, Recorder, eventually, net};

const WORD: &str = "canary";
const GOOD: &str = "canary-good-token";
const SECRET: &str = "canary, the secret of the tests that sign";

const POLICY: &str = "
authenticators:
  keys: { from: [{ header: X-App-Key }], app_key: { keys: [{ id: demo, secret: { file: keys/app } }] } }
  opaque:
    from:
      - { header: Authorization, prefix: Bearer }
      - { query: token }
      - { cookie: im, origins: [\"https://chat.example.com\"] }
      - { subprotocol: imgate.bearer. }
    introspection: { url: \"http://$IDP/introspect\", client_id: imgate, client_secret: { file: keys/idp }, timeout: 500ms, max_stale: 1s }
  sa:
    from: [{ header: token }, { query: sa }]
    sa_token:
      secret: { file: keys/sign }
      user_types: [im_user]
      sessions: { redis: { address: \"$REDIS\", key: \"login:{token}\" }, max_stale: 1s, on_outage: deny }
  member:
    from: [{ header: X-Jwt }]
    jwt: { keys: [{ kid: k, algorithm: HS256, secret: { file: keys/sign } }], issuer: any, audience: any }
identity: { sign: { secret: { file: keys/sign } } }
routes:
  - { name: keys, match: { path: /keys/** }, require: { any_of: [keys] }, set_headers: { X-Backend: { file: keys/backend } }, upstream: im }
  - { name: ok, match: { path: /ok/** }, require: { any_of: [opaque] }, credential: { form: bearer, as: { header: Authorization } }, max_request: 2KiB, upstream: im }
  - { name: sa, match: { path: /sa/** }, require: { any_of: [sa] }, upstream: im }
  - { name: jwt, match: { path: /jwt/** }, require: { any_of: [member] }, upstream: im }
  - { name: dead, match: { path: /dead/** }, require: { any_of: [opaque] }, credential: { form: keep, as: { header: X-Token } }, upstream: dead }
  - { name: broken, match: { path: /broken/** }, require: { any_of: [opaque] }, credential: { form: keep, as: { header: X-Token } }, upstream: broken }
  - { name: public, match: { path: /public/** }, require: public, upstream: im }
  - { name: login, match: { path: /login }, require: public, limit: { requests: 2, per: 1h, by: json./client_id }, upstream: im }
  - { name: ws, match: { path: /ws }, websocket: true, require: { any_of: [opaque] }, credential: { form: bearer, as: { header: Authorization } }, session: { max_message: 1KiB, renew: { message: { pointer: /data/token } } }, upstream: ws }
  - { name: late, match: { path: /late }, websocket: true, require: { first_message: { json: { pointer: /data/token, any_of: [opaque] }, deadline: 2s } }, upstream: ws }
";

struct Scene {
    gate: Gate,
    idp: Idp,
    redis: Redis,
    sockets: WsBackend,
    _backend: Recorder,
    _broken: Recorder,
    authority: Authority,
    /// A token whose store is asked.
    signed: String,
}

fn scene() -> Scene {
    let idp = Idp::in_mood(Mood::Knows(vec![good(GOOD, "7")]));
    let redis = Redis::start();
    let authority = Authority::new();
    let server = authority.server();
    let backend = Recorder::ok();
    let sockets = WsBackend::echo();
    // Says back what it was told, as no answer.
    let broken = Recorder::serving(|exchange| {
        let head = exchange.head.text.clone();
        exchange.send(format!("HTTP/1.1 2x0 {head}\r\nX: \u{1}canary\r\n\r\n"));
        exchange.close();
    });
    let policy = POLICY
        .replace("$IDP", &idp.address().to_string())
        .replace("$REDIS", &redis.address().to_string());
    let gate = Gate::with(&policy)
        .second_listener("tls: { certificate: { file: tls.crt }, private_key: { file: tls.key } }")
        .file("tls.crt", &server.certificate)
        .file("tls.key", &server.key)
        .file("keys/app", "canary-app-key")
        .file("keys/idp", "canary-client-secret")
        .file("keys/backend", "canary-backend-key")
        .file("keys/sign", SECRET)
        .file("keys/admin", "canary-admin-token")
        .admin("address: \"$ADDRESS\", token: { file: keys/admin }")
        .upstream("im", backend.address())
        .upstream("ws", sockets.address())
        .upstream("dead", net::free_address())
        .upstream("broken", broken.address())
        .environment("IMGATE_LOG", "trace")
        .environment("RUST_LOG", "trace")
        .start();
    Scene {
        gate,
        idp,
        redis,
        sockets,
        _backend: backend,
        _broken: broken,
        authority,
        signed: sa_token_signed("im_user:7", SECRET),
    }
}

/// A token in each place where one may be.
fn carriers(token: &str) -> Vec<(String, String)> {
    vec![
        (String::new(), format!("Authorization: Bearer {token}\r\n")),
        (String::new(), format!("Authorization: {token}\r\n")),
        (format!("?a=1&token={token}"), String::new()),
        (
            String::new(),
            format!("Origin: https://chat.example.com\r\nCookie: a=1; im={token}\r\n"),
        ),
        (
            String::new(),
            format!("Origin: https://evil.example.com\r\nCookie: im={token}\r\n"),
        ),
    ]
}

fn http(gate: &Gate) {
    let forged = "canary-forged-token";
    for token in [GOOD, forged, "canary with a blank", "canary%zz"] {
        for route in ["/ok/x", "/dead/x", "/broken/x", "/public/x", "/nowhere"] {
            for (query, headers) in carriers(&token.replace(' ', "%20")) {
                let mut client = gate.client();
                client.send(request("GET", &format!("{route}{query}"), &headers));
                client.drain_answer();
            }
        }
    }
    for key in ["canary-app-key", "canary-wrong"] {
        gate.get("/keys/x", &format!("X-App-Key: {key}\r\n"));
    }
    for headers in [
        "X-App-Key: canary-a\r\nX-App-Key: canary-b\r\n",
        "X-App-Key: canary-\u{1}-broken\r\n",
        "X-App-Key : canary-blank\r\n",
        "Authorization: Basic canary\r\n",
        "Proxy-Authorization: Basic canary\r\n",
        "Content-Length: canary\r\n",
        "X-Jwt: canary.canary.canary\r\n",
    ] {
        gate.client().try_get("/keys/x", headers);
        gate.client().try_get("/jwt/x", headers);
    }
    for bytes in [
        "GET /ok/x?token=canary HTTP/9.9\r\nHost: a\r\n\r\n",
        "GET /ok/x?token=canary\u{1} HTTP/1.1\r\nHost: a\r\n\r\n",
        "canary canary canary\r\n\r\n",
        "GET http://canary@im.example.com/ok/x?token=canary HTTP/1.1\r\nHost: im.example.com\r\n\r\n",
        "GET /ok/../x?token=canary HTTP/1.1\r\nHost: canary:canary\r\n\r\n",
    ] {
        let mut client = gate.client();
        let _ = client.try_send(bytes);
        client.drain_answer();
    }
    let json = "Content-Type: application/json\r\n";
    let body = br#"{"client_id":"canary-client","client_secret":"canary-secret"}"#;
    for _ in 0..3 {
        gate.send(post("/login", json, body));
    }
    gate.send(post("/login", json, b"{\"client_id\": canary"));
    let bearer = format!("Authorization: Bearer {GOOD}\r\n");
    gate.send(post("/ok/x", &bearer, WORD.as_bytes()));
    gate.send(post("/ok/x", &bearer, WORD.repeat(1000).as_bytes()));
    let mut client = gate.client();
    let _ = client.try_send(post_chunked(
        "/ok/x",
        &bearer,
        WORD.repeat(2000).as_bytes(),
        6,
    ));
    client.drain_answer();
    // A body that breaks off, and chunks that are none.
    let mut client = gate.client();
    let whole = post("/ok/x", &bearer, WORD.as_bytes());
    client.send(&whole[..whole.len() - 1]);
    drop(client);
    let chunked = request(
        "POST",
        "/ok/x",
        &format!("{bearer}Transfer-Encoding: chunked\r\n"),
    );
    let mut client = gate.client();
    client.send(format!("{chunked}canary\r\ncanary\r\n"));
    client.drain_answer();
}

fn sockets(scene: &Scene) {
    let gate = &scene.gate;
    let forged = "canary-forged-token";
    for token in [GOOD, forged] {
        let offers = [
            format!(
                "Sec-WebSocket-Protocol: chat, {}\r\n",
                bearer_subprotocol(token)
            ),
            format!("Sec-WebSocket-Protocol: {}\r\n", bearer_subprotocol(token)),
            format!("Authorization: Bearer {token}\r\n"),
        ];
        for headers in offers {
            gate.send(handshake("/ws", &headers));
        }
        gate.send(handshake(&format!("/ws?token={token}"), ""));
        // In the first message, and again in a later one.
        let login = format!(r#"{{"data":{{"token":"{token}"}}}}"#);
        let mut client = gate.client();
        client.send(handshake("/late", ""));
        assert_eq!(client.answer().status(), 101);
        client.send_frame(&Frame::new(frames::TEXT, login.clone()));
        let _ = client.try_frame();
        let mut client = gate.client();
        client.send(handshake(
            "/ws",
            &format!("Authorization: Bearer {GOOD}\r\n"),
        ));
        assert_eq!(client.answer().status(), 101);
        // A bad one ends the session before all of this is read.
        for text in [login, "canary in a message".to_owned(), WORD.repeat(1000)] {
            let _ = client.try_send(Frame::new(frames::TEXT, text).masked());
        }
        client.drain();
    }
    let mut client = gate.client();
    client.send(handshake("/late", ""));
    assert_eq!(client.answer().status(), 101);
    client.send_frame(&Frame::new(frames::TEXT, "canary, no JSON"));
    client.drain();
    eventually("the sockets have ended", || {
        (!scene.sockets.ends().is_empty()).then_some(())
    });
}

fn tls(scene: &Scene) {
    let address = scene.gate.second_address();
    let bearer = format!("Authorization: Bearer {GOOD}\r\n");
    let mut client = TlsClient::trusting(&scene.authority).connect(address);
    client.get("/ok/x?a=canary", &bearer);
    client.send("GET /ok/x?token=canary HTTP/9.9\r\n\r\n");
    client.drain();
    // In plain text, and as something that only begins like TLS.
    let mut client = RawClient::connect(address);
    client.send(request("GET", "/ok/x?token=canary", &bearer));
    client.drain();
    let mut client = RawClient::connect(address);
    client.send(b"\x16\x03\x01\x00\x20\x01\x00\x00\x1ccanary-canary-canary-canary-canary");
    client.drain();
}

fn outages(scene: &mut Scene) {
    let gate = &scene.gate;
    let ask = |token: &str| {
        gate.get("/ok/x", &format!("Authorization: Bearer {token}\r\n"));
        gate.get(&format!("/ok/x?token={token}"), "");
    };
    for (number, mood) in [
        Mood::Away,
        Mood::Silent,
        Mood::Says("canary, no answer\r\n\r\n".to_owned()),
        Mood::Says(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX: canary\r\nContent-Length: 8\r\n\r\n{canary}"
                .to_owned(),
        ),
        Mood::Says("HTTP/1.1 500 canary\r\nContent-Length: 6\r\n\r\ncanary".to_owned()),
    ]
    .into_iter()
    .enumerate()
    {
        scene.idp.is_now(mood);
        ask(&format!("canary-{number}"));
    }
    let token = scene.signed.clone();
    let sa = || {
        gate.get("/sa/x", &format!("token: {token}\r\n"));
        gate.get("/sa/x", "token: canary.canary.canary\r\n");
        gate.get(&format!("/sa/x?sa={token}"), "");
    };
    sa();
    scene.redis.stop();
    sa();
}

fn operator(gate: &Gate) {
    for (token, path, body) in [
        (
            "canary-admin-token",
            "/revocations",
            json!({ "token": GOOD }),
        ),
        ("canary-admin-token", "/revocations", json!({ "canary": 1 })),
        ("canary-wrong", "/revocations", json!({ "token": GOOD })),
    ] {
        let body = body.to_string();
        let mut client = RawClient::connect(gate.admin_address());
        client.send(format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            gate.admin_address(),
            body.len()
        ));
        client.drain();
    }
    // Nobody asks for it there, and some send it all the same.
    for path in ["/metrics", "/readyz?verbose&token=canary", "/canary"] {
        let mut client = gate.admin_client();
        client.send(request(
            "GET",
            path,
            "Authorization: Bearer canary\r\nConnection: close\r\n",
        ));
        client.drain();
    }
    // What cannot be read is shown by pingora at the level of an error.
    let mut client = gate.admin_client();
    client.send(
        "GET /metrics HTTP/1.1\r\nAuthorization: Bearer canary\r\ncanary\u{1}: canary\r\n\r\n",
    );
    client.drain();
    gate.reload("routes: [canary-in-yaml");
    gate.wait_for_metric("imgate_config_last_reload_successful", &[], |value| {
        value < 0.5
    });
}

/// The lines in which a secret stands, shortened to what is around it.
fn leaks(text: &str, needles: &[&str]) -> Vec<String> {
    let lines = text.lines().filter_map(|line| {
        let at = needles.iter().find_map(|needle| line.find(needle))?;
        let from = line.floor_char_boundary(at.saturating_sub(300));
        let to = line.floor_char_boundary((at + 200).min(line.len()));
        Some(line[from..to].to_owned())
    });
    lines.collect()
}

#[test]
fn no_credential_is_in_the_log_whatever_happens_and_whoever_logs() {
    let mut scene = scene();
    http(&scene.gate);
    sockets(&scene);
    tls(&scene);
    operator(&scene.gate);
    outages(&mut scene);
    let (_, signature) = scene.signed.rsplit_once('.').unwrap();
    let subprotocol = bearer_subprotocol(GOOD);
    let encoded = subprotocol.rsplit_once('.').unwrap().1;
    let needles = [WORD, &encoded[..16], signature];
    let log = scene.gate.output();
    assert!(log.contains("\"level\":\"TRACE\""), "everything is logged");
    let found = leaks(&log, &needles);
    assert!(found.is_empty(), "{} lines: {found:#?}", found.len());
    let metrics = scene.gate.metrics().text;
    let status = scene.gate.admin("/readyz?verbose").text();
    for (place, text) in [("metrics", metrics), ("status", status)] {
        assert_eq!(leaks(&text, &needles), [""; 0], "{place}");
    }
}

#[test]
fn no_command_prints_a_secret() {
    let directory = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    for (name, text) in [
        ("keys/app", "canary-app-key"),
        ("keys/idp", "canary-client-secret"),
        ("keys/backend", "canary-backend-key"),
        ("keys/sign", SECRET),
    ] {
        put(name, text);
    }
    let nowhere = net::free_address().to_string();
    let upstreams: String = ["im", "ws", "dead", "broken"]
        .map(|name| format!("  {name}: {{ address: \"{nowhere}\" }}\n"))
        .concat();
    let policy = POLICY.replace("$IDP", &nowhere).replace("$REDIS", &nowhere);
    put(
        "imgate.yaml",
        &format!("listeners: [{{ address: 127.0.0.1:9688 }}]\nupstreams:\n{upstreams}{policy}"),
    );
    let run = |arguments: &[&str], input: &str| {
        let mut child = Command::new(binary())
            .args(arguments)
            .current_dir(directory.path())
            .env("IMGATE_LOG", "trace")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed).into_owned();
        assert!(!printed.is_empty(), "{arguments:?}");
        assert_eq!(leaks(&printed, &[WORD]), [""; 0], "{arguments:?}");
    };
    run(&["check", "-c", "imgate.yaml"], "");
    run(&["check", "-c", "imgate.yaml", "--live"], "");
    let asked = [
        request("GET", "/keys/x", "X-App-Key: canary-app-key\r\n"),
        request("GET", "/keys/x", "X-App-Key: canary-wrong\r\n"),
        request("GET", "/ok/x?token=canary", "Cookie: a=canary\r\n"),
        request("GET", "/jwt/x", "X-Jwt: canary.canary.canary\r\n"),
        request("GET", "/sa/x?sa=canary", ""),
        handshake(
            "/ws",
            "Sec-WebSocket-Protocol: imgate.bearer.canary, chat\r\n",
        ),
    ];
    for bytes in &asked {
        run(&["explain", "-c", "imgate.yaml"], bytes);
    }
    run(&["explain", "-c", "imgate.yaml"], "canary");
    put(
        "values.yaml",
        "listeners: [{ address: \"canary\" }]\nupstreams: { im: { address: \"canary:canary\" } }\n\
         authenticators: { a: { from: [{ header: a }], app_key: { keys: [{ id: a, secret: { value: [canary] } }] } } }\n",
    );
    run(&["check", "-c", "values.yaml"], "");
}

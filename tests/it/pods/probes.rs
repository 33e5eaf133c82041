//! `/app-health/…`: applications at 127.0.0.1, asked as the kubelet would.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use super::super::support::process::Process;
use super::super::support::recorder::Exchange;
use super::super::support::tls::Authority;
use super::super::support::wire::Answer;
use super::super::support::{Gate, Recorder, eventually, net};
use super::{gate, listen};

const VARIABLE: &str = "IMGATE_APP_PROBES";

/// A gate that answers for a container `chat` with this liveness probe.
fn gate_with(probe: &Value) -> Gate {
    gate_with_all(&json!({ "chat": { "livenessProbe": probe } }))
}

pub(super) fn gate_with_all(probes: &Value) -> Gate {
    gate()
        .upstream("im", net::free_address())
        .environment(VARIABLE, &probes.to_string())
        .start()
}

fn app(script: impl Fn(&mut Exchange) + Send + Sync + 'static) -> Recorder {
    Recorder::on(listen(Ipv4Addr::LOCALHOST), script)
}

/// Answers each request with these bytes, and closes.
fn app_saying(bytes: &'static str) -> Recorder {
    app(move |exchange| {
        exchange.send(bytes);
        exchange.close();
    })
}

fn get(app: SocketAddr, path: &str) -> Value {
    json!({ "httpGet": { "path": path, "port": app.port() }, "timeoutSeconds": 20 })
}

fn liveness(gate: &Gate) -> Answer {
    gate.admin("/app-health/chat/livez")
}

#[test]
fn each_probe_has_its_path_and_its_own_answer() {
    let app = app(|exchange| {
        let answer = match exchange.head.target() {
            "/live" => "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ncanary",
            _ => {
                "HTTP/1.1 503 Service Unavailable\r\nX-Canary: canary\r\nContent-Length: 6\r\n\r\ncanary"
            }
        };
        exchange.send(answer);
    });
    let gate = gate_with_all(&json!({
        "chat": { "livenessProbe": get(app.address(), "/live"), "readinessProbe": get(app.address(), "/ready") },
        "push": { "startupProbe": { "tcpSocket": { "port": app.address().port() } } },
    }));
    for (path, expected) in [
        ("/app-health/chat/livez", 200),
        ("/app-health/chat/readyz", 503),
        ("/app-health/push/startupz", 200),
        ("/app-health/chat/startupz", 404),
        ("/app-health/push/livez", 404),
        ("/app-health/canary/livez", 404),
        ("/app-health/chat/", 404),
        ("/app-health", 404),
    ] {
        let answer = gate.admin(path);
        assert_eq!(answer.status(), expected, "{path}");
        // Nothing of the application's answer but what its status means.
        let text = answer.text();
        assert!(!text.contains("canary"), "{path}: {text}");
        assert_eq!(answer.header("x-canary"), None);
    }
    let text = gate.admin("/app-health/chat/readyz").text();
    assert!(text.contains("503"), "{text}");
    // The gate's own health is another matter.
    assert_eq!(gate.admin("/readyz").status(), 200);
    let said = |message: &str| {
        let lines = gate.lines("INFO").into_iter();
        lines.filter(|line| line["message"] == message).count()
    };
    eventually("each state is told of once", || {
        (said("the application is not well") == 1 && said("the application is well") == 2)
            .then_some(())
    });
}

#[test]
fn an_answer_counts_by_the_rules_of_the_kubelet() {
    for (case, answer, expected) in [
        ("200", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200),
        ("204", "HTTP/1.1 204 No Content\r\n\r\n", 200),
        (
            "to the end of the connection",
            "HTTP/1.1 200 OK\r\n\r\nwell",
            200,
        ),
        ("HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nwell", 200),
        ("304", "HTTP/1.1 304 Not Modified\r\n\r\n", 200),
        (
            "a redirect to nowhere in particular",
            "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
            200,
        ),
        (
            "a redirect to another host",
            "HTTP/1.1 302 Found\r\nLocation: https://im.example.com/login\r\nContent-Length: 0\r\n\r\n",
            200,
        ),
        (
            "an interim answer first",
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            200,
        ),
        (
            "400",
            "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
            503,
        ),
        (
            "401",
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
            503,
        ),
        (
            "500",
            "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
            503,
        ),
        (
            "a redirect to another protocol",
            "HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
            503,
        ),
        (
            "half of a body",
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
            503,
        ),
        ("no HTTP", "SSH-2.0-OpenSSH_9.2\r\n", 503),
        ("nothing", "", 503),
    ] {
        let app = app_saying(answer);
        let gate = gate_with(&get(app.address(), "/health"));
        assert_eq!(liveness(&gate).status(), expected, "{case}");
    }
}

#[test]
fn the_application_gets_the_request_that_was_written() {
    let app = app(Exchange::ok);
    let gate = gate_with(&json!({ "httpGet": {
        "path": "/health?deep=1", "port": app.address().port(), "scheme": "HTTP",
        "httpHeaders": [
            { "name": "Host", "value": "im.example.com" },
            { "name": "X-Probe", "value": "one" },
            { "name": "X-Probe", "value": "two" },
            { "name": "Content-Length", "value": "7" },
        ],
    }, "timeoutSeconds": 20 }));
    // Whatever whoever asks sends along stays here.
    let answer = gate.admin_client().get(
        "/app-health/chat/livez",
        "Cookie: canary\r\nX-Probe: canary\r\nUser-Agent: canary\r\nConnection: close\r\n",
    );
    assert_eq!(answer.status(), 200);
    let head = app.only().head;
    let all = |name: &str| head.all(name);
    assert_eq!((head.method(), head.target()), ("GET", "/health?deep=1"));
    assert_eq!(all("host"), ["im.example.com"]);
    assert_eq!(all("x-probe"), ["one", "two"]);
    assert_eq!(all("user-agent"), ["kube-probe/imgate"]);
    assert_eq!(all("accept"), ["*/*"]);
    assert_eq!(all("connection"), ["close"]);
    assert!(all("content-length").is_empty() && all("cookie").is_empty());
}

#[test]
fn a_host_that_nobody_names_is_the_address_that_is_asked() {
    let app = app(Exchange::ok);
    let gate =
        gate_with(&json!({ "httpGet": { "port": app.address().port() }, "timeoutSeconds": 20 }));
    assert_eq!(liveness(&gate).status(), 200);
    let head = app.only().head;
    assert_eq!(head.target(), "/");
    assert_eq!(head.all("host"), [app.address().to_string()]);
}

/// An application that redirects `/0` to `/1` and so on, until `/last`.
fn redirecting(last: usize) -> Recorder {
    app(move |exchange| {
        let step: usize = exchange.head.target()[1..].parse().expect("a step");
        if step >= last {
            return exchange.ok();
        }
        let next = step + 1;
        let status = [301, 302, 303, 307, 308][step % 5];
        exchange.send(format!(
            "HTTP/1.1 {status} Go\r\nLocation: /{next}\r\nContent-Length: 0\r\n\r\n"
        ));
    })
}

#[test]
fn redirects_on_the_host_are_followed_for_ten_requests() {
    for (redirects, expected) in [(0, 200), (1, 200), (9, 200), (10, 503), (1000, 503)] {
        let app = redirecting(redirects);
        let gate = gate_with(&get(app.address(), "/0"));
        assert_eq!(liveness(&gate).status(), expected, "{redirects} redirects");
        assert_eq!(
            app.requests().len(),
            (redirects + 1).min(10),
            "{redirects} redirects"
        );
    }
}

#[test]
fn a_redirect_to_another_host_is_not_followed() {
    let other = Recorder::ok();
    let location = format!("http://{}/x", other.address());
    let app = app(move |exchange| {
        exchange.send(format!(
            "HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
        ));
    });
    let gate = gate_with(&get(app.address(), "/"));
    assert_eq!(liveness(&gate).status(), 200);
    assert_eq!(other.connections(), 0);
}

#[test]
fn a_name_holds_for_redirects_that_name_none() {
    let app = app(|exchange| match exchange.head.target() {
        "/a" => exchange.send("HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"),
        "/b" => {
            let port = exchange.head.all("x-port").concat();
            exchange.send(format!("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{port}/c\r\nContent-Length: 0\r\n\r\n"));
        }
        _ => exchange.ok(),
    });
    let port = app.address().port();
    let headers = [
        ("Host", "im.example.com".to_owned()),
        ("X-Port", port.to_string()),
    ];
    let headers = headers.map(|(name, value)| json!({ "name": name, "value": value }));
    let gate = gate_with(&json!({
        "httpGet": { "path": "/a", "port": port, "httpHeaders": headers }, "timeoutSeconds": 20,
    }));
    assert_eq!(liveness(&gate).status(), 200);
    let hosts: Vec<_> = app
        .requests()
        .iter()
        .map(|one| one.head.all("host").concat())
        .collect();
    let own = app.address().to_string();
    assert_eq!(hosts, ["im.example.com", "im.example.com", &own]);
}

#[test]
fn an_application_that_keeps_silent_fails_in_time() {
    // Each of them would go on for ever.
    let silent = app(Exchange::wait_for_the_gate_to_give_up);
    let stuck = app(|exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        exchange.wait_for_the_gate_to_give_up();
    });
    // The system takes connections for it.
    let nobody = listen(Ipv4Addr::LOCALHOST);
    let gate = gate_with_all(&json!({
        "silent": { "livenessProbe": { "httpGet": { "port": silent.address().port() } } },
        "stuck": { "livenessProbe": { "httpGet": { "port": stuck.address().port() } } },
        "grpc": { "livenessProbe": { "grpc": { "port": nobody.local_addr().unwrap().port() } } },
    }));
    for container in ["silent", "stuck", "grpc"] {
        let answer = gate.admin(&format!("/app-health/{container}/livez"));
        assert_eq!(answer.status(), 503);
        assert!(
            answer.text().contains("in time"),
            "{container}: {}",
            answer.text()
        );
    }
}

#[test]
fn a_body_without_end_is_not_read_to_its_end() {
    let app = app(|exchange| {
        exchange.send("HTTP/1.1 200 OK\r\n\r\n");
        let piece = [b'x'; 16 * 1024];
        while exchange.try_send(piece).is_ok() {}
        exchange.close();
    });
    let gate = gate_with(&get(app.address(), "/"));
    assert_eq!(liveness(&gate).status(), 200);
}

#[test]
fn a_port_is_asked_whether_somebody_listens() {
    let open = listen(Ipv4Addr::LOCALHOST);
    // Taken, so that nobody else gets it, and without anybody who listens.
    let closed = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    closed
        .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
        .unwrap();
    let closed_port = closed.local_addr().unwrap().as_socket().unwrap().port();
    let gate = gate_with_all(&json!({
        "open": { "livenessProbe": { "tcpSocket": { "port": open.local_addr().unwrap().port() }, "timeoutSeconds": 20 } },
        "closed": { "livenessProbe": { "tcpSocket": { "port": closed_port }, "timeoutSeconds": 20 },
                    "readinessProbe": { "httpGet": { "port": closed_port }, "timeoutSeconds": 20 },
                    "startupProbe": { "grpc": { "port": closed_port }, "timeoutSeconds": 20 } },
    }));
    assert_eq!(gate.admin("/app-health/open/livez").status(), 200);
    for kind in ["livez", "readyz", "startupz"] {
        let answer = gate.admin(&format!("/app-health/closed/{kind}"));
        assert_eq!(answer.status(), 503, "{kind}");
        assert!(
            answer.text().contains("nobody listens"),
            "{kind}: {}",
            answer.text()
        );
    }
}

/// An application with TLS and a certificate of nobody's, which ends connections without a word.
fn secure_app() -> SocketAddr {
    let identity = Authority::new().server();
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    let listener = listen(Ipv4Addr::LOCALHOST);
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(session, stream);
            // Whoever speaks no TLS gets nothing.
            let mut request = [0; 2048];
            if stream.read(&mut request).is_ok() {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nwell");
                let _ = stream.flush();
            }
        }
    });
    address
}

#[test]
fn tls_is_spoken_and_not_verified() {
    let secure = secure_app().port();
    let plain = listen(Ipv4Addr::LOCALHOST);
    let plain_port = plain.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in plain.incoming().flatten() {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let probe = |port, scheme| json!({ "httpGet": { "port": port, "scheme": scheme }, "timeoutSeconds": 20 });
    let gate = gate_with_all(&json!({
        "chat": { "livenessProbe": probe(secure, "HTTPS"), "readinessProbe": probe(secure, "HTTP"),
                  "startupProbe": probe(plain_port, "HTTPS") },
    }));
    for (kind, expected) in [("livez", 200), ("readyz", 503), ("startupz", 503)] {
        let answer = gate.admin(&format!("/app-health/chat/{kind}"));
        assert_eq!(answer.status(), expected, "{kind}: {}", answer.text());
    }
}

/// Whoever reaches the metrics listener cannot turn the gate against the application.
#[test]
fn many_who_ask_at_once_are_one_question() {
    let slow = Arc::new(parking_lot::Mutex::new(()));
    let held = Arc::clone(&slow);
    let guard = slow.lock();
    let app = app(move |exchange| {
        drop(held.lock());
        exchange.ok();
    });
    let gate = gate_with(&get(app.address(), "/"));
    let askers: Vec<_> = (0..50)
        .map(|_| {
            let mut client = gate.admin_client();
            client.send(
                "GET /app-health/chat/livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            );
            client
        })
        .collect();
    eventually("the application is asked", || {
        (!app.requests().is_empty()).then_some(())
    });
    assert_eq!(app.requests().len(), 1, "the others wait");
    // Nobody else waits for it.
    assert_eq!(gate.admin("/readyz").status(), 200);
    drop(guard);
    for mut asker in askers {
        assert_eq!(asker.answer().status(), 200);
    }
    // An answer is old after a moment, so it may have been more than one; never one for each.
    assert!(app.requests().len() < 25, "{}", app.requests().len());
}

#[test]
fn nothing_can_be_added_to_what_is_asked() {
    let app = app(Exchange::ok);
    let gate = gate_with(&get(app.address(), "/health"));
    for target in [
        "/app-health/chat/livez?url=http://192.0.2.1/",
        "/app-health/chat/livez?",
        "/app-health/chat/livez/../../x",
        "/app-health/chat/livez%3fx",
        "/app-health/chat/livez;port=22",
        "/app-health/chat%2flivez",
        "/app-health/127.0.0.1:22/livez",
        "/app-health/http://192.0.2.1/livez",
        "/app-health/chat/livez%00",
    ] {
        let answer = gate.admin(target);
        assert!(
            (400..500).contains(&answer.status()),
            "{target}: {}",
            answer.status()
        );
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let mut client = gate.admin_client();
        client.send(format!("{method} /app-health/chat/livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(client.answer().status(), 405, "{method}");
    }
    assert_eq!(app.requests().len(), 0);
    // Nor do the listeners for clients know of it.
    assert_eq!(gate.get("/app-health/chat/livez", "").status(), 404);
}

#[test]
fn a_gate_with_probes_that_are_none_does_not_start() {
    for (probes, expected) in [
        ("", "expected a JSON object"),
        (
            "{\"chat\": {\"livenessProbe\": {\"httpGet\": {\"port\": \"canary\"}}}}",
            "chat.livenessProbe.httpGet.port",
        ),
        (
            "{\"chat\": {\"livenessProbe\": {\"exec\": {\"command\": [\"canary\"]}}}}",
            "chat.livenessProbe",
        ),
    ] {
        let mut gate = gate()
            .upstream("im", net::free_address())
            .environment(VARIABLE, probes)
            .start_without_waiting();
        assert_eq!(gate.exit_code(), Some(64));
        eventually("it says why", || {
            let output = gate.output();
            (output.contains(VARIABLE) && output.contains(expected)).then_some(())
        });
        assert!(!gate.output().contains("canary"), "{}", gate.output());
    }
}

#[test]
fn probes_that_nobody_could_ask_for_are_a_mistake() {
    let directory = tempfile::tempdir().unwrap();
    let text = format!(
        "listeners: [{{ address: \"{}\" }}]\nupstreams: {{ im: {{ address: \"127.0.0.1:1\" }} }}\n{}",
        net::free_address(),
        super::POLICY
    );
    std::fs::write(directory.path().join("imgate.yaml"), text).unwrap();
    let mut gate = Process::start(
        std::process::Command::new(super::super::support::gate::binary())
            .arg("run")
            .env(
                VARIABLE,
                r#"{"chat": {"livenessProbe": {"tcpSocket": {"port": 1}}}}"#,
            )
            .current_dir(directory.path()),
    );
    assert_eq!(gate.exit_code(), Some(64));
    eventually("it says why", || {
        gate.output().contains("--metrics").then_some(())
    });
}

/// A header of a probe may hold a credential.
#[test]
fn a_header_of_a_probe_is_shown_nowhere() {
    let app = app_saying("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    let probe = json!({ "chat": { "livenessProbe": {
        "httpGet": { "port": app.address().port(), "httpHeaders": [{ "name": "Authorization", "value": "Bearer canary-probe" }] },
        "timeoutSeconds": 20,
    } } });
    let gate = gate()
        .upstream("im", net::free_address())
        .environment(VARIABLE, &probe.to_string())
        .environment("IMGATE_LOG", "trace")
        .start();
    let answer = liveness(&gate);
    assert_eq!(answer.status(), 503);
    assert_eq!(
        app.only().head.all("authorization"),
        ["Bearer canary-probe"]
    );
    eventually("it is told of", || {
        gate.output().contains("is not well").then_some(())
    });
    for text in [
        answer.text(),
        gate.output(),
        gate.metrics().text,
        gate.status().to_string(),
    ] {
        assert!(!text.contains("canary-probe"), "{text}");
    }
}

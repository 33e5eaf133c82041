//! Backends: what one of them does wrong is told once, and is nobody else's trouble.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use parking_lot::Mutex;
use socket2::{Domain, SockRef, Socket, Type};

use super::super::support::raw::request;
use super::super::support::recorder::Exchange;
use super::super::support::server::Server;
use super::super::support::wait::pause;
use super::super::support::wire::Wire;
use super::super::support::{Gate, Recorder, eventually, net};
use super::only_warning;

const POLICY: &str = "
routes:
  - { name: bad, match: { path: /bad/** }, require: public, upstream: bad }
  - { name: good, match: { path: /good }, require: public, upstream: good }
";

/// A gate with one worker, so that whoever holds it up holds up everybody.
struct Scene {
    gate: Gate,
    _good: Recorder,
}

impl Scene {
    fn before(bad: SocketAddr) -> Self {
        let good = Recorder::ok();
        let gate = Gate::with(POLICY)
            .upstream_with("bad", bad, "connect_timeout: 1s, response_timeout: 20s")
            .upstream("good", good.address())
            .workers(1)
            .start();
        Self { gate, _good: good }
    }

    #[track_caller]
    fn others_go_on(&self) {
        assert_eq!(self.gate.get("/good", "").status(), 200);
    }

    /// The client's answer to a backend that failed, and the one line about it.
    #[track_caller]
    fn fails(&self, case: &str, problem: &str, status: u16) {
        let before = self.gate.lines("WARN").len();
        let answer = self.gate.get("/bad/x", "");
        assert_eq!(
            (answer.status(), answer.reason().as_str()),
            (status, "upstream"),
            "{case}"
        );
        self.others_go_on();
        let warning = only_warning(&self.gate, before);
        assert_eq!(warning["upstream"], "bad", "{case}: {warning}");
        assert!(
            warning["problem"].to_string().contains(problem),
            "{case}: {warning}"
        );
        let labels = [("route", "bad"), ("code", &*status.to_string())];
        self.gate
            .wait_for_metric("imgate_http_requests_total", &labels, |count| count > 0.5);
    }
}

fn reset(wire: &Wire) {
    SockRef::from(wire.stream())
        .set_linger(Some(Duration::ZERO))
        .unwrap();
}

#[test]
fn an_answer_that_drips_arrives_as_it_comes_and_delays_nobody() {
    let (drip, drops) = mpsc::channel::<u8>();
    let drops = Mutex::new(drops);
    let bad = Recorder::serving(move |exchange: &mut Exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n");
        for byte in drops.lock().iter() {
            exchange.send([byte]);
        }
        exchange.close();
    });
    let scene = Scene::before(bad.address());
    let mut client = scene.gate.client();
    client.send(request("GET", "/bad/x", ""));
    for byte in b'a'..=b'z' {
        drip.send(byte).unwrap();
        let end: &[u8] = if byte == b'a' { b"\r\n\r\na" } else { &[byte] };
        let mut seen = client.bytes(1);
        while !seen.ends_with(end) {
            seen.extend(client.bytes(1));
        }
        scene.others_go_on();
    }
    drop(drip);
    scene.others_go_on();
    assert!(scene.gate.lines("WARN").is_empty());
}

#[test]
fn a_backend_that_ends_before_its_answer_does_is_502() {
    type Script = fn(&mut Wire);
    let half_closed: Script = |wire| {
        // It goes on reading, as one that was half-closed by mistake.
        wire.stream().shutdown(Shutdown::Write).unwrap();
        let _ = wire.read_to_end();
    };
    let cases: [(&str, &str, Script); 4] = [
        ("half-closed without a word", "", half_closed),
        (
            "half-closed within its head",
            "HTTP/1.1 200 OK\r\nConte",
            half_closed,
        ),
        ("reset without a word", "", |wire| reset(wire)),
        (
            "reset within its head",
            "HTTP/1.1 200 OK\r\nConte",
            |wire| {
                // The bytes arrive before the reset throws them away.
                pause(Duration::from_millis(100));
                reset(wire);
            },
        ),
    ];
    for (case, bytes, end) in cases {
        let bad = Server::start(move |mut wire| {
            let _ = wire.head();
            let _ = wire.send(bytes.as_bytes());
            end(&mut wire);
        });
        Scene::before(bad.address()).fails(case, "", 502);
    }
}

#[test]
fn a_reset_within_a_body_cuts_the_client_off() {
    let bad = Server::start(|mut wire| {
        let _ = wire.head();
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegin";
        wire.send(head).unwrap();
        // Nobody knows how far the reset lets it come.
        pause(Duration::from_millis(100));
        reset(&wire);
    });
    let scene = Scene::before(bad.address());
    let mut client = scene.gate.client();
    client.send(request("GET", "/bad/x", ""));
    assert!(client.try_answer().is_err(), "cut short, and it shows");
    scene.others_go_on();
    let cut = eventually("the access line", || {
        let lines = scene.gate.lines("INFO").into_iter();
        lines.into_iter().find(|line| line["reason"] == "cut")
    });
    assert_eq!(cut["status"], 200);
}

#[test]
fn a_backend_that_accepts_nobody_is_502() {
    let bad = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    bad.bind(&SocketAddr::new(net::loopback(), 0).into())
        .unwrap();
    bad.listen(0).unwrap();
    let address = bad.local_addr().unwrap().as_socket().unwrap();
    // Until no more fit in.
    let mut waiting = Vec::new();
    while let Ok(one) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        waiting.push(one);
    }
    Scene::before(address).fails("a full backlog", "too long", 502);
}

#[test]
fn a_backend_that_was_away_is_found_when_it_comes() {
    let address = net::free_address();
    let scene = Scene::before(address);
    for _ in 0..3 {
        scene.fails("nobody listens", "refused", 502);
    }
    let bad = Recorder::on(TcpListener::bind(address).unwrap(), Exchange::ok);
    // At once: nobody is left alone for having failed.
    assert_eq!(scene.gate.get("/bad/x", "").status(), 200);
    assert_eq!(bad.requests().len(), 1);
    scene.others_go_on();
}

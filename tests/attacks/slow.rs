//! Heads that never end (A10). Each limit is a deadline for the whole head, not for a byte.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::arena::{Arena, KEY, token};
use crate::support::gate::handshake;
use crate::support::raw::{RawClient, request};
use crate::support::wait::{patience, pause};

const QUICK: &str = "limits: { head_timeout: 2s, keepalive_idle: 1s }\n";

/// A connection that sends its head one byte a second.
struct Drip {
    stream: TcpStream,
    bytes: Vec<u8>,
    sent: usize,
    heard: Vec<u8>,
    cut_after: Option<Duration>,
}

impl Drip {
    fn start(address: SocketAddr, bytes: impl Into<Vec<u8>>) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            bytes: bytes.into(),
            sent: 0,
            heard: Vec::new(),
            cut_after: None,
        }
    }

    /// Sends these bytes at once.
    fn send(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).unwrap();
    }

    /// Sends five bytes a second until the gate ends the connection; when that was.
    #[track_caller]
    fn run(&mut self) -> Duration {
        let start = Instant::now();
        loop {
            self.step(start);
            if let Some(after) = self.cut_after {
                return after;
            }
            let heard = String::from_utf8_lossy(&self.heard);
            assert!(start.elapsed() < patience(), "still open: {heard:?}");
            pause(Duration::from_millis(200));
        }
    }

    /// Sends the next byte and sees whether the gate has ended the connection.
    fn step(&mut self, since: Instant) {
        if self.cut_after.is_some() {
            return;
        }
        let byte = self.bytes[self.sent];
        let is_gone = self.stream.write_all(&[byte]).is_err();
        self.sent += 1;
        let mut answer = [0; 1024];
        let read = loop {
            match self.stream.read(&mut answer) {
                Ok(count @ 1..) => self.heard.extend_from_slice(&answer[..count]),
                Ok(_) => break true,
                Err(error) => break error.kind() != ErrorKind::WouldBlock,
            }
        };
        if is_gone || read {
            self.cut_after = Some(since.elapsed());
        }
    }
}

#[test]
fn three_hundred_heads_at_a_byte_a_second_do_not_hold_the_gate() {
    const HEADS: usize = 300;
    // The limits are the defaults: 15 s for a head.
    let arena = Arena::new();
    let kinds = [
        request("GET", "/open/x", &"X-A: 1\r\n".repeat(20)),
        request(
            "GET",
            "/openapi/x",
            &format!("{KEY}{}", "X-A: 1\r\n".repeat(20)),
        ),
        handshake("/ws", &token()),
    ];
    let mut drips: Vec<_> = (0..HEADS)
        .map(|index| Drip::start(arena.gate().address(), kinds[index % kinds.len()].as_str()))
        .collect();

    let (address, stop) = (arena.gate().address(), Arc::new(AtomicBool::new(false)));
    let (served, answers) = mpsc::channel();
    let stopped = Arc::clone(&stop);
    let good = thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            let asked = Instant::now();
            let status = RawClient::connect(address).get("/open/good", "").status();
            if served.send((status, asked.elapsed())).is_err() {
                break;
            }
            pause(Duration::from_millis(20));
        }
    });

    let start = Instant::now();
    let (mut count, mut slowest) = (0, Duration::ZERO);
    for second in 1..=45 {
        for drip in &mut drips {
            drip.step(start);
        }
        if drips.iter().all(|drip| drip.cut_after.is_some()) {
            break;
        }
        let next = start + Duration::from_secs(second);
        loop {
            match answers.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok((status, took)) => {
                    assert_eq!(status, 200, "a good client among the slow ones");
                    count += 1;
                    slowest = slowest.max(took);
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => panic!("a good client was not served"),
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    good.join().expect("good clients are served to the end");
    let cut: Vec<_> = drips.iter().filter_map(|drip| drip.cut_after).collect();
    assert_eq!(cut.len(), HEADS, "all are cut within 45 s");
    let (first, last) = (cut.iter().min().unwrap(), cut.iter().max().unwrap());
    assert!(
        *first >= Duration::from_secs(14),
        "the first after {first:?}"
    );
    assert!(*last <= Duration::from_secs(45), "the last after {last:?}");
    for drip in &drips {
        let told = String::from_utf8_lossy(&drip.heard);
        assert!(told.starts_with("HTTP/1.1 408 "), "told why: {told:?}");
    }
    assert!(count > 50, "{count} good requests");
    assert!(
        slowest < Duration::from_secs(5),
        "the slowest good answer took {slowest:?}"
    );
}

/// The limit is 2 s; a limit for each byte would never be reached.
const CUT_WITHIN: Duration = Duration::from_secs(4);

#[test]
fn a_head_that_drips_does_not_live_longer_than_its_limit() {
    let arena = Arena::with(QUICK);
    let filler = "X-A: 1\r\n".repeat(20);
    let head = request("GET", "/openapi/smuggled", &filler);
    let socket = handshake("/ws", &token());
    for (case, head) in [("a request", &head), ("a handshake", &socket)] {
        let mut drip = Drip::start(arena.gate().address(), head.as_str());
        let took = drip.run();
        assert!(took < CUT_WITHIN, "{case}: {took:?}");
        let told = String::from_utf8_lossy(&drip.heard);
        assert!(told.starts_with("HTTP/1.1 408 "), "{case}: {told:?}");
        arena.expect_arrived(&[]);
    }
}

#[test]
fn a_head_behind_another_does_not_live_longer_than_its_limit() {
    let arena = Arena::with(QUICK);
    let head = request("GET", "/openapi/smuggled", &"X-A: 1\r\n".repeat(20));
    // So much of it comes together with the request before it.
    for ahead in [0, 1, 3, 10, 60] {
        let (beginning, rest) = head.split_at(ahead);
        let mut drip = Drip::start(arena.gate().address(), rest);
        drip.send(&(request("GET", "/open/first", "") + beginning));
        let took = drip.run();
        assert!(took < CUT_WITHIN, "{ahead} bytes ahead: {took:?}");
        let told = String::from_utf8_lossy(&drip.heard);
        let answers: Vec<_> = told.matches("HTTP/1.1 ").collect();
        let is_as_expected = told.starts_with("HTTP/1.1 200 ") && told.contains("HTTP/1.1 408 ");
        assert!(
            is_as_expected && answers.len() == 2,
            "{ahead} bytes ahead: {told:?}"
        );
        arena.expect_arrived(&["GET /open/first"]);
    }
}

#[test]
fn a_silent_connection_is_not_kept() {
    let arena = Arena::with(QUICK);
    let start = Instant::now();
    // Nothing at all, nothing after a part of a head, nothing after a request.
    let mut silent = arena.gate().client();
    silent.expect_closed();
    assert!(
        start.elapsed() < patience() / 2,
        "silent for {:?}",
        start.elapsed()
    );

    let start = Instant::now();
    let mut partial = arena.gate().client();
    partial.send("GET /openapi/smuggled HTTP/1.1\r\nHost: a\r\n");
    assert_eq!(partial.answer().status(), 408);
    partial.expect_closed();
    assert!(
        start.elapsed() < patience() / 2,
        "partial for {:?}",
        start.elapsed()
    );
    arena.expect_arrived(&[]);
}

#[test]
fn an_idle_connection_is_not_kept_beyond_its_limit() {
    // Long enough for a head that an idle connection would fail by the other limit.
    let arena = Arena::with("limits: { head_timeout: 30s, keepalive_idle: 1s }\n");
    for requests in 1..=3 {
        let mut client = arena.gate().client();
        for _ in 0..requests {
            assert_eq!(client.get("/open/x", "").status(), 200);
        }
        let idle = Instant::now();
        client.expect_closed();
        let idle = idle.elapsed();
        assert!(
            idle >= Duration::from_millis(900),
            "kept for its time: {idle:?}"
        );
        assert!(idle < patience() / 2, "{idle:?}");
        arena.expect_arrived(&["GET /open/x"; 3][..requests]);
    }
    // After a refusal that keeps the connection as well.
    let mut client = arena.gate().client();
    assert_eq!(client.get("/openapi/smuggled", "").status(), 401);
    let idle = Instant::now();
    client.expect_closed();
    assert!(idle.elapsed() < patience() / 2, "{:?}", idle.elapsed());
    arena.expect_arrived(&[]);
}

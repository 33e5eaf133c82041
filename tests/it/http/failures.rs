//! Backends that fail: the client learns it, soon and as what it is.

use std::time::{Duration, Instant};

use super::super::support::raw::{post, request};
use super::super::support::recorder::Exchange;
use super::super::support::wait::pause;
use super::super::support::{Gate, Recorder, net};
use super::{POLICY, gate_before, patterned};

#[test]
fn a_backend_that_is_not_there_is_502() {
    let gate = Gate::with(POLICY)
        .upstream("im", net::free_address())
        .start();
    let answer = gate.get("/open/x", "");
    assert_eq!(
        (answer.status(), answer.reason().as_str()),
        (502, "upstream")
    );
}

#[test]
fn a_backend_that_never_answers_is_504() {
    let backend = Recorder::serving(Exchange::wait_for_the_gate_to_give_up);
    let gate = Gate::with(POLICY)
        .upstream_with("im", backend.address(), "response_timeout: 1s")
        .start();
    let start = Instant::now();
    let answer = gate.get("/open/x", "");
    assert_eq!(
        (answer.status(), answer.reason().as_str()),
        (504, "upstream")
    );
    assert!(
        start.elapsed() >= Duration::from_millis(900),
        "after {:?}",
        start.elapsed()
    );
}

#[test]
fn an_answer_that_is_not_http_is_502() {
    for (case, bytes) in [
        ("another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        (
            "an unknown version",
            "HTTP/3.7 200 OK\r\nContent-Length: 0\r\n\r\n",
        ),
        ("no status", "HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n"),
        (
            "a line that is no header",
            "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
        ),
        (
            "two lengths",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
        ),
        (
            "a length beside chunks",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "a length that is no number",
            "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
        ),
        (
            "a 101 that nobody asked for",
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        ),
        ("nothing but an end of line", "\r\n\r\n"),
    ] {
        let backend = Recorder::serving(move |exchange| {
            exchange.send(bytes);
            exchange.close();
        });
        let gate = gate_before(&backend).start();
        assert_eq!(gate.get("/open/x", "").status(), 502, "{case}");
    }
}

#[test]
fn a_head_without_end_is_502() {
    let backend = Recorder::serving(|exchange| {
        exchange.send("HTTP/1.1 200 OK\r\n");
        for number in 0..100_000 {
            exchange.send(format!("X-Filler-{number}: {number}\r\n"));
        }
        exchange.close();
    });
    let gate = gate_before(&backend).start();
    assert_eq!(gate.get("/open/x", "").status(), 502);
}

#[test]
fn a_backend_that_dies_within_a_body_cuts_the_client_off() {
    for (case, head) in [
        (
            "with a length",
            "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
        ),
        (
            "chunked",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3E8\r\n",
        ),
    ] {
        let backend = Recorder::serving(move |exchange| {
            exchange.send(head);
            exchange.send(patterned(100));
            exchange.close();
        });
        let gate = gate_before(&backend).start();
        let mut client = gate.client();
        client.send(request("GET", "/open/x", ""));
        let end = client.try_answer().map(|answer| answer.body.len());
        assert!(
            end.is_err(),
            "{case}: an answer cut short does not look whole: {end:?}"
        );
    }
}

#[test]
fn one_failed_exchange_leaves_the_gate_serving() {
    let backend = Recorder::serving(|exchange| match exchange.head.target() {
        "/open/bad" => exchange.close(),
        _ => exchange.ok(),
    });
    let gate = gate_before(&backend).start();
    for _ in 0..5 {
        assert_eq!(gate.get("/open/bad", "").status(), 502);
        assert_eq!(gate.get("/open/good", "").status(), 200);
    }
}

#[test]
fn an_answer_whose_head_drips_is_504() {
    let backend = Recorder::serving(|exchange| {
        // Each byte in time, all of them not: seven seconds.
        for byte in
            "HTTP/1.1 200 OK\r\nX-Slow: as slow as it gets\r\nContent-Length: 0\r\n\r\n".bytes()
        {
            exchange.send([byte]);
            pause(Duration::from_millis(100));
        }
    });
    let gate = Gate::with(POLICY)
        .upstream_with("im", backend.address(), "response_timeout: 1s")
        .start();
    let start = Instant::now();
    assert_eq!(gate.get("/open/x", "").status(), 504);
    assert!(
        start.elapsed() >= Duration::from_millis(900),
        "after {:?}",
        start.elapsed()
    );
}

#[test]
fn a_pause_of_the_client_is_not_the_backends() {
    let backend = Recorder::ok();
    let gate = Gate::with(POLICY)
        .upstream_with("im", backend.address(), "response_timeout: 1s")
        .start();
    let bytes = post("/open/x", "", b"first half, second half");
    let (first, second) = bytes.split_at(bytes.len() - b"second half".len());
    let mut client = gate.client();
    client.send(first);
    pause(Duration::from_millis(2500));
    client.send(second);
    assert_eq!(client.answer().status(), 200);
    assert_eq!(backend.only().body, b"first half, second half");
}

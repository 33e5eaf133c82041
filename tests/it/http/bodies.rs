//! Bodies towards the backend.

use super::super::support::raw::{post, post_chunked, request};
use super::super::support::recorder::Exchange;
use super::super::support::{Recorder, eventually};
use super::{KEY, gate_before, patterned};

#[test]
fn a_body_with_a_length_arrives_unchanged() {
    let backend = Recorder::ok();
    let gate = gate_before(&backend).start();
    let body = patterned(200_000);
    assert_eq!(
        gate.send(post("/openapi/v1/user", KEY, &body)).status(),
        200
    );
    let received = backend.only();
    assert!(received.body == body, "the same 200 000 bytes");
    assert_eq!(received.head.header("content-length"), Some("200000"));
}

#[test]
fn a_chunked_body_arrives_unchanged() {
    let backend = Recorder::ok();
    let gate = gate_before(&backend).start();
    let body = patterned(200_000);
    for chunk in [1_000, 4_096, 65_536, 200_000] {
        let answer = gate.send(post_chunked("/openapi/v1/user", KEY, &body, chunk));
        assert_eq!(answer.status(), 200, "chunks of {chunk}");
        assert!(
            backend.last().body == body,
            "the same bytes in chunks of {chunk}"
        );
    }
}

#[test]
fn a_body_that_comes_byte_by_byte_arrives_unchanged() {
    let backend = Recorder::ok();
    let gate = gate_before(&backend).start();
    for bytes in [
        post("/open/x", "", b"slow body"),
        post_chunked("/open/x", "", b"slow body", 4),
    ] {
        let mut client = gate.client();
        for byte in bytes {
            client.send([byte]);
        }
        assert_eq!(client.answer().status(), 200);
        assert_eq!(backend.last().body, b"slow body");
    }
}

#[test]
fn a_client_that_expects_100_continue_gets_it_and_then_the_answer() {
    let backend = Recorder::serving(|exchange| {
        exchange.send("HTTP/1.1 100 Continue\r\n\r\n");
        exchange.ok();
    });
    let gate = gate_before(&backend).start();
    let mut client = gate.client();
    let headers = format!("{KEY}Expect: 100-continue\r\nContent-Length: 5\r\n");
    client.send(request("POST", "/openapi/x", &headers));
    assert_eq!(client.answer().status(), 100);
    client.send("hello");
    assert_eq!(client.answer().status(), 200);
    assert_eq!(backend.only().body, b"hello");
}

#[test]
fn a_client_that_expects_100_continue_may_get_the_answer_instead() {
    let backend = Recorder::serving(|exchange| {
        exchange.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
        exchange.wait_for_the_gate_to_give_up();
    });
    let gate = gate_before(&backend).start();
    let mut client = gate.client();
    let headers = "Expect: 100-continue\r\nContent-Length: 5\r\n";
    client.send(request("POST", "/open/x", headers));
    assert_eq!(client.answer().text(), "no");
}

#[test]
fn a_client_that_expects_nothing_gets_no_100() {
    let backend = Recorder::serving(|exchange| {
        exchange.send("HTTP/1.1 100 Continue\r\n\r\n");
        exchange.ok();
    });
    let gate = gate_before(&backend).start();
    assert_eq!(gate.send(post("/open/x", "", b"hello")).status(), 200);
}

#[test]
fn a_refused_client_that_expects_100_continue_is_not_told_to_go_on() {
    let backend = Recorder::ok();
    let gate = gate_before(&backend).start();
    let headers = "Expect: 100-continue\r\nContent-Length: 5\r\n";
    let mut client = gate.client();
    client.send(request("POST", "/openapi/x", headers));
    assert_eq!(client.answer().status(), 401);
    assert!(backend.requests().is_empty());
}

#[test]
fn an_answer_before_the_end_of_the_upload_is_relayed_at_once() {
    let backend = Recorder::serving(|exchange| {
        exchange.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 8\r\n\r\ntoo much");
        exchange.wait_for_the_gate_to_give_up();
    });
    let gate = gate_before(&backend).start();
    let mut client = gate.client();
    client.send(request(
        "POST",
        "/open/upload",
        "Content-Length: 100000000\r\n",
    ));
    client.send(patterned(64 * 1024));
    let answer = client.answer();
    assert_eq!((answer.status(), answer.text().as_str()), (413, "too much"));
}

#[test]
fn an_early_answer_does_not_end_an_upload_that_goes_on() {
    let backend = Recorder::serving(|exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly");
        exchange.read_body();
    });
    let gate = gate_before(&backend).start();
    let body = patterned(1_000_000);
    let mut client = gate.client();
    client.send(request(
        "POST",
        "/open/upload",
        "Content-Length: 1000000\r\n",
    ));
    let (first, rest) = body.split_at(1_000);
    client.send(first);
    assert_eq!(client.answer().text(), "early");
    // The gate may cut the upload now or carry it to its end; it never makes a shorter one of it.
    if client.try_send(rest).is_ok() {
        client.finish_sending();
    }
    client.drain();
    eventually("the backend's exchange ends", || {
        (backend.finished() == 1).then_some(())
    });
    let received = backend.only().body;
    assert!(
        received.is_empty() || received == body,
        "the whole body or none"
    );
}

#[test]
fn a_refusal_is_readable_though_the_body_was_not_read() {
    let backend = Recorder::ok();
    let gate = gate_before(&backend).start();
    let bytes = post("/openapi/x", "", &patterned(256 * 1024));
    for _ in 0..20 {
        let mut client = gate.client();
        // The gate may stop reading before everything is written.
        let _ = client.try_send(&bytes);
        let answer = client.answer();
        assert_eq!(answer.status(), 401);
        client.expect_closed();
    }
    assert!(backend.requests().is_empty());
}

#[test]
fn the_rest_of_a_refused_body_is_not_taken_for_a_request() {
    let backend = Recorder::ok();
    let gate = gate_before(&backend).start();
    let smuggled = request("GET", "/open/smuggled", "");
    let mut client = gate.client();
    client.send(post("/openapi/x", "", smuggled.as_bytes()));
    assert_eq!(client.answer().status(), 401);
    if let Ok(answer) = client.try_answer() {
        panic!("a second answer: {}", answer.head.text);
    }
    assert!(backend.requests().is_empty());
}

#[test]
fn a_client_that_vanishes_within_its_body_ends_the_exchange_upstream() {
    let backend = Recorder::serving(Exchange::wait_for_the_gate_to_give_up);
    let gate = gate_before(&backend).start();
    let mut client = gate.client();
    client.send(request("POST", "/open/x", "Content-Length: 1000\r\n"));
    client.send("only this");
    eventually("the request arrives", || backend.requests().pop());
    assert_eq!(backend.finished(), 0);
    drop(client);
    eventually("the backend's connection ends", || {
        (backend.finished() == 1).then_some(())
    });
}

/// Bytes of the large upload. It takes seconds, not minutes: nobody looks at them.
const GIBIBYTE: usize = 1 << 30;

#[test]
fn a_gibibyte_streams_through_little_memory() {
    let backend = Recorder::serving(|exchange| {
        exchange.discard_body();
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    let gate = gate_before(&backend).start();
    assert_eq!(
        gate.send(post("/open/x", "", &patterned(100_000))).status(),
        200
    );
    let before = gate.peak_memory_kib();

    let mut client = gate.client();
    client.send(request(
        "POST",
        "/open/x",
        &format!("Content-Length: {GIBIBYTE}\r\n"),
    ));
    let piece = patterned(1 << 20);
    for _ in 0..GIBIBYTE / piece.len() {
        client.send(&piece);
    }
    assert_eq!(client.answer().status(), 200);
    let grown = gate.peak_memory_kib() - before;
    assert!(grown < 8 * 1024, "{grown} KiB more for 1 GiB");
}

//! Connections on both sides: kept, judged request by request, and mended once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::support::raw::{post, request};
use super::super::support::recorder::Exchange;
use super::super::support::{Gate, Recorder, eventually};
use super::{KEY, POLICY, gate_before, patterned};

#[test]
fn both_connections_are_kept_between_requests() {
    let backend = Recorder::ok();
    let gate = gate_before(&backend).start();
    let mut client = gate.client();
    for _ in 0..10 {
        assert_eq!(client.get("/openapi/x", KEY).status(), 200);
    }
    assert_eq!(backend.requests().len(), 10);
    assert_eq!(backend.connections(), 1);
}

#[test]
fn a_connection_to_the_backend_serves_one_client_after_the_other() {
    let backend = Recorder::ok();
    let gate = gate_before(&backend).start();
    for _ in 0..5 {
        assert_eq!(gate.get("/open/x", "").status(), 200);
    }
    assert_eq!(backend.connections(), 1);
}

#[test]
fn connection_close_of_the_client_is_respected() {
    let backend = Recorder::ok();
    let gate = gate_before(&backend).start();
    let mut client = gate.client();
    let answer = client.get("/open/x", "Connection: close\r\n");
    assert_eq!(
        (answer.status(), answer.header("connection")),
        (200, Some("close"))
    );
    client.expect_closed();
}

#[test]
fn pipelined_requests_are_answered_in_turn_and_each_is_judged() {
    let backend = Recorder::serving(|exchange| {
        let body = exchange.head.target().to_owned();
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
    });
    let gate = gate_before(&backend).start();
    let mut client = gate.client();
    client.send(
        [
            request("GET", "/openapi/first", KEY),
            request("GET", "/open/second", ""),
            request("GET", "/openapi/third", KEY),
            request("GET", "/openapi/without-key", ""),
        ]
        .concat(),
    );
    for path in ["/openapi/first", "/open/second", "/openapi/third"] {
        assert_eq!(client.answer().text(), path);
    }
    assert_eq!(client.answer().status(), 401);
    assert_eq!(backend.requests().len(), 3);
}

#[test]
fn pipelined_uploads_arrive_whole() {
    // The end of an upload comes in one read with the beginning of the next, and more is waiting.
    let backend = Recorder::ok();
    let gate = gate_before(&backend).start();
    let mut client = gate.client();
    let sizes = [40_000, 60_000, 1, 100_000];
    let uploads = sizes.map(|size| post("/open/x", "", &patterned(size)));
    client.send(uploads.concat());
    for size in sizes {
        assert_eq!(client.answer().status(), 200, "{size} bytes");
    }
    for (received, size) in backend.take().into_iter().zip(sizes) {
        assert!(received.body == patterned(size), "the same {size} bytes");
    }
}

#[test]
fn a_key_on_one_request_does_not_open_the_next() {
    let backend = Recorder::ok();
    let gate = gate_before(&backend).start();
    let mut client = gate.client();
    assert_eq!(client.get("/openapi/x", KEY).status(), 200);
    assert_eq!(client.get("/openapi/x", "").status(), 401);
    assert_eq!(backend.requests().len(), 1);
}

/// Answers, then drops the connection when the next request arrives on it.
fn drops_kept_connections(exchange: &mut Exchange) {
    if exchange.number == 1 {
        exchange.ok();
    } else {
        exchange.close();
    }
}

#[test]
fn a_request_on_a_stale_connection_is_sent_again_once() {
    let backend = Recorder::serving(drops_kept_connections);
    let gate = gate_before(&backend).start();
    let mut client = gate.client();
    for _ in 0..5 {
        assert_eq!(client.get("/open/x", "").status(), 200);
    }
    assert_eq!(backend.connections(), 5);
}

#[test]
fn a_connection_that_the_backend_closed_while_idle_is_not_used() {
    let backend = Recorder::serving(|exchange| {
        exchange.ok();
        exchange.close();
    });
    let gate = gate_before(&backend).start();
    let mut client = gate.client();
    for _ in 0..50 {
        assert_eq!(client.get("/open/x", "").status(), 200);
    }
    assert_eq!(backend.requests().len(), 50);
}

#[test]
fn a_post_that_may_have_been_acted_upon_is_not_sent_again() {
    let backend = Recorder::serving(drops_kept_connections);
    let gate = gate_before(&backend).start();
    let mut client = gate.client();
    assert_eq!(client.get("/open/x", "").status(), 200);
    client.send(post("/open/pay", "", b"amount=1"));
    assert_eq!(client.answer().status(), 502);
    let posts = backend
        .requests()
        .into_iter()
        .filter(|request| request.head.method() == "POST");
    assert_eq!(posts.count(), 1);
}

#[test]
fn a_request_that_fails_on_a_fresh_connection_is_not_sent_again() {
    let backend = Recorder::serving(Exchange::close);
    let gate = gate_before(&backend).start();
    assert_eq!(gate.get("/open/x", "").status(), 502);
    assert_eq!(backend.connections(), 1);
}

#[test]
fn bytes_after_an_answer_never_reach_the_next_client() {
    let backend = Recorder::answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
    );
    let gate = gate_before(&backend).start();
    for _ in 0..5 {
        assert_eq!(gate.get("/open/x", "").text(), "ok");
    }
    assert_eq!(
        backend.connections(),
        5,
        "a connection with bytes left over is not kept"
    );
}

#[test]
fn a_post_without_a_body_may_have_been_acted_upon_too() {
    for (method, headers, status, times) in [
        ("POST", "Content-Length: 0\r\n", 502, 1),
        ("POST", "", 502, 1),
        ("GET", "", 200, 2),
        ("DELETE", "Content-Length: 0\r\n", 200, 2),
    ] {
        let backend = Recorder::serving(drops_kept_connections);
        let gate = gate_before(&backend).start();
        let mut client = gate.client();
        assert_eq!(client.get("/open/first", "").status(), 200);
        client.send(request(method, "/open/second", headers));
        assert_eq!(client.answer().status(), status, "{method} {headers:?}");
        let mut targets = backend.requests();
        targets.retain(|request| request.head.target() == "/open/second");
        assert_eq!(targets.len(), times, "{method} {headers:?}");
    }
}

#[test]
fn bytes_that_come_long_after_an_answer_never_reach_the_next_client() {
    const ROUNDS: usize = 20;
    let (asked, sent) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (wanted, done) = (Arc::clone(&asked), Arc::clone(&sent));
    let backend = Recorder::serving(move |exchange| {
        let round: usize = exchange
            .head
            .target()
            .trim_start_matches("/open/")
            .parse()
            .unwrap();
        exchange.ok();
        eventually("the client has its answer", || {
            (wanted.load(Ordering::SeqCst) > round).then_some(())
        });
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
        // On the loopback interface a written byte is in the reader's queue.
        done.fetch_add(1, Ordering::SeqCst);
    });
    let gate = gate_before(&backend).start();
    let mut client = gate.client();
    for round in 0..ROUNDS {
        let answer = client.get(&format!("/open/{round}"), "");
        assert_eq!(
            (answer.status(), answer.text().as_str()),
            (200, "ok"),
            "round {round}"
        );
        asked.fetch_add(1, Ordering::SeqCst);
        eventually("the poison is there", || {
            (sent.load(Ordering::SeqCst) > round).then_some(())
        });
    }
    assert_eq!(backend.connections(), ROUNDS, "none is used again");
}

#[test]
fn a_pipelined_head_may_be_as_large_as_any() {
    let backend = Recorder::ok();
    let policy = format!("{POLICY}limits: {{ head_bytes: 64KiB }}\n");
    let gate = Gate::with(&policy)
        .upstream("im", backend.address())
        .workers(1)
        .start();
    let value = "x".repeat(45_000);
    let large = request("GET", "/open/large", &format!("X-Large: {value}\r\n"));
    // What of the large head comes together with the request in front of it.
    for ahead in [1, 100, 20_000, 40_000, large.len()] {
        let mut client = gate.client();
        let (first, rest) = large.split_at(ahead);
        client.send([request("GET", "/open/small", "").as_str(), first].concat());
        assert_eq!(client.answer().status(), 200);
        client.send(rest);
        assert_eq!(client.answer().status(), 200, "{ahead} bytes ahead");
        let received = backend.last().head;
        assert_eq!(received.target(), "/open/large");
        assert!(
            received.header("x-large") == Some(value.as_str()),
            "the same value"
        );
    }
}

#[test]
fn a_client_that_resets_while_it_waits_frees_the_backend() {
    let backend = Recorder::serving(|exchange| match exchange.head.target() {
        "/open/slow" => exchange.wait_for_the_gate_to_give_up(),
        _ => exchange.ok(),
    });
    // The backend has far longer to answer than this test waits.
    let gate = Gate::with(POLICY)
        .upstream_with("im", backend.address(), "response_timeout: 10m")
        .start();
    let mut client = gate.client();
    client.send(request("GET", "/open/quick", ""));
    client.send(request("GET", "/open/slow", ""));
    eventually("the slow request arrives", || {
        (backend.requests().len() == 2).then_some(())
    });
    assert_eq!(backend.finished(), 1);
    // The first answer has arrived and nobody has read it: closing now is a reset.
    drop(client);
    eventually("the backend's connection ends", || {
        (backend.finished() == 2).then_some(())
    });
}

//! Answers on their way back.

use super::super::support::Recorder;
use super::super::support::raw::request;
use super::{KEY, gate_before, patterned};

#[test]
fn an_answer_to_head_has_the_length_but_no_body() {
    let backend = Recorder::answering("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    let gate = gate_before(&backend).start();
    let mut client = gate.client();
    // Twice: a gate that waits for the body would never come to the second.
    for _ in 0..2 {
        client.send(request("HEAD", "/openapi/x", KEY));
        let answer = client.answer_to_head();
        assert_eq!(
            (answer.status(), answer.header("content-length")),
            (200, Some("1000"))
        );
    }
}

#[test]
fn a_204_ends_with_its_head() {
    let backend = Recorder::answering("HTTP/1.1 204 No Content\r\n\r\n");
    let gate = gate_before(&backend).start();
    let mut client = gate.client();
    for _ in 0..2 {
        assert_eq!(client.get("/open/x", "").status(), 204);
    }
}

#[test]
fn a_304_with_a_length_ends_with_its_head() {
    let backend = Recorder::answering(
        "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nContent-Length: 1000\r\n\r\n",
    );
    let gate = gate_before(&backend).start();
    let mut client = gate.client();
    for _ in 0..2 {
        let answer = client.get("/open/x", "");
        assert_eq!(
            (answer.status(), answer.header("etag")),
            (304, Some("\"1\""))
        );
    }
}

#[test]
fn a_chunked_answer_arrives_unchanged() {
    let backend = Recorder::serving(|exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for part in patterned(200_000).chunks(7_000) {
            exchange.send(format!("{:X}\r\n", part.len()));
            exchange.send(part);
            exchange.send("\r\n");
        }
        exchange.send("0\r\n\r\n");
    });
    let gate = gate_before(&backend).start();
    let mut client = gate.client();
    for _ in 0..2 {
        assert!(
            client.get("/open/x", "").body == patterned(200_000),
            "the same bytes"
        );
    }
}

#[test]
fn the_first_chunk_is_not_held_back() {
    let backend = Recorder::serving(|exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        exchange.wait_for_the_gate_to_give_up();
    });
    let gate = gate_before(&backend).start();
    let mut client = gate.client();
    client.send(request("GET", "/open/x", ""));
    assert_eq!(client.answer_to_head().status(), 200);
    assert_eq!(client.bytes(10), b"5\r\nfirst\r\n");
}

#[test]
fn an_answer_that_ends_with_its_connection_ends_the_clients_too() {
    let backend = Recorder::serving(|exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        exchange.send(patterned(100_000));
        exchange.close();
    });
    let gate = gate_before(&backend).start();
    let answer = gate.get("/open/x", "");
    assert!(answer.body == patterned(100_000), "the same bytes");
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(answer.header("transfer-encoding"), None);
}

#[test]
fn early_hints_are_dropped_and_the_answer_follows() {
    let backend = Recorder::answering(
        "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    let gate = gate_before(&backend).start();
    let mut client = gate.client();
    for _ in 0..2 {
        let answer = client.get("/open/x", "");
        assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"));
        assert_eq!(answer.header("link"), None);
    }
}

#[test]
fn hop_by_hop_headers_of_an_answer_stay_at_the_gate() {
    let backend = Recorder::answering(
        "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\n\
         X-Hop: 1\r\nX-Kept: 1\r\nContent-Length: 2\r\n\r\nok",
    );
    let gate = gate_before(&backend).start();
    let answer = gate.get("/open/x", "");
    assert_eq!(answer.header("x-hop"), None);
    assert_eq!(answer.header("keep-alive"), None);
    assert_eq!(answer.header("x-kept"), Some("1"));
}

#[test]
fn an_http_1_0_client_gets_its_answer_and_the_end() {
    let backend = Recorder::ok();
    let gate = gate_before(&backend).start();
    let mut client = gate.client();
    client.send(format!(
        "GET /openapi/x HTTP/1.0\r\nHost: im.example.com\r\n{KEY}\r\n"
    ));
    let answer = client.answer();
    assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"));
    client.expect_closed();
    assert_eq!(backend.only().head.header("x-app-key"), Some("keyAbcd123"));
}

#[test]
fn an_http_1_0_client_gets_a_chunked_answer_without_chunks() {
    let backend = Recorder::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
    );
    let gate = gate_before(&backend).start();
    let answer = gate.send("GET /open/x HTTP/1.0\r\nHost: im.example.com\r\n\r\n");
    assert_eq!(answer.header("transfer-encoding"), None);
    assert_eq!(answer.text(), "hello world");
}

#[test]
fn a_large_answer_arrives_unchanged() {
    const LENGTH: usize = 3_000_000;
    let backend = Recorder::serving(|exchange| {
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n"
        ));
        exchange.send(patterned(LENGTH));
    });
    let gate = gate_before(&backend).start();
    assert!(
        gate.get("/open/x", "").body == patterned(LENGTH),
        "the same bytes"
    );
}

#[test]
fn connection_in_an_answer_does_not_name_its_framing_away() {
    for (case, framing, body) in [
        (
            "a length",
            "Connection: Content-Length\r\nContent-Length: 5\r\n",
            "TITLE",
        ),
        (
            "chunks",
            "Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n",
            "5\r\nTITLE\r\n0\r\n\r\n",
        ),
        (
            "a length, among others",
            "Connection: X-Hop, content-length\r\nContent-Length: 5\r\nX-Hop: 1\r\n",
            "TITLE",
        ),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{framing}\r\n{body}");
        let backend = Recorder::serving(move |exchange| {
            let title = exchange.head.target().trim_start_matches("/open/");
            exchange.send(answer.replace("TITLE", title));
        });
        let gate = gate_before(&backend).start();
        let mut client = gate.client();
        client.send(
            ["/open/first", "/open/other"]
                .map(|path| request("GET", path, ""))
                .concat(),
        );
        for title in ["first", "other"] {
            let answer = client.answer();
            assert_eq!(answer.text(), title, "{case}");
            assert_eq!(answer.header("connection"), None, "{case}");
            assert_eq!(answer.header("x-hop"), None, "{case}");
        }
    }
}

#[test]
fn the_gate_speaks_http_1_1_whatever_the_others_speak() {
    let backend = Recorder::serving(|exchange| {
        exchange.send("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
        exchange.close();
    });
    let gate = gate_before(&backend).start();
    for version in ["HTTP/1.0", "HTTP/1.1"] {
        let mut client = gate.client();
        client.send(format!(
            "GET /open/x {version}\r\nHost: im.example.com\r\n\r\n"
        ));
        let answer = client.answer();
        let text = &answer.head.text;
        assert!(
            text.starts_with("HTTP/1.1 200 OK\r\n"),
            "to {version}: {text}"
        );
        assert_eq!(answer.text(), "ok");
        let sent = backend.last().head.text;
        assert!(
            sent.starts_with("GET /open/x HTTP/1.1\r\n"),
            "from {version}: {sent}"
        );
    }
}

#[test]
fn an_http_1_0_client_that_asks_for_the_head_hears_of_no_chunks() {
    let backend = Recorder::answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    let gate = gate_before(&backend).start();
    let mut client = gate.client();
    client.send("HEAD /open/x HTTP/1.0\r\nHost: im.example.com\r\n\r\n");
    let answer = client.answer_to_head();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("transfer-encoding"), None);
    client.expect_closed();
}

#[test]
fn the_blank_behind_a_status_is_there_without_a_reason_too() {
    for answer in [
        "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200\r\n\r\nok",
    ] {
        let backend = Recorder::serving(move |exchange| {
            exchange.send(answer);
            exchange.close();
        });
        let gate = gate_before(&backend).start();
        let text = gate.get("/open/x", "").head.text;
        assert!(text.starts_with("HTTP/1.1 200 \r\n"), "{answer:?}: {text}");
    }
}

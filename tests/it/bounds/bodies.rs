use super::super::support::raw::{post, post_chunked, request};
use super::super::support::recorder::Exchange;
use super::super::support::tls::{Authority, TlsClient};
use super::super::support::{Gate, Recorder, eventually};

const POLICY: &str = "
routes:
  - { name: both, match: { path: /both/** }, require: public, max_request: 1KiB, max_response: 1KiB, upstream: im }
  - { name: free, match: { path: /free/** }, require: public, upstream: im }
";

/// Answers with as many bytes as the path says, in the way that it says.
fn answering() -> Recorder {
    Recorder::serving(|exchange| {
        exchange.read_body();
        let target = exchange.head.target().to_owned();
        let (way, count) = target.rsplit_once('/').unwrap();
        let count: usize = count.parse().unwrap();
        let body = "x".repeat(count);
        match way.rsplit('/').next().unwrap() {
            "length" => exchange.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {count}\r\n\r\n{body}"
            )),
            "chunked" => chunked(exchange, &body),
            "close" => {
                exchange.send(format!("HTTP/1.1 200 OK\r\n\r\n{body}"));
                exchange.close();
            }
            "head" => exchange.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {count}\r\n\r\n"
            )),
            other => panic!("{other}"),
        }
    })
}

/// Sends the first kibibyte, and the rest behind it in small chunks.
fn chunked(exchange: &mut Exchange, body: &str) {
    exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for chunk in body.as_bytes().chunks(100) {
        let line = format!("{:x}\r\n", chunk.len());
        if exchange
            .try_send([line.as_bytes(), chunk, b"\r\n"].concat())
            .is_err()
        {
            return exchange.close();
        }
    }
    exchange.send("0\r\n\r\n");
}

fn gate(backend: &Recorder) -> Gate {
    Gate::with(POLICY).upstream("im", backend.address()).start()
}

fn too_large(gate: &Gate, message: &str) -> f64 {
    let labels = [("route", "both"), ("message", message)];
    gate.metrics()
        .value("imgate_bodies_too_large_total", &labels)
}

#[test]
fn an_answer_as_long_as_it_may_be_passes_whatever_its_framing() {
    let backend = answering();
    let gate = gate(&backend);
    for way in ["length", "chunked", "close"] {
        let answer = gate.get(&format!("/both/{way}/1024"), "");
        assert_eq!(answer.status(), 200, "{way}");
        assert_eq!(answer.body.len(), 1024, "{way}");
        assert_eq!(gate.get(&format!("/both/{way}/0"), "").body.len(), 0);
        let free = gate.get(&format!("/free/{way}/5000"), "");
        assert_eq!(free.body.len(), 5000, "{way}");
    }
    let mut client = gate.client();
    client.send(request("HEAD", "/both/head/5000", ""));
    assert_eq!(client.answer_to_head().status(), 200);
    assert!(too_large(&gate, "response") < 0.1);
}

#[test]
fn an_answer_that_announces_more_is_none() {
    let backend = answering();
    let gate = gate(&backend);
    let answer = gate.get("/both/length/1025", "");
    assert_eq!(answer.status(), 502);
    assert_eq!(answer.reason(), "upstream");
    assert!((too_large(&gate, "response") - 1.0).abs() < 0.1);
    eventually("the log tells", || {
        gate.output()
            .contains("an answer over `max_response`")
            .then_some(())
    });
    // What is left of it is nobody's answer.
    let before = backend.connections();
    assert_eq!(gate.get("/both/length/10", "").body.len(), 10);
    assert_eq!(backend.connections(), before + 1);
}

#[test]
fn an_answer_that_grows_beyond_is_cut_and_looks_cut() {
    let backend = answering();
    let gate = gate(&backend);
    for (way, expected) in [("chunked", 0.5), ("close", 1.5)] {
        let mut client = gate.client();
        client.send(request("GET", &format!("/both/{way}/100000"), ""));
        match client.try_answer() {
            // Enough had come with the head.
            Ok(answer) => assert_eq!(
                (answer.status(), answer.reason().as_str()),
                (502, "upstream")
            ),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "{way}"),
        }
        let labels = [("route", "both"), ("message", "response")];
        gate.wait_for_metric("imgate_bodies_too_large_total", &labels, |count| {
            count > expected
        });
    }
}

/// The head is there, and with it less than may be.
#[test]
fn what_has_passed_stays_below_the_bound() {
    let backend = Recorder::serving(|exchange| {
        exchange.read_body();
        let framing = if exchange.head.target().contains("chunked") {
            "Transfer-Encoding: chunked\r\n"
        } else {
            ""
        };
        exchange.send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n"));
        // The gate has to have passed the head on before more comes.
        let piece = if framing.is_empty() {
            "x".repeat(100)
        } else {
            format!("64\r\n{}\r\n", "x".repeat(100))
        };
        while exchange.try_send(&piece).is_ok() {}
        exchange.close();
    });
    let gate = gate(&backend);
    for way in ["chunked", "close"] {
        let mut client = gate.client();
        client.send(request("GET", &format!("/both/{way}/1"), ""));
        match client.try_answer() {
            Ok(answer) => assert_eq!(answer.status(), 502, "{way}"),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "{way}"),
        }
    }
    // HTTP/1.0 has no chunks: the end is the end, but there is no more than may be.
    let mut client = gate.client();
    client.send("GET /both/chunked/1 HTTP/1.0\r\nHost: im.example.com\r\n\r\n");
    let seen = client.rest().unwrap();
    let text = String::from_utf8(seen).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(
        head.contains(" 502 ") || body.len() <= 1024,
        "{}",
        body.len()
    );
}

#[test]
fn over_tls_a_cut_is_an_end_without_a_goodbye() {
    let authority = Authority::new();
    let server = authority.server();
    let backend = answering();
    let gate = Gate::with(POLICY)
        .listener("tls: { certificate: { file: tls.crt }, private_key: { file: tls.key } }")
        .file("tls.crt", &server.certificate)
        .file("tls.key", &server.key)
        .upstream("im", backend.address())
        .start();
    let mut client = TlsClient::trusting(&authority).connect(gate.address());
    assert_eq!(client.get("/both/chunked/500", "").body.len(), 500);
    client.send(request("GET", "/both/chunked/1000000", ""));
    match client.try_answer() {
        Ok(answer) => assert_eq!(answer.status(), 502),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "{error}"),
    }
}

#[test]
fn a_request_that_announces_more_is_not_forwarded() {
    let backend = answering();
    let gate = gate(&backend);
    let longest = post("/both/length/2", "", &[b'x'; 1024]);
    assert_eq!(gate.send(&longest).status(), 200);
    let mut client = gate.client();
    // The client waits to be told, and is told before it sends anything.
    client.send(request(
        "POST",
        "/both/length/2",
        "Content-Length: 1025\r\nExpect: 100-continue\r\n",
    ));
    let answer = client.answer();
    assert_eq!((answer.status(), answer.reason().as_str()), (413, "syntax"));
    client.expect_closed();
    assert_eq!(backend.requests().len(), 1);
    assert!((too_large(&gate, "request") - 1.0).abs() < 0.1);
    let free = post("/free/length/2", "", &[b'x'; 5000]);
    assert_eq!(gate.send(free).status(), 200);
}

#[test]
fn a_request_that_grows_beyond_is_refused_and_its_upstream_left() {
    let backend = Recorder::serving(|exchange| {
        // It sees an end within the body.
        if exchange.read_body().is_empty() {
            exchange.close();
        } else {
            exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let gate = gate(&backend);
    let longest = post_chunked("/both/x", "", &[b'x'; 1024], 100);
    assert_eq!(gate.send(&longest).status(), 200);
    // At once, and in pieces after the head has gone on.
    let long = post_chunked("/both/x", "", &vec![b'x'; 100_000], 100);
    let mut client = gate.client();
    let _ = client.try_send(&long);
    assert_eq!(client.answer().status(), 413);
    let mut client = gate.client();
    client.send(&long[..200]);
    eventually("the upstream has the head", || {
        (backend.requests().len() >= 2).then_some(())
    });
    let _ = client.try_send(&long[200..]);
    assert_eq!(client.answer().status(), 413);
    eventually("the upstream is left", || {
        (backend.finished() == backend.requests().len()).then_some(())
    });
    let last = backend.requests().pop().unwrap();
    assert!(last.body.is_empty(), "no whole body has arrived");
    assert!((too_large(&gate, "request") - 2.0).abs() < 0.1);
}

#[test]
fn a_request_that_grows_while_it_is_answered_ends_both() {
    let backend = Recorder::serving(|exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n");
        exchange.wait_for_the_gate_to_give_up();
    });
    let gate = gate(&backend);
    let long = post_chunked("/both/x", "", &vec![b'x'; 100_000], 100);
    let mut client = gate.client();
    client.send(&long[..200]);
    // The answer has begun.
    let head = client.wire().head().unwrap().unwrap();
    assert_eq!(head.status(), 200);
    let _ = client.try_send(&long[200..]);
    let seen = client.rest().unwrap_or_default();
    assert!(!seen.ends_with(b"0\r\n\r\n"));
    let labels = [("route", "both"), ("message", "request")];
    gate.wait_for_metric("imgate_bodies_too_large_total", &labels, |count| {
        count > 0.5
    });
}

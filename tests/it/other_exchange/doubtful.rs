//! Messages that can be read in more than one way, and what each of the two makes of them.
//!
//! Where they differ, pingora-proxy repairs what the gate refuses. The gate forwards the bytes
//! that it has judged; repairing would send others, and a reader behind it might repair otherwise.

use super::super::support::raw::{RawClient, request};
use super::{Side, both};

/// Bodies of requests in chunks, and the answer of a backend that repeats what it has received:
/// `case | bytes | at the gate | at the reference`.
const BODIES: &str = r"
chunks | 5\r\nhello\r\n0\r\n\r\n | 200 hello | 200 hello
a size in upper case | A\r\nhellohello\r\n0\r\n\r\n | 200 hellohello | 200 hellohello
leading zeros | 0005\r\nhello\r\n000\r\n\r\n | 200 hello | 200 hello

# Taken off by the reference, which sends chunks of its own.
an extension | 5;a=b\r\nhello\r\n0\r\n\r\n | 400 | 200 hello
an extension at the end | 5\r\nhello\r\n0;a\r\n\r\n | 400 | 200 hello
a line feed in an extension | 5;a=\n\r\nhello\r\n0\r\n\r\n | 400 | 200 hello
a trailer | 5\r\nhello\r\n0\r\nX-App-Key: k\r\n\r\n | 400 | 200 hello
a blank behind a size | 5 \r\nhello\r\n0\r\n\r\n | 400 | 200 hello

# Taken for the end of the body; `hello` would begin the next request.
an empty size | \r\nhello\r\n0\r\n\r\n | 400 | 200 nothing

a line feed after a size | 5\nhello\r\n0\r\n\r\n | 400 | 400
a line feed after a chunk | 5\r\nhello\n0\r\n\r\n | 400 | 400
a line feed at the end | 5\r\nhello\r\n0\r\n\n | 400 | 400
no end of a chunk | 5\r\nhelloX0\r\n\r\n | 400 | 400
a sign | +5\r\nhello\r\n0\r\n\r\n | 400 | 400
a prefix | 0x5\r\nhello\r\n0\r\n\r\n | 400 | 400
a size beyond 64 bits | 10000000000000005\r\nhello\r\n0\r\n\r\n | 400 | 400
many digits | 000000000000000000005\r\nhello\r\n0\r\n\r\n | 400 | 400
";

#[test]
fn a_doubtful_body_is_refused_where_the_reference_repairs_it() {
    let sides = both(|exchange| {
        let body = exchange.read_body();
        let length = body.len();
        exchange.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"
        ));
        exchange.send(body);
    });
    for (case, bytes, expected) in rows(BODIES) {
        for (Side { gate, .. }, expected) in sides.iter().zip(expected) {
            let mut client = gate.client();
            client.send(request("POST", "/open/x", "Transfer-Encoding: chunked\r\n") + &bytes);
            client.finish_sending();
            assert_eq!(outcome(&mut client), expected, "{case}");
        }
    }
}

/// Answers of a backend that then closes, and what a client hears of them.
const ANSWERS: &str = r"
a length | 1 200 OK\r\nContent-Length: 2\r\n\r\nok | 200 ok | 200 ok
chunks | 1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n | 200 ok | 200 ok
`Chunked` | 1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n | 200 ok | 200 ok
an extension | 1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\n\r\n | 200 ok | 200 ok
a trailer | 1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n | 200 ok | 200 ok
a blank | 1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2 \r\nok\r\n0\r\n\r\n | 200 ok | 200 ok
no reason | 1 200 \r\nContent-Length: 2\r\n\r\nok | 200 ok | 200 ok
no reason and no blank | 1 200\r\nContent-Length: 2\r\n\r\nok | 200 ok | 200 ok
a status of no class | 1 999 Odd\r\nContent-Length: 2\r\n\r\nok | 999 | 999
a body cut short | 1 200 OK\r\nContent-Length: 5\r\n\r\nok | 200 cut | 200 cut
a chunk cut short | 1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok | 200 cut | 200 cut
a 204 of length 0 | 1 204 No Content\r\nContent-Length: 0\r\n\r\n | 204 | 204
a 304 with a length | 1 304 Not Modified\r\nContent-Length: 2\r\n\r\n | 304 | 304
a 205 | 1 205 Reset Content\r\nContent-Length: 0\r\n\r\n | 205 | 205

# Repaired by the reference, or passed on.
one length twice | 1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok | 502 | 200 ok
one length twice in a line | 1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok | 502 | 200 of length 2, 2
a length beside chunks | 1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n | 502 | 200 ok
chunks in HTTP/1.0 | 0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n | 502 | 200 ok
two codings | 1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n | 502 | 200 ok
chunks twice | 1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n | 502 | 200 ok
`xchunked` | 1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n | 502 | 200 ok
another coding | 1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok | 502 | 200 ok
a folded line | 1 200 OK\r\nX-A: 1\r\n folded\r\nContent-Length: 2\r\n\r\nok | 502 | 200 ok
a blank before the colon | 1 200 OK\r\nContent-Length : 2\r\n\r\nok | 502 | 200 ok
line feeds alone | 1 200 OK\nContent-Length: 2\n\nok | 502 | 200 ok
a 204 with a body | 1 204 No Content\r\nContent-Length: 2\r\n\r\nok | 502 | 204
a 101 that nobody asked for | 1 101 Switching Protocols\r\n\r\n | 502 | 101

# The reference has sent the head before it looks at the chunk; the gate has not.
a line feed after a size | 1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nok\r\n0\r\n\r\n | 502 | 200 cut
a prefix | 1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nok\r\n0\r\n\r\n | 502 | 200 cut
a sign | 1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+2\r\nok\r\n0\r\n\r\n | 502 | 200 cut
no end of a chunk | 1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokX0\r\n\r\n | 502 | 200 cut

two lengths | 1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok! | 502 | 502
a length in words | 1 200 OK\r\nContent-Length: two\r\n\r\nok | 502 | 502
a length with a sign | 1 200 OK\r\nContent-Length: +2\r\n\r\nok | 502 | 502
a negative length | 1 200 OK\r\nContent-Length: -2\r\n\r\nok | 502 | 502
an empty length | 1 200 OK\r\nContent-Length:\r\n\r\nok | 502 | 502
a folded line first | 1 200 OK\r\n X-A: 1\r\nContent-Length: 2\r\n\r\nok | 502 | 502
a NUL | 1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\nok | 502 | 502
a carriage return | 1 200 OK\r\nX-A: a\rb\r\nContent-Length: 2\r\n\r\nok | 502 | 502
no status | 1 OK\r\nContent-Length: 0\r\n\r\n | 502 | 502
a status below all classes | 1 099 Odd\r\nContent-Length: 2\r\n\r\nok | 502 | 502
";

#[test]
fn a_doubtful_answer_is_refused_where_the_reference_repairs_it() {
    let answers: Vec<String> = rows(ANSWERS).map(|(_, bytes, _)| bytes).collect();
    let sides = both(move |exchange| {
        let number = exchange.head.target().trim_start_matches("/open/");
        let number: usize = number.parse().unwrap();
        exchange.send(format!("HTTP/1.{}", answers[number]));
        exchange.close();
    });
    for (number, (case, _, expected)) in rows(ANSWERS).enumerate() {
        for (Side { gate, .. }, expected) in sides.iter().zip(expected) {
            let mut client = gate.client();
            client.send(request("GET", &format!("/open/{number}"), ""));
            assert_eq!(outcome(&mut client), expected, "{case}");
        }
    }
}

/// The cases of a table: their names, the bytes, and what becomes of them on both sides.
fn rows(table: &str) -> impl Iterator<Item = (&str, String, [&str; 2])> {
    let lines = table.lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| {
        let parts: Vec<&str> = line.split(" | ").collect();
        let [case, bytes, ours, theirs] = parts[..] else {
            panic!("four columns: {line}");
        };
        let bytes = bytes.replace(r"\r", "\r").replace(r"\n", "\n");
        (case, bytes.replace(r"\0", "\0"), [ours, theirs])
    })
}

/// The status of an answer and, if it is 200, the body.
fn outcome(client: &mut RawClient) -> String {
    let Ok(Some(head)) = client.wire().head() else {
        return "cut".to_owned();
    };
    let status = head.text.split([' ', '\r']).nth(1).unwrap_or_default();
    if status != "200" {
        return status.to_owned();
    }
    let coding = head.all("transfer-encoding").concat().to_lowercase();
    let body = if coding.ends_with("chunked") {
        client.wire().chunked_with_extras().map(|(body, _)| body)
    } else if let Some(length) = head.all("content-length").first() {
        match length.parse() {
            Ok(length) => client.wire().exactly(length),
            // A client that reads it otherwise reads another answer.
            Err(_) => return format!("200 of length {length}"),
        }
    } else {
        client.wire().read_to_end()
    };
    match body {
        Ok(body) if body.is_empty() => "200 nothing".to_owned(),
        Ok(body) => format!("200 {}", String::from_utf8_lossy(&body)),
        Err(_) => "200 cut".to_owned(),
    }
}

//! What the backend answers, however it answers, reaches the client as it is; only a whole and plain
//! answer is learned from.

use imgate::scheme::easemob_token::Kind;
use serde_json::{Value, json};

use super::super::support::Recorder;
use super::super::support::gate::Gate;
use super::super::support::raw::post;
use super::super::support::wire::Answer;
use super::{POLICY, backend};

const APPLICATION: [u8; 16] = [0xaa; 16];

/// A good answer, and the token in it.
fn good() -> (Value, String) {
    let token = backend::written(Kind::App, APPLICATION, 600);
    let uuid = imgate::scheme::easemob_token::Uuid(APPLICATION).to_string();
    let answer = json!({ "access_token": token, "expires_in": 600, "application": uuid });
    (answer, token)
}

/// A backend that answers a login with these bytes and anything else with 200.
fn backend_with(answer: Vec<u8>, close: bool) -> Recorder {
    Recorder::serving(move |exchange| {
        if exchange.head.method() == "GET" {
            return exchange.ok();
        }
        exchange.read_body();
        exchange.send(&answer);
        if close {
            exchange.close();
        }
    })
}

fn gate(backend: &Recorder) -> Gate {
    let policy = POLICY.replace("$INTROSPECT", "").replace("$UNIT", "s");
    Gate::with(&policy)
        .upstream("im", backend.address())
        .start()
}

fn log_in(gate: &Gate) -> Option<Answer> {
    let mut client = gate.client();
    client.send(post(
        "/org/app/token",
        "Accept-Encoding: gzip, br\r\n",
        b"{}",
    ));
    client.try_answer().ok()
}

fn is_known(gate: &Gate, token: &str) -> bool {
    let headers = format!("Authorization: Bearer {token}\r\n");
    let answer = gate.get("/org/app/users/x", &headers);
    if answer.status() != 200 {
        assert_eq!(
            (answer.status(), answer.reason().as_str()),
            (401, "unknown_key")
        );
    }
    answer.status() == 200
}

fn chunked(body: &str, chunk: usize, end: &str) -> Vec<u8> {
    let mut bytes =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            .to_vec();
    for part in body.as_bytes().chunks(chunk) {
        bytes.extend(format!("{:x}\r\n", part.len()).into_bytes());
        bytes.extend(part);
        bytes.extend(b"\r\n");
    }
    bytes.extend(end.as_bytes());
    bytes
}

#[test]
fn a_good_answer_is_learned_however_it_is_framed() {
    let (answer, token) = good();
    let body = answer.to_string();
    let spacious = format!("\r\n {} \n", serde_json::to_string_pretty(&answer).unwrap());
    let padded = format!("{}{}", body, " ".repeat(16 * 1024 - body.len()));
    for (case, bytes, expected) in [
        (
            "with a length",
            backend::http(200, &body).into_bytes(),
            &body,
        ),
        (
            "with blanks",
            backend::http(200, &spacious).into_bytes(),
            &spacious,
        ),
        (
            "as long as may be",
            backend::http(200, &padded).into_bytes(),
            &padded,
        ),
        ("in chunks", chunked(&body, 7, "0\r\n\r\n"), &body),
        ("in one chunk", chunked(&body, 4096, "0\r\n\r\n"), &body),
        (
            "with another capital",
            backend::http(200, &body)
                .replace("application/json", "Application/JSON;charset=UTF-8")
                .into_bytes(),
            &body,
        ),
    ] {
        let backend = backend_with(bytes, false);
        let gate = gate(&backend);
        assert!(!is_known(&gate, &token), "{case}");
        let answer = log_in(&gate).unwrap();
        assert_eq!(
            (answer.status(), answer.text().as_str()),
            (200, expected.as_str()),
            "{case}"
        );
        assert!(is_known(&gate, &token), "{case}");
        let login = backend.requests().remove(0).head;
        assert_eq!(login.method(), "POST", "{case}");
        assert_eq!(login.header("accept-encoding"), None, "{case}");
    }
}

#[test]
fn an_answer_in_pieces_is_learned_when_it_is_whole() {
    let (answer, token) = good();
    let whole = backend::http(200, &answer.to_string());
    let backend = Recorder::serving(move |exchange| {
        if exchange.head.method() == "GET" {
            return exchange.ok();
        }
        exchange.read_body();
        for byte in whole.as_bytes() {
            exchange.send([*byte]);
        }
    });
    let gate = gate(&backend);
    assert_eq!(log_in(&gate).unwrap().json(), answer);
    assert!(is_known(&gate, &token));
}

#[test]
fn nothing_else_is_learned_and_all_of_it_passes() {
    let (answer, token) = good();
    let body = answer.to_string();
    let with = |name: &str, value: Value| {
        let mut answer = answer.clone();
        answer[name] = value;
        backend::http(200, &answer.to_string())
    };
    let twice = format!(r#"{{"access_token":"{token}",{}"#, &body[1..]);
    let huge = format!("{}{}", body, " ".repeat(16 * 1024));
    let user = json!({ "uuid": "aa471ee0-4cfc-11ec-ace5-f90ff121234e", "username": "c", "activated": true });
    for (case, bytes) in [
        ("two tokens", backend::http(200, &twice)),
        (
            "a second token within",
            with("data", json!({ "access_token": "x" })),
        ),
        ("too long", backend::http(200, &huge)),
        (
            "too long, in chunks",
            String::from_utf8(chunked(&huge, 1000, "0\r\n\r\n")).unwrap(),
        ),
        (
            "a lifetime that is a text",
            with("expires_in", json!("600")),
        ),
        (
            "a token that is a list",
            with("access_token", json!([token])),
        ),
        (
            "an app that is another",
            with("application", json!("aa471ee0-4cfc-11ec-ace5-f90ff121234e")),
        ),
        ("an app that is a number", with("application", json!(7))),
        ("a user as well", with("user", user)),
        ("a list", backend::http(200, &format!("[{body}]"))),
        (
            "something behind it",
            backend::http(200, &format!("{body}x")),
        ),
        ("created", backend::http(201, &body)),
        ("a failure", backend::http(500, &body)),
        ("a refusal", backend::http(401, &body)),
        (
            "no type",
            backend::http(200, &body).replace("application/json", "text/plain"),
        ),
        (
            "compressed, or so it says",
            backend::http(200, &body)
                .replace("Content-Type", "Content-Encoding: gzip\r\nContent-Type"),
        ),
    ] {
        let expected = bytes.split_once("\r\n\r\n").unwrap().1.to_owned();
        let is_chunked = bytes.contains("chunked");
        let backend = backend_with(bytes.into_bytes(), false);
        let gate = gate(&backend);
        let arrived = log_in(&gate).unwrap();
        if is_chunked {
            assert_eq!(arrived.text(), huge, "{case}");
        } else {
            assert_eq!(arrived.text(), expected, "{case}");
        }
        assert!(!is_known(&gate, &token), "{case}");
    }
}

#[test]
fn nothing_is_learned_from_an_answer_without_its_end() {
    let (answer, token) = good();
    let body = answer.to_string();
    let whole = backend::http(200, &body);
    let longer = whole.replace(
        &format!("Content-Length: {}", body.len()),
        &format!("Content-Length: {}", body.len() + 1),
    );
    let until_close = whole.replace(&format!("Content-Length: {}\r\n", body.len()), "");
    for (case, bytes) in [
        ("cut", whole.as_bytes()[..whole.len() - 1].to_vec()),
        (
            "whole but for a byte that is announced",
            longer.into_bytes(),
        ),
        (
            "its end cannot be told from a cut",
            until_close.into_bytes(),
        ),
        ("chunks without a last one", chunked(&body, 4096, "")),
        (
            "chunks without the last line",
            chunked(&body, 4096, "0\r\n"),
        ),
        ("chunks that are none", chunked(&body, 4096, "x\r\n\r\n")),
    ] {
        let backend = backend_with(bytes, true);
        let gate = gate(&backend);
        let _ = log_in(&gate);
        assert!(!is_known(&gate, &token), "{case}");
    }
}

#[test]
fn a_login_on_another_path_teaches_nothing() {
    let (answer, token) = good();
    let whole = backend::http(200, &answer.to_string());
    let backend = backend_with(whole.into_bytes(), false);
    let policy = POLICY.replace("$INTROSPECT", "").replace("$UNIT", "s");
    let policy = format!(
        "{policy}  - {{ match: {{ path: \"/{{org}}/{{app}}/echo\" }}, require: public, upstream: im }}\n"
    );
    let gate = Gate::with(&policy)
        .upstream("im", backend.address())
        .start();
    let mut client = gate.client();
    client.send(post("/org/app/echo", "Accept-Encoding: gzip\r\n", b"{}"));
    assert_eq!(client.answer().json(), answer);
    assert_eq!(backend.last().head.header("accept-encoding"), Some("gzip"));
    assert!(!is_known(&gate, &token));
}

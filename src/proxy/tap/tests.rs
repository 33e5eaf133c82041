use parking_lot::Mutex;
use std::future::poll_fn;

use super::*;
use crate::proxy::exchange::ANSWER_LIMITS;
use crate::wire::head;

/// Remembers what it hears.
#[derive(Default)]
struct Ear(Mutex<Vec<Vec<u8>>>);

impl Listen for Ear {
    fn hear(&self, body: &[u8]) -> Option<Told> {
        self.0.lock().push(body.to_vec());
        None
    }
}

fn tap(lines: &str, framing: Framing, ear: &Arc<Ear>) -> Option<Box<Tap>> {
    let text = format!("{}\r\n\r\n", lines.trim().replace('\n', "\r\n"));
    let head = head::response(text.as_bytes(), &ANSWER_LIMITS);
    let listener: Arc<dyn Listen> = Arc::<Ear>::clone(ear);
    Tap::of(&head.unwrap().unwrap(), framing, &listener)
}

fn heard(ear: &Ear) -> Vec<Vec<u8>> {
    std::mem::take(&mut *ear.0.lock())
}

const JSON: &str = "HTTP/1.1 200 OK\nContent-Type: application/json;charset=utf-8";

#[test]
fn a_whole_body_is_heard_once() {
    let ear = Arc::default();
    let mut whole = tap(JSON, Framing::Length(6), &ear).unwrap();
    whole.see(b"{\"a\"");
    whole.see(b":1}");
    assert!(heard(&ear).is_empty(), "it has not ended");
    whole.end();
    whole.end();
    assert_eq!(heard(&ear), [b"{\"a\":1}"]);

    let mut chunked = tap(JSON, Framing::Chunked, &ear).unwrap();
    for byte in b"3;x=y\r\n{\"a\r\n4\r\n\":1}\r\n0\r\nTrailer: x\r\n\r\n" {
        chunked.see(&[*byte]);
    }
    chunked.end();
    assert_eq!(heard(&ear), [b"{\"a\":1}"]);
}

#[test]
fn too_long_a_body_is_not_heard() {
    let ear = Arc::default();
    let length = LONGEST as u64;
    assert!(tap(JSON, Framing::Length(length), &ear).is_some());
    assert!(tap(JSON, Framing::Length(length + 1), &ear).is_none());
    let mut chunked = tap(JSON, Framing::Chunked, &ear).unwrap();
    for _ in 0..=LONGEST {
        chunked.see(b"1\r\n1\r\n");
    }
    assert!(chunked.copy.is_none(), "its memory is free");
    chunked.see(b"0\r\n\r\n");
    chunked.end();
    assert!(heard(&ear).is_empty());
}

#[test]
fn only_plain_json_with_an_end_is_copied() {
    let ear = Arc::default();
    for (case, lines, framing, is_copied) in [
        ("plain", JSON.to_owned(), Framing::Length(5), true),
        (
            "by name, not coded",
            format!("{JSON}\nContent-Encoding: identity"),
            Framing::Length(5),
            true,
        ),
        (
            "another status",
            JSON.replace("200 OK", "201 Created"),
            Framing::Length(5),
            false,
        ),
        (
            "an error",
            JSON.replace("200 OK", "500 No"),
            Framing::Length(5),
            false,
        ),
        (
            "an end that a cut looks like",
            JSON.to_owned(),
            Framing::UntilClose,
            false,
        ),
        ("nothing", JSON.to_owned(), Framing::None, false),
        (
            "coded",
            format!("{JSON}\nContent-Encoding: gzip"),
            Framing::Length(5),
            false,
        ),
        (
            "coded twice",
            format!("{JSON}\nContent-Encoding: identity\nContent-Encoding: br"),
            Framing::Length(5),
            false,
        ),
        (
            "no type",
            "HTTP/1.1 200 OK\nX: y".to_owned(),
            Framing::Length(5),
            false,
        ),
        (
            "two types",
            format!("{JSON}\nContent-Type: text/html"),
            Framing::Length(5),
            false,
        ),
        (
            "another type",
            JSON.replace("json", "jsonp"),
            Framing::Length(5),
            false,
        ),
    ] {
        assert_eq!(tap(&lines, framing, &ear).is_some(), is_copied, "{case}");
    }
}

#[tokio::test]
async fn the_end_waits_until_it_is_told() {
    struct Slow;
    impl Listen for Slow {
        fn hear(&self, _: &[u8]) -> Option<Told> {
            Some(Box::pin(tokio::task::yield_now()))
        }
    }
    let text = format!("{}\r\n\r\n", JSON.replace('\n', "\r\n"));
    let head = head::response(text.as_bytes(), &ANSWER_LIMITS);
    let listener: Arc<dyn Listen> = Arc::new(Slow);
    let mut tap = Tap::of(&head.unwrap().unwrap(), Framing::Length(1), &listener).unwrap();
    let mut polled = Vec::new();
    tap.see(b"1");
    for _ in 0..2 {
        polled.push(poll_fn(|cx| Poll::Ready(tap.poll_told(cx).is_ready())).await);
        tap.end();
    }
    polled.push(poll_fn(|cx| Poll::Ready(tap.poll_told(cx).is_ready())).await);
    assert_eq!(polled, [true, false, true]);
}

//! What is made here is legal HTTP, put together from parts that readers treat specially, with
//! dangerous fragments spliced in now and then. The outcomes are counted as well: if nothing were
//! accepted any more, nothing would be compared.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::readers::{self, Compared, Outcome};
use crate::{invariants, targets};

/// What has led readers apart, here or elsewhere.
const FRAGMENTS: [&str; 28] = [
    "\r\n",
    "\r\n\r\n",
    "\n",
    "\r",
    "\0",
    "\t",
    " ",
    "\r\n ",
    ":",
    ";",
    "\"",
    "\\",
    ",",
    "\u{85}",
    "%2f",
    "0\r\n\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "content-length:\t0\t\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Upgrade: websocket\r\nConnection: upgrade\r\n",
    "HTTP/1.0",
    "HTTP/1.1 200 OK\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
];

/// So many cases: a second or two each.
const CASES: u32 = 2_000;

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[A-Za-z0-9_-]{1,10}:[ \t]{0,2}([!-~]([ -~\tä你]{0,10}[!-~])?)?[ \t]{0,2}\r\n",
        1 => "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,6}: [!-~]{1,6}\r\n",
        1 => "Connection: (close|keep-alive|Upgrade|X-Hop|te)( ?, ?(close|keep-alive|x))?\r\n",
        1 => select(&FRAGMENTS[16..25]).prop_map(str::to_owned),
    ]
}

/// A framing's header and a body that fits it, most of the time.
fn framed_body() -> impl Strategy<Value = (String, Vec<u8>)> {
    prop_oneof![
        1 => Just((String::new(), Vec::new())),
        1 => vec(any::<u8>(), 0..30).prop_map(|body| (String::new(), body)),
        2 => (vec(any::<u8>(), 0..30), -2_isize..3).prop_map(|(body, off)| {
            let length = body.len().saturating_add_signed(off);
            (format!("Content-Length: {length}\r\n"), body)
        }),
        3 => chunks().prop_map(|body| ("Transfer-Encoding: chunked\r\n".to_owned(), body)),
    ]
}

fn chunks() -> impl Strategy<Value = Vec<u8>> {
    let extension = prop_oneof![
        8 => Just(String::new()),
        1 => ";[a-z]{1,3}(=([a-z]{1,3}|\"[a-z ;]{0,4}\"))?",
        1 => "[ \t]{0,2};[ -~]{0,6}",
        1 => "[ \t]{1,2}",
    ];
    let chunk = (vec(any::<u8>(), 1..20), extension).prop_map(|(data, extension)| {
        let size = format!("{:x}{extension}\r\n", data.len());
        [size.as_bytes(), &data, b"\r\n"].concat()
    });
    let trailer = "[A-Za-z-]{1,6}:[ -~]{0,9}\r\n";
    let trailers = prop_oneof![4 => Just(Vec::new()), 1 => vec(trailer, 0..3)];
    let end = select(&["0\r\n", "000\r\n", "0;a\r\n"]);
    (vec(chunk, 0..4), end, trailers).prop_map(|(chunks, end, trailers)| {
        let tail = format!("{end}{}\r\n", trailers.concat());
        [&*chunks.concat(), tail.as_bytes()].concat()
    })
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    let start = "(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /([a-z]{0,6}|[a-z.]{1,3}(%[0-9A-Fe]{2})?|[!-~]{1,2})(\\?[a-z=&]{1,9}|\\?[!-~]{0,4})? HTTP/1\\.(1|1|1|0)\r\n";
    let host = prop_oneof![9 => Just("Host: chat.example\r\n"), 1 => Just("")];
    (
        start,
        host,
        vec(line(), 0..6),
        framed_body(),
        any::<Index>(),
    )
        .prop_map(|(start, host, mut lines, (framing, body), at)| {
            lines.insert(at.index(lines.len() + 1), framing);
            let head = format!("{start}{host}{}\r\n", lines.concat());
            [head.as_bytes(), &body].concat()
        })
}

fn response() -> impl Strategy<Value = Vec<u8>> {
    let status = prop_oneof![
        6 => Just(200_u16),
        1 => select(&[100, 101, 102, 103, 199, 204, 205, 304, 404, 500, 999]),
        1 => 90_u16..1000,
    ];
    let version = select(&["HTTP/1.1", "HTTP/1.1", "HTTP/1.0"]);
    let reason = prop_oneof![" OK", " ?[ -~ä]{0,6}"];
    (
        version,
        status,
        reason,
        vec(line(), 0..6),
        framed_body(),
        any::<Index>(),
    )
        .prop_map(
            |(version, status, reason, mut lines, (framing, body), at)| {
                lines.insert(at.index(lines.len() + 1), framing);
                let head = format!("{version} {status}{reason}\r\n{}\r\n", lines.concat());
                [head.as_bytes(), &body].concat()
            },
        )
}

/// The message as it is, or with a fragment or a byte put into it, and with something behind it.
fn spoiled(message: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let spoil = prop_oneof![
        6 => Just(None),
        2 => select(&FRAGMENTS).prop_map(|fragment| Some((fragment.as_bytes().to_vec(), 0))),
        1 => any::<u8>().prop_map(|byte| Some((vec![byte], 1))),
        1 => (1_usize..4).prop_map(|cut| Some((Vec::new(), cut))),
    ];
    let after = prop_oneof![
        2 => Just(Vec::new()),
        1 => Just(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        1 => Just(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()),
        1 => vec(any::<u8>(), 0..8),
    ];
    (message, spoil, any::<Index>(), after).prop_map(|(mut message, spoil, at, after)| {
        if let Some((fragment, replaced)) = spoil {
            let at = at.index(message.len());
            let end = (at + replaced).min(message.len());
            message.splice(at..end, fragment);
        }
        message.extend(after);
        message
    })
}

/// A number that is near one that counts, or is written in another way.
fn number(near: i64) -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (-700_i64..700).prop_map(move |off| (near + off).to_string()),
        1 => (-2_i64..3).prop_map(move |off| format!("{}.0", near + off)),
        1 => Just(format!("\"{near}\"")),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => select(&["0", "600", "900", "601", "6e2", "null", "10000000000", "999999999"])
            .prop_map(str::to_owned),
    ]
}

/// What stands inside a dynamic token of Easemob, without its signature.
fn dynamic_token() -> impl Strategy<Value = String> {
    let app = prop_oneof![9 => Just("easemob-demo#testapp"), 1 => Just("easemob-demo#x")];
    let ttl = prop_oneof![6 => select(&["600", "900"]).prop_map(str::to_owned), 1 => number(600)];
    let user = prop_oneof![9 => "[a-z0-9_.-]{1,12}", 1 => "[ -~]{0,4}"];
    (app, user, number(1_795_181_900), ttl).prop_map(|(app, user, cur_time, ttl)| {
        let user = serde_json::Value::from(user);
        format!("{{\"appkey\":\"{app}\",\"userId\":{user},\"curTime\":{cur_time},\"ttl\":{ttl}}}")
    })
}

/// What stands inside a Token04 of ZEGO.
fn token04() -> impl Strategy<Value = String> {
    let app = prop_oneof![9 => Just("1234567890".to_owned()), 1 => number(1_234_567_890)];
    let user = prop_oneof![9 => "[a-z0-9]{1,12}", 1 => "[ -~]{0,4}"];
    let (ctime, expire) = (number(1_750_000_000), number(1_750_000_300));
    let rest = select(&[
        "",
        ",\"nonce\":-1",
        ",\"payload\":\"\"",
        ",\"payload\":1",
        ",\"ctime\":0",
    ]);
    (app, user, ctime, expire, rest).prop_map(|(app, user, ctime, expire, rest)| {
        let user = serde_json::Value::from(user);
        format!(
            "{{\"app_id\":{app},\"user_id\":{user},\"ctime\":{ctime},\"expire\":{expire}{rest}}}"
        )
    })
}

/// Compares many messages, and says how many were refused and how many read alike.
fn compare(
    messages: impl Strategy<Value = Vec<u8>>,
    read: impl Fn(&[u8]) -> Vec<Compared>,
) -> (u32, u32) {
    let counts = std::cell::Cell::new((0, 0));
    let mut runner = TestRunner::new(Config::with_cases(CASES));
    let found = runner.run(&messages, |bytes| {
        for compared in read(&bytes) {
            let (refused, agreed) = counts.get();
            match compared {
                Ok(Outcome::Refused) => counts.set((refused + 1, agreed)),
                Ok(Outcome::Agreed) => counts.set((refused, agreed + 1)),
                Ok(Outcome::Lenient(_)) => {}
                Err(difference) => {
                    let shown = bytes.escape_ascii();
                    return Err(TestCaseError::fail(format!("{difference}\n{shown}")));
                }
            }
        }
        Ok(())
    });
    if let Err(error) = found {
        panic!("{error}");
    }
    counts.get()
}

#[test]
fn an_accepted_request_is_read_alike() {
    let (refused, agreed) = compare(spoiled(request()), |bytes| vec![readers::request(bytes)]);
    assert!(refused > CASES / 20, "{refused} of {CASES} were refused");
    assert!(agreed > CASES / 5, "{agreed} of {CASES} were compared");
}

#[test]
fn an_accepted_response_is_read_alike() {
    let (refused, agreed) = compare(spoiled(response()), |bytes| {
        vec![
            readers::response(bytes, "GET"),
            readers::response(bytes, "HEAD"),
        ]
    });
    assert!(refused > CASES / 20, "{refused} of {CASES} were refused");
    assert!(agreed > CASES / 5, "{agreed} of {CASES} were compared");
}

#[test]
fn an_accepted_body_is_read_alike() {
    let (_, agreed) = compare(spoiled(chunks()), |bytes| readers::body(bytes).to_vec());
    assert!(agreed > CASES / 5, "{agreed} of {CASES} were compared");
}

proptest! {
    #![proptest_config(Config::with_cases(300))]

    #[test]
    fn heads_and_bodies_do_not_depend_on_how_they_come(
        request in spoiled(request()),
        response in spoiled(response()),
        body in spoiled(chunks()),
    ) {
        invariants::request(&request);
        invariants::response(&response);
        invariants::body(&body);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..300)) {
        targets::head_request(&bytes);
        targets::head_response(&bytes);
        targets::body_readers(&bytes);
        targets::messages(&bytes);
        targets::easemob_dynamic(&bytes);
        targets::zego_token04(&bytes);
    }

    #[test]
    fn what_stands_inside_a_token_is_read_alike(
        inside in dynamic_token(),
        claims in token04(),
    ) {
        targets::easemob_dynamic(inside.as_bytes());
        targets::zego_token04(claims.as_bytes());
    }
}

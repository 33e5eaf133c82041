//! What is asked and how it is answered.

use std::fmt::Write as _;

use super::super::super::http::patterned;
use super::dice::Dice;

/// Requests on one connection of a client.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) steps: Vec<Step>,
    /// All at once, without waiting for the answers.
    pub(super) pipelined: bool,
}

#[derive(Debug)]
pub(super) struct Step {
    pub(super) method: &'static str,
    /// The pieces in which the request is sent at first.
    pub(super) pieces: Vec<Vec<u8>>,
    /// What is sent after a 100.
    pub(super) after_continue: Vec<u8>,
    pub(super) answer: Answer,
    /// As it stands in the request, for whoever has to find out.
    head: String,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) version: &'static str,
    pub(super) framing: Framing,
    pub(super) has_trailers: bool,
    /// Interim answers, sent before the request's body is read.
    pub(super) interim: &'static str,
    pub(super) pieces: Vec<Vec<u8>>,
    /// Sent without waiting for the request's body.
    pub(super) early: bool,
    /// The backend closes after it.
    pub(super) closes: bool,
    head: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Nothing,
    Length,
    Chunked,
    UntilClose,
}

const HEADERS: [&str; 10] = [
    "Accept: */*\r\n",
    "X-Empty:\r\n",
    "X-Twice: 1\r\nX-Other: 2\r\nx-twice: 3\r\n",
    "X-Blanks: \t a b\t c \r\n",
    "X-Text: caf\u{e9}\r\n",
    "Cookie: a=1; b=\"2\"\r\n",
    "Content-Type: application/octet-stream\r\n",
    "Connection: X-Hop\r\nX-Hop: 1\r\n",
    "Forwarded: for=192.0.2.1\r\nX-Forwarded-For: 192.0.2.1\r\nX-Auth-Subject: root\r\n",
    "Range: bytes=0-9\r\nIf-None-Match: \"1\"\r\nAccept-Encoding: gzip\r\n",
];

const ANSWER_HEADERS: [&str; 8] = [
    "Set-Cookie: a=1\r\nX-Other: 1\r\nset-cookie: b=2\r\n",
    "X-Empty:\r\n",
    "X-Blanks: \t a b\t c \r\n",
    "X-Text: caf\u{e9}\r\n",
    "ETag: \"1\"\r\nCache-Control: max-age=60\r\nVary: Accept-Encoding\r\n",
    "Connection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n",
    "X-Request-Id: of-the-backend\r\n",
    "Content-Encoding: gzip\r\nServer: test\r\nVia: 1.1 other\r\n",
];

impl Conversation {
    pub(super) fn draw(dice: &mut Dice, number: usize) -> Self {
        let steps = 1 + dice.below(4);
        let pipelined = dice.percent(15);
        Self {
            steps: (0..steps)
                .map(|step| {
                    let target = format!("/open/{number}/{step}?a=%20b");
                    Step::draw(dice, &target, pipelined, step + 1 == steps)
                })
                .collect(),
            pipelined,
        }
    }

    /// What was asked and answered, without the bodies.
    pub(super) fn told(&self) -> String {
        let mut told = String::new();
        for Step { head, answer, .. } in &self.steps {
            let Answer {
                head: of_answer,
                early,
                closes,
                interim,
                ..
            } = answer;
            writeln!(
                told,
                "  {head:?}\n    {of_answer:?} early {early}, closes {closes}, after {interim:?}"
            )
            .unwrap();
        }
        format!("pipelined {}\n{told}", self.pipelined)
    }
}

impl Step {
    fn draw(dice: &mut Dice, target: &str, pipelined: bool, is_last: bool) -> Self {
        let method = dice.one_of(&[
            "GET", "GET", "HEAD", "POST", "POST", "PUT", "PATCH", "DELETE", "OPTIONS",
        ]);
        let is_old = is_last && dice.percent(15);
        let seldom = matches!(method, "POST" | "PUT" | "PATCH");
        let framing = if dice.percent(if seldom { 10 } else { 90 }) {
            Framing::Nothing
        } else if !is_old && dice.percent(50) {
            Framing::Chunked
        } else {
            Framing::Length
        };
        let body = if framing == Framing::Nothing {
            Vec::new()
        } else {
            patterned(dice.size())
        };
        let (chunked, _) = in_chunks(dice, &body, false);
        let mut head = format!(
            "{method} {target} HTTP/1.{}\r\nHost: im.example.com\r\n",
            u8::from(!is_old)
        );
        head += &draw_headers(dice, &HEADERS);
        let framed = match framing {
            Framing::Chunked => {
                head += "Transfer-Encoding: chunked\r\n";
                chunked
            }
            Framing::Length => {
                write!(head, "Content-Length: {}\r\n", body.len()).unwrap();
                body
            }
            Framing::Nothing | Framing::UntilClose => Vec::new(),
        };
        if is_old && dice.percent(50) {
            head += "Connection: keep-alive\r\n";
        } else if is_last && dice.percent(15) {
            head += "Connection: close\r\n";
        }
        let alone = !pipelined && !is_old && framed.len() > 1;
        let expects = alone && is_last && dice.percent(25);
        let early = alone && is_last && !expects && dice.percent(20);
        if expects {
            head += "Expect: 100-continue\r\n";
        }
        head += "\r\n";
        let at_once = match (expects, early) {
            (true, _) => 0,
            // The rest never comes.
            (_, true) => framed.len() / 2,
            _ => framed.len(),
        };
        let mut bytes = head.clone().into_bytes();
        bytes.extend_from_slice(&framed[..at_once]);
        Self {
            method,
            pieces: dice.cut(&bytes),
            after_continue: if expects { framed } else { Vec::new() },
            answer: Answer::draw(dice, method, expects, early, is_last),
            head,
        }
    }

    /// The step of this target.
    pub(super) fn find<'p>(plan: &'p [Conversation], target: &str) -> Option<&'p Self> {
        let (number, step) = target.strip_prefix("/open/")?.split_once('/')?;
        let (step, _) = step.split_once('?')?;
        let conversation = plan.get(number.parse::<usize>().ok()?)?;
        conversation.steps.get(step.parse::<usize>().ok()?)
    }
}

impl Answer {
    fn draw(dice: &mut Dice, method: &str, expects: bool, early: bool, is_last: bool) -> Self {
        let status = dice.one_of(&[
            "200 OK",
            "200 OK",
            "201 Created",
            "204 No Content",
            "206 Partial Content",
            "302 ",
            "304 Not Modified",
            "404 Not Found",
            "500 Oh no",
        ]);
        let bodiless = method == "HEAD" || status.starts_with("204") || status.starts_with("304");
        let version = if dice.percent(8) {
            "HTTP/1.0"
        } else {
            "HTTP/1.1"
        };
        let framing = match dice.below(100) {
            _ if status.starts_with("204") => Framing::Nothing,
            0..20 if bodiless => Framing::Nothing,
            0..15 if is_last && !early => Framing::UntilClose,
            0..60 => Framing::Length,
            _ if version == "HTTP/1.0" => Framing::Length,
            _ => Framing::Chunked,
        };
        let body = patterned(dice.size());
        let with_extras = dice.percent(30);
        let (chunked, has_trailers) = in_chunks(dice, &body, with_extras);
        let mut head = format!(
            "{version} {status}\r\n{}",
            draw_headers(dice, &ANSWER_HEADERS)
        );
        let mut framed = match framing {
            Framing::Chunked => {
                head += "Transfer-Encoding: chunked\r\n";
                chunked
            }
            Framing::Length => {
                write!(head, "Content-Length: {}\r\n", body.len()).unwrap();
                body
            }
            Framing::Nothing => Vec::new(),
            Framing::UntilClose => body,
        };
        if bodiless {
            framed.clear();
        }
        let announces = dice.percent(10);
        if announces {
            head += "Connection: close\r\n";
        }
        // Cut off within its body.
        let is_cut = is_last
            && !early
            && framed.len() > 10
            && framing != Framing::UntilClose
            && dice.percent(8);
        if is_cut {
            framed.truncate(framed.len() / 2);
        }
        head += "\r\n";
        let mut bytes = head.clone().into_bytes();
        bytes.extend(framed);
        let interim = match (expects, dice.below(100)) {
            (true, _) => "HTTP/1.1 100 Continue\r\n\r\n",
            (_, 0..8) => "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n",
            (_, 8..12) => "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
            _ => "",
        };
        Self {
            version,
            framing,
            has_trailers: has_trailers && framing == Framing::Chunked,
            interim,
            pieces: dice.cut(&bytes),
            early,
            closes: is_cut || announces || framing == Framing::UntilClose || version == "HTTP/1.0",
            head,
        }
    }
}

fn draw_headers(dice: &mut Dice, from: &[&str]) -> String {
    from.iter().filter(|_| dice.percent(20)).copied().collect()
}

/// The body in chunks, and whether trailers follow.
fn in_chunks(dice: &mut Dice, body: &[u8], with_extras: bool) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    for chunk in body.chunks(1 + dice.below(30_000)) {
        let extension = if with_extras && dice.percent(30) {
            ";a=b;c=\"d\""
        } else {
            ""
        };
        bytes.extend(format!("{:x}{extension}\r\n", chunk.len()).into_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend(b"\r\n");
    }
    let has_trailers = with_extras && dice.percent(50);
    bytes.extend(if has_trailers {
        &b"0\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n"[..]
    } else {
        b"0\r\n\r\n"
    });
    (bytes, has_trailers)
}

//! What can be seen from outside: what the client heard, and what the backend received.

use std::fmt;

use super::super::super::support::raw::{RawClient, request};
use super::super::super::support::recorder::Received;
use super::plan::{Conversation, Step};

/// The target of the question whether a connection is still open.
const STILL_THERE: &str = "/open/still-there";

/// An answer as the client heard it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) interim: Vec<u16>,
    pub(super) version: String,
    status: String,
    /// By name; those of one name in their order.
    headers: Vec<(String, String)>,
    body: Bytes,
    pub(super) trailers: Vec<String>,
    /// The body did not come to its end.
    is_cut: bool,
    /// Another request on the connection was answered.
    pub(super) stays_open: bool,
}

impl Heard {
    pub(super) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(other, _)| other == name)
    }

    /// Takes a header away. Tells whether it was there.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        let before = self.headers.len();
        self.headers.retain(|(other, _)| other != name);
        self.headers.len() < before
    }

    pub(super) fn add(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.to_owned()));
        self.headers.sort_by(|(one, _), (other, _)| one.cmp(other));
    }
}

/// A request as the backend received it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sent {
    start: String,
    headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

/// A body, which is not worth printing.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Bytes(Vec<u8>);

impl Bytes {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = self.0.iter().fold(0_u32, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(u32::from(*byte))
        });
        write!(f, "{} bytes with the sum {sum:08x}", self.0.len())
    }
}

impl Sent {
    /// It only asked whether the connection is still open.
    pub(super) fn is_question(&self) -> bool {
        self.start.contains(STILL_THERE)
    }
}

impl From<Received> for Sent {
    fn from(received: Received) -> Self {
        let start = received.head.text.lines().next().unwrap_or_default();
        Self {
            start: start.to_owned(),
            headers: comparable(received.head.headers()),
            body: Bytes(received.body),
        }
    }
}

/// Says everything and hears every answer.
pub(super) fn converse(client: &mut RawClient, conversation: &Conversation) -> Vec<Heard> {
    if conversation.pipelined {
        for step in &conversation.steps {
            say(client, step);
        }
    }
    let mut heard: Vec<Heard> = Vec::new();
    for step in &conversation.steps {
        if !conversation.pipelined {
            say(client, step);
        }
        let Some(answer) = hear(client, step) else {
            break;
        };
        if let Some(before) = heard.last_mut() {
            before.stays_open = true;
        }
        heard.push(answer);
    }
    // Behind half an upload the question would be taken for the rest of it.
    if let (Some(last), Some(step)) = (heard.last_mut(), conversation.steps.last())
        && !last.is_cut
        && !step.answer.early
        && client.try_send(request("GET", STILL_THERE, "")).is_ok()
    {
        last.stays_open = matches!(client.wire().head(), Ok(Some(_)));
    }
    heard
}

fn say(client: &mut RawClient, step: &Step) {
    for piece in &step.pieces {
        // What the gate does not take any more, it has answered; that is heard.
        let _ = client.try_send(piece);
    }
}

fn hear(client: &mut RawClient, step: &Step) -> Option<Heard> {
    let mut answer = Heard::default();
    let head = loop {
        let head = client.wire().head().ok()??;
        let mut words = head.text.splitn(2, ' ');
        answer.version = words.next()?.to_owned();
        answer.status = words.next()?.lines().next()?.to_owned();
        match answer.status.get(..3)?.parse() {
            Ok(status @ 100..200) => answer.interim.push(status),
            _ => break head,
        }
        let _ = client.try_send(&step.after_continue);
    };
    answer.headers = comparable(head.headers());
    if step.method == "HEAD" || answer.status.starts_with("204") || answer.status.starts_with("304")
    {
        return Some(answer);
    }
    let body = if head.header("transfer-encoding").is_some() {
        client.wire().chunked_with_extras()
    } else if let Some(length) = head.header("content-length") {
        let length = length.parse().expect("a length");
        client.wire().exactly(length).map(|body| (body, Vec::new()))
    } else {
        client.wire().read_to_end().map(|body| (body, Vec::new()))
    };
    match body {
        Ok((body, trailers)) => (answer.body, answer.trailers) = (Bytes(body), trailers),
        Err(_) => answer.is_cut = true,
    }
    Some(answer)
}

/// The headers by name, without what is different each time.
fn comparable(headers: &[(String, String)]) -> Vec<(String, String)> {
    let mut headers = headers.to_vec();
    // pingora puts its own date into every answer.
    headers.retain(|(name, _)| name != "x-request-id" && name != "date");
    headers.sort_by(|(one, _), (other, _)| one.cmp(other));
    headers
}

//! A server that is asked about tokens or keys, and answers as the test says at the moment.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::recorder::{Exchange, Received, Recorder};
use super::wait::{eventually, pause};

/// How the server is at the moment.
#[derive(Clone, Debug)]
pub(crate) enum Mood {
    /// Answers with these bytes.
    Says(String),
    /// Answers each token as it is told, and every other with a no.
    Knows(Vec<(String, String)>),
    /// Takes its time until its mood changes, and answers then.
    Slow,
    /// Never answers.
    Silent,
    /// Ends the connection without an answer.
    Away,
}

#[derive(Debug)]
pub(crate) struct Idp {
    recorder: Recorder,
    mood: Arc<Mutex<Mood>>,
}

impl Idp {
    pub(crate) fn in_mood(mood: Mood) -> Self {
        let mood = Arc::new(Mutex::new(mood));
        let now = Arc::clone(&mood);
        let recorder = Recorder::serving(move |exchange| {
            let body = exchange.read_body();
            loop {
                let mood = now.lock().clone();
                if !act(exchange, mood, &body) {
                    return;
                }
                pause(std::time::Duration::from_millis(5));
            }
        });
        Self { recorder, mood }
    }

    /// Has these keys.
    pub(crate) fn with_keys(keys: &[Value]) -> Self {
        Self::in_mood(keys_of(keys))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.recorder.address()
    }

    pub(crate) fn is_now(&self, mood: Mood) {
        *self.mood.lock() = mood;
    }

    pub(crate) fn has_now(&self, keys: &[Value]) {
        self.is_now(keys_of(keys));
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.recorder.requests().len()
    }

    pub(crate) fn last(&self) -> Received {
        self.recorder.last()
    }

    #[track_caller]
    pub(crate) fn wait_until_asked(&self, times: usize) {
        eventually("the server is asked", || {
            (self.asked() >= times).then_some(())
        });
    }
}

/// Does what the mood says; `true` if it may change its mind.
fn act(exchange: &mut Exchange, mood: Mood, body: &[u8]) -> bool {
    match mood {
        Mood::Says(bytes) => exchange.send(bytes),
        Mood::Knows(tokens) => {
            let form = String::from_utf8_lossy(body).into_owned();
            let token = form
                .split('&')
                .find_map(|field| field.strip_prefix("token="));
            let known = tokens
                .iter()
                .find(|(known, _)| Some(known.as_str()) == token);
            let answer = known.map_or(r#"{"active":false}"#, |(_, answer)| answer);
            exchange.send(json_answer(answer));
        }
        Mood::Slow => return true,
        Mood::Silent => exchange.wait_for_the_gate_to_give_up(),
        Mood::Away => exchange.close(),
    }
    false
}

fn keys_of(keys: &[Value]) -> Mood {
    Mood::Says(json_answer(&json!({ "keys": keys }).to_string()))
}

/// A 200 with this JSON.
pub(crate) fn json_answer(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A token that is good for a user.
pub(crate) fn good(token: &str, subject: &str) -> (String, String) {
    let answer = json!({ "active": true, "sub": subject }).to_string();
    (token.to_owned(), answer)
}

/// The JWK of a P-256 key in PEM.
pub(crate) fn jwk(kid: &str, public_pem: &str) -> Value {
    let body: String = public_pem
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    let der = STANDARD.decode(body).unwrap();
    // The uncompressed point is the end of it.
    let (x, y) = der[der.len() - 64..].split_at(32);
    json!({
        "kty": "EC", "crv": "P-256", "use": "sig", "kid": kid,
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
    })
}

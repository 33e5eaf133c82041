//! A small backend like Easemob's: it gives tokens out, knows them again, and tells of users.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use imgate::clock::UnixTime;
use imgate::scheme::easemob_token::{Kind, Layout, Uuid};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::super::support::Recorder;
use super::super::support::mint;
use super::super::support::recorder::Exchange;
use super::super::support::wire::Head;

#[derive(Debug)]
pub(super) struct Backend {
    recorder: Recorder,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    tokens: Mutex<HashMap<String, Issued>>,
    banned: Mutex<Vec<String>>,
    /// Answers to questions about users with this status, if it is one.
    failure: AtomicU16,
    number: AtomicU64,
}

#[derive(Clone, Debug)]
struct Issued {
    /// `None`: the app's.
    user: Option<String>,
}

/// What stands for the application of all users.
const APPLICATION: Uuid = Uuid([0xaa; 16]);
const USERS: [&str; 2] = ["alice", "bob"];

impl Backend {
    pub(super) fn start() -> Self {
        let state = Arc::<State>::default();
        let kept = Arc::clone(&state);
        Self {
            recorder: Recorder::serving(move |exchange| serve(exchange, &state)),
            state: kept,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.recorder.address()
    }

    /// The heads of requests since this was last asked.
    pub(super) fn take(&self) -> Vec<Head> {
        let requests = self.recorder.take().into_iter();
        requests.map(|request| request.head).collect()
    }

    pub(super) fn last(&self) -> Head {
        self.recorder.last().head
    }

    /// Makes a token one that was never given out.
    pub(super) fn withdraw(&self, token: &str) {
        self.state.tokens.lock().remove(token);
    }

    pub(super) fn ban(&self, user: &str) {
        self.state.banned.lock().push(user.to_owned());
    }

    /// Answers questions about users like this from now on; 0 ends it.
    pub(super) fn fail(&self, status: u16) {
        self.state.failure.store(status, Ordering::Relaxed);
    }
}

/// A user's UUID.
pub(super) fn uuid(name: &str) -> Uuid {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    Uuid(bytes)
}

/// A token of that form, given out by nobody.
pub(super) fn written(kind: Kind, entity: [u8; 16], ttl: u64) -> String {
    write(kind, Uuid(entity), ttl, u64::MAX)
}

fn write(kind: Kind, entity: Uuid, ttl: u64, number: u64) -> String {
    let mut random = [0; 40];
    random[8..16].copy_from_slice(&number.to_be_bytes());
    let layout = Layout {
        kind,
        application: (kind == Kind::User).then_some(APPLICATION),
        entity,
        issued: UnixTime::from_secs(mint::now()),
        lifetime: (ttl > 0).then(|| Duration::from_secs(ttl)),
    };
    layout.write(&random)
}

fn serve(exchange: &mut Exchange, state: &State) {
    let body = exchange.read_body();
    let (status, answer) = answer(&exchange.head, &body, state);
    exchange.send(http(status, &answer));
}

pub(super) fn http(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn answer(head: &Head, body: &[u8], state: &State) -> (u16, String) {
    let path = head.target().split('/').skip(1).collect::<Vec<_>>();
    let bearer = head
        .header("authorization")
        .and_then(|value| value.strip_prefix("Bearer "));
    let known = bearer.and_then(|token| state.tokens.lock().get(token).cloned());
    match path[..] {
        [_, _, "token"] => {
            let order: Value = serde_json::from_slice(body).unwrap();
            give_out(&order, known.as_ref(), state)
        }
        [_, _, "users", name] if known.is_some() => {
            let failure = state.failure.load(Ordering::Relaxed);
            if failure > 0 {
                return (failure, "{}".to_owned());
            }
            let found = USERS
                .iter()
                .find(|user| **user == name || uuid(user).to_string() == name);
            match found {
                Some(user) => (
                    200,
                    json!({ "entities": [entity(user, state)] }).to_string(),
                ),
                // What an app asks about anybody.
                None if name.len() == 1 => (200, "{}".to_owned()),
                None => (404, r#"{"error":"entity_not_found"}"#.to_owned()),
            }
        }
        _ if known.is_some() => (200, "{}".to_owned()),
        _ => (401, "withdrawn".to_owned()),
    }
}

fn entity(user: &str, state: &State) -> Value {
    let activated = !state.banned.lock().iter().any(|banned| banned == user);
    json!({ "uuid": uuid(user).to_string(), "type": "user", "username": user, "activated": activated })
}

fn give_out(order: &Value, bearer: Option<&Issued>, state: &State) -> (u16, String) {
    let text = |name: &str| order[name].as_str().unwrap_or_default();
    let ttl = order["ttl"].as_u64().unwrap_or(600);
    let user = match text("grant_type") {
        "client_credentials" if text("client_secret") == "YXA6secret" => None,
        "password" if text("password") == "secret" => Some(text("username")),
        "inherit" if bearer.is_some_and(|issued| issued.user.is_none()) => Some(text("username")),
        _ => return (401, r#"{"error":"unauthorized"}"#.to_owned()),
    };
    let number = state.number.fetch_add(1, Ordering::Relaxed);
    let token = match user {
        None => write(Kind::App, APPLICATION, ttl, number),
        Some(user) => write(Kind::User, uuid(user), ttl, number),
    };
    // Known for ever: that a token ends is the gate's to see, and two clocks that cut a second at
    // different places would make it anybody's.
    let issued = Issued {
        user: user.map(str::to_owned),
    };
    state.tokens.lock().insert(token.clone(), issued);
    let answer = match user {
        None => json!({
            "access_token": token, "expires_in": ttl, "application": APPLICATION.to_string(),
        }),
        Some(user) => {
            json!({ "access_token": token, "expires_in": ttl, "user": entity(user, state) })
        }
    };
    (200, answer.to_string())
}

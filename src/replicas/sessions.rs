//! The sessions of all replicas, for operators.
//!
//! A list may be long, so it does not go by the stream: each replica lays its part down in the store
//! for a few seconds, and says only that it did.

use ::redis::{Pipeline, Value as RedisValue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::{self, Steady, UnixTime};
use crate::proxy::Shared;
use crate::replicas::event::{Said, kind};
use crate::replicas::id::QuestionId;
use crate::replicas::{Operation, Replicas, Unshared, answer};
use crate::session::chosen::Chosen;
use crate::session::live::Live;
use crate::session::{CloseReason, Kind};
use crate::wire::record;

/// More than this are counted, not shown.
const MOST_SHOWN: usize = 1000;

/// How long a list is kept for whoever has asked.
const KEPT_MILLIS: usize = 10_000;

/// Sessions, the oldest first.
#[derive(Debug, PartialEq)]
pub struct Listing {
    /// How many there are; not all of them may be shown.
    pub total: usize,
    pub sessions: Vec<Value>,
    /// Every replica has answered.
    pub is_whole: bool,
}

/// What came of ending sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    pub sessions: usize,
    /// Every replica has answered.
    pub is_whole: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    total: usize,
    sessions: Vec<Value>,
}

/// Shows the chosen sessions of all replicas.
pub async fn list(shared: &Shared, chosen: &Chosen) -> Listing {
    let mut parts = vec![part(shared, chosen)];
    let is_whole = match &shared.replicas {
        None => true,
        Some(replicas) => match replicas.parts(chosen).await {
            Ok((others, is_whole)) => {
                parts.extend(others);
                is_whole
            }
            Err(_) => false,
        },
    };
    let total = parts.iter().map(|part| part.total).sum();
    let mut sessions: Vec<Value> = parts.into_iter().flat_map(|part| part.sessions).collect();
    let age = |session: &Value| (session["since"].as_i64(), session["id"].to_string());
    sessions.sort_by_cached_key(age);
    sessions.truncate(MOST_SHOWN);
    Listing {
        total,
        sessions,
        is_whole,
    }
}

/// Tells the chosen sessions of all replicas to close. Their credentials stay good.
pub async fn end(shared: &Shared, chosen: &Chosen) -> Ended {
    let here = ended(shared, chosen);
    let Some(replicas) = &shared.replicas else {
        return Ended {
            sessions: here.sessions,
            is_whole: true,
        };
    };
    let body = record::write(chosen).unwrap_or_default();
    match replicas.ask(kind::END, &body).await {
        Ok(heard) => Ended {
            sessions: here.and(heard.said).sessions,
            is_whole: heard.is_whole,
        },
        Err(_) => Ended {
            sessions: here.sessions,
            is_whole: false,
        },
    }
}

/// Does what another replica wants to be done.
pub(super) fn ended(shared: &Shared, chosen: &Chosen) -> Said {
    let registry = &shared.registry;
    let found = chosen.among(registry).into_iter();
    let closed = found.filter(|live| registry.end(live, CloseReason::Revoked));
    Said {
        sessions: closed.count(),
        ..Said::NOTHING
    }
}

fn part(shared: &Shared, chosen: &Chosen) -> Part {
    let found = chosen.among(&shared.registry);
    let steady = clock::steady();
    let shown = found.iter().take(MOST_SHOWN);
    Part {
        total: found.len(),
        sessions: shown.map(|live| one(live, steady)).collect(),
    }
}

/// What an operator may know of a session; nothing of its credential.
fn one(live: &Live, steady: Steady) -> Value {
    let opening = &live.opening;
    let principal = opening.principal.as_deref();
    let (received, sent) = live.bytes();
    json!({
        "id": live.id.to_string(),
        "kind": match opening.kind {
            Kind::Answer => "answer",
            Kind::Stream => "stream",
            Kind::WebSocket => "websocket",
        },
        "route": &*opening.route,
        "authenticator": opening.authenticator.as_deref(),
        "app": principal.and_then(|one| one.app.as_deref()),
        "user": principal.and_then(|one| one.subject.as_deref()),
        "user_type": principal.and_then(|one| one.user_type.as_deref()),
        "device_type": opening.device_type.as_deref(),
        "since": live.since.as_secs(),
        "expires_at": live.end().map(UnixTime::as_secs),
        "received": received,
        "sent": sent,
        "silent_seconds": steady.since(live.last_received()).as_secs_f64(),
    })
}

impl Replicas {
    /// What the others have laid down, and whether all of them have.
    async fn parts(&self, chosen: &Chosen) -> Result<(Vec<Part>, bool), Unshared> {
        let question = self.questions.open();
        let id = question.id;
        let body = record::write(chosen).unwrap_or_default();
        let heard = self.ask_by(question, kind::LIST, &body).await?;
        if heard.said.sessions == 0 {
            return Ok((Vec::new(), heard.is_whole));
        }
        let mut commands = Pipeline::new();
        commands.cmd("HVALS").arg(self.keys.answers(id));
        let answer = self.request(Operation::Ask, &commands).await?.pop();
        let texts = answer.and_then(answer::texts).ok_or(Unshared::Garbled)?;
        let parts = texts.iter().map(|text| serde_json::from_slice(text));
        let parts = parts.collect::<Result<Vec<Part>, _>>();
        Ok((parts.map_err(|_| Unshared::Garbled)?, heard.is_whole))
    }

    /// Lays a list down for whoever has asked for it. The answer tells what there is to be found.
    pub(super) async fn lay_down(
        &self,
        shared: &Shared,
        chosen: &Chosen,
        question: QuestionId,
    ) -> Said {
        let part = part(shared, chosen);
        if part.total == 0 {
            return Said::NOTHING;
        }
        let said = Said {
            sessions: part.total,
            ..Said::NOTHING
        };
        let Some(text) = record::write(&part) else {
            return Said::NOTHING;
        };
        let key = self.keys.answers(question);
        let mut commands = Pipeline::new();
        commands
            .cmd("HSET")
            .arg(&key)
            .arg(self.process().to_string())
            .arg(text);
        commands.cmd("PEXPIRE").arg(&key).arg(KEPT_MILLIS);
        let laid: Result<Vec<RedisValue>, _> =
            self.call(&self.background, Operation::Ask, &commands).await;
        laid.map_or(Said::NOTHING, |_| said)
    }
}

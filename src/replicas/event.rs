//! What replicas tell each other, as entries of the stream.
//!
//! An entry has four fields: `kind`, `from` (a process), `question` (empty where no answer is
//! wanted) and `body`. Whatever is not exactly what a replica writes is [`Garbled`].

use serde::{Deserialize, Serialize};

use crate::clock::UnixTime;
use crate::gate::standing::record::Proofs;
use crate::principal::ClaimKey;
use crate::replicas::answer::Entry as StreamEntry;
use crate::replicas::id::{ProcessId, QuestionId, number};
use crate::revocation::RevocationId;
use crate::revocation::entry::Entry;
use crate::secret::Digest;
use crate::session::SessionId;
use crate::session::chosen::Chosen;
use crate::session::live::Renewal;
use crate::wire::record;

#[derive(Debug)]
pub(super) struct Event {
    pub(super) from: ProcessId,
    /// Where an answer is wanted.
    pub(super) question: Option<QuestionId>,
    pub(super) body: Body,
}

#[derive(Debug)]
pub(super) enum Body {
    Answer(Said),
    /// Sessions are to be closed.
    End(Chosen),
    /// A process is about to follow the stream.
    Joined,
    /// Sessions are to be shown.
    List(Chosen),
    Renewal(Renewing),
    /// A session has lost its place to another.
    Replaced(ProcessId, SessionId),
    Revocation(RevocationId, Entry),
}

/// What has no meaning here, and whether a revocation may have been meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Garbled {
    pub(super) may_revoke: bool,
}

/// What one replica answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    pub(super) sessions: usize,
    pub(super) verdicts: usize,
    /// When the last of the sessions ends, in milliseconds.
    pub(super) end: i64,
}

/// A renewal on its way to whoever has the session.
#[derive(Debug)]
pub(super) struct Renewing {
    pub(super) key: ClaimKey,
    pub(super) route: String,
    pub(super) renewal: Renewal,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRenewal {
    /// A digest.
    key: String,
    route: String,
    not_after: Option<i64>,
    proofs: Proofs,
}

/// The kinds as they are written; one word each, for metrics too.
pub(super) mod kind {
    pub(in crate::replicas) const ANSWER: &str = "answer";
    pub(in crate::replicas) const END: &str = "end";
    pub(in crate::replicas) const JOINED: &str = "joined";
    pub(in crate::replicas) const LIST: &str = "list";
    pub(in crate::replicas) const RENEWAL: &str = "renewal";
    pub(in crate::replicas) const REPLACED: &str = "replaced";
    pub(in crate::replicas) const REVOCATION: &str = "revocation";
}

impl Said {
    /// What was found nowhere.
    pub(super) const NOTHING: Self = Self {
        sessions: 0,
        verdicts: 0,
        end: i64::MIN,
    };

    pub(super) fn encode(&self) -> String {
        record::write(self).unwrap_or_default()
    }

    /// What two replicas say together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            sessions: self.sessions.saturating_add(other.sessions),
            verdicts: self.verdicts.saturating_add(other.verdicts),
            end: self.end.max(other.end),
        }
    }
}

impl Renewing {
    pub(super) fn encode(key: ClaimKey, route: &str, renewal: &Renewal) -> String {
        let written = WrittenRenewal {
            key: key.0.to_hex(),
            route: route.to_owned(),
            not_after: renewal.not_after.map(UnixTime::as_millis),
            proofs: Proofs::of(&renewal.standing),
        };
        record::write(&written).unwrap_or_default()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let written: WrittenRenewal = record::read(bytes)?;
        Some(Self {
            key: ClaimKey(Digest::from_hex(&written.key)?),
            route: written.route,
            renewal: Renewal {
                standing: written.proofs.standing()?,
                not_after: written.not_after.map(UnixTime::from_millis),
                // Told by whoever has the session.
                unwatched_until: None,
            },
        })
    }
}

impl Event {
    pub(super) fn decode(entry: &StreamEntry) -> Result<Self, Garbled> {
        let [names @ .., _] = entry.fields.as_slice() else {
            return Err(Garbled { may_revoke: true });
        };
        // Names and values in turn.
        let is_ours = entry.fields.len() == 8
            && ["kind", "from", "question", "body"]
                .iter()
                .zip(names.iter().step_by(2))
                .all(|(name, found)| name.as_bytes() == found.as_slice());
        let [_, kind, _, from, _, question, _, body] = entry.fields.as_slice() else {
            return Err(Garbled { may_revoke: true });
        };
        if !is_ours {
            return Err(Garbled { may_revoke: true });
        }
        let may_revoke = kind == kind::REVOCATION.as_bytes();
        Self::read(kind, from, question, body).ok_or(Garbled { may_revoke })
    }

    fn read(kind: &[u8], from: &[u8], question: &[u8], body: &[u8]) -> Option<Self> {
        let question = match question {
            [] => None,
            text => Some(QuestionId::parse(text)?),
        };
        let body = match str::from_utf8(kind).ok()? {
            kind::ANSWER => Body::Answer(record::read(body)?),
            kind::END => Body::End(record::read(body)?),
            kind::JOINED => body.is_empty().then_some(Body::Joined)?,
            kind::LIST => Body::List(record::read(body)?),
            kind::RENEWAL => Body::Renewal(Renewing::decode(body)?),
            kind::REPLACED => {
                let (process, session) = holder(body)?;
                Body::Replaced(process, session)
            }
            kind::REVOCATION => {
                let (id, entry) = body.split_at_checked(32)?;
                let id = RevocationId(number(id)?);
                Body::Revocation(id, Entry::decode(entry.strip_prefix(b" ")?)?)
            }
            _ => return None,
        };
        Some(Self {
            from: ProcessId::parse(from)?,
            question,
            body,
        })
    }
}

/// Reads `<process>/<session>`.
fn holder(bytes: &[u8]) -> Option<(ProcessId, SessionId)> {
    let (process, session) = bytes.split_at_checked(32)?;
    let session = number(session.strip_prefix(b"/")?)?;
    Some((ProcessId::parse(process)?, SessionId(session)))
}

#[cfg(test)]
mod tests;

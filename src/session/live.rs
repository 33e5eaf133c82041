//! One living session: what the registry, an operator and the session's own task share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::clock::{Steady, UnixTime};
use crate::gate::denial::Denial;
use crate::gate::standing::{Ground, Standing};
use crate::policy::Policy;
use crate::revocation::Suspect;
use crate::scheme::{Rejection, TokenFacts};
use crate::session::deadline::{self, Due};
use crate::session::signal::CloseSignal;
use crate::session::{CloseReason, Kind, Opening, SessionId};

mod afar;
mod withdrawal;

/// A session remembers no more of its earlier tokens than these; older ones have long expired.
const MOST_TOKENS: usize = 32;

#[derive(Debug)]
pub struct Live {
    pub id: SessionId,
    pub opening: Opening,
    pub since: UnixTime,
    pub signal: CloseSignal,
    state: Mutex<State>,
    last_received: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
}

/// What changes in a session's life.
#[derive(Debug)]
struct State {
    /// What it was admitted by, to be judged again when the configuration changes.
    standing: Standing,
    /// When it ends by its proofs and its rule; `None` if it has no end of its own.
    end: Option<UnixTime>,
    /// When it ends because its route begins to refuse the likes of it. There is no grace then:
    /// nothing that it has could be renewed.
    until: Option<UnixTime>,
    /// The client was told of this end.
    noticed: Option<UnixTime>,
    pinged: Steady,
    /// It is about to be closed.
    closing: Option<(Steady, CloseReason)>,
    /// Tokens that it was let in or prolonged by, besides those of its standing. Each of them still
    /// revokes it.
    tokens: SmallVec<[Arc<TokenFacts>; 0]>,
}

impl State {
    /// When it ends, whatever for.
    fn first_end(&self) -> Option<UnixTime> {
        self.end.into_iter().chain(self.until).min()
    }
}

/// A new proof for a living session, of the same user.
#[derive(Clone, Debug)]
pub struct Renewal {
    pub standing: Standing,
    pub not_after: Option<UnixTime>,
    /// Where its proofs can be withdrawn and nobody here can ask about them: how long the session may
    /// stand on them. What it stood on before is over then, however long that would have lasted.
    pub unwatched_until: Option<UnixTime>,
}

impl Renewal {
    pub fn new(standing: Standing, not_after: Option<UnixTime>) -> Self {
        Self {
            standing,
            not_after,
            unwatched_until: None,
        }
    }
}

impl Live {
    pub(super) fn new(id: SessionId, mut opening: Opening, now: UnixTime, steady: Steady) -> Self {
        let state = State {
            standing: std::mem::take(&mut opening.standing),
            end: deadline::end_of(&opening.rule, now, opening.not_after),
            until: opening.until,
            noticed: None,
            pinged: steady,
            closing: None,
            tokens: SmallVec::new(),
        };
        Self {
            id,
            opening,
            since: now,
            signal: CloseSignal::default(),
            state: Mutex::new(state),
            last_received: AtomicU64::new(steady.as_millis()),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        }
    }

    /// Notes bytes from the client, its sign of life.
    pub fn received(&self, bytes: usize, steady: Steady) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
        self.last_received
            .store(steady.as_millis(), Ordering::Relaxed);
    }

    /// Notes bytes to the client. A push to somebody who is gone is no sign of life.
    pub fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes from and to the client.
    pub fn bytes(&self) -> (u64, u64) {
        (
            self.received.load(Ordering::Relaxed),
            self.sent.load(Ordering::Relaxed),
        )
    }

    pub fn last_received(&self) -> Steady {
        Steady::from_millis(self.last_received.load(Ordering::Relaxed))
    }

    /// When it ends; `None` if it has no end of its own.
    pub fn end(&self) -> Option<UnixTime> {
        self.state.lock().first_end()
    }

    // === Moments ===

    /// The next moment on the wall clock at which something is due.
    pub(super) fn next_deadline(&self) -> Option<UnixTime> {
        let state = self.state.lock();
        let end = state.first_end()?;
        let rule = &self.opening.rule;
        let notice = deadline::notice_at(rule, end).filter(|_| state.noticed != Some(end));
        let close = state.end.map(|end| deadline::close_at(rule, self.id, end));
        [notice, close, state.until].into_iter().flatten().min()
    }

    /// Does what is due on the wall clock.
    pub(super) fn do_deadlines(&self, now: UnixTime) -> Due {
        let rule = &self.opening.rule;
        let mut state = self.state.lock();
        let Some(end) = state.first_end() else {
            return Due::Nothing;
        };
        if state.until.is_some_and(|until| until <= now) {
            return Due::Close(CloseReason::PolicyChanged);
        }
        let close = state.end.map(|end| deadline::close_at(rule, self.id, end));
        if close.is_some_and(|close| close <= now) {
            return Due::Close(CloseReason::Expired);
        }
        if let Some(notice) = &rule.notice
            && state.noticed != Some(end)
            && end.minus(notice.before) <= now
        {
            state.noticed = Some(end);
            // A session in its grace has nothing left but that.
            let text = deadline::notice_text(&notice.text, end.since(now));
            self.signal.say(Arc::from(text));
        }
        Due::Nothing
    }

    /// The next moment on the steady clock at which something is due.
    pub(super) fn next_silence(&self) -> Option<Steady> {
        let rule = &self.opening.rule;
        let last = self.last_received();
        let state = self.state.lock();
        let (silence, ping) = match self.opening.kind {
            Kind::Answer | Kind::Stream => (None, None),
            Kind::WebSocket => (
                Some(last.plus(rule.idle_timeout)),
                rule.ping.map(|every| last.max(state.pinged).plus(every)),
            ),
        };
        let closing = state.closing.map(|(when, _)| when);
        [silence, ping, closing].into_iter().flatten().min()
    }

    /// Does what is due on the steady clock. The answer is why the session ends, if it does.
    pub(super) fn do_silences(&self, steady: Steady) -> Option<CloseReason> {
        let rule = &self.opening.rule;
        let last = self.last_received();
        let mut state = self.state.lock();
        if let Some((when, reason)) = state.closing
            && when <= steady
        {
            return Some(reason);
        }
        if self.opening.kind != Kind::WebSocket {
            return None;
        }
        if last.plus(rule.idle_timeout) <= steady {
            return Some(CloseReason::Idle);
        }
        if let Some(every) = rule.ping
            && last.max(state.pinged).plus(every) <= steady
        {
            state.pinged = steady;
            self.signal.ping();
        }
        None
    }

    /// Lets the session end a little later. Returns whether it was not about to end already.
    pub(super) fn close_later(&self, when: Steady, reason: CloseReason) -> bool {
        let mut state = self.state.lock();
        let is_first = state.closing.is_none() && self.signal.reason().is_none();
        if is_first {
            state.closing = Some((when, reason));
        }
        is_first
    }

    // === Judging ===

    /// Judges the session under another policy. The answer is its next deadline if it now ends
    /// earlier than before, or by another moment of its route.
    pub(super) fn judge_again(
        &self,
        policy: &Policy,
        now: UnixTime,
    ) -> Result<Option<UnixTime>, Denial> {
        let is_changed = {
            let mut state = self.state.lock();
            let (end, until) = self.judge(&state, policy, now)?;
            // Never later: nobody has seen its credential again.
            let is_earlier = end.is_some_and(|end| state.end.is_none_or(|old| end < old));
            if is_earlier {
                state.end = end;
            }
            // That is for the policy alone to say.
            let old = std::mem::replace(&mut state.until, until);
            is_earlier || old != until
        };
        Ok(if is_changed {
            self.next_deadline()
        } else {
            None
        })
    }

    /// When the session ends by what it stands on under this policy, and when because its route
    /// begins to refuse the likes of it.
    fn judge(
        &self,
        state: &State,
        policy: &Policy,
        now: UnixTime,
    ) -> Result<(Option<UnixTime>, Option<UnixTime>), Denial> {
        let mut tokens = state.tokens.iter();
        if tokens.any(|token| policy.is_token_revoked(token, now)) {
            return Err(Denial::Rejected {
                authenticator: None,
                rejection: Rejection::Revoked,
            });
        }
        let Ground { not_after, until } = state.standing.uphold(policy, now)?;
        let end = deadline::end_of(&self.opening.rule, self.since, not_after);
        Ok((end, until))
    }

    /// Whether a revocation is about this session, by any of the tokens that it ever had.
    pub fn is_revoked(&self, policy: &Policy, now: UnixTime) -> bool {
        let state = self.state.lock();
        let device_type = self.opening.device_type.as_deref();
        let mut proofs = state.standing.proofs();
        proofs.any(|verified| {
            policy.is_revoked(
                &Suspect {
                    verified,
                    device_type,
                },
                now,
            )
        }) || state
            .tokens
            .iter()
            .any(|token| policy.is_token_revoked(token, now))
    }

    /// Takes over a new proof. The answer is when the session now ends, [`UnixTime::NEVER`] if it
    /// has no end; `None` if it is about to.
    pub(super) fn renew(&self, renewal: &Renewal) -> Option<UnixTime> {
        let mut state = self.state.lock();
        if state.closing.is_some() || self.signal.reason().is_some() {
            return None;
        }
        let end = deadline::end_of(&self.opening.rule, self.since, renewal.not_after);
        let end = end.into_iter().chain(renewal.unwatched_until).min();
        let is_later = match (end, state.end) {
            _ if renewal.unwatched_until.is_some() => true,
            (None, _) => true,
            (Some(_), None) => false,
            (Some(new), Some(old)) => new >= old,
        };
        let others = if is_later {
            let others = state.standing.tokens();
            state.standing.take_over(&renewal.standing);
            state.end = end;
            others
        } else {
            // Never shorter, but the new token revokes it as well.
            renewal.standing.tokens()
        };
        remember(&mut state.tokens, others);
        Some(state.end.unwrap_or(UnixTime::NEVER))
    }
}

/// Puts tokens behind those that are known, and forgets the oldest where there are too many.
fn remember(
    known: &mut SmallVec<[Arc<TokenFacts>; 0]>,
    others: impl IntoIterator<Item = Arc<TokenFacts>>,
) {
    for token in others {
        if known.iter().all(|one| one.digest != token.digest) {
            known.push(token);
        }
    }
    let surplus = known.len().saturating_sub(MOST_TOKENS);
    known.drain(..surplus);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Digest;

    #[test]
    fn the_latest_tokens_are_remembered_each_once() {
        let token = |number: u8| {
            Arc::new(TokenFacts {
                digest: Digest::of(&[number]),
                id: None,
                issued_at: None,
            })
        };
        let mut known = SmallVec::new();
        for number in 0..40 {
            remember(&mut known, [token(number), token(number)]);
        }
        let expected: Vec<_> = (8..40).map(|number| token(number).digest).collect();
        let found: Vec<_> = known.iter().map(|token| token.digest).collect();
        assert_eq!(found, expected);
    }
}

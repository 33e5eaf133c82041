//! Claims: how many sessions one user has on one device type, and who must make room.
//!
//! A place is reserved before the upstream is asked and taken once it has agreed; a reservation
//! that is not taken is given back by `Drop`. Whoever takes the place of somebody else learns whom
//! to close. A session that is told to close gives its place back at once and for good: what is
//! cleaned up later is found by its own id and can never be its successor's.
//!
//! Where replicas share their places, whoever has one here also has one [`Elsewhere`].

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::clock::Steady;
use crate::config::document::{OnConflict, PerDevice, Rate};
use crate::principal::ClaimKey;
use crate::session::SessionId;

#[cfg(test)]
mod tests;

/// Why a newcomer gets no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPlace {
    /// Others are there, and they stay.
    Taken,
    /// They replace each other again and again.
    TooOften { retry_after: Duration },
}

/// The places that all replicas have given away. While nobody can be asked about them, each
/// replica's own decide alone.
#[async_trait]
pub trait Elsewhere: fmt::Debug + Send + Sync {
    /// Keeps a place for a newcomer.
    ///
    /// # Errors
    ///
    /// Why there is none.
    async fn reserve(&self, key: ClaimKey, rule: PerDevice, id: SessionId) -> Result<(), NoPlace>;

    /// Takes the place. Returns those of this process who must go.
    ///
    /// # Errors
    ///
    /// If others were faster.
    async fn take(
        &self,
        key: ClaimKey,
        rule: PerDevice,
        id: SessionId,
    ) -> Result<Vec<SessionId>, NoPlace>;

    /// Gives the place back. It does not wait, and what was never taken does not matter.
    fn release(&self, key: ClaimKey, id: SessionId);
}

/// All places that are reserved or taken.
#[derive(Debug, Default)]
pub struct Claims {
    state: Mutex<State>,
    elsewhere: OnceLock<Arc<dyn Elsewhere>>,
}

#[derive(Debug, Default)]
struct State {
    places: HashMap<ClaimKey, Places>,
    /// When somebody was last replaced, oldest first; only as far back as matters.
    replacements: HashMap<ClaimKey, VecDeque<Steady>>,
}

/// The places of one key.
#[derive(Debug, Default)]
struct Places {
    /// Oldest first.
    holders: SmallVec<[SessionId; 1]>,
    reserved: u32,
}

/// A place that is kept free for somebody.
#[derive(Debug)]
pub struct Reservation {
    claims: Arc<Claims>,
    key: ClaimKey,
    rule: PerDevice,
    is_open: bool,
    /// Where else it may be kept by now, and for whom.
    elsewhere: Option<(Arc<dyn Elsewhere>, SessionId)>,
}

impl Claims {
    /// From now on places are shared.
    pub fn share(&self, elsewhere: Arc<dyn Elsewhere>) {
        // The first stays.
        let _ = self.elsewhere.set(elsewhere);
    }

    /// Keeps a place for a newcomer, here and elsewhere.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub async fn reserve_for(
        self: &Arc<Self>,
        id: SessionId,
        key: ClaimKey,
        rule: PerDevice,
        now: Steady,
    ) -> Result<Reservation, NoPlace> {
        // Who finds no place here would find none among all.
        let mut reservation = self.reserve(key, rule, now)?;
        if let Some(elsewhere) = self.elsewhere.get() {
            // From here on it is given back, even if no answer comes.
            reservation.elsewhere = Some((Arc::clone(elsewhere), id));
            elsewhere.reserve(key, rule, id).await?;
        }
        Ok(reservation)
    }

    /// Keeps a place for a newcomer, in this process alone.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub(super) fn reserve(
        self: &Arc<Self>,
        key: ClaimKey,
        rule: PerDevice,
        now: Steady,
    ) -> Result<Reservation, NoPlace> {
        let mut state = self.state.lock();
        match rule.on_conflict {
            OnConflict::Reject => {
                let places = state.places.entry(key).or_default();
                if places.holders.len() + to_usize(places.reserved) >= to_usize(rule.limit) {
                    return Err(NoPlace::Taken);
                }
                places.reserved += 1;
            }
            OnConflict::Replace => state.check_replacement(key, rule, now)?,
        }
        Ok(Reservation {
            claims: Arc::clone(self),
            key,
            rule,
            is_open: rule.on_conflict == OnConflict::Reject,
            elsewhere: None,
        })
    }

    /// Gives back the place of a session that has ended or is about to.
    pub fn release(&self, key: ClaimKey, id: SessionId) {
        let mut state = self.state.lock();
        let Some(places) = state.places.get_mut(&key) else {
            return;
        };
        let before = places.holders.len();
        places.holders.retain(|holder| *holder != id);
        let was_there = places.holders.len() < before;
        if places.is_free() {
            state.places.remove(&key);
        }
        drop(state);
        if was_there && let Some(elsewhere) = self.elsewhere.get() {
            elsewhere.release(key, id);
        }
    }

    /// Forgets replacements that are too long ago to matter.
    pub fn forget(&self, now: Steady) {
        self.state.lock().replacements.retain(|_, moments| {
            moments
                .back()
                .is_some_and(|last| now < last.plus(LONGEST_MEMORY))
        });
    }

    /// For how many users and device types places are counted.
    pub fn len(&self) -> usize {
        self.state.lock().places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// For how many it is known when somebody was last replaced.
    pub fn replacements(&self) -> usize {
        self.state.lock().replacements.len()
    }

    pub fn holders(&self, key: ClaimKey) -> SmallVec<[SessionId; 1]> {
        let state = self.state.lock();
        state
            .places
            .get(&key)
            .map(|places| places.holders.clone())
            .unwrap_or_default()
    }
}

/// A rate counts over no more than this.
const LONGEST_MEMORY: Duration = Duration::from_hours(24);

impl State {
    /// Whether another replacement would be one too many.
    fn check_replacement(
        &mut self,
        key: ClaimKey,
        rule: PerDevice,
        now: Steady,
    ) -> Result<(), NoPlace> {
        let is_full = self
            .places
            .get(&key)
            .is_some_and(|places| places.holders.len() >= to_usize(rule.limit));
        let Rate { count, per } = rule.replace_limit;
        let Some(moments) = self.replacements.get_mut(&key).filter(|_| is_full) else {
            return Ok(());
        };
        while moments.front().is_some_and(|first| first.plus(per) <= now) {
            moments.pop_front();
        }
        match moments.front() {
            Some(first) if moments.len() >= to_usize(count) => Err(NoPlace::TooOften {
                retry_after: first.plus(per).since(now),
            }),
            _ => Ok(()),
        }
    }
}

impl Places {
    fn is_free(&self) -> bool {
        self.holders.is_empty() && self.reserved == 0
    }
}

impl Reservation {
    pub fn key(&self) -> ClaimKey {
        self.key
    }

    /// Takes the place elsewhere. Returns those of this process who must go.
    ///
    /// # Errors
    ///
    /// If others were faster.
    pub(super) async fn take_elsewhere(&self) -> Result<Vec<SessionId>, NoPlace> {
        match &self.elsewhere {
            None => Ok(Vec::new()),
            Some((elsewhere, id)) => elsewhere.take(self.key, self.rule, *id).await,
        }
    }

    /// Takes the place in this process. Returns those who must go, the oldest first.
    ///
    /// # Errors
    ///
    /// If others were faster and it would be one replacement too many.
    pub(super) fn take(
        mut self,
        id: SessionId,
        now: Steady,
    ) -> Result<SmallVec<[SessionId; 1]>, NoPlace> {
        let mut state = self.claims.state.lock();
        if self.rule.on_conflict == OnConflict::Replace {
            state.check_replacement(self.key, self.rule, now)?;
        }
        let places = state.places.entry(self.key).or_default();
        if self.is_open {
            places.reserved = places.reserved.saturating_sub(1);
            self.is_open = false;
        }
        places.holders.push(id);
        let surplus = places
            .holders
            .len()
            .saturating_sub(to_usize(self.rule.limit));
        let evicted: SmallVec<[SessionId; 1]> = places.holders.drain(..surplus).collect();
        if !evicted.is_empty() {
            let moments = state.replacements.entry(self.key).or_default();
            moments.push_back(now);
        }
        drop(state);
        // From here on the session's own end gives it back.
        self.elsewhere = None;
        Ok(evicted)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some((elsewhere, id)) = self.elsewhere.take() {
            elsewhere.release(self.key, id);
        }
        if !self.is_open {
            return;
        }
        let mut state = self.claims.state.lock();
        if let Some(places) = state.places.get_mut(&self.key) {
            places.reserved = places.reserved.saturating_sub(1);
            if places.is_free() {
                state.places.remove(&self.key);
            }
        }
    }
}

fn to_usize(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

//! Revocations: credentials that are good by themselves, and still open nothing any more.
//!
//! A [`RevocationSet`] is asked about every proof, remembered or fresh, on every request. What is
//! revoked is named by digest or by what the credential says of itself; no credential is kept.
//! [`Revocations`] is the set that operators change while the gate runs, with an epoch by which
//! whoever judged before a change can see that there was one. Replicas that share theirs exchange
//! [`Entry`]s.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::RwLock;

use crate::clock::{Steady, UnixTime};
use crate::scheme::{TokenFacts, Verified};
use crate::secret::Digest;

pub mod entry;
#[cfg(test)]
mod tests;

use entry::Entry;

/// What has ended is kept until it has been over for so long, by a clock that nobody can set: one that
/// was set forth by mistake may be put right by then, and what was revoked must be so again.
const DOUBT: Duration = Duration::from_hours(1);

/// Entries beyond this are refused: nobody revokes so many by hand, and memory has an end.
pub const MOST_REVOCATIONS: usize = 1_000_000;

/// Names a revocation, so that it can be lifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RevocationId(pub u128);

impl fmt::Display for RevocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl RevocationId {
    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| u128::from_str_radix(text, 16).ok().map(Self))?
    }
}

/// What no longer opens anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    pub target: Target,
    /// Only credentials that were issued before this; one that does not say when was.
    pub issued_before: UnixTime,
    /// When the revocation itself ends.
    pub expires_at: UnixTime,
}

/// Whom or what a revocation is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// All credentials of an app: an app key by its id, and whatever else proves that app.
    App(Arc<str>),
    /// One token by its digest, see [`crate::scheme::token_digest`].
    Token(Digest),
    /// One token by its `jti`.
    TokenId(Arc<str>),
    User {
        subject: Arc<str>,
        /// `None` covers all types.
        user_type: Option<Arc<str>>,
        /// `None` covers all devices.
        device_type: Option<Arc<str>>,
    },
}

/// What there is to be revoked about a credential that was proven.
#[derive(Clone, Copy, Debug)]
pub struct Suspect<'a> {
    pub verified: &'a Verified,
    /// The device type that the request claims, in the route's own words.
    pub device_type: Option<&'a str>,
}

impl Suspect<'_> {
    fn token(&self) -> Option<&TokenFacts> {
        self.verified.token.as_deref()
    }

    fn was_issued_before(&self, moment: UnixTime) -> bool {
        self.token()
            .and_then(|token| token.issued_at)
            .is_none_or(|issued| issued < moment)
    }
}

impl Revocation {
    /// Whether it is about whoever presents this credential, apart from the revocation's end.
    fn covers(&self, suspect: &Suspect<'_>) -> bool {
        let principal = &suspect.verified.principal;
        match &self.target {
            Target::App(app) => {
                principal.app.as_ref() == Some(app) && suspect.was_issued_before(self.issued_before)
            }
            // By name, whenever it was issued; see `covers_token`.
            Target::Token(_) | Target::TokenId(_) => false,
            Target::User {
                subject,
                user_type,
                device_type,
            } => {
                let device = suspect.device_type.or(principal.device_type.as_deref());
                principal.subject.as_ref() == Some(subject)
                    && (user_type.is_none() || principal.user_type == *user_type)
                    && (device_type.is_none() || device == device_type.as_deref())
                    && suspect.was_issued_before(self.issued_before)
            }
        }
    }
}

/// Revocations, found by what they are about.
#[derive(Clone, Debug, Default)]
pub struct RevocationSet {
    all: HashMap<RevocationId, Revocation>,
    apps: Index<Arc<str>>,
    token_ids: Index<Arc<str>>,
    tokens: Index<Digest>,
    users: Index<Arc<str>>,
    ends: BTreeSet<(UnixTime, RevocationId)>,
}

type Index<K> = HashMap<K, Vec<RevocationId>>;

impl RevocationSet {
    /// Adds one, or puts it in the place of the one with the same id.
    pub fn insert(&mut self, id: RevocationId, revocation: Revocation) {
        self.remove(id);
        self.ends.insert((revocation.expires_at, id));
        let ids = match &revocation.target {
            Target::App(app) => self.apps.entry(Arc::clone(app)),
            Target::Token(digest) => {
                self.tokens.entry(*digest).or_default().push(id);
                self.all.insert(id, revocation);
                return;
            }
            Target::TokenId(token_id) => self.token_ids.entry(Arc::clone(token_id)),
            Target::User { subject, .. } => self.users.entry(Arc::clone(subject)),
        };
        ids.or_default().push(id);
        self.all.insert(id, revocation);
    }

    /// Takes one out. Returns whether it was there.
    pub fn remove(&mut self, id: RevocationId) -> bool {
        let Some(revocation) = self.all.remove(&id) else {
            return false;
        };
        self.ends.remove(&(revocation.expires_at, id));
        match &revocation.target {
            Target::App(app) => forget(&mut self.apps, app, id),
            Target::Token(digest) => forget(&mut self.tokens, digest, id),
            Target::TokenId(token_id) => forget(&mut self.token_ids, token_id, id),
            Target::User { subject, .. } => forget(&mut self.users, subject, id),
        }
        true
    }

    /// Whether some revocation that is in force is about this credential.
    pub fn covers(&self, suspect: &Suspect<'_>, now: UnixTime) -> bool {
        if self.all.is_empty() {
            return false;
        }
        let principal = &suspect.verified.principal;
        let by_user = principal
            .subject
            .as_ref()
            .and_then(|subject| self.users.get(subject));
        let by_app = principal.app.as_ref().and_then(|app| self.apps.get(app));
        let mut ids = [by_user, by_app].into_iter().flatten().flatten();
        ids.any(|id| {
            let found = self.all.get(id);
            found.is_some_and(|found| now < found.expires_at && found.covers(suspect))
        }) || suspect
            .token()
            .is_some_and(|token| self.covers_token(token, now))
    }

    /// Whether this token was revoked by name.
    pub fn covers_token(&self, token: &TokenFacts, now: UnixTime) -> bool {
        let by_id = token.id.as_ref().and_then(|id| self.token_ids.get(id));
        let by_digest = self.tokens.get(&token.digest);
        let mut ids = [by_id, by_digest].into_iter().flatten().flatten();
        ids.any(|id| self.all.get(id).is_some_and(|found| now < found.expires_at))
    }

    /// Forgets what has ended.
    fn purge(&mut self, now: UnixTime) {
        while let Some(&(end, id)) = self.ends.first() {
            if now < end {
                return;
            }
            self.remove(id);
        }
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (RevocationId, &Revocation)> {
        self.all.iter().map(|(id, revocation)| (*id, revocation))
    }
}

fn forget<K: Eq + Hash>(index: &mut Index<K>, key: &K, id: RevocationId) {
    if let Some(ids) = index.get_mut(key) {
        ids.retain(|known| *known != id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}

/// There is no room for another revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected fewer than {MOST_REVOCATIONS} revocations")]
pub struct Full;

/// The revocations that are made while the gate runs; one for the whole process.
#[derive(Debug)]
pub struct Revocations {
    state: RwLock<State>,
    /// How many there may be, those included that were lifted and not forgotten yet.
    most: usize,
    /// How many there are, so that a gate without any pays one load.
    count: AtomicUsize,
    epoch: AtomicU64,
    /// Other replicas may know some that were never heard of here.
    is_incomplete: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    set: RevocationSet,
    /// What was lifted, until it would have ended by itself: nobody may bring it back.
    lifted: HashMap<RevocationId, UnixTime>,
    /// What had ended by this time is forgotten when it has been over for long enough.
    over: Option<(UnixTime, Steady)>,
}

/// What came of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merged {
    /// A revocation has come into force.
    InForce,
    Lifted,
    /// Nothing new.
    Known,
}

impl Default for Revocations {
    fn default() -> Self {
        Self {
            state: RwLock::default(),
            most: MOST_REVOCATIONS,
            count: AtomicUsize::default(),
            epoch: AtomicU64::default(),
            is_incomplete: AtomicBool::default(),
        }
    }
}

impl Revocations {
    /// A set of which others may know more.
    pub fn incomplete() -> Self {
        Self {
            is_incomplete: AtomicBool::new(true),
            ..Self::default()
        }
    }

    /// Whether everything that was revoked is known here.
    pub fn is_complete(&self) -> bool {
        !self.is_incomplete.load(Ordering::Relaxed)
    }

    /// Everything that others know is known here too.
    pub fn set_complete(&self) {
        self.is_incomplete.store(false, Ordering::Relaxed);
    }

    /// Has everything that was judged before looked at once more, as after a revocation: what proofs
    /// rest on has changed. To be called after the change.
    pub fn judge_anew(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }

    /// Puts a revocation in force for every credential that is judged from now on.
    ///
    /// The epoch moves after the set: whoever sees the old epoch after it has made itself known is
    /// found by whoever made the revocation.
    ///
    /// # Errors
    ///
    /// If there are too many.
    pub fn add(&self, id: RevocationId, revocation: Revocation) -> Result<(), Full> {
        {
            let mut state = self.state.write();
            let taken = state.set.len() + state.lifted.len();
            if taken >= self.most && !state.set.all.contains_key(&id) {
                return Err(Full);
            }
            state.set.insert(id, revocation);
            self.count.store(state.set.len(), Ordering::SeqCst);
        }
        self.epoch.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// Takes over what another replica says of an id. What was lifted stays lifted.
    ///
    /// # Errors
    ///
    /// If there are too many.
    pub fn merge(&self, id: RevocationId, entry: Entry) -> Result<Merged, Full> {
        match entry {
            Entry::InForce(revocation) => {
                {
                    let state = self.state.read();
                    if state.lifted.contains_key(&id) || state.set.all.get(&id) == Some(&revocation)
                    {
                        return Ok(Merged::Known);
                    }
                }
                self.add(id, revocation)?;
                Ok(Merged::InForce)
            }
            Entry::Lifted { until } => {
                let mut state = self.state.write();
                let is_new = state.lifted.insert(id, until).is_none();
                state.set.remove(id);
                self.count.store(state.set.len(), Ordering::SeqCst);
                Ok(if is_new {
                    Merged::Lifted
                } else {
                    Merged::Known
                })
            }
        }
    }

    /// Lifts a revocation. The answer is what others are to be told, if there was one.
    pub fn lift(&self, id: RevocationId) -> Option<Entry> {
        let mut state = self.state.write();
        let until = state.set.all.get(&id)?.expires_at;
        state.set.remove(id);
        state.lifted.insert(id, until);
        self.count.store(state.set.len(), Ordering::SeqCst);
        Some(Entry::Lifted { until })
    }

    /// Forgets what has ended, and long enough ago that no clock will take it back.
    pub fn purge(&self, now: UnixTime, steady: Steady) {
        let mut state = self.state.write();
        match state.over {
            Some((over, since)) if over <= now => {
                if steady.since(since) < DOUBT {
                    return;
                }
                state.set.purge(over);
                state.lifted.retain(|_, until| over < *until);
                self.count.store(state.set.len(), Ordering::SeqCst);
            }
            // The clock was set back: less is over than it seemed.
            Some(_) | None => {}
        }
        state.over = Some((now, steady));
    }

    /// Counts the revocations that were ever made here.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    pub fn covers(&self, suspect: &Suspect<'_>, now: UnixTime) -> bool {
        self.count.load(Ordering::Relaxed) > 0 && self.state.read().set.covers(suspect, now)
    }

    pub fn covers_token(&self, token: &TokenFacts, now: UnixTime) -> bool {
        self.count.load(Ordering::Relaxed) > 0 && self.state.read().set.covers_token(token, now)
    }

    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many were lifted and cannot be forgotten yet.
    pub fn lifted(&self) -> usize {
        self.state.read().lifted.len()
    }

    /// A copy of what is in force.
    pub fn snapshot(&self) -> Vec<(RevocationId, Revocation)> {
        let state = self.state.read();
        let all = state.set.iter();
        all.map(|(id, revocation)| (id, revocation.clone()))
            .collect()
    }

    /// All that is known, for whoever does not know it.
    pub fn entries(&self) -> Vec<(RevocationId, Entry)> {
        let state = self.state.read();
        let in_force = state
            .set
            .iter()
            .map(|(id, revocation)| (id, Entry::InForce(revocation.clone())));
        let lifted = state
            .lifted
            .iter()
            .map(|(id, until)| (*id, Entry::Lifted { until: *until }));
        in_force.chain(lifted).collect()
    }
}

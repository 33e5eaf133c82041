//! The keys behind a URL: the last good set, and when to ask for it again.
//!
//! A set is fetched in the background, and by a token that names a key which is not in it; that at
//! most once in a while, or anybody could have the server asked without end. Whoever comes while a
//! fetch is under way shares it. A fetch that fails changes nothing until the last good set is too
//! old: then nobody can tell any more. A key that has left the set verifies nothing from that
//! moment on, whatever was remembered ([`RemoteKeys::holds`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;

use crate::clock::UnixTime;
use crate::scheme::fingerprint::Fingerprint;
use crate::scheme::http::{HttpClient, HttpRules, Question, UrlTemplate};
use crate::scheme::jwt::jwks::{self, KeySet};
use crate::scheme::jwt::keys::KeyRing;
use crate::scheme::{Rejection, Verified, VerifyError};
use crate::secret::Digest;

/// Without a set, requests have it fetched this often at most.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two tries of the background, after several failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// `jwks: { url, … }`.
#[derive(Clone, Debug)]
pub struct Jwks {
    /// Without variables.
    pub url: UrlTemplate,
    pub http: HttpRules,
    /// How often the set is fetched.
    pub refresh: Duration,
    /// Between two fetches on account of unknown keys.
    pub cooldown: Duration,
    /// How old the last good set may become.
    pub max_age: Duration,
}

/// Bytes of a key set that are read at most.
pub const MAX_JWKS_BYTES: usize = jwks::MAX_BYTES;

/// The key set behind a URL.
#[derive(Debug)]
pub struct RemoteKeys {
    jwks: Jwks,
    client: Arc<dyn HttpClient>,
    known: ArcSwapOption<Known>,
    attempts: Mutex<Attempts>,
    /// Held while fetching.
    fetching: tokio::sync::Mutex<()>,
    /// Counts the sets that differed from the one before.
    version: AtomicU64,
    /// The version that living sessions were judged by.
    acted_on: AtomicU64,
    /// Whether it was told that the set cannot be fetched.
    told: AtomicBool,
}

/// A set that was fetched.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) ring: KeyRing,
    unusable: usize,
    at: UnixTime,
}

/// What came of fetching.
#[derive(Debug, Default)]
struct Attempts {
    /// To see whether one came to an end while waiting.
    number: u64,
    last: Option<UnixTime>,
    /// When a token with an unknown key last had the set fetched.
    wanted: Option<UnixTime>,
    /// When a token last had it fetched since there was none.
    missed: Option<UnixTime>,
    /// In a row.
    failures: u32,
    problem: Option<Arc<str>>,
}

/// The set begins or ceases to be out of reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    Lost { source: Arc<str> },
    Found,
}

impl RemoteKeys {
    /// Does not ask yet.
    pub(super) fn new(jwks: Jwks, client: Arc<dyn HttpClient>) -> Self {
        Self {
            jwks,
            client,
            known: ArcSwapOption::empty(),
            attempts: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
            version: AtomicU64::new(0),
            acted_on: AtomicU64::new(0),
            told: AtomicBool::new(false),
        }
    }

    /// Whether it is the set that these rules describe.
    pub(super) fn is_of(&self, jwks: &Jwks) -> bool {
        print(&self.jwks) == print(jwks)
    }

    pub(super) fn print(&self) -> Digest {
        print(&self.jwks)
    }

    pub(super) fn client(&self) -> &dyn HttpClient {
        &*self.client
    }

    /// The last good set, however old.
    pub(super) fn last(&self) -> Option<Arc<Known>> {
        self.known.load_full()
    }

    /// The last good set, unless it is too old.
    pub(super) fn current(&self, now: UnixTime) -> Option<Arc<Known>> {
        self.last().filter(|known| self.is_fresh(known, now))
    }

    fn is_fresh(&self, known: &Known, now: UnixTime) -> bool {
        // A clock that was set back makes a set older, by its step, and not younger.
        let age = now.since(known.at).max(known.at.since(now));
        age < self.jwks.max_age
    }

    /// Whether a proof that was made earlier may be reused: its key is in the set of now.
    pub(super) fn holds(&self, proof: &Verified, now: UnixTime) -> bool {
        let known = self.known.load();
        known.as_ref().is_some_and(|known| {
            self.is_fresh(known, now) && known.ring.uphold(&proof.key, now).is_ok()
        })
    }

    /// Judges what a living session rests on. Until there is a set nobody can tell, and it goes on.
    pub(super) fn uphold(
        &self,
        key: &Digest,
        now: UnixTime,
    ) -> Result<Option<UnixTime>, Rejection> {
        let known = self.known.load();
        known
            .as_ref()
            .map_or(Ok(None), |known| known.ring.uphold(key, now))
    }

    /// Fetches the set for a token that the present one cannot judge, unless that was tried only a
    /// moment ago.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Unavailable`] if the set of now is not known.
    pub(super) async fn look_again(&self, now: UnixTime) -> Result<Arc<Known>, VerifyError> {
        let (seen, may_ask) = {
            let mut attempts = self.attempts.lock();
            let number = attempts.number;
            let (last, pause) = match self.current(now) {
                Some(_) => (&mut attempts.wanted, self.jwks.cooldown),
                None => (&mut attempts.missed, PAUSE),
            };
            let may_ask = last.is_none_or(|last| has_passed(pause, last, now));
            if may_ask {
                *last = Some(now);
            }
            (number, may_ask)
        };
        // Whoever may not ask shares what comes of a fetch that is under way.
        let turn = self.fetching.lock().await;
        if may_ask && self.attempts.lock().number == seen {
            self.fetch(now).await;
        }
        drop(turn);
        let problem = self.attempts.lock().problem.clone();
        match (self.current(now), problem) {
            (Some(known), None) => Ok(known),
            (_, problem) => Err(VerifyError::Unavailable {
                source: problem.unwrap_or_else(|| Arc::from("the key set is too old")),
            }),
        }
    }

    /// Whether the background should fetch it.
    pub fn is_due(&self, now: UnixTime) -> bool {
        let attempts = self.attempts.lock();
        let Some(last) = attempts.last else {
            return true;
        };
        let pause = match attempts.failures {
            0 => self.jwks.refresh,
            failures => {
                let doubled = PAUSE.saturating_mul(1 << failures.min(10).saturating_sub(1));
                doubled.min(LONGEST_PAUSE).min(self.jwks.refresh)
            }
        };
        has_passed(pause, last, now)
    }

    /// Fetches the set, unless somebody is at it.
    pub async fn refresh(&self, now: UnixTime) {
        if let Ok(_turn) = self.fetching.try_lock() {
            self.fetch(now).await;
        }
    }

    /// Asks whether there is a set, and what is wrong with it.
    pub(super) async fn probe(&self) -> Result<(), VerifyError> {
        let outcome = self.ask().await;
        outcome
            .map(|_| ())
            .map_err(|source| VerifyError::Unavailable { source })
    }

    async fn fetch(&self, now: UnixTime) {
        let outcome = self.ask().await;
        let problem = match outcome {
            Ok(KeySet { keys, unusable }) => {
                let ring = KeyRing::of(keys);
                let before = self.known.load();
                let is_same = before
                    .as_ref()
                    .is_some_and(|before| before.ring.is_same_as(&ring));
                let at = now;
                self.known
                    .store(Some(Arc::new(Known { ring, unusable, at })));
                if !is_same {
                    // After the set: whoever sees the old version has judged by the old set.
                    self.version.fetch_add(1, Ordering::SeqCst);
                }
                None
            }
            Err(problem) => Some(problem),
        };
        let mut attempts = self.attempts.lock();
        attempts.number += 1;
        attempts.last = Some(now);
        attempts.failures = match problem {
            Some(_) => attempts.failures.saturating_add(1),
            None => 0,
        };
        attempts.problem = problem;
    }

    async fn ask(&self) -> Result<KeySet, Arc<str>> {
        let url = self.jwks.url.fill(|_| None);
        let url = url.ok_or_else(|| Arc::from("the URL of the key set has variables"))?;
        let mut question = Question::get(url);
        question.headers.push(ACCEPT);
        let reply = self.client.ask(question).await;
        let reply = reply.map_err(|error| Arc::from(error.to_string()))?;
        if reply.status != 200 {
            let status = reply.status;
            return Err(format!("the server of the key set answers with status {status}").into());
        }
        jwks::decode(&reply.body).map_err(|problem| Arc::from(problem.to_string()))
    }

    /// Whether the set has changed since this was last asked.
    pub fn take_change(&self) -> bool {
        let version = self.version.load(Ordering::SeqCst);
        self.acted_on.swap(version, Ordering::SeqCst) != version
    }

    /// Whether the set has come in or out of reach since this was last asked.
    pub fn take_turn(&self) -> Option<Turn> {
        let problem = self.attempts.lock().problem.clone();
        let is_lost = problem.is_some();
        if self.told.swap(is_lost, Ordering::Relaxed) == is_lost {
            return None;
        }
        Some(problem.map_or(Turn::Found, |source| Turn::Lost { source }))
    }

    /// How many keys of the set are in use and how many were passed over, and how old it is.
    pub fn census(&self, now: UnixTime) -> Option<(usize, usize, Duration)> {
        let known = self.last()?;
        let keys = known.ring.as_slice().len();
        Some((keys, known.unusable, now.since(known.at)))
    }

    /// What an operator should know about it.
    pub fn caveat(&self, now: UnixTime) -> Option<&'static str> {
        let is_away = self.attempts.lock().problem.is_some();
        match (self.last(), is_away) {
            (None, _) => Some("its key set was not fetched yet: its tokens get 503"),
            (Some(known), _) if !self.is_fresh(&known, now) => {
                Some("its key set is older than max_age: its tokens get 503")
            }
            (Some(_), true) => Some("its key set cannot be fetched; the last good one is in use"),
            (Some(_), false) => None,
        }
    }
}

const ACCEPT: (http::HeaderName, http::HeaderValue) = (
    http::header::ACCEPT,
    http::HeaderValue::from_static("application/jwk-set+json, application/json"),
);

/// A clock that was set back waits for nothing.
fn has_passed(pause: Duration, last: UnixTime, now: UnixTime) -> bool {
    now < last || now.since(last) >= pause
}

fn print(jwks: &Jwks) -> Digest {
    let Jwks {
        url,
        http,
        refresh,
        cooldown,
        max_age,
    } = jwks;
    let print = Fingerprint::of("jwks").text(url.as_str());
    http.print(print)
        .duration(*refresh)
        .duration(*cooldown)
        .duration(*max_age)
        .finish()
}

#[cfg(test)]
mod tests;

//! Authenticators: a place where a credential may be, the verifier that proves it, and its cache.

use std::sync::Arc;

use crate::clock::UnixTime;
use crate::config::document::{self, CacheLimits, Rate, SchemeConfig};
use crate::credential::{Carrier, Credential};
use crate::policy::OpenRemote;
use crate::policy::cache::{Known, VerdictCache};
use crate::policy::counts::{Counts, Exhausted, WhenFull};
use crate::policy::requirement::Outcome;
use crate::policy::throttle::{Asker, Throttled, ThrottledBy, steady};
use crate::request::Network;
use crate::scheme::app_key::AppKey;
use crate::scheme::easemob_dynamic::EasemobDynamic;
use crate::scheme::easemob_token::EasemobToken;
use crate::scheme::http::{HttpRules, Traffic};
use crate::scheme::imkit_client_key::ImkitClientKey;
use crate::scheme::introspection::Introspection;
use crate::scheme::jwt::{Jwt, RemoteKeys};
use crate::scheme::learned::{Beginning, Shared};
use crate::scheme::learner::{Learner, Lesson, Lost, Told};
use crate::scheme::sa_token::{RedisAddress, SaToken};
use crate::scheme::zego_token04::ZegoToken04;
use crate::scheme::{
    Guesses, Judgement, KeyProblem, Recheck, Rejection, SchemeName, Verified, Verifier, VerifyError,
};
use crate::secret::Digest;

/// The position of an authenticator in its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AuthenticatorId(pub(super) usize);

/// A named way of proving who somebody is.
#[derive(Debug)]
pub struct Authenticator {
    pub name: Arc<str>,
    /// In file order; never empty.
    pub carriers: Vec<Carrier>,
    /// Authenticators of one realm know the same users.
    pub realm: Arc<str>,
    verifier: Box<dyn Verifier>,
    fingerprint: Digest,
    cache: VerdictCache,
    limits: CacheLimits,
    /// Where credentials can be made up, who has had how many of them asked about.
    guessers: Option<Counts>,
}

/// Whether a verdict came from the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    Hit,
    Miss,
}

impl Authenticator {
    /// Compiles one. What `previous`, of the same name, remembers of tokens is taken over.
    pub fn new(
        document: document::Authenticator,
        limits: &CacheLimits,
        previous: Option<&Arc<Self>>,
        remote: &dyn OpenRemote,
        shared: Option<&Shared>,
    ) -> Result<Self, KeyProblem> {
        let first_seen = previous.and_then(|old| old.verifier.first_seen());
        let beginning = Beginning {
            earlier: previous.and_then(|old| old.learner()?.memory()),
            shared: shared.cloned(),
        };
        let verifier: Box<dyn Verifier> = match document.scheme {
            SchemeConfig::AppKey(config) => Box::new(AppKey::new(config)?),
            SchemeConfig::ImkitClientKey(config) => Box::new(ImkitClientKey::new(config)?),
            SchemeConfig::EasemobDynamic(config) => Box::new(EasemobDynamic::new(config)?),
            SchemeConfig::EasemobToken(config) => {
                let open = |rules: &HttpRules| remote.http(rules);
                Box::new(EasemobToken::new(*config, beginning, open))
            }
            SchemeConfig::Introspection(config) => {
                Box::new(Introspection::new(*config, |rules| remote.http(rules)))
            }
            SchemeConfig::Jwt(config) => {
                let known = previous.and_then(|old| old.verifier.remote_keys());
                Box::new(Jwt::new(config, known, |rules| remote.http(rules))?)
            }
            SchemeConfig::SaToken(config) => {
                let open = |address: &RedisAddress| remote.store(address);
                Box::new(SaToken::new(config, first_seen, beginning, open)?)
            }
            SchemeConfig::ZegoToken04(config) => Box::new(ZegoToken04::new(config)?),
        };
        Ok(Self {
            name: document.name.value,
            carriers: document.from,
            realm: document.realm,
            fingerprint: verifier.fingerprint(),
            guessers: verifier.guesses().map(guessers),
            verifier,
            cache: VerdictCache::new(limits),
            limits: *limits,
        })
    }

    /// Whether another compilation came to the same result, so that its verdicts still hold.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.name == other.name
            && self.carriers == other.carriers
            && self.realm == other.realm
            && self.limits == other.limits
            && self.fingerprint == other.fingerprint
    }

    pub fn scheme(&self) -> SchemeName {
        self.verifier.scheme()
    }

    pub fn recognises(&self, credential: &Credential<'_>) -> bool {
        self.verifier.recognises(credential)
    }

    /// Whether every proof names a subject.
    pub fn names_subjects(&self) -> bool {
        self.verifier.names_subjects()
    }

    /// The apps that it is configured for, where its credentials are of apps that a path can name.
    pub fn apps(&self) -> Option<&[Arc<str>]> {
        self.verifier.apps()
    }

    /// Whether a `+` in a query is one.
    pub fn has_plus(&self) -> bool {
        self.verifier.has_plus()
    }

    /// Whether every proof is of an app key, which its app is the id of.
    pub fn proves_app_keys(&self) -> bool {
        self.scheme() == SchemeName::AppKey
    }

    /// Whether some credential is good on certain routes only.
    pub fn limits_routes(&self) -> bool {
        self.verifier.limits_routes()
    }

    /// By whom its tokens are learned, where they are.
    pub fn learner(&self) -> Option<&dyn Learner> {
        self.verifier.learner()
    }

    /// Learns from a whole answer; `None` if nothing can be learned at all.
    pub fn learn(&self, lesson: &Lesson<'_>) -> Option<Result<Option<Told>, Lost>> {
        Some(self.learner()?.learn(lesson))
    }

    /// Hears that the upstream has refused a token; `None` if it is not forgotten for that.
    pub fn doubt(&self, credential: &Credential<'_>, now: UnixTime) -> Option<Told> {
        self.learner()?.doubt(credential, now)
    }

    /// What an operator should know about this authenticator.
    pub fn caveat(&self) -> Option<&'static str> {
        self.verifier.caveat()
    }

    /// Judges a proof of this authenticator's again, without its credential.
    pub fn uphold(&self, proof: &Verified, now: UnixTime) -> Outcome {
        match self.verifier.uphold(proof, now) {
            Ok(verified) => still_good(Arc::new(verified), now),
            Err(rejection) => Outcome::Rejected(rejection),
        }
    }

    /// The keys that a server names, where they come from one.
    pub fn remote_keys(&self) -> Option<Arc<RemoteKeys>> {
        self.verifier.remote_keys()
    }

    /// What came of its questions over HTTP, where it asks any.
    pub fn traffic(&self) -> Option<&Traffic> {
        self.verifier.http()?.traffic()
    }

    /// How often sessions that it admitted are asked about again.
    pub fn recheck_rule(&self) -> Option<Recheck> {
        self.verifier.recheck_rule()
    }

    /// Asks again about the credentials of living sessions: as many outcomes, in the same order.
    ///
    /// No cache is believed, but what is learned is told to it.
    pub async fn recheck(&self, credentials: &[Credential<'_>], now: UnixTime) -> Vec<Outcome> {
        let mut answers = self.verifier.recheck(credentials, now).await.into_iter();
        let mut outcomes = Vec::with_capacity(credentials.len());
        for credential in credentials {
            let key = credential.digest(&self.fingerprint);
            outcomes.push(match answers.next() {
                Some(Ok(verified)) => {
                    let verified = Arc::new(verified);
                    self.cache.refresh(key, &verified, now).await;
                    still_good(verified, now)
                }
                Some(Err(VerifyError::Rejected(rejection))) => {
                    self.cache.void(key, rejection).await;
                    Outcome::Rejected(rejection)
                }
                Some(Err(error)) => without_proof(error),
                None => Outcome::Unavailable(Arc::from("there is no answer")),
            });
        }
        outcomes
    }

    /// Asks the remote side, if there is one, whether it would answer.
    pub async fn probe(&self) -> Result<(), VerifyError> {
        self.verifier.probe().await
    }

    /// How many verdicts are kept.
    pub fn cached(&self) -> u64 {
        self.cache.len()
    }

    /// How many refusals are kept.
    pub fn refused(&self) -> u64 {
        self.cache.refused()
    }

    /// How many clients' guesses are counted, where they are.
    pub fn guessing(&self) -> Option<u64> {
        let kept = self.guessers.as_ref()?.len();
        Some(u64::try_from(kept).unwrap_or(u64::MAX))
    }

    /// How many answers are remembered for an outage, where they are.
    pub fn graced(&self) -> Option<u64> {
        self.verifier.graced()
    }

    /// Of how many tokens it is known when they were first seen, where nothing else is.
    pub fn first_seen(&self) -> Option<u64> {
        Some(self.verifier.first_seen()?.len())
    }

    /// Judges a recognised credential: from the cache, or by the verifier.
    ///
    /// The look-up is `None` where the scheme has no use for a cache.
    pub async fn authenticate(
        &self,
        credential: &Credential<'_>,
        asker: &Asker<'_>,
        now: UnixTime,
    ) -> (Outcome, Option<Lookup>) {
        if !self.verifier.is_worth_caching()
            && let Judgement::Settled(result) = self.verifier.judge(credential, now)
        {
            let outcome = result.map_or_else(Outcome::Rejected, |verified| {
                Outcome::Verified(Arc::new(verified))
            });
            return (outcome, None);
        }
        let key = credential.digest(&self.fingerprint);
        match self.cache.look_up(&key, now).await {
            Known::Good(verified) if self.verifier.holds(&verified, now) => {
                return (Outcome::Verified(verified), Some(Lookup::Hit));
            }
            Known::Good(_) => self.cache.forget(&key).await,
            Known::Bad(rejection) => return (Outcome::Rejected(rejection), Some(Lookup::Hit)),
            Known::Nothing => {}
        }
        let outcome = match self.verifier.judge(credential, now) {
            Judgement::Settled(Ok(verified)) => {
                let verified = Arc::new(verified);
                self.cache.keep(key, &verified, now).await;
                Outcome::Verified(verified)
            }
            Judgement::Settled(Err(rejection)) => {
                if self.verifier.is_final(rejection) {
                    self.cache.keep_rejection(key, rejection).await;
                }
                Outcome::Rejected(rejection)
            }
            Judgement::AskRemote => self.ask(key, credential, asker, now).await,
        };
        (outcome, Some(Lookup::Miss))
    }

    /// As [`Self::authenticate`], but what only a remote side can tell is asked now and not
    /// remembered from before.
    pub async fn authenticate_anew(
        &self,
        credential: &Credential<'_>,
        asker: &Asker<'_>,
        now: UnixTime,
    ) -> (Outcome, Option<Lookup>) {
        let must_ask = self.verifier.asks_anew()
            || matches!(self.verifier.judge(credential, now), Judgement::AskRemote);
        if !must_ask {
            return self.authenticate(credential, asker, now).await;
        }
        if let Err(throttled) = asker.may_ask(credential.bytes(), now) {
            return (Outcome::Throttled(throttled), Some(Lookup::Miss));
        }
        let outcome = match Box::pin(self.ask_for(credential, asker, now)).await {
            Ok(verified) => {
                let verified = Arc::new(verified);
                let key = credential.digest(&self.fingerprint);
                self.cache.keep(key, &verified, now).await;
                Outcome::Verified(verified)
            }
            Err(error) => without_proof(error),
        };
        (outcome, Some(Lookup::Miss))
    }

    /// Forgets every verdict that is about these; hygiene, since revocations beat verdicts anyway.
    /// Returns how many there were.
    pub async fn evict(&self, is_meant: impl Fn(&Verified) -> bool) -> usize {
        self.cache.evict(is_meant).await
    }

    async fn ask(
        &self,
        key: Digest,
        credential: &Credential<'_>,
        asker: &Asker<'_>,
        now: UnixTime,
    ) -> Outcome {
        // Before anything is shared with others who ask about the same.
        if let Err(throttled) = asker.may_ask(credential.bytes(), now) {
            return Outcome::Throttled(throttled);
        }
        let key = if self.verifier.asks_by_request() {
            credential.question_digest(&self.fingerprint)
        } else {
            key
        };
        // Boxed, so that the rare remote look-up does not swell every request's future.
        let flight = self
            .cache
            .single_flight(key, now, self.ask_for(credential, asker, now));
        match Box::pin(flight).await {
            // Somebody else's, and what it rests on has changed since.
            Ok(verified) if !self.verifier.holds(&verified, now) => {
                Outcome::Rejected(Rejection::UnknownKey)
            }
            Ok(verified) => still_good(verified, now),
            Err(error) => without_proof(error),
        }
    }

    /// Asks the remote side on behalf of a client, unless it guesses.
    async fn ask_for(
        &self,
        credential: &Credential<'_>,
        asker: &Asker<'_>,
        now: UnixTime,
    ) -> Result<Verified, VerifyError> {
        let Some(guessers) = &self.guessers else {
            return self.verifier.ask(credential, now).await;
        };
        // Charged before and given back after, so that many at once are not let through.
        let client = guessers.key(Network::of(asker.client));
        guessers
            .admit(client, steady(now))
            .map_err(|Exhausted { retry_after }| VerifyError::Throttled { retry_after })?;
        let outcome = self.verifier.ask(credential, now).await;
        // Only a no makes it a guess; an outage is nobody's fault.
        if !matches!(outcome, Err(VerifyError::Rejected(_))) {
            guessers.refund(client);
        }
        outcome
    }
}

/// Counts for whom a remote side is asked in vain. Many users behind one address do not stand in each
/// other's way, except in the moment in which all their tokens are asked about at once.
fn guessers(Guesses { count, per }: Guesses) -> Counts {
    Counts::new(Rate { count, per }, WhenFull::Forget)
}

/// What is left of a credential that was not proven.
fn without_proof(error: VerifyError) -> Outcome {
    match error {
        VerifyError::Rejected(rejection) => Outcome::Rejected(rejection),
        VerifyError::Throttled { retry_after } => Outcome::Throttled(Throttled {
            by: ThrottledBy::Guesses,
            retry_after,
        }),
        VerifyError::Unavailable { source } => Outcome::Unavailable(source),
    }
}

/// Another request's look-up may have been answered from its own, later `now`.
fn still_good(verified: Arc<Verified>, now: UnixTime) -> Outcome {
    if verified.not_after.is_some_and(|end| end <= now) {
        Outcome::Rejected(Rejection::Expired)
    } else {
        Outcome::Verified(verified)
    }
}

//! Authenticators: a place where a credential may be, the verifier that proves it, and its cache.

use std::sync::Arc;

use crate::clock::UnixTime;
use crate::config::document::{self, CacheLimits, SchemeConfig};
use crate::credential::{Carrier, Credential};
use crate::policy::OpenStore;
use crate::policy::cache::{Known, VerdictCache};
use crate::policy::requirement::Outcome;
use crate::scheme::app_key::AppKey;
use crate::scheme::jwt::Jwt;
use crate::scheme::sa_token::SaToken;
use crate::scheme::{
    Judgement, KeyProblem, Recheck, Rejection, SchemeName, Verified, Verifier, VerifyError,
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
        open_store: OpenStore<'_>,
    ) -> Result<Self, KeyProblem> {
        let first_seen = previous.and_then(|old| old.verifier.first_seen());
        let verifier: Box<dyn Verifier> = match document.scheme {
            SchemeConfig::AppKey(config) => Box::new(AppKey::new(config)?),
            SchemeConfig::Jwt(config) => Box::new(Jwt::new(config)?),
            SchemeConfig::SaToken(config) => {
                Box::new(SaToken::new(config, first_seen, open_store)?)
            }
        };
        Ok(Self {
            name: document.name.value,
            carriers: document.from,
            realm: document.realm,
            fingerprint: verifier.fingerprint(),
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

    /// Whether every proof is of an app key, which its app is the id of.
    pub fn proves_app_keys(&self) -> bool {
        self.scheme() == SchemeName::AppKey
    }

    /// Whether some credential is good on certain routes only.
    pub fn limits_routes(&self) -> bool {
        self.verifier.limits_routes()
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
                Some(Err(VerifyError::Unavailable { source })) => Outcome::Unavailable(source),
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

    /// Judges a recognised credential: from the cache, or by the verifier.
    ///
    /// The look-up is `None` where the scheme has no use for a cache.
    pub async fn authenticate(
        &self,
        credential: &Credential<'_>,
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
            Known::Good(verified) => return (Outcome::Verified(verified), Some(Lookup::Hit)),
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
                self.cache.keep_rejection(key, rejection).await;
                Outcome::Rejected(rejection)
            }
            Judgement::AskRemote => self.ask(key, credential, now).await,
        };
        (outcome, Some(Lookup::Miss))
    }

    /// As [`Self::authenticate`], but what only a remote side can tell is asked now and not
    /// remembered from before.
    pub async fn authenticate_anew(
        &self,
        credential: &Credential<'_>,
        now: UnixTime,
    ) -> (Outcome, Option<Lookup>) {
        if !matches!(self.verifier.judge(credential, now), Judgement::AskRemote) {
            return self.authenticate(credential, now).await;
        }
        let outcome = match Box::pin(self.verifier.ask(credential, now)).await {
            Ok(verified) => {
                let verified = Arc::new(verified);
                let key = credential.digest(&self.fingerprint);
                self.cache.keep(key, &verified, now).await;
                Outcome::Verified(verified)
            }
            Err(VerifyError::Rejected(rejection)) => Outcome::Rejected(rejection),
            Err(VerifyError::Unavailable { source }) => Outcome::Unavailable(source),
        };
        (outcome, Some(Lookup::Miss))
    }

    /// Forgets every verdict that is about these; hygiene, since revocations beat verdicts anyway.
    /// Returns how many there were.
    pub async fn evict(&self, is_meant: impl Fn(&Verified) -> bool) -> usize {
        self.cache.evict(is_meant).await
    }

    async fn ask(&self, key: Digest, credential: &Credential<'_>, now: UnixTime) -> Outcome {
        // Boxed, so that the rare remote look-up does not swell every request's future.
        let flight = self
            .cache
            .single_flight(key, now, self.verifier.ask(credential, now));
        match Box::pin(flight).await {
            Ok(verified) => still_good(verified, now),
            Err(VerifyError::Rejected(rejection)) => Outcome::Rejected(rejection),
            Err(VerifyError::Unavailable { source }) => Outcome::Unavailable(source),
        }
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

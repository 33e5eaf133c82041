//! Easemob's own tokens (`YWMt…`), which only Easemob can judge.
//!
//! Three sources tell of a token. What it says of itself (`layout`) can refuse it and never admits
//! it. The answer by which the backend gave it out (`answer`) makes it known, for as long as both
//! say. Where somebody can be asked, the backend itself says whose it is (`introspect`), and what
//! is known from before counts for `max_stale` only. Known tokens are in [`Learned`], by digest.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;

use crate::clock::UnixTime;
use crate::credential::Credential;
use crate::principal::Principal;
use crate::scheme::easemob_dynamic::is_app_key;
use crate::scheme::easemob_token::answer::{Holder, Issued};
use crate::scheme::easemob_token::introspect::{About, Asking};
use crate::scheme::fingerprint::Fingerprint;
use crate::scheme::http::{HttpClient, HttpRules};
use crate::scheme::learned::{Beginning, Client, Fact, Learned};
use crate::scheme::learner::{Learner, Lesson, Lost, Told};
use crate::scheme::{
    Asked, Constraints, Grounds, Guesses, Judgement, Recheck, Rejection, Reuse, SchemeName,
    TokenFacts, Verified, Verifier, VerifyError, nobody_to_ask, token_digest,
};
use crate::secret::Digest;

pub mod answer;
mod introspect;
pub mod layout;

pub use answer::Unit;
pub use introspect::{Agreement, Introspect, TokenPart};
pub use layout::{Kind, Layout, Uuid};

#[derive(Debug)]
pub struct Config {
    pub principal: Kind,
    /// The apps that there are; `None` where any may be.
    pub apps: Option<Vec<Arc<str>>>,
    pub learn: Option<Learn>,
    pub introspect: Option<Introspect>,
}

/// Where tokens are given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learn {
    /// The name of the route.
    pub route: Arc<str>,
    pub expires_in_unit: Unit,
}

/// Verifies Easemob's tokens.
#[derive(Debug)]
pub struct EasemobToken {
    kind: Kind,
    apps: Option<Vec<Arc<str>>>,
    learn: Option<Learn>,
    asking: Option<Asking>,
    learned: Arc<Learned>,
    grounds: Arc<Grounds>,
    fingerprint: Digest,
}

impl EasemobToken {
    /// `open` makes the client for `introspect`.
    pub fn new(
        config: Config,
        beginning: Beginning,
        open: impl FnOnce(&HttpRules) -> Arc<dyn HttpClient>,
    ) -> Self {
        let reading = reading(&config);
        let fingerprint = fingerprint(&config, &reading);
        let Config {
            principal,
            apps,
            learn,
            introspect,
        } = config;
        let learned = beginning.read_by(rules(principal, learn.as_ref()));
        Self {
            kind: principal,
            apps,
            learn,
            asking: introspect.map(|introspect| {
                let client = open(&introspect.rules);
                Asking::new(introspect, client)
            }),
            learned,
            grounds: Arc::new(Grounds {
                reading,
                issuer: None,
                audiences: Vec::new(),
            }),
            fingerprint,
        }
    }

    /// What the token says of itself, unless that is reason enough to refuse it.
    fn hints(&self, token: &[u8], now: UnixTime) -> Result<Option<Layout>, Rejection> {
        let layout = Layout::read(token);
        if let Some(layout) = &layout {
            if layout.kind != self.kind {
                return Err(Rejection::WrongPrincipal);
            }
            if layout.ends().is_some_and(|end| end <= now) {
                return Err(Rejection::Expired);
            }
        }
        Ok(layout)
    }

    /// What is known of a token; `None` if the backend has to be asked.
    fn known(
        &self,
        token: &[u8],
        layout: Option<&Layout>,
        now: UnixTime,
    ) -> Option<Result<Verified, Rejection>> {
        let digest = Digest::of(token);
        let Some(fact) = self.learned.get(&digest, now) else {
            if let Some(rejection) = self.learned.refusal(&digest, now) {
                return Some(Err(rejection));
            }
            let nobody_knows = self.asking.is_none() && !self.learned.is_shared();
            return nobody_knows.then_some(Err(Rejection::UnknownKey));
        };
        let is_stale = self
            .asking
            .as_ref()
            .is_some_and(|asking| asking.is_stale(fact.at, now));
        (!is_stale).then(|| Ok(self.proof(token, layout, fact)))
    }

    fn proof(&self, token: &[u8], layout: Option<&Layout>, fact: Fact) -> Verified {
        let asked = self.asking.is_some().then_some(Asked {
            at: fact.at,
            not_after: fact.not_after,
        });
        let constraints = constraints(fact.app.as_ref());
        Verified {
            principal: Arc::new(Principal {
                subject: fact.subject,
                app: fact.app,
                ..Principal::default()
            }),
            constraints,
            not_after: fact.not_after,
            key: self.grounds.reading,
            grounds: Some(Arc::clone(&self.grounds)),
            token: Some(Arc::new(TokenFacts {
                digest: token_digest(token),
                id: None,
                issued_at: layout.map(|layout| layout.issued),
            })),
            asked,
            reuse: Reuse::Once,
        }
    }

    /// Asks the backend, and remembers what it says.
    async fn ask_about(
        &self,
        credential: &Credential<'_>,
        now: UnixTime,
    ) -> Result<Verified, VerifyError> {
        let token = credential.bytes();
        let layout = self.hints(token, now).map_err(VerifyError::Rejected)?;
        let digest = Digest::of(token);
        let found = self.learned.find(&digest, now).await;
        let Some(asking) = &self.asking else {
            return match found {
                Ok(Some(fact)) => Ok(self.proof(token, layout.as_ref(), fact)),
                Ok(None) => Err(VerifyError::Rejected(Rejection::UnknownKey)),
                Err(error) => Err(VerifyError::Unavailable {
                    source: error.to_string().into(),
                }),
            };
        };
        // The backend's own word is worth more than that of other replicas.
        let known = found.unwrap_or_default();
        let known = known.as_ref();
        let question = About {
            token,
            layout: layout.as_ref(),
            app: known
                .and_then(|fact| fact.app.as_deref())
                .or(credential.about.app)
                .filter(|app| is_app_key(app)),
            known_user: known.and_then(|fact| fact.subject.as_deref()),
            named_user: credential.about.user,
        };
        match asking.ask(question).await {
            Ok(found) => {
                let fact = Fact {
                    app: found.app,
                    subject: Some(found.subject),
                    // The answer does not say for how long; the token or its issue may have.
                    not_after: known
                        .and_then(|fact| fact.not_after)
                        .into_iter()
                        .chain(layout.and_then(|layout| layout.ends()))
                        .min(),
                    at: now,
                    confirmed: true,
                };
                self.learned.learn(digest, fact.clone(), Client::GATE);
                Ok(self.proof(token, layout.as_ref(), fact))
            }
            Err(error) => {
                // That nobody was found may be due to what the request asked by.
                if let VerifyError::Rejected(rejection) = error
                    && (known.is_some() || !depends_on_the_request(rejection))
                {
                    self.learned.refuse(digest, rejection, now);
                    self.learned.tell_end(&digest).await;
                }
                Err(error)
            }
        }
    }
}

/// Whether another request with the same token may fare better.
fn depends_on_the_request(rejection: Rejection) -> bool {
    matches!(rejection, Rejection::UnknownKey | Rejection::WrongPrincipal)
}

/// Where a path names an app, it must be the token's.
fn constraints(app: Option<&Arc<str>>) -> Constraints {
    Constraints {
        app_in_path: app.cloned(),
        ..Constraints::default()
    }
}

#[async_trait]
impl Verifier for EasemobToken {
    fn scheme(&self) -> SchemeName {
        SchemeName::EasemobToken
    }

    fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    fn recognises(&self, credential: &Credential<'_>) -> bool {
        layout::recognises(credential.bytes())
    }

    fn judge(&self, credential: &Credential<'_>, now: UnixTime) -> Judgement {
        let token = credential.bytes();
        let layout = match self.hints(token, now) {
            Ok(layout) => layout,
            Err(rejection) => return Judgement::Settled(Err(rejection)),
        };
        self.known(token, layout.as_ref(), now)
            .map_or(Judgement::AskRemote, Judgement::Settled)
    }

    async fn ask(
        &self,
        credential: &Credential<'_>,
        now: UnixTime,
    ) -> Result<Verified, VerifyError> {
        self.ask_about(credential, now).await
    }

    /// Whether something is known is found out as quickly as from a cache.
    fn is_worth_caching(&self) -> bool {
        false
    }

    fn names_subjects(&self) -> bool {
        self.kind == Kind::User
    }

    fn asks_anew(&self) -> bool {
        self.asking.is_some()
    }

    fn asks_by_request(&self) -> bool {
        true
    }

    fn apps(&self) -> Option<&[Arc<str>]> {
        Some(self.apps.as_deref().unwrap_or_default())
    }

    fn guesses(&self) -> Option<Guesses> {
        self.asking.as_ref()?.guesses()
    }

    fn http(&self) -> Option<&dyn HttpClient> {
        self.asking.as_ref().map(Asking::client)
    }

    fn recheck_rule(&self) -> Option<Recheck> {
        self.asking.as_ref()?.recheck()
    }

    async fn recheck(
        &self,
        credentials: &[Credential<'_>],
        now: UnixTime,
    ) -> Vec<Result<Verified, VerifyError>> {
        if self.asking.is_none() {
            return nobody_to_ask(credentials.len());
        }
        let mut answers = Vec::with_capacity(credentials.len());
        for some in credentials.chunks(introspect::AT_ONCE) {
            let mut questions = Vec::with_capacity(some.len());
            for credential in some {
                questions.push(self.ask_about(credential, now));
            }
            answers.extend(join_all(questions).await);
        }
        answers
    }

    fn uphold(&self, proof: &Verified, _: UnixTime) -> Result<Verified, Rejection> {
        if proof.grounds.as_deref() != Some(&*self.grounds) {
            return Err(Rejection::WrongPrincipal);
        }
        Ok(Verified {
            constraints: constraints(proof.principal.app.as_ref()),
            ..proof.clone()
        })
    }

    fn learner(&self) -> Option<&dyn Learner> {
        self.learn.is_some().then_some(self as &dyn Learner)
    }

    fn caveat(&self) -> Option<&'static str> {
        match (&self.asking, self.learned.is_shared()) {
            (Some(_), _) => None,
            (None, true) => Some(
                "no introspection: a ban or a withdrawn token is not seen before the token's end",
            ),
            (None, false) => Some(
                "no introspection: a ban or a withdrawn token is not seen before the token's end, \
                 and this process forgets all tokens when it ends",
            ),
        }
    }
}

impl Learner for EasemobToken {
    fn route(&self) -> Option<&Arc<str>> {
        self.learn.as_ref().map(|learn| &learn.route)
    }

    /// Getting a user's token takes an app's, which the gate need not know yet.
    fn passes_unverified(&self) -> bool {
        true
    }

    fn needs_app(&self) -> bool {
        true
    }

    fn memory(&self) -> Option<Arc<Learned>> {
        Some(Arc::clone(&self.learned))
    }

    fn learn(&self, lesson: &Lesson<'_>) -> Result<Option<Told>, Lost> {
        let Some(learn) = &self.learn else {
            return Ok(None);
        };
        let Issued {
            token,
            layout,
            holder,
            lifetime,
        } = answer::read(lesson.body, learn.expires_in_unit)?;
        if holder.kind() != self.kind {
            return Ok(None);
        }
        // A token without an app would be good for every one.
        let app = lesson.app.filter(|app| is_app_key(app));
        let app = app.ok_or(Lost::Contradictory)?;
        let by_answer = lifetime.map(|lifetime| lesson.at.plus(lifetime));
        let by_itself = layout.and_then(|layout| layout.ends());
        let fact = Fact {
            app: Some(app.into()),
            subject: match holder {
                Holder::App => None,
                Holder::User(name) => Some(name.into()),
            },
            not_after: by_answer.into_iter().chain(by_itself).min(),
            at: lesson.at,
            confirmed: false,
        };
        let (token, client) = (Digest::of(&token), Client::of(lesson.client));
        self.learned.learn(token, fact.clone(), client);
        Ok(Some(self.learned.tell(&token, fact, lesson.at)))
    }

    fn doubt(&self, credential: &Credential<'_>, now: UnixTime) -> Option<Told> {
        let token = Digest::of(credential.bytes());
        let is_forgotten = self.learned.doubt(&token, now);
        is_forgotten.then(|| self.learned.tell_end(&token))
    }
}

/// How answers are read.
fn rules(principal: Kind, learn: Option<&Learn>) -> Digest {
    Fingerprint::of(SchemeName::EasemobToken.as_str())
        .text(match principal {
            Kind::App => "app",
            Kind::User => "user",
        })
        .option(learn, |print, learn| {
            print.text(&learn.route).text(match learn.expires_in_unit {
                Unit::Seconds => "s",
                Unit::Millis => "ms",
            })
        })
        .finish()
}

/// What a token means here: whose it is, and whose word for that counts.
fn reading(config: &Config) -> Digest {
    Fingerprint::default()
        .digest(&rules(config.principal, config.learn.as_ref()))
        .option(config.introspect.as_ref(), |print, introspect| {
            introspect.print(print)
        })
        .finish()
}

fn fingerprint(config: &Config, reading: &Digest) -> Digest {
    let print = Fingerprint::default()
        .digest(reading)
        .option(config.apps.as_deref(), |print, apps| {
            print.list(apps, |print, app| print.text(app))
        });
    print
        .option(config.introspect.as_ref(), |print, introspect| {
            introspect.print_limits(print)
        })
        .finish()
}

#[cfg(test)]
mod tests;

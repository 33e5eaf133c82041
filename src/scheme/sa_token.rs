//! Sa-Token JWTs as RuoYi issues them, with their sessions in Redis.
//!
//! In Sa-Token's simple mode the token carries neither expiry nor device: whether it still holds
//! is known to the backend's Redis alone, so the signature is only a cheap filter before the
//! question. The token's own claims are judged in `claims`, the answer of the store in
//! `session`, and what is remembered without one in `memory`. A wrong user type is no
//! rejection: it travels as a constraint of the proof.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::UnixTime;
use crate::credential::Credential;
use crate::scheme::compact::{self, Compact};
use crate::scheme::fingerprint::Fingerprint;
use crate::scheme::learned::{Beginning, Learned};
use crate::scheme::learner::{Learner, Lesson, Lost, Told};
use crate::scheme::sa_token::claims::Shape;
use crate::scheme::sa_token::keys::Secrets;
use crate::scheme::sa_token::logins::Logins;
use crate::scheme::sa_token::session::{Question, SessionCheck};
use crate::scheme::{
    Constraints, Grounds, Judgement, KeyProblem, Recheck, Rejection, Reuse, SchemeName, Verified,
    Verifier, VerifyError, json, nobody_to_ask,
};
use crate::secret::{Digest, Secret};

mod claims;
mod keys;
mod logins;
mod memory;
mod mint;
mod session;

pub use crate::scheme::grace::OnOutage;
pub use logins::token as token_in_login;
pub use memory::FirstSeen;
pub use mint::{Mint, Mixin, mint};
pub use session::{Answer, SessionStore, StoreError, Ttl};

#[derive(Debug)]
pub struct Config {
    /// `sa-token.jwt-secret-key`.
    pub secret: Secret,
    /// Older secrets that still verify, each until its own end.
    pub previous: Vec<Previous>,
    /// The user types that a session of this kind may have.
    pub user_types: Vec<Arc<str>>,
    /// `loginType` in the token, `login` unless configured.
    pub login_type: String,
    /// Between user type and id in `loginId`, `:` unless configured.
    pub separator: char,
    pub sessions: Sessions,
}

#[derive(Debug)]
pub struct Previous {
    pub secret: Secret,
    pub not_after: UnixTime,
}

/// Where the backend keeps its sessions.
#[derive(Debug)]
pub enum Sessions {
    /// Nowhere that the gate can see: a token holds for `max_age` from first sight.
    None {
        max_age: Duration,
    },
    /// Nowhere that the gate can see, but it sees the answer to the login.
    Learn(LoginAnswers),
    Redis(RedisSessions),
}

/// Whence logins are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginAnswers {
    /// The name of the route whose answers bring tokens.
    pub route: Arc<str>,
    /// How long a login holds; the answer does not say.
    pub lifetime: Duration,
}

#[derive(Debug)]
pub struct RedisSessions {
    pub redis: RedisAddress,
    /// The key, with `{token}` where the bare token stands.
    pub key: String,
    /// The longest reuse of an answer.
    pub max_stale: Duration,
    pub on_outage: OnOutage,
    /// `None`: a living session is not asked about again.
    pub recheck: Option<Recheck>,
}

/// How to reach a Redis server.
#[derive(Clone, Debug)]
pub struct RedisAddress {
    /// `host:port`.
    pub address: String,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub database: i64,
    /// For one command, its retry and a needed connect together.
    pub timeout: Duration,
}

impl RedisAddress {
    /// Whether both lead to the same server, by the same login.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let Self {
            address,
            username,
            password,
            database,
            timeout,
        } = self;
        let same_password = match (password, &other.password) {
            (Some(one), Some(other)) => one.matches(other.expose()),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        same_password
            && (address, username) == (&other.address, &other.username)
            && (database, timeout) == (&other.database, &other.timeout)
    }
}

/// Verifies Sa-Token JWTs.
#[derive(Debug)]
pub struct SaToken {
    secrets: Secrets,
    shape: Shape,
    constraints: Constraints,
    grounds: Arc<Grounds>,
    backing: Backing,
    fingerprint: Digest,
}

#[derive(Debug)]
enum Backing {
    FirstSeen {
        seen: Arc<FirstSeen>,
        max_age: Duration,
    },
    Learned(Logins),
    Store(SessionCheck),
}

/// A token that is good in itself: what its own signature and claims prove.
#[derive(Debug)]
pub struct Login {
    /// As the claim has it, user type included; the session's value must be the same.
    pub login_id: String,
    /// Without regard to the session: ends with the token's `eff` and the secret's end.
    pub proof: Verified,
}

impl SaToken {
    /// `first_seen` and `beginning` are what an earlier verifier of the same authenticator remembers,
    /// for sessions without a store. `open` makes the store that [`RedisSessions`] names; it is not called otherwise, and it
    /// should not connect before it is asked.
    pub fn new(
        config: Config,
        first_seen: Option<Arc<FirstSeen>>,
        beginning: Beginning,
        open: impl FnOnce(&RedisAddress) -> Arc<dyn SessionStore>,
    ) -> Result<Self, KeyProblem> {
        let fingerprint = fingerprint(&config);
        let grounds = Grounds {
            reading: reading(&config),
            issuer: None,
            audiences: Vec::new(),
        };
        let Config {
            secret,
            previous,
            user_types,
            login_type,
            separator,
            sessions,
        } = config;
        let secrets = Secrets::new(&secret, &previous)?;
        let backing = match sessions {
            Sessions::None { max_age } => Backing::FirstSeen {
                seen: first_seen.unwrap_or_else(|| Arc::new(FirstSeen::new())),
                max_age,
            },
            Sessions::Learn(answers) => Backing::Learned(Logins::new(answers, beginning)),
            Sessions::Redis(redis) => {
                let store = open(&redis.redis);
                Backing::Store(SessionCheck::new(store, redis))
            }
        };
        Ok(Self {
            secrets,
            shape: Shape {
                login_type,
                separator,
            },
            constraints: Constraints {
                user_types: Some(user_types.into()),
                ..Constraints::default()
            },
            grounds: Arc::new(grounds),
            backing,
            fingerprint,
        })
    }

    /// What the store is to be asked about a credential that is good in itself.
    fn question<'c>(
        &self,
        credential: &Credential<'c>,
        now: UnixTime,
    ) -> Result<Question<'c>, Rejection> {
        let token = credential.bytes();
        Ok(Question {
            login: self.check(token, now)?,
            credential: credential.digest(&self.fingerprint),
            token,
        })
    }

    /// Judges what the token itself says.
    pub fn check(&self, token: &[u8], now: UnixTime) -> Result<Login, Rejection> {
        let token = Compact::parse(token)?;
        let key = self.secrets.verify(&token, now)?;
        let payload = json::object(&token.payload)?;
        let facts = token.facts(&payload)?;
        let claims = self.shape.judge(&payload, now)?;
        let not_after = [claims.expires, key.not_after].into_iter().flatten().min();
        let proof = Verified {
            principal: Arc::new(claims.principal),
            constraints: self.constraints.clone(),
            not_after,
            key: key.digest,
            grounds: Some(Arc::clone(&self.grounds)),
            token: Some(Arc::new(facts)),
            asked: None,
            reuse: Reuse::Cacheable,
        };
        Ok(Login {
            login_id: claims.login_id,
            proof,
        })
    }
}

#[async_trait]
impl Verifier for SaToken {
    fn scheme(&self) -> SchemeName {
        SchemeName::SaToken
    }

    fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    fn recognises(&self, credential: &Credential<'_>) -> bool {
        compact::recognises(credential.bytes())
    }

    fn judge(&self, credential: &Credential<'_>, now: UnixTime) -> Judgement {
        let login = match self.check(credential.bytes(), now) {
            Ok(login) => login,
            Err(rejection) => return Judgement::Settled(Err(rejection)),
        };
        match &self.backing {
            Backing::FirstSeen { seen, max_age } => {
                Judgement::Settled(seen.admit(credential.bytes(), *max_age, login.proof, now))
            }
            Backing::Learned(logins) => logins.judge(credential.bytes(), login.proof, now),
            Backing::Store(_) => Judgement::AskRemote,
        }
    }

    async fn ask(
        &self,
        credential: &Credential<'_>,
        now: UnixTime,
    ) -> Result<Verified, VerifyError> {
        let question = self
            .question(credential, now)
            .map_err(VerifyError::Rejected)?;
        match &self.backing {
            Backing::FirstSeen { seen, max_age } => seen
                .admit(question.token, *max_age, question.login.proof, now)
                .map_err(VerifyError::Rejected),
            Backing::Learned(logins) => logins.ask(question.token, question.login.proof, now).await,
            Backing::Store(check) => check.ask(question, now).await,
        }
    }

    fn recheck_rule(&self) -> Option<Recheck> {
        match &self.backing {
            Backing::FirstSeen { .. } | Backing::Learned(_) => None,
            Backing::Store(check) => check.recheck_rule(),
        }
    }

    async fn recheck(
        &self,
        credentials: &[Credential<'_>],
        now: UnixTime,
    ) -> Vec<Result<Verified, VerifyError>> {
        match &self.backing {
            Backing::FirstSeen { .. } | Backing::Learned(_) => nobody_to_ask(credentials.len()),
            Backing::Store(check) => {
                let questions = credentials
                    .iter()
                    .map(|credential| self.question(credential, now))
                    .collect();
                check.ask_all(questions, now).await
            }
        }
    }

    /// What the session store says of the token is asked when the token is there to ask with.
    fn uphold(&self, proof: &Verified, now: UnixTime) -> Result<Verified, Rejection> {
        let end = self.secrets.uphold(&proof.key, now)?;
        if proof.grounds.as_deref() != Some(&*self.grounds) {
            return Err(Rejection::WrongPrincipal);
        }
        Ok(Verified {
            constraints: self.constraints.clone(),
            ..proof.bounded(end)
        })
    }

    fn graced(&self) -> Option<u64> {
        match &self.backing {
            Backing::FirstSeen { .. } | Backing::Learned(_) => None,
            Backing::Store(check) => check.graced(),
        }
    }

    fn first_seen(&self) -> Option<Arc<FirstSeen>> {
        match &self.backing {
            Backing::FirstSeen { seen, .. } => Some(Arc::clone(seen)),
            Backing::Learned(_) | Backing::Store(_) => None,
        }
    }

    /// What was learned may be forgotten while a verdict is kept.
    fn is_worth_caching(&self) -> bool {
        match &self.backing {
            Backing::FirstSeen { .. } | Backing::Store(_) => true,
            Backing::Learned(_) => false,
        }
    }

    fn learner(&self) -> Option<&dyn Learner> {
        match &self.backing {
            Backing::FirstSeen { .. } | Backing::Store(_) => None,
            Backing::Learned(_) => Some(self),
        }
    }

    async fn probe(&self) -> Result<(), VerifyError> {
        match &self.backing {
            Backing::FirstSeen { .. } | Backing::Learned(_) => Ok(()),
            Backing::Store(check) => check.probe().await,
        }
    }

    fn caveat(&self) -> Option<&'static str> {
        match &self.backing {
            Backing::FirstSeen { .. } => Some(
                "sessions: none: logout and kick-out are not seen, and a token holds for max_age \
                 from its first sight by this process",
            ),
            Backing::Learned(_) => Some(
                "sessions: learn: logout and kick-out are not seen, and this process forgets all \
                 logins when it ends",
            ),
            Backing::Store(_) => None,
        }
    }
}

impl Learner for SaToken {
    fn route(&self) -> Option<&Arc<str>> {
        match &self.backing {
            Backing::Learned(logins) => Some(logins.route()),
            Backing::FirstSeen { .. } | Backing::Store(_) => None,
        }
    }

    fn memory(&self) -> Option<Arc<Learned>> {
        match &self.backing {
            Backing::Learned(logins) => Some(logins.memory()),
            Backing::FirstSeen { .. } | Backing::Store(_) => None,
        }
    }

    /// A token that would not be good in itself is not worth a place.
    fn learn(&self, lesson: &Lesson<'_>) -> Result<Option<Told>, Lost> {
        let Backing::Learned(logins) = &self.backing else {
            return Ok(None);
        };
        let token = logins::token(lesson.body)?;
        let login = self.check(token.as_bytes(), lesson.at);
        let login = login.map_err(|_| Lost::Contradictory)?;
        Ok(Some(logins.remember(token.as_bytes(), login.proof, lesson)))
    }

    fn doubt(&self, credential: &Credential<'_>, now: UnixTime) -> Option<Told> {
        match &self.backing {
            Backing::Learned(logins) => logins.doubt(credential.bytes(), now),
            Backing::FirstSeen { .. } | Backing::Store(_) => None,
        }
    }
}

/// What a login means here: how it is written, and whose sessions back it.
fn reading(config: &Config) -> Digest {
    let print = Fingerprint::of(&config.login_type).text(&config.separator.to_string());
    match &config.sessions {
        Sessions::None { max_age } => print.text("none").duration(*max_age),
        Sessions::Learn(LoginAnswers { route, lifetime }) => {
            print.text("learn").text(route).duration(*lifetime)
        }
        Sessions::Redis(RedisSessions { redis, key, .. }) => print
            .text("redis")
            .text(&redis.address)
            .number(redis.database)
            .text(key),
    }
    .finish()
}

fn fingerprint(config: &Config) -> Digest {
    let Config {
        secret,
        previous,
        user_types,
        login_type,
        separator,
        sessions,
    } = config;
    let print = Fingerprint::of(SchemeName::SaToken.as_str())
        .secret(secret)
        .list(previous, |print, Previous { secret, not_after }| {
            print.secret(secret).time(Some(*not_after))
        })
        .list(user_types, |print, user_type| print.text(user_type))
        .text(login_type)
        .text(&separator.to_string());
    let print = match sessions {
        Sessions::None { max_age } => print.text("none").duration(*max_age),
        Sessions::Learn(LoginAnswers { route, lifetime }) => {
            print.text("learn").text(route).duration(*lifetime)
        }
        Sessions::Redis(RedisSessions {
            redis,
            key,
            max_stale,
            on_outage,
            recheck,
        }) => {
            let RedisAddress {
                address,
                username,
                password,
                database,
                timeout,
            } = redis;
            let print = print
                .text("redis")
                .text(address)
                .option(username.as_deref(), Fingerprint::text)
                .option(password.as_ref(), Fingerprint::secret)
                .number(*database)
                .duration(*timeout)
                .text(key)
                .duration(*max_stale)
                .option(recheck.as_ref(), |print, recheck| {
                    print.duration(recheck.every).duration(recheck.live_grace)
                });
            on_outage.print(print)
        }
    };
    print.finish()
}

#[cfg(test)]
mod tests;

//! Schemes: the kinds of credential that the gate can prove, one file each.
//!
//! A scheme is a pure `check` over bytes and `now`, wrapped in a [`Verifier`]. It answers one of
//! three things: the credential is good, it is bad, or nobody can tell at the moment. Whether a
//! credential is present, and what a route asks of its principal, is decided elsewhere.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::UnixTime;
use crate::credential::Credential;
use crate::principal::Principal;
use crate::secret::Digest;

pub mod app_key;
mod claims;
pub(crate) mod compact;
pub mod easemob_dynamic;
pub mod easemob_token;
mod fingerprint;
pub mod grace;
pub mod http;
pub mod imkit_client_key;
pub mod introspection;
pub(crate) mod json;
pub mod jwt;
pub mod learned;
pub mod learner;
pub mod sa_token;
#[cfg(test)]
#[path = "../tests/vectors/credentials.rs"]
pub(crate) mod vectors;
pub mod zego_token04;

use learner::Learner;

/// The name of a scheme, as the configuration spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SchemeName {
    AppKey,
    EasemobDynamic,
    EasemobToken,
    ImkitClientKey,
    Introspection,
    Jwt,
    SaToken,
    ZegoToken04,
}

impl SchemeName {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AppKey => "app_key",
            Self::EasemobDynamic => "easemob_dynamic",
            Self::EasemobToken => "easemob_token",
            Self::ImkitClientKey => "imkit_client_key",
            Self::Introspection => "introspection",
            Self::Jwt => "jwt",
            Self::SaToken => "sa_token",
            Self::ZegoToken04 => "zego_token04",
        }
    }
}

/// Proves one kind of credential.
#[async_trait]
pub trait Verifier: fmt::Debug + Send + Sync {
    fn scheme(&self) -> SchemeName;

    /// Identifies everything that a verdict depends on: the configuration and the key material.
    ///
    /// It is part of the cache key, so a verdict cannot outlive the configuration that made it.
    fn fingerprint(&self) -> Digest;

    /// Whether the credential has the shape of this scheme. Shape only, no cryptography.
    fn recognises(&self, credential: &Credential<'_>) -> bool;

    /// Judges as far as possible without asking anybody.
    fn judge(&self, credential: &Credential<'_>, now: UnixTime) -> Judgement;

    /// Asks the remote side. Called only after [`Judgement::AskRemote`]; a scheme that never says
    /// so has nobody to ask.
    async fn ask(&self, _: &Credential<'_>, _: UnixTime) -> Result<Verified, VerifyError> {
        Err(VerifyError::Unavailable {
            source: Arc::from("this scheme has nobody to ask"),
        })
    }

    /// How often living sessions with a proof of this scheme are asked about again; `None` where
    /// only time can change a verdict.
    fn recheck_rule(&self) -> Option<Recheck> {
        None
    }

    /// Asks the remote side about the credentials of living sessions, all at once. There are as
    /// many answers as credentials, in the same order. No grace is given here: an outage is
    /// [`VerifyError::Unavailable`].
    async fn recheck(
        &self,
        credentials: &[Credential<'_>],
        _: UnixTime,
    ) -> Vec<Result<Verified, VerifyError>> {
        nobody_to_ask(credentials.len())
    }

    /// Judges a proof that was made earlier, perhaps under another configuration, as far as that can
    /// be done without its credential: whether its key is still configured and in date, and whether
    /// what else it rests on still holds.
    ///
    /// The answer is the same proof with the constraints of now, and never a later end.
    fn uphold(&self, proof: &Verified, now: UnixTime) -> Result<Verified, Rejection>;

    /// Whether a proof of this verifier's that was made a moment ago still counts. Asked whenever a
    /// remembered one is used: what it rests on may have changed elsewhere.
    fn holds(&self, _: &Verified, _: UnixTime) -> bool {
        true
    }

    /// Whether a credential that was rejected so can never become good.
    fn is_final(&self, rejection: Rejection) -> bool {
        rejection.is_final()
    }

    /// The keys that a server names, where they come from one.
    fn remote_keys(&self) -> Option<Arc<jwt::RemoteKeys>> {
        None
    }

    /// How many unknown credentials a client may have the remote side asked about; `None` where
    /// that is not limited, as nobody can make one up.
    fn guesses(&self) -> Option<Guesses> {
        None
    }

    /// Whoever asks over HTTP for it.
    fn http(&self) -> Option<&dyn http::HttpClient> {
        None
    }

    /// Whether keeping a verdict is cheaper than reaching it again.
    fn is_worth_caching(&self) -> bool {
        true
    }

    /// Whether the remote side can be asked even if [`Self::judge`] has no need to.
    fn asks_anew(&self) -> bool {
        false
    }

    /// Whether the answer of the remote side may depend on what else the request says.
    fn asks_by_request(&self) -> bool {
        false
    }

    /// By whom tokens of this scheme are learned, where they are.
    fn learner(&self) -> Option<&dyn Learner> {
        None
    }

    /// The app keys that it is configured for, where its credentials are of apps that a path can name
    /// (`/{org}/{app}`); `None` where they are not.
    fn apps(&self) -> Option<&[Arc<str>]> {
        None
    }

    /// How many answers it remembers for an outage; `None` where it remembers none.
    fn graced(&self) -> Option<u64> {
        None
    }

    /// When tokens were first seen, for schemes that know no other beginning of theirs.
    fn first_seen(&self) -> Option<Arc<sa_token::FirstSeen>> {
        None
    }

    /// Whether some credential is good on certain routes only.
    fn limits_routes(&self) -> bool {
        false
    }

    /// Whether every proof names a subject.
    fn names_subjects(&self) -> bool {
        true
    }

    /// Whether a `+` in a query is one, though servers that read forms take it for a space: where
    /// credentials have a `+` and never a space.
    fn has_plus(&self) -> bool {
        false
    }

    /// Asks the remote side, if there is one, whether it would answer.
    async fn probe(&self) -> Result<(), VerifyError> {
        Ok(())
    }

    /// What an operator should know about this verifier's promises, for `/readyz?verbose`.
    fn caveat(&self) -> Option<&'static str> {
        None
    }
}

/// The answers of a scheme that has nobody to ask.
fn nobody_to_ask(credentials: usize) -> Vec<Result<Verified, VerifyError>> {
    let nobody = VerifyError::Unavailable {
        source: Arc::from("this scheme has nobody to ask"),
    };
    vec![Err(nobody); credentials]
}

/// How living sessions are asked about again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recheck {
    pub every: Duration,
    /// For so long after the last good answer a session lives on while nobody can tell. Longer than
    /// `every`, or one lost answer would end it.
    pub live_grace: Duration,
}

/// The outcome of judging without the network.
#[derive(Debug)]
pub enum Judgement {
    /// Nothing more is needed.
    Settled(Result<Verified, Rejection>),
    /// Good so far; only the remote side can finish the proof.
    AskRemote,
}

#[cfg(test)]
impl Judgement {
    #[track_caller]
    pub(crate) fn settled(self) -> Result<Verified, Rejection> {
        match self {
            Self::Settled(outcome) => outcome,
            Self::AskRemote => panic!("a remote side is to be asked"),
        }
    }
}

/// A proof, and for how long it holds.
#[derive(Clone, Debug)]
pub struct Verified {
    pub principal: Arc<Principal>,
    /// Conditions of the credential itself, checked on every request.
    pub constraints: Constraints,
    /// From this moment on the credential is no longer good (token expiry, key validity, or the
    /// remote side's deadline). `None` when it has no end of its own.
    pub not_after: Option<UnixTime>,
    /// Stands for the key material that made the proof.
    pub key: Digest,
    /// `None` where the key is all that a proof rests on.
    pub grounds: Option<Arc<Grounds>>,
    /// By what the credential can be named to revoke it; `None` where it is the key itself.
    pub token: Option<Arc<TokenFacts>>,
    /// What the remote side said, which may have changed its mind since; `None` where nobody was
    /// asked.
    pub asked: Option<Asked>,
    pub reuse: Reuse,
}

/// What a remote side said about a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// When it was asked.
    pub at: UnixTime,
    /// When the proof ends by what it said; the grace of an outage may end it sooner.
    pub not_after: Option<UnixTime>,
}

/// What tells one token from another of the same user, without being the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFacts {
    /// See [`token_digest`].
    pub digest: Digest,
    /// RFC 7519 §4.1.7.
    pub id: Option<Arc<str>>,
    /// `None` if the token does not say.
    pub issued_at: Option<UnixTime>,
}

/// The digest by which a token is known after it is gone.
///
/// Of a signed token without its signature: some algorithms let anybody make a second signature
/// out of a good one, and it is still the same token. Of a token that can be written in several ways,
/// what all of them say.
pub fn token_digest(token: &[u8]) -> Digest {
    if easemob_dynamic::token::recognises(token)
        && let Ok(token) = easemob_dynamic::token::Token::parse(token)
    {
        return token.digest();
    }
    if zego_token04::envelope::recognises(token)
        && let Some(envelope) = zego_token04::envelope::Envelope::parse(token)
    {
        return envelope.digest();
    }
    let signed = if compact::recognises(token) {
        token.iter().rposition(|byte| *byte == b'.')
    } else {
        None
    };
    Digest::of(signed.and_then(|end| token.get(..end)).unwrap_or(token))
}

/// What a proof rests on besides its key, kept so that it can be judged again without its
/// credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grounds {
    /// Stands for the rules by which the principal was read out of the credential.
    pub reading: Digest,
    pub issuer: Option<Arc<str>>,
    pub audiences: Vec<Arc<str>>,
}

impl Verified {
    /// The same proof, ending with the key that made it.
    fn bounded(&self, end: Option<UnixTime>) -> Self {
        Self {
            not_after: self.not_after.into_iter().chain(end).min(),
            ..self.clone()
        }
    }
}

/// The end of key material that made a proof earlier, if it is still here and in date. The same
/// material may stand there several times, with ends of its own; the latest counts.
fn latest_end(
    mut ends: impl Iterator<Item = Option<UnixTime>>,
    now: UnixTime,
) -> Result<Option<UnixTime>, Rejection> {
    let first = ends.next().ok_or(Rejection::UnknownKey)?;
    let latest = ends.fold(first, |latest, end| Some(latest?.max(end?)));
    if latest.is_some_and(|end| end <= now) {
        Err(Rejection::Expired)
    } else {
        Ok(latest)
    }
}

/// What the credential allows, beyond being good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Constraints {
    /// The routes on which it may be used; `None` means all of them.
    pub routes: Option<Arc<[Arc<str>]>>,
    /// The user types that may come in with it; `None` means all of them. A principal of another
    /// type is proven, but refused (403).
    pub user_types: Option<Arc<[Arc<str>]>>,
    /// The app key that a path must name, where it names one; a credential of another app is none there
    /// (401).
    pub app_in_path: Option<Arc<str>>,
    /// The hosts, in lower case and without a port, at which it may be used; `None` means all.
    pub domains: Option<Arc<[Arc<str>]>>,
}

impl Constraints {
    /// Whether it may be used at this host, which has no port.
    pub fn allow_host(&self, host: &str) -> bool {
        self.domains
            .as_ref()
            .is_none_or(|domains| domains.iter().any(|one| one.eq_ignore_ascii_case(host)))
    }

    /// Whether a principal of this type may come in. One without a type only where all may.
    pub fn allow_user_type(&self, user_type: Option<&str>) -> bool {
        self.user_types.as_ref().is_none_or(|allowed| {
            user_type.is_some_and(|presented| allowed.iter().any(|one| **one == *presented))
        })
    }
}

/// A key of the configuration that cannot be used, and what was expected of it.
///
/// It says which key, never what is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{which}: {expected}")]
pub struct KeyProblem {
    pub which: WhichKey,
    /// Lower case, no final period.
    pub expected: &'static str,
}

/// Points at one key of an authenticator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhichKey {
    /// An entry of `apps`, counted from 0, with its app key.
    App {
        index: usize,
        name: Option<Arc<str>>,
    },
    /// An entry of `keys`, counted from 0, with its id or `kid` when it has one.
    Listed {
        index: usize,
        name: Option<Arc<str>>,
    },
    /// An entry of `previous`, counted from 0.
    Previous { index: usize },
    /// The one `secret`.
    Secret,
}

impl fmt::Display for WhichKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App { index, name: None } => write!(f, "`apps[{index}]`"),
            Self::App {
                index,
                name: Some(name),
            } => write!(f, "`apps[{index}]` (`{name}`)"),
            Self::Listed { index, name: None } => write!(f, "`keys[{index}]`"),
            Self::Listed {
                index,
                name: Some(name),
            } => write!(f, "`keys[{index}]` (`{name}`)"),
            Self::Previous { index } => write!(f, "`previous[{index}]`"),
            Self::Secret => f.write_str("`secret`"),
        }
    }
}

/// Whether a proof may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// As long as the general cache limits allow.
    Cacheable,
    /// At most this long, since the remote side may change its mind.
    For(Duration),
    /// Never: checking again is as cheap as looking it up.
    Once,
}

/// Why a verifier did not prove a credential.
#[derive(Debug, Clone)]
pub enum VerifyError {
    /// The credential is bad.
    Rejected(Rejection),
    /// The client has had too many unknown credentials asked about.
    Throttled { retry_after: Duration },
    /// Nobody can tell now. The text is for the log and holds no credential.
    Unavailable { source: Arc<str> },
}

/// How many credentials of which nothing is known a client may have a remote side asked about. Only
/// those count that turn out to be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guesses {
    /// Never 0.
    pub count: u32,
    /// Never 0.
    pub per: Duration,
}

/// Why a credential is bad. Each has one name in logs, metrics and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rejection {
    BadSignature,
    Banned,
    DoubledPrefix,
    Expired,
    KickedOut,
    Malformed,
    NotYetValid,
    Replaced,
    Revoked,
    UnknownKey,
    WrongAlgorithm,
    WrongApp,
    WrongAudience,
    WrongIssuer,
    WrongPrincipal,
}

impl Rejection {
    /// Whether somebody has done this to a credential that was good. All others may be the work of
    /// time, or were so from the beginning.
    pub const fn is_withdrawal(self) -> bool {
        match self {
            Self::Banned | Self::KickedOut | Self::Replaced | Self::Revoked => true,
            Self::BadSignature
            | Self::DoubledPrefix
            | Self::Expired
            | Self::Malformed
            | Self::NotYetValid
            | Self::UnknownKey
            | Self::WrongAlgorithm
            | Self::WrongApp
            | Self::WrongAudience
            | Self::WrongIssuer
            | Self::WrongPrincipal => false,
        }
    }

    /// Whether time or a change elsewhere could make the same credential good.
    ///
    /// Only what can never become good is kept in the negative cache.
    pub const fn is_final(self) -> bool {
        match self {
            Self::BadSignature | Self::DoubledPrefix | Self::Malformed | Self::WrongAlgorithm => {
                true
            }
            Self::Banned
            | Self::Expired
            | Self::KickedOut
            | Self::NotYetValid
            | Self::Replaced
            | Self::Revoked
            | Self::UnknownKey
            | Self::WrongApp
            | Self::WrongAudience
            | Self::WrongIssuer
            | Self::WrongPrincipal => false,
        }
    }

    /// The stable reason word for answers, logs and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadSignature => "bad_signature",
            Self::Banned => "banned",
            Self::DoubledPrefix => "doubled_prefix",
            Self::Expired => "expired",
            Self::KickedOut => "kicked_out",
            Self::Malformed => "malformed",
            Self::NotYetValid => "not_yet_valid",
            Self::Replaced => "replaced",
            Self::Revoked => "revoked",
            Self::UnknownKey => "unknown_key",
            Self::WrongAlgorithm => "wrong_algorithm",
            Self::WrongApp => "wrong_app",
            Self::WrongAudience => "wrong_audience",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongPrincipal => "wrong_principal",
        }
    }
}

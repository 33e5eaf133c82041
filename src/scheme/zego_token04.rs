//! ZEGO's Token04, which a customer's own server makes with the server secret of its project.
//!
//! The container is taken apart in `envelope`, opened in `cipher`, and what was inside is judged in
//! `claims`.
//!
//! **One answer.** Whatever is wrong with a token, the answer is the same, and so is the work that
//! led to it: nothing is remembered, and what was decrypted is read whether its padding was good or not.
//! The old mode, CBC, authenticates nothing. Who could tell bad padding from a bad text or from a token
//! that has ended could decrypt any token, and make any (a padding oracle). That is also why it is off
//! unless asked for: even without an oracle whoever has a token of Java's generator can turn the first
//! letters of its user into others.
//!
//! The `expire` in front of the ciphertext is not authenticated in either mode. The one inside
//! counts, and both must be equal.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::UnixTime;
use crate::credential::Credential;
use crate::principal::Principal;
use crate::scheme::fingerprint::Fingerprint;
use crate::scheme::zego_token04::cipher::Secrets;
use crate::scheme::zego_token04::claims::Claims;
use crate::scheme::zego_token04::envelope::{Envelope, Mode};
use crate::scheme::{
    Constraints, Grounds, Judgement, KeyProblem, Rejection, Reuse, SchemeName, TokenFacts,
    Verified, Verifier,
};
use crate::secret::{Digest, Secret};

mod cipher;
pub(crate) mod claims;
pub(crate) mod envelope;
mod mint;

pub use cipher::SECRET_BYTES;
pub(crate) use cipher::{Opened, SecretKey};
pub use mint::{Mint, MintError, mint};

#[derive(Debug)]
pub struct Config {
    pub app_id: u32,
    /// 32 bytes, as they are: the console shows hexadecimal digits, which nobody decodes.
    pub server_secret: Secret,
    /// Older secrets that still verify, each until its own end.
    pub previous: Vec<Previous>,
    /// The longest that a token may be good for, from its `ctime` to its `expire`.
    pub max_lifetime: Duration,
    /// Whether tokens of the old mode count.
    pub allow_cbc: bool,
}

#[derive(Debug)]
pub struct Previous {
    pub server_secret: Secret,
    pub not_after: UnixTime,
}

/// ZEGO's own limit, which none of its generators keeps to.
pub const MAX_LIFETIME: Duration = Duration::from_hours(24 * 24);
/// How far the clock of whoever makes tokens may be ahead.
const SKEW: Duration = Duration::from_mins(1);
/// The one answer to whatever is wrong.
const REFUSED: Rejection = Rejection::Malformed;

/// Verifies tokens of one project.
#[derive(Debug)]
pub struct ZegoToken04 {
    app_id: u32,
    app: Arc<str>,
    secrets: Secrets,
    max_lifetime: Duration,
    allow_cbc: bool,
    fingerprint: Digest,
}

impl ZegoToken04 {
    pub fn new(config: Config) -> Result<Self, KeyProblem> {
        let fingerprint = fingerprint(&config);
        let Config {
            app_id,
            server_secret,
            previous,
            max_lifetime,
            allow_cbc,
        } = config;
        Ok(Self {
            app_id,
            app: app_id.to_string().into(),
            secrets: Secrets::new(app_id, &server_secret, &previous)?,
            max_lifetime,
            allow_cbc,
            fingerprint,
        })
    }

    /// Judges a token. The only error is [`REFUSED`].
    pub fn check(&self, token: &[u8], now: UnixTime) -> Result<Verified, Rejection> {
        let envelope = Envelope::parse(token).ok_or(REFUSED)?;
        if envelope.mode == Mode::Cbc && !self.allow_cbc {
            return Err(REFUSED);
        }
        self.secrets
            .in_date(now)
            .find_map(|key| {
                let opened = key.open(&envelope)?;
                // Before the padding is asked about: a good one costs no more time than a bad one.
                let claims = Claims::read(&opened.text);
                let claims = claims.filter(|_| opened.is_whole)?;
                self.accepts(&claims, envelope.expire, now)
                    .then(|| self.proof(&envelope, claims, key))
            })
            .ok_or(REFUSED)
    }

    fn accepts(&self, claims: &Claims, outer_expire: i64, now: UnixTime) -> bool {
        let (made, end) = (
            UnixTime::from_secs(claims.ctime),
            UnixTime::from_secs(claims.expire),
        );
        claims.app_id == u64::from(self.app_id)
            && claims.expire == outer_expire
            && now < end
            && made <= now.plus(SKEW)
            && made < end
            && end.since(made) <= self.max_lifetime
    }

    fn proof(&self, envelope: &Envelope, claims: Claims, key: &SecretKey) -> Verified {
        let end = UnixTime::from_secs(claims.expire);
        Verified {
            principal: Arc::new(Principal {
                subject: Some(claims.user.into()),
                app: Some(Arc::clone(&self.app)),
                ..Principal::default()
            }),
            constraints: Constraints::default(),
            not_after: Some(key.not_after.map_or(end, |key_end| key_end.min(end))),
            key: key.digest,
            grounds: Some(Arc::new(Grounds {
                reading: reading(envelope.mode),
                issuer: None,
                audiences: Vec::new(),
            })),
            token: Some(Arc::new(TokenFacts {
                digest: envelope.digest(),
                id: None,
                issued_at: Some(UnixTime::from_secs(claims.ctime)),
            })),
            asked: None,
            reuse: Reuse::Once,
        }
    }
}

impl Verifier for ZegoToken04 {
    fn scheme(&self) -> SchemeName {
        SchemeName::ZegoToken04
    }

    fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    fn recognises(&self, credential: &Credential<'_>) -> bool {
        envelope::recognises(credential.bytes())
    }

    fn judge(&self, credential: &Credential<'_>, now: UnixTime) -> Judgement {
        Judgement::Settled(self.check(credential.bytes(), now))
    }

    fn uphold(&self, proof: &Verified, now: UnixTime) -> Result<Verified, Rejection> {
        let end = self.secrets.uphold(&proof.key, now)?;
        let mode = proof.grounds.as_ref().map(|grounds| grounds.reading);
        let issued = proof.token.as_ref().and_then(|token| token.issued_at);
        let lifetime = proof.not_after.zip(issued);
        let lifetime = lifetime.map(|(end, issued)| end.since(issued));
        let is_accepted =
            mode == Some(reading(Mode::Gcm)) || self.allow_cbc && mode == Some(reading(Mode::Cbc));
        if is_accepted && lifetime.is_some_and(|lifetime| lifetime <= self.max_lifetime) {
            Ok(proof.bounded(end))
        } else {
            Err(Rejection::WrongPrincipal)
        }
    }

    /// What is remembered is answered sooner, and a token is opened about as fast as looked up.
    fn is_worth_caching(&self) -> bool {
        false
    }

    /// The alphabet has a `+`, which pages put into an address as it is.
    fn has_plus(&self) -> bool {
        true
    }

    fn caveat(&self) -> Option<&'static str> {
        self.allow_cbc.then_some(
            "allow_cbc: tokens of the old mode are not authenticated; whoever has one may be able to \
             turn it into another user's",
        )
    }
}

/// A proof of the old mode holds only while that is allowed.
fn reading(mode: Mode) -> Digest {
    Fingerprint::of(match mode {
        Mode::Cbc => "cbc",
        Mode::Gcm => "gcm",
    })
    .finish()
}

fn fingerprint(config: &Config) -> Digest {
    let Config {
        app_id,
        server_secret,
        previous,
        max_lifetime,
        allow_cbc,
    } = config;
    Fingerprint::of(SchemeName::ZegoToken04.as_str())
        .number((*app_id).into())
        .secret(server_secret)
        .list(previous, |print, old| {
            print.secret(&old.server_secret).time(Some(old.not_after))
        })
        .duration(*max_lifetime)
        .number((*allow_cbc).into())
        .finish()
}

#[cfg(test)]
mod tests;

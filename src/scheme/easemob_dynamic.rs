//! Easemob's dynamic user tokens, which a customer's own server makes without asking Easemob.
//!
//! ```text
//! base64( dt-{"signature":"e92a…","appkey":"easemob-demo#testapp","userId":"test2333",
//!             "curTime":1686207557,"ttl":600} )
//! signature = hex( SHA-256( clientId appkey userId curTime ttl clientSecret ) )
//! ```
//!
//! Nothing stands between the signed fields, so a signature is one for every division of the same
//! text: `bob1795`, 1795181805, 600 is also `bob`, 1795179518, 1805600. With the app known, the text
//! has one division only if both numbers have a fixed count of digits. So `curTime` has ten, and
//! all accepted ttls have the same number ([`Ttls`]); bounds alone leave forgeries. Two apps must
//! not begin alike for the same reason ([`are_alike`]). The digest is over the secret at the end, so it cannot be extended.
//!
//! Whoever has a token can write it in other ways (another order of keys, another base64): it is one
//! token all the same, and named by what was signed.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::UnixTime;
use crate::credential::Credential;
use crate::principal::Principal;
use crate::scheme::easemob_dynamic::apps::Apps;
use crate::scheme::easemob_dynamic::token::Token;
use crate::scheme::fingerprint::Fingerprint;
use crate::scheme::{
    Constraints, Grounds, Judgement, KeyProblem, Rejection, Reuse, SchemeName, TokenFacts,
    Verified, Verifier,
};
use crate::secret::{Digest, Secret};

mod apps;
mod mint;
pub(crate) mod token;
mod ttls;

pub use apps::{are_alike, is_app_key};
pub use mint::{Mint, mint};
pub use ttls::{MAX_TTL, Ttls, UnfitTtls};

#[derive(Debug)]
pub struct Config {
    /// Never empty.
    pub apps: Vec<App>,
    pub ttls: Ttls,
}

/// One app of Easemob's console.
#[derive(Debug)]
pub struct App {
    /// `org#app`.
    pub app_key: Arc<str>,
    /// Part of what is signed, and not in the token.
    pub client_id: String,
    pub client_secret: Secret,
    /// Older secrets that still verify, each until its own end.
    pub previous: Vec<Previous>,
}

#[derive(Debug)]
pub struct Previous {
    pub client_secret: Secret,
    pub not_after: UnixTime,
}

/// The digits of `curTime`, until the year 2286.
const CUR_TIME: std::ops::RangeInclusive<i64> = 1_000_000_000..=9_999_999_999;
/// How far the clock of whoever makes tokens may be ahead.
const SKEW: Duration = Duration::from_mins(1);

/// Verifies dynamic tokens.
#[derive(Debug)]
pub struct EasemobDynamic {
    apps: Apps,
    app_keys: Arc<[Arc<str>]>,
    ttls: Ttls,
    fingerprint: Digest,
}

impl EasemobDynamic {
    pub fn new(config: Config) -> Result<Self, KeyProblem> {
        let fingerprint = fingerprint(&config);
        let Config { apps, ttls } = config;
        let app_keys = apps.iter().map(|app| Arc::clone(&app.app_key)).collect();
        Ok(Self {
            apps: Apps::new(apps)?,
            app_keys,
            ttls,
            fingerprint,
        })
    }

    /// Judges a token.
    pub fn check(&self, token: &[u8], now: UnixTime) -> Result<Verified, Rejection> {
        let token = Token::parse(token)?;
        let app = self.apps.get(&token.app_key).ok_or(Rejection::WrongApp)?;
        let key = app.verify(&token, now)?;
        let end = self.judge(&token, now)?;
        Ok(Verified {
            principal: Arc::new(Principal {
                subject: Some(token.user.as_str().into()),
                app: Some(Arc::clone(&app.app_key)),
                ..Principal::default()
            }),
            constraints: constraints(&app.app_key),
            not_after: Some(key.not_after.map_or(end, |key_end| key_end.min(end))),
            key: key.digest,
            grounds: Some(Arc::new(Grounds {
                reading: reading(token.ttl),
                issuer: None,
                audiences: Vec::new(),
            })),
            token: Some(Arc::new(TokenFacts {
                digest: token.digest(),
                id: None,
                issued_at: Some(UnixTime::from_secs(token.cur_time)),
            })),
            asked: None,
            reuse: Reuse::Once,
        })
    }

    /// What a token with a good signature must say besides. The answer is its end.
    fn judge(&self, token: &Token, now: UnixTime) -> Result<UnixTime, Rejection> {
        if !is_user(&token.user) || !CUR_TIME.contains(&token.cur_time) {
            return Err(Rejection::Malformed);
        }
        let ttl = self.ttls.accept(token.ttl).ok_or(Rejection::Malformed)?;
        let made = UnixTime::from_secs(token.cur_time);
        let end = made.plus(ttl);
        if now >= end {
            return Err(Rejection::Expired);
        }
        if made > now.plus(SKEW) {
            return Err(Rejection::NotYetValid);
        }
        Ok(end)
    }
}

impl Verifier for EasemobDynamic {
    fn scheme(&self) -> SchemeName {
        SchemeName::EasemobDynamic
    }

    fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    fn recognises(&self, credential: &Credential<'_>) -> bool {
        token::recognises(credential.bytes())
    }

    fn judge(&self, credential: &Credential<'_>, now: UnixTime) -> Judgement {
        Judgement::Settled(self.check(credential.bytes(), now))
    }

    fn uphold(&self, proof: &Verified, now: UnixTime) -> Result<Verified, Rejection> {
        let end = self.apps.uphold(&proof.key, now)?;
        let reading_of_proof = proof.grounds.as_ref().map(|grounds| grounds.reading);
        let is_accepted = |ttl: u32| reading_of_proof == Some(reading(ttl.into()));
        if !self.ttls.iter().any(is_accepted) {
            return Err(Rejection::WrongPrincipal);
        }
        // The key is that of the app, so the app is the same.
        let app_key = proof.principal.app.as_ref();
        Ok(Verified {
            constraints: app_key.map(constraints).unwrap_or_default(),
            ..proof.bounded(end)
        })
    }

    /// One digest over 200 bytes is what a look-up would cost; and since a token can be written in
    /// any number of ways, one user could fill the cache.
    fn is_worth_caching(&self) -> bool {
        false
    }

    fn apps(&self) -> Option<&[Arc<str>]> {
        Some(&self.app_keys)
    }
}

/// Where a path names an app, it must be the token's.
fn constraints(app_key: &Arc<str>) -> Constraints {
    Constraints {
        app_in_path: Some(Arc::clone(app_key)),
        ..Constraints::default()
    }
}

/// Easemob's rule for user ids. It folds letters when a user is registered, so an id with a capital
/// is nobody's, and who would let it in under which name is not left to chance.
fn is_user(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.' | b'-')
        })
}

/// A token of another ttl would have been divided in another way.
fn reading(ttl: i64) -> Digest {
    Fingerprint::of("ttl").number(ttl).finish()
}

fn fingerprint(config: &Config) -> Digest {
    let Config { apps, ttls } = config;
    let ttls: Vec<u32> = ttls.iter().collect();
    Fingerprint::of(SchemeName::EasemobDynamic.as_str())
        .list(
            apps,
            |print,
             App {
                 app_key,
                 client_id,
                 client_secret,
                 previous,
             }| {
                print
                    .text(app_key)
                    .text(client_id)
                    .secret(client_secret)
                    .list(previous, |print, old| {
                        print.secret(&old.client_secret).time(Some(old.not_after))
                    })
            },
        )
        .list(&ttls, |print, ttl| print.number((*ttl).into()))
        .finish()
}

#[cfg(test)]
mod tests;

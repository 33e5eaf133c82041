//! Proofs as other replicas get them: digests, names and times, and never the credential.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{Proof, Standing};
use crate::clock::UnixTime;
use crate::principal::Principal;
use crate::scheme::{Constraints, Grounds, Reuse, TokenFacts, Verified};
use crate::secret::Digest;

/// What a standing rests on, without the handshake.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Proofs(Vec<Written>);

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    authenticator: String,
    credential: usize,
    subject: Option<String>,
    user_type: Option<String>,
    device_type: Option<String>,
    app: Option<String>,
    routes: Option<Vec<String>>,
    user_types: Option<Vec<String>>,
    domains: Option<Vec<String>>,
    /// In milliseconds, as all times.
    not_after: Option<i64>,
    /// A digest, as `reading` and `digest`.
    key: String,
    grounds: Option<WrittenGrounds>,
    token: Option<WrittenToken>,
    /// An origin.
    page: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenGrounds {
    reading: String,
    issuer: Option<String>,
    audiences: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenToken {
    digest: String,
    id: Option<String>,
    issued_at: Option<i64>,
}

impl Proofs {
    pub fn of(standing: &Standing) -> Self {
        Self(standing.proofs.iter().map(Written::of).collect())
    }

    /// A standing to be taken over; it knows no handshake of its own. `None` if something in it is
    /// no digest.
    pub fn standing(self) -> Option<Standing> {
        let proofs = self.0.into_iter().map(Written::proof);
        Some(Standing {
            proofs: proofs.collect::<Option<SmallVec<_>>>()?,
            ..Standing::default()
        })
    }
}

impl Written {
    fn of(proof: &Proof) -> Self {
        let Verified {
            principal,
            constraints,
            not_after,
            key,
            grounds,
            token,
            asked: _,
            reuse: _,
        } = &*proof.verified;
        Self {
            authenticator: proof.authenticator.to_string(),
            credential: proof.credential,
            subject: text(principal.subject.as_ref()),
            user_type: text(principal.user_type.as_ref()),
            device_type: text(principal.device_type.as_ref()),
            app: text(principal.app.as_ref()),
            routes: constraints.routes.as_deref().map(texts),
            user_types: constraints.user_types.as_deref().map(texts),
            domains: constraints.domains.as_deref().map(texts),
            not_after: not_after.map(UnixTime::as_millis),
            key: key.to_hex(),
            grounds: grounds.as_ref().map(|grounds| WrittenGrounds {
                reading: grounds.reading.to_hex(),
                issuer: text(grounds.issuer.as_ref()),
                audiences: texts(&grounds.audiences),
            }),
            token: token.as_ref().map(|token| WrittenToken {
                digest: token.digest.to_hex(),
                id: text(token.id.as_ref()),
                issued_at: token.issued_at.map(UnixTime::as_millis),
            }),
            // One that is no text counts nowhere, as it is or like this.
            page: proof
                .page
                .as_deref()
                .map(|page| String::from_utf8_lossy(page).into_owned()),
        }
    }

    fn proof(self) -> Option<Proof> {
        let grounds = match self.grounds {
            Some(grounds) => Some(Arc::new(grounds.grounds()?)),
            None => None,
        };
        let token = match self.token {
            Some(token) => Some(Arc::new(token.facts()?)),
            None => None,
        };
        let verified = Verified {
            principal: Arc::new(Principal {
                subject: self.subject.map(Arc::from),
                user_type: self.user_type.map(Arc::from),
                device_type: self.device_type.map(Arc::from),
                app: self.app.map(Arc::from),
            }),
            constraints: Constraints {
                routes: self.routes.map(names),
                user_types: self.user_types.map(names),
                app_in_path: None,
                domains: self.domains.map(names),
            },
            not_after: self.not_after.map(UnixTime::from_millis),
            key: Digest::from_hex(&self.key)?,
            grounds,
            token,
            asked: None,
            // It is no verdict about a request.
            reuse: Reuse::Once,
        };
        Some(Proof {
            authenticator: self.authenticator.into(),
            credential: self.credential,
            verified: Arc::new(verified),
            page: self.page.map(|page| page.into_bytes().into()),
            withdrawn: None,
            kept: None,
        })
    }
}

impl WrittenGrounds {
    fn grounds(self) -> Option<Grounds> {
        Some(Grounds {
            reading: Digest::from_hex(&self.reading)?,
            issuer: self.issuer.map(Arc::from),
            audiences: self.audiences.into_iter().map(Arc::from).collect(),
        })
    }
}

impl WrittenToken {
    fn facts(self) -> Option<TokenFacts> {
        Some(TokenFacts {
            digest: Digest::from_hex(&self.digest)?,
            id: self.id.map(Arc::from),
            issued_at: self.issued_at.map(UnixTime::from_millis),
        })
    }
}

fn text(text: Option<&Arc<str>>) -> Option<String> {
    text.map(ToString::to_string)
}

fn texts(texts: &[Arc<str>]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn names(texts: Vec<String>) -> Arc<[Arc<str>]> {
    texts.into_iter().map(Arc::from).collect()
}

//! What the claims of a signed token must say, and whom they name.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::clock::UnixTime;
use crate::principal::Principal;
use crate::scheme::fingerprint::Fingerprint;
use crate::scheme::json::Object;
use crate::scheme::jwt::{Claims, Expected};
use crate::scheme::{Grounds, Rejection, claims};
use crate::secret::Digest;

/// The demands of one authenticator.
#[derive(Debug)]
pub(super) struct Expectations {
    pub(super) issuer: Expected,
    pub(super) audience: Expected,
    pub(super) leeway: Duration,
    pub(super) claims: Claims,
    /// Stands for `claims`.
    pub(super) reading: Digest,
}

impl Expectations {
    pub(super) fn new(
        issuer: Expected,
        audience: Expected,
        leeway: Duration,
        claims: Claims,
    ) -> Self {
        let reading = reading(&claims);
        Self {
            issuer,
            audience,
            leeway,
            claims,
            reading,
        }
    }

    /// What a token that was judged good rests on.
    pub(super) fn grounds(&self, claims: &Object) -> Grounds {
        Grounds {
            reading: self.reading,
            issuer: claims.get("iss").and_then(Value::as_str).map(Arc::from),
            audiences: match claims.get("aud") {
                Some(Value::String(one)) => vec![one.as_str().into()],
                Some(Value::Array(several)) => several
                    .iter()
                    .filter_map(Value::as_str)
                    .map(Arc::from)
                    .collect(),
                _ => Vec::new(),
            },
        }
    }

    /// Whether what a token rested on would still do.
    pub(super) fn uphold(&self, grounds: Option<&Grounds>) -> Result<(), Rejection> {
        // Read by other rules, the token might name somebody else.
        let grounds = grounds
            .filter(|grounds| grounds.reading == self.reading)
            .ok_or(Rejection::WrongPrincipal)?;
        if let Expected::Value(issuer) = &self.issuer
            && grounds.issuer.as_deref() != Some(issuer)
        {
            return Err(Rejection::WrongIssuer);
        }
        if let Expected::Value(audience) = &self.audience
            && !grounds.audiences.iter().any(|one| **one == **audience)
        {
            return Err(Rejection::WrongAudience);
        }
        Ok(())
    }

    /// The principal, and the end of the token's validity, leeway included.
    pub(super) fn judge(
        &self,
        claims: &Object,
        now: UnixTime,
    ) -> Result<(Arc<Principal>, UnixTime), Rejection> {
        let expires = claims::validity(claims, self.leeway, now)?.ok_or(Rejection::Malformed)?;
        if let Expected::Value(issuer) = &self.issuer {
            check_issuer(claims.get("iss"), issuer)?;
        }
        if let Expected::Value(audience) = &self.audience {
            check_audience(claims.get("aud"), audience)?;
        }
        Ok((Arc::new(self.principal(claims)?), expires))
    }

    fn principal(&self, claims: &Object) -> Result<Principal, Rejection> {
        let named =
            |claim: Option<&String>| claim.map_or(Ok(None), |claim| claims::name(claims, claim));
        Ok(Principal {
            subject: Some(named(Some(&self.claims.subject))?.ok_or(Rejection::Malformed)?),
            user_type: named(self.claims.user_type.as_ref())?,
            device_type: named(self.claims.device_type.as_ref())?,
            app: named(self.claims.app.as_ref())?,
        })
    }
}

fn reading(claims: &Claims) -> Digest {
    let Claims {
        subject,
        user_type,
        device_type,
        app,
    } = claims;
    [user_type, device_type, app]
        .into_iter()
        .fold(Fingerprint::of(subject), |print, name| {
            print.option(name.as_deref(), Fingerprint::text)
        })
        .finish()
}

/// `iss` is one string (RFC 7519 §4.1.1).
fn check_issuer(claim: Option<&Value>, expected: &str) -> Result<(), Rejection> {
    match claim {
        Some(Value::String(issuer)) if issuer == expected => Ok(()),
        None | Some(Value::String(_)) => Err(Rejection::WrongIssuer),
        Some(_) => Err(Rejection::Malformed),
    }
}

/// `aud` is one string, or an array of strings of which one must fit (RFC 7519 §4.1.3).
fn check_audience(claim: Option<&Value>, expected: &str) -> Result<(), Rejection> {
    let fits = match claim {
        None => false,
        Some(Value::String(audience)) => audience == expected,
        Some(Value::Array(audiences)) if audiences.iter().all(Value::is_string) => {
            audiences.iter().any(|audience| audience == expected)
        }
        Some(_) => return Err(Rejection::Malformed),
    };
    if fits {
        Ok(())
    } else {
        Err(Rejection::WrongAudience)
    }
}

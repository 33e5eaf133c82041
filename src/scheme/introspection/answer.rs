//! What a server's answer says about a token.
//!
//! There are three readings: it is good and whose it is; it is not good; nothing was said. Only
//! what the configuration (or RFC 7662) names as a no is one: an error in the guise of an answer
//! must not log everybody out.

use std::sync::Arc;

use serde_json::Value;

use crate::clock::UnixTime;
use crate::principal::Principal;
use crate::scheme::fingerprint::Fingerprint;
use crate::scheme::http::{Reply, UrlTemplate};
use crate::scheme::introspection::Asking;
use crate::scheme::{
    Asked, Constraints, Grounds, Rejection, Reuse, TokenFacts, Verified, VerifyError, claims,
    token_digest,
};
use crate::secret::Digest;
use crate::wire::json;

/// How an answer is read. Places are JSON Pointers (RFC 6901).
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub active: Active,
    pub subject: String,
    pub user_type: Option<String>,
    pub device_type: Option<String>,
    pub app: Option<String>,
    pub expires: Option<Expiry>,
    /// `None` is not compared: the server vouches for its own.
    pub issuer: Option<String>,
    pub audience: Option<String>,
}

/// What means that a token is good.
#[derive(Clone, Debug, PartialEq)]
pub enum Active {
    /// A status.
    Status(u16),
    /// One of these values at this place, under status 200.
    Value {
        pointer: String,
        active: Vec<Value>,
        /// What means that it is not; empty: any other value, unless it is one from 500 to 599,
        /// the code of a failure.
        inactive: Vec<Value>,
    },
}

/// Where the end of a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    pub pointer: String,
    pub unit: Unit,
}

/// What a time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Milliseconds,
    Seconds,
}

impl Reading {
    /// RFC 7662 §2.2.
    pub fn standard() -> Self {
        Self {
            active: Active::Value {
                pointer: "/active".to_owned(),
                active: vec![Value::Bool(true)],
                inactive: vec![Value::Bool(false)],
            },
            subject: "/sub".to_owned(),
            user_type: None,
            device_type: None,
            app: None,
            expires: Some(Expiry {
                pointer: "/exp".to_owned(),
                unit: Unit::Seconds,
            }),
            issuer: None,
            audience: None,
        }
    }

    pub(super) fn print(&self, print: Fingerprint) -> Fingerprint {
        let Self {
            active,
            subject,
            user_type,
            device_type,
            app,
            expires,
            issuer,
            audience,
        } = self;
        let print = match active {
            Active::Status(status) => print.text("status").number((*status).into()),
            Active::Value {
                pointer,
                active,
                inactive,
            } => [active, inactive]
                .into_iter()
                .fold(print.text("value").text(pointer), |print, values| {
                    print.list(values, |print, value| print.text(&value.to_string()))
                }),
        };
        let print = print.text(subject);
        let print = [user_type, device_type, app, issuer, audience]
            .into_iter()
            .fold(print, |print, one| {
                print.option(one.as_deref(), Fingerprint::text)
            });
        print.option(expires.as_ref(), |print, expires| {
            let unit = match expires.unit {
                Unit::Milliseconds => "ms",
                Unit::Seconds => "s",
            };
            print.text(&expires.pointer).text(unit)
        })
    }
}

/// The rules of one authenticator.
#[derive(Debug)]
pub(super) struct Rules {
    reading: Reading,
    /// Statuses that mean that a token is not good.
    refusals: &'static [u16],
    is_standard: bool,
    /// Stands for the server.
    key: Digest,
    grounds: Arc<Grounds>,
}

impl Rules {
    pub(super) fn new(reading: Reading, url: &UrlTemplate, asking: &Asking) -> Self {
        let is_standard = matches!(asking, Asking::Standard { .. });
        // Where the gate logs in, 401 and 403 are about the gate.
        let refusals: &[u16] = match (is_standard, url.variables().next()) {
            (true, _) => &[],
            (false, None) => &[401, 403],
            // What is asked for by name and is not there does not exist.
            (false, Some(_)) => &[401, 403, 404],
        };
        let print = Fingerprint::of("introspection").text(url.as_str());
        let grounds = Grounds {
            reading: reading.print(print).finish(),
            issuer: None,
            audiences: Vec::new(),
        };
        Self {
            key: Fingerprint::of("introspection").text(url.as_str()).finish(),
            reading,
            refusals,
            is_standard,
            grounds: Arc::new(grounds),
        }
    }

    pub(super) fn uphold(&self, proof: &Verified) -> Result<(), Rejection> {
        if proof.grounds.as_deref() == Some(&*self.grounds) {
            Ok(())
        } else {
            Err(Rejection::WrongPrincipal)
        }
    }

    /// Judges an answer to a question of the time `now`, so an end is never late.
    pub(super) fn judge(
        &self,
        reply: &Reply,
        token: &[u8],
        now: UnixTime,
    ) -> Result<Verified, VerifyError> {
        let answer = self.active(reply)?;
        let at = |pointer: &str| json::at(&answer, pointer);
        let name = |pointer: Option<&String>| {
            pointer.map_or(Ok(None), |pointer| {
                claims::name_of(at(pointer)).map_err(VerifyError::Rejected)
            })
        };
        let not_after = self.end(&answer)?;
        if not_after.is_some_and(|end| now >= end) {
            return Err(VerifyError::Rejected(Rejection::Expired));
        }
        if self.is_standard
            && let Some(start) = at("/nbf")
            && now < claims::date(start).map_err(|_| garbled())?
        {
            return Err(VerifyError::Rejected(Rejection::NotYetValid));
        }
        self.check_parties(&answer)?;
        let reading = &self.reading;
        let subject = name(Some(&reading.subject))?
            // Nobody's: such as the token of an application.
            .ok_or(VerifyError::Rejected(Rejection::WrongPrincipal))?;
        let issued_at = at("/iat").filter(|_| self.is_standard);
        let token = TokenFacts {
            digest: token_digest(token),
            id: at("/jti")
                .filter(|_| self.is_standard)
                .and_then(|id| claims::name_of(Some(id)).ok().flatten()),
            issued_at: issued_at.and_then(|time| claims::date(time).ok()),
        };
        Ok(Verified {
            principal: Arc::new(Principal {
                subject: Some(subject),
                user_type: name(reading.user_type.as_ref())?,
                device_type: name(reading.device_type.as_ref())?,
                app: name(reading.app.as_ref())?,
            }),
            constraints: Constraints::default(),
            not_after,
            key: self.key,
            grounds: Some(Arc::clone(&self.grounds)),
            token: Some(Arc::new(token)),
            asked: Some(Asked { at: now, not_after }),
            reuse: Reuse::Cacheable,
        })
    }

    /// The answer about a token that is good.
    fn active(&self, reply: &Reply) -> Result<Value, VerifyError> {
        let no = VerifyError::Rejected(Rejection::Expired);
        if self.refusals.contains(&reply.status) {
            return Err(no);
        }
        let expected = match &self.reading.active {
            Active::Status(status) => *status,
            Active::Value { .. } => 200,
        };
        if reply.status != expected {
            let status = reply.status;
            return Err(VerifyError::Unavailable {
                source: format!("the server answers with status {status}").into(),
            });
        }
        if self.is_standard && !reply.is_json() {
            return Err(garbled());
        }
        let answer = json::value(&reply.body).map_err(|_| garbled())?;
        if let Active::Value {
            pointer,
            active,
            inactive,
        } = &self.reading.active
        {
            let found = json::at(&answer, pointer).ok_or_else(garbled)?;
            if !active.contains(found) {
                let is_failure = || {
                    found
                        .as_i64()
                        .is_some_and(|code| (500..600).contains(&code))
                };
                let is_no = if inactive.is_empty() {
                    !is_failure()
                } else {
                    inactive.contains(found)
                };
                return Err(if is_no { no } else { garbled() });
            }
        }
        Ok(answer)
    }

    fn end(&self, answer: &Value) -> Result<Option<UnixTime>, VerifyError> {
        let Some(Expiry { pointer, unit }) = &self.reading.expires else {
            return Ok(None);
        };
        let written = json::at(answer, pointer).filter(|value| !value.is_null());
        let Some(written) = written else {
            return Ok(None);
        };
        let end = match unit {
            Unit::Seconds => claims::date(written).ok(),
            Unit::Milliseconds => written.as_i64().map(UnixTime::from_millis),
        };
        end.map(Some).ok_or_else(garbled)
    }

    fn check_parties(&self, answer: &Value) -> Result<(), VerifyError> {
        let reject = |rejection| Err(VerifyError::Rejected(rejection));
        if let Some(issuer) = &self.reading.issuer
            && json::at(answer, "/iss").and_then(Value::as_str) != Some(issuer)
        {
            return reject(Rejection::WrongIssuer);
        }
        if let Some(audience) = &self.reading.audience {
            let is_it = |value: &Value| value.as_str() == Some(audience);
            let fits = match json::at(answer, "/aud") {
                Some(Value::Array(several)) => several.iter().any(is_it),
                Some(one) => is_it(one),
                None => false,
            };
            if !fits {
                return reject(Rejection::WrongAudience);
            }
        }
        Ok(())
    }
}

fn garbled() -> VerifyError {
    VerifyError::Unavailable {
        source: Arc::from("the server's answer does not say whether the token is good"),
    }
}

/// For the fuzz target: whatever a server answers, only a clear yes admits.
#[doc(hidden)]
pub fn exercise(bytes: &[u8]) {
    let now = UnixTime::from_secs(1_750_000_000);
    let url = UrlTemplate::parse("https://id.example.com/introspect");
    let Ok(url) = url else { return };
    let asking = Asking::Standard {
        client: None,
        headers: Vec::new(),
    };
    let rules = Rules::new(Reading::standard(), &url, &asking);
    let reply = Reply {
        status: 200,
        content_type: Some("application/json".to_owned()),
        body: bytes.to_vec(),
    };
    if let Ok(proof) = rules.judge(&reply, b"token", now) {
        let answer = json::value(bytes).unwrap_or_default();
        assert_eq!(answer.get("active"), Some(&Value::Bool(true)));
        assert!(
            proof
                .principal
                .subject
                .as_deref()
                .is_some_and(|subject| !subject.is_empty())
        );
        assert!(proof.not_after.is_none_or(|end| end > now));
    }
}

#[cfg(test)]
mod tests;

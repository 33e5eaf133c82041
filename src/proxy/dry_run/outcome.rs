//! What is told of a request: as JSON as it stands here, as text by whoever prints it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::clock::UnixTime;
use crate::config::document::LimitBy;
use crate::credential::Carrier;
use crate::gate::denial::Denial;
use crate::gate::extract::{self, Found, Plus};
use crate::gate::observe::Observed;
use crate::gate::permit::Permit;
use crate::policy::authenticator::Authenticator;
use crate::policy::limit::Limiter;
use crate::policy::requirement::Outcome;
use crate::policy::route::Route;
use crate::principal::Principal;
use crate::proxy::dry_run::Rewriting;
use crate::request::Request;

/// Everything about one request.
#[derive(Debug, Serialize)]
pub struct Explanation {
    #[serde(flatten)]
    pub verdict: Verdict,
    /// After trusted proxies were believed; none where the request could not be read.
    pub client: Option<IpAddr>,
    /// Whether it came over TLS, after trusted proxies were believed.
    pub secure: Option<bool>,
    pub route: Option<RouteSeen>,
    /// Those that the route asks for, in file order.
    pub authenticators: Vec<Attempt>,
    /// As whom it is admitted.
    #[serde(rename = "admitted_as")]
    pub standpoint: Option<Standpoint>,
    pub limit: Option<LimitSeen>,
    pub forwarded: Option<Rewriting>,
}

/// What the gate does.
#[derive(Debug, Serialize)]
pub struct Verdict {
    pub admitted: bool,
    /// What the gate itself answers; none where the upstream does.
    pub status: Option<u16>,
    pub reason: &'static str,
    pub message: String,
    /// Until when a refusal is not carried out, in seconds since 1970; none where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_until: Option<i64>,
}

#[derive(Debug, Serialize)]
pub struct RouteSeen {
    pub name: String,
    pub host: Option<String>,
    pub path: String,
    pub websocket: bool,
    pub upstream: String,
    /// Where it is; of several addresses all, and how requests are spread over them.
    pub address: String,
}

/// What one authenticator made of the request.
#[derive(Debug, Serialize)]
pub struct Attempt {
    pub authenticator: String,
    pub scheme: &'static str,
    /// `absent`, `ambiguous`, `foreign`, `not_judged`, `rejected`, `unavailable` or `verified`.
    pub verdict: &'static str,
    /// Why it was rejected, or why nobody can tell.
    pub reason: Option<String>,
    /// Where the credential stands.
    pub found_in: Option<String>,
    /// Who was verified.
    #[serde(flatten)]
    pub who: Who,
}

/// A principal.
#[derive(Debug, Default, Serialize)]
pub struct Who {
    pub subject: Option<String>,
    pub user_type: Option<String>,
    pub device_type: Option<String>,
    pub app: Option<String>,
    /// In seconds since 1970.
    pub expires_at: Option<i64>,
}

/// Who is admitted, after everything that the route asks.
#[derive(Debug, Serialize)]
pub struct Standpoint {
    /// None on a public route.
    pub authenticator: Option<String>,
    #[serde(flatten)]
    pub who: Who,
}

#[derive(Debug, Serialize)]
pub struct LimitSeen {
    pub requests: u32,
    pub per_seconds: u64,
    pub by: &'static str,
}

impl Explanation {
    pub(super) fn of(verdict: Verdict, request: &Request<'_>) -> Self {
        Self {
            client: Some(request.client),
            secure: Some(request.secure),
            ..Self::empty(verdict)
        }
    }

    /// Of a request that is refused before anybody looks at what it wants.
    pub(super) fn unread(status: u16, reason: &'static str, message: &str) -> Self {
        Self::empty(Verdict {
            admitted: false,
            status: Some(status),
            reason,
            message: message.to_owned(),
            observed_until: None,
        })
    }

    fn empty(verdict: Verdict) -> Self {
        Self {
            verdict,
            client: None,
            secure: None,
            route: None,
            authenticators: Vec::new(),
            standpoint: None,
            limit: None,
            forwarded: None,
        }
    }
}

impl Verdict {
    pub(super) fn of(denial: &Denial) -> Self {
        Self {
            admitted: false,
            status: Some(denial.status()),
            reason: denial.reason(),
            message: denial.message(),
            observed_until: None,
        }
    }

    /// A refusal, and that the request goes to the upstream all the same.
    pub(super) fn observed(observed: &Observed) -> Self {
        Self {
            observed_until: Some(observed.until.as_secs()),
            ..Self::of(&observed.denial)
        }
    }

    pub(super) fn forwarded() -> Self {
        Self::admitted(None, "ok", "goes to the upstream".to_owned())
    }

    pub(super) fn preflight() -> Self {
        let message = "a preflight, which the gate answers itself";
        Self::admitted(Some(204), "ok", message.to_owned())
    }

    pub(super) fn renewal() -> Self {
        let message = "a renewal, which the gate answers itself: 404 if no session fits";
        Self::admitted(None, "ok", message.to_owned())
    }

    pub(super) fn first_message(deadline: Duration) -> Self {
        let seconds = deadline.as_secs();
        let message =
            format!("may open, and has to bring its credential in a message within {seconds} s");
        Self::admitted(None, "ok", message)
    }

    const fn admitted(status: Option<u16>, reason: &'static str, message: String) -> Self {
        Self {
            admitted: true,
            status,
            reason,
            message,
            observed_until: None,
        }
    }
}

impl RouteSeen {
    pub(super) fn of(route: &Route) -> Self {
        Self {
            name: route.name.to_string(),
            host: route.host.clone(),
            path: route.pattern.to_string(),
            websocket: route.websocket,
            upstream: route.upstream.name.to_string(),
            address: route.upstream.place(),
        }
    }
}

impl Who {
    fn of(principal: &Principal, not_after: Option<UnixTime>) -> Self {
        let text = |field: &Option<Arc<str>>| field.as_deref().map(str::to_owned);
        Self {
            subject: text(&principal.subject),
            user_type: text(&principal.user_type),
            device_type: text(&principal.device_type),
            app: text(&principal.app),
            expires_at: not_after.map(UnixTime::as_secs),
        }
    }
}

impl Attempt {
    /// `outcome` is absent where the request was refused before the credential was looked at.
    pub(super) fn new(
        authenticator: &Authenticator,
        request: &Request<'_>,
        outcome: Option<&Outcome>,
    ) -> Self {
        let found = extract::credential(&authenticator.carriers, Plus::of(authenticator), request);
        let found_in = match &found {
            Ok(Found::Present(extracted)) => extracted
                .carrier
                .and_then(|position| authenticator.carriers.get(position))
                .map(place),
            Ok(Found::Absent | Found::OfAnotherPage | Found::Unusable(_)) | Err(_) => None,
        };
        let (verdict, reason, who) = match outcome {
            None if found.is_err() => ("ambiguous", None, Who::default()),
            None => ("not_judged", None, Who::default()),
            Some(Outcome::Absent) => ("absent", None, Who::default()),
            Some(Outcome::Foreign) => ("foreign", None, Who::default()),
            Some(Outcome::Rejected(rejection)) => {
                let reason = rejection.as_str().to_owned();
                ("rejected", Some(reason), Who::default())
            }
            Some(Outcome::Throttled(_)) => ("throttled", None, Who::default()),
            Some(Outcome::Unavailable(source)) => {
                ("unavailable", Some(source.to_string()), Who::default())
            }
            Some(Outcome::Verified(verified)) => {
                let who = Who::of(&verified.principal, verified.not_after);
                ("verified", None, who)
            }
        };
        Self {
            authenticator: authenticator.name.to_string(),
            scheme: authenticator.scheme().as_str(),
            verdict,
            reason,
            found_in,
            who,
        }
    }
}

impl Standpoint {
    pub(super) fn of(permit: &Permit<'_>) -> Self {
        let admission = permit.admission.as_ref();
        let who = admission.map_or_else(Who::default, |admission| Who {
            device_type: permit.device_type().map(ToString::to_string),
            ..Who::of(&admission.principal, admission.not_after)
        });
        Self {
            authenticator: admission.map(|admission| admission.authenticator.to_string()),
            who,
        }
    }
}

impl LimitSeen {
    pub(super) fn of(limiter: &Limiter) -> Self {
        let rate = limiter.rate();
        Self {
            requests: rate.count,
            per_seconds: rate.per.as_secs(),
            by: LimitBy::as_str(limiter.by()),
        }
    }
}

/// As the configuration writes it.
fn place(carrier: &Carrier) -> String {
    match carrier {
        Carrier::Cookie { name, .. } => format!("cookie {name}"),
        Carrier::Header { name, .. } => format!("header {name}"),
        Carrier::Query { name } => format!("query {name}"),
        Carrier::Subprotocol { prefix } => format!("subprotocol {prefix}"),
    }
}

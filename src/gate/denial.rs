//! Why a request may not pass, and the HTTP status and reason that say so.

use std::sync::Arc;
use std::time::Duration;

use crate::policy::authenticator::AuthenticatorId;
use crate::scheme::Rejection;

/// A request that is not forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// A credential or a device type is there twice, or in two places with different values.
    Ambiguous,
    /// An upgrade request that RFC 6455 does not allow.
    BadHandshake,
    /// Proven, but not allowed here.
    Forbidden(Refusal),
    /// No route has this method for the path; `allow` lists those that it has.
    Method { allow: String },
    /// Nothing was presented. The authenticator is the one to ask for.
    NoCredential {
        authenticator: Option<AuthenticatorId>,
    },
    /// Nothing is configured for this host and path.
    NoRoute,
    /// A credential is bad.
    Rejected {
        authenticator: Option<AuthenticatorId>,
        rejection: Rejection,
    },
    /// Too many unknown credentials; the client is to come again after this time.
    Throttled { retry_after: Duration },
    /// Came in plain text where only TLS is served.
    TlsRequired,
    /// A handshake that is not one of Engine.IO 4 where those are served.
    Transport,
    /// The path is that of an app which nobody has configured.
    UnknownApp,
    /// Whoever could tell cannot be asked. The text is for the log.
    Unavailable { source: Arc<str> },
    /// A WebSocket route was asked for something else.
    UpgradeRequired,
}

/// Why a proven principal may not do this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Two credentials prove different subjects or apps.
    Conflict,
    /// Missing, unlisted, or unlike the token's own.
    DeviceType {
        allowed: Vec<Arc<str>>,
    },
    /// There is a cookie, but it does not count from the page that asks, and nothing else is there.
    Origin,
    /// The key is not for this route.
    Route,
    UserType,
}

impl Denial {
    /// The HTTP status, the same in every answer format.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Ambiguous | Self::BadHandshake | Self::Transport => 400,
            Self::NoCredential { .. } | Self::Rejected { .. } => 401,
            Self::Forbidden(_) => 403,
            Self::NoRoute | Self::UnknownApp => 404,
            Self::Method { .. } => 405,
            Self::TlsRequired | Self::UpgradeRequired => 426,
            Self::Throttled { .. } => 429,
            Self::Unavailable { .. } => 503,
        }
    }

    /// The authenticator that has to be satisfied, where it is known.
    pub const fn authenticator(&self) -> Option<AuthenticatorId> {
        match self {
            Self::NoCredential { authenticator } | Self::Rejected { authenticator, .. } => {
                *authenticator
            }
            Self::Ambiguous
            | Self::BadHandshake
            | Self::Forbidden(_)
            | Self::Method { .. }
            | Self::NoRoute
            | Self::Throttled { .. }
            | Self::TlsRequired
            | Self::Transport
            | Self::UnknownApp
            | Self::Unavailable { .. }
            | Self::UpgradeRequired => None,
        }
    }

    /// The reason word of answers, logs and metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Ambiguous | Self::Forbidden(Refusal::Conflict | Refusal::Origin) => "conflict",
            Self::BadHandshake | Self::TlsRequired | Self::Transport | Self::UpgradeRequired => {
                "upgrade"
            }
            Self::Forbidden(Refusal::DeviceType { .. }) => "device_type",
            Self::Forbidden(Refusal::Route) | Self::UnknownApp => "wrong_app",
            Self::Forbidden(Refusal::UserType) => "user_type",
            Self::Method { .. } => "method",
            Self::NoCredential { .. } => "no_credential",
            Self::NoRoute => "no_route",
            Self::Rejected { rejection, .. } => rejection.as_str(),
            Self::Throttled { .. } => "throttled",
            Self::Unavailable { .. } => "unavailable",
        }
    }

    /// A sentence for whoever reads the answer. It holds nothing that the client sent.
    pub fn message(&self) -> String {
        match self {
            Self::Ambiguous => "a credential or claim was sent more than once".to_owned(),
            Self::BadHandshake => "malformed WebSocket handshake".to_owned(),
            Self::Forbidden(Refusal::Conflict) => {
                "the credentials contradict each other".to_owned()
            }
            Self::Forbidden(Refusal::DeviceType { allowed }) => {
                format!("device type must be one of {}", allowed.join(", "))
            }
            Self::Forbidden(Refusal::Origin) => {
                "the cookie counts only in requests whose `Origin` is one of its pages".to_owned()
            }
            Self::Forbidden(Refusal::Route) => "the key is not valid for this route".to_owned(),
            Self::Forbidden(Refusal::UserType) => "this user type is not allowed here".to_owned(),
            Self::Method { .. } => "method not allowed".to_owned(),
            Self::NoCredential { .. } => "a credential is required".to_owned(),
            Self::NoRoute => "no such route".to_owned(),
            Self::Rejected { rejection, .. } => rejection_message(*rejection).to_owned(),
            Self::Throttled { .. } => "too many unknown credentials from this client".to_owned(),
            Self::TlsRequired => "this route is served over TLS only".to_owned(),
            Self::Transport => {
                "this route speaks Engine.IO 4 with `transport=websocket` only".to_owned()
            }
            Self::UnknownApp => "no such app".to_owned(),
            Self::Unavailable { .. } => "the credential cannot be checked at the moment".to_owned(),
            Self::UpgradeRequired => "this route speaks WebSocket only".to_owned(),
        }
    }
}

const fn rejection_message(rejection: Rejection) -> &'static str {
    match rejection {
        Rejection::BadSignature => "the credential's signature is wrong",
        Rejection::Banned => "the user is banned",
        Rejection::DoubledPrefix => "the credential's prefix is doubled",
        Rejection::Expired => "the credential has expired",
        Rejection::KickedOut => "the session was ended by an operator",
        Rejection::Malformed => "the credential is malformed",
        Rejection::NotYetValid => "the credential is not valid yet",
        Rejection::Replaced => "the session was replaced by a newer login",
        Rejection::Revoked => "the credential was revoked",
        Rejection::UnknownKey => "the key is not known",
        Rejection::WrongAlgorithm => "the credential's algorithm is not accepted",
        Rejection::WrongApp => "the credential belongs to another app",
        Rejection::WrongAudience => "the credential is for another audience",
        Rejection::WrongIssuer => "the credential is from another issuer",
        Rejection::WrongPrincipal => "the credential is of the wrong kind",
    }
}

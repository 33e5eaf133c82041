//! Why a request may not pass, and the HTTP status and reason that say so.

use std::sync::Arc;
use std::time::Duration;

use crate::policy::authenticator::AuthenticatorId;
use crate::policy::throttle::Throttled;
use crate::principal::Claim;
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
    /// As many as may have passed already.
    Limited { retry_after: Duration },
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
    /// Too many bad credentials; the client is to come again later.
    Throttled(Throttled),
    /// Came in plain text where only TLS is served.
    TlsRequired,
    /// A handshake that is not one of Engine.IO 4 where those are served.
    Transport,
    /// The path is that of an app which nobody has configured.
    UnknownApp,
    /// Whoever could tell cannot be asked. The text is for the log.
    Unavailable { source: Arc<str> },
    /// The body does not say by what the request is to be counted.
    UnfitBody(UnfitBody),
    /// A WebSocket route was asked for something else.
    UpgradeRequired,
}

/// What is wrong with a body that has to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnfitBody {
    /// It is none, or could be read in two ways, or does not name what is asked for.
    Malformed,
    /// Something else than JSON in UTF-8 is announced.
    MediaType,
    TooLarge,
}

/// What a denial means for whoever is told about it otherwise than by a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The request, the route, or what the principal may do.
    Other,
    Rejected(Rejection),
    /// The client has tried too often.
    Throttled,
    Unavailable,
}

/// Why a proven principal may not do this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request claims something else than what is proven, or nothing where it has to.
    Claim(Claim),
    /// A key that every client carries, where a server's own is asked for.
    ClientKey,
    /// Two credentials prove different subjects or apps.
    Conflict,
    /// Missing, unlisted, or unlike the token's own.
    DeviceType {
        allowed: Vec<Arc<str>>,
    },
    /// The key is not for this host.
    Domain,
    /// There is a cookie, but it does not count from the page that asks, and nothing else is there.
    Origin,
    /// The key is not for this route.
    Route,
    UserType,
}

impl Denial {
    /// The one list of what a denial means beside its status; who distinguishes more than this does
    /// so by the status or the reason.
    pub const fn cause(&self) -> Cause {
        match self {
            Self::Rejected { rejection, .. } => Cause::Rejected(*rejection),
            Self::Throttled(_) => Cause::Throttled,
            Self::Unavailable { .. } => Cause::Unavailable,
            Self::Ambiguous
            | Self::BadHandshake
            | Self::Forbidden(_)
            | Self::Limited { .. }
            | Self::Method { .. }
            | Self::NoCredential { .. }
            | Self::NoRoute
            | Self::TlsRequired
            | Self::Transport
            | Self::UnfitBody(_)
            | Self::UnknownApp
            | Self::UpgradeRequired => Cause::Other,
        }
    }

    /// The HTTP status, the same in every answer format.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Ambiguous
            | Self::BadHandshake
            | Self::Transport
            | Self::UnfitBody(UnfitBody::Malformed) => 400,
            Self::NoCredential { .. } | Self::Rejected { .. } => 401,
            Self::Forbidden(_) => 403,
            Self::NoRoute | Self::UnknownApp => 404,
            Self::Method { .. } => 405,
            Self::UnfitBody(UnfitBody::TooLarge) => 413,
            Self::UnfitBody(UnfitBody::MediaType) => 415,
            Self::TlsRequired | Self::UpgradeRequired => 426,
            Self::Limited { .. } | Self::Throttled(_) => 429,
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
            | Self::Limited { .. }
            | Self::Method { .. }
            | Self::NoRoute
            | Self::Throttled(_)
            | Self::TlsRequired
            | Self::Transport
            | Self::UnknownApp
            | Self::Unavailable { .. }
            | Self::UnfitBody(_)
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
            Self::Forbidden(Refusal::Claim(Claim::DeviceType) | Refusal::DeviceType { .. }) => {
                "device_type"
            }
            Self::Forbidden(Refusal::Claim(Claim::App) | Refusal::Domain | Refusal::Route)
            | Self::UnknownApp => "wrong_app",
            Self::Forbidden(Refusal::ClientKey) => "wrong_principal",
            Self::Forbidden(Refusal::Claim(Claim::Subject)) => "subject",
            Self::Forbidden(Refusal::Claim(Claim::UserType) | Refusal::UserType) => "user_type",
            Self::Limited { .. } => "limited",
            Self::Method { .. } => "method",
            Self::NoCredential { .. } => "no_credential",
            Self::NoRoute => "no_route",
            Self::Rejected { rejection, .. } => rejection.as_str(),
            Self::Throttled(_) => "throttled",
            Self::Unavailable { .. } => "unavailable",
            Self::UnfitBody(_) => "syntax",
        }
    }

    /// A sentence for whoever reads the answer. It holds nothing that the client sent.
    pub fn message(&self) -> String {
        match self {
            Self::Ambiguous => "a credential or claim was sent more than once".to_owned(),
            Self::BadHandshake => "malformed WebSocket handshake".to_owned(),
            Self::Forbidden(Refusal::ClientKey) => {
                "a client key does not do here, a server's key is required".to_owned()
            }
            Self::Forbidden(Refusal::Claim(claim)) => claim_message(*claim).to_owned(),
            Self::Forbidden(Refusal::Conflict) => {
                "the credentials contradict each other".to_owned()
            }
            Self::Forbidden(Refusal::DeviceType { allowed }) => {
                format!("device type must be one of {}", allowed.join(", "))
            }
            Self::Forbidden(Refusal::Domain) => "the key is not valid for this host".to_owned(),
            Self::Forbidden(Refusal::Origin) => {
                "the cookie counts only in requests whose `Origin` is one of its pages".to_owned()
            }
            Self::Forbidden(Refusal::Route) => "the key is not valid for this route".to_owned(),
            Self::Forbidden(Refusal::UserType) => "this user type is not allowed here".to_owned(),
            Self::Limited { .. } => "too many requests, try again later".to_owned(),
            Self::Method { .. } => "method not allowed".to_owned(),
            Self::NoCredential { .. } => "a credential is required".to_owned(),
            Self::NoRoute => "no such route".to_owned(),
            Self::Rejected { rejection, .. } => rejection_message(*rejection).to_owned(),
            Self::Throttled(_) => "too many bad credentials, try again later".to_owned(),
            Self::TlsRequired => "this route is served over TLS only".to_owned(),
            Self::Transport => {
                "this route speaks Engine.IO 4 with `transport=websocket` only".to_owned()
            }
            Self::UnknownApp => "no such app".to_owned(),
            Self::Unavailable { .. } => "the credential cannot be checked at the moment".to_owned(),
            Self::UnfitBody(UnfitBody::Malformed) => {
                "this route needs a JSON body that names once what it is limited by".to_owned()
            }
            Self::UnfitBody(UnfitBody::MediaType) => {
                "this route needs a body of `Content-Type: application/json`, not encoded"
                    .to_owned()
            }
            Self::UnfitBody(UnfitBody::TooLarge) => {
                "the body is too large for this route".to_owned()
            }
            Self::UpgradeRequired => "this route speaks WebSocket only".to_owned(),
        }
    }
}

const fn claim_message(claim: Claim) -> &'static str {
    match claim {
        Claim::App => "the claimed app is not the proven one",
        Claim::DeviceType => "the claimed device type is not the proven one",
        Claim::Subject => "the claimed user is not the proven one",
        Claim::UserType => "the claimed user type is not the proven one",
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

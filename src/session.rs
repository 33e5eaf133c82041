//! Living connections: who is connected, and until when each may stay.
//!
//! A session begins when a handshake is complete and ends when its time, its silence, an operator
//! or one of its two ends says so. One sweep serves all sessions; there is no timer per session.

use std::fmt;
use std::sync::Arc;

use crate::clock::UnixTime;
use crate::config::document::SessionRule;
use crate::gate::denial::{Cause, Denial};
use crate::gate::standing::Standing;
use crate::principal::{ClaimKey, Principal};
use crate::scheme::Rejection;

pub mod chosen;
pub mod claims;
pub mod deadline;
pub mod live;
pub mod recheck;
pub mod registry;
pub mod signal;
pub mod unauthenticated;

/// Identifies a session within this process and, by its random part, across restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub(crate) u128);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl SessionId {
    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| u128::from_str_radix(text, 16).ok().map(Self))?
    }
}

/// Why the gate ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// A credential in a message is bad, or is not what has to come there.
    Denied,
    /// The credential, or the backend's session behind it, has ended.
    Expired,
    /// No credential came in time.
    FirstMessage,
    /// Nothing was sent for too long.
    Idle,
    /// A new configuration would not let it in, though what it was admitted by is still there.
    PolicyChanged,
    /// One side broke the WebSocket framing, so that its messages can no longer be told apart.
    ProtocolError,
    /// Another login of the same user and device type has taken its place.
    Replaced,
    /// An operator has revoked the credential or ended the session, or the key or the app that it
    /// was admitted by has been removed.
    Revoked,
    ShuttingDown,
    /// A text is longer than what can be inspected.
    TooLarge,
    /// Others have all the places that there are for its user and device type.
    TooMany,
    /// Somebody on whom it depends does not answer, or for too long nobody could tell whether it may
    /// stay. Its credential may be as good as ever.
    TryAgain,
}

impl CloseReason {
    /// What a session is told when it would no longer be let in.
    pub const fn of(denial: &Denial) -> Self {
        match denial.cause() {
            // The key that it was admitted by is not there any more.
            Cause::Rejected(Rejection::UnknownKey) => Self::Revoked,
            Cause::Rejected(Rejection::Expired) => Self::Expired,
            Cause::Rejected(rejection) => Self::withdrawn(rejection, Self::PolicyChanged),
            Cause::Other | Cause::Throttled | Cause::Unavailable => Self::PolicyChanged,
        }
    }

    /// What a socket is told whose credential came in a message and is denied.
    pub const fn of_message(denial: &Denial) -> Self {
        match denial.cause() {
            Cause::Rejected(rejection) => Self::withdrawn(rejection, Self::Denied),
            Cause::Throttled => Self::TooMany,
            Cause::Unavailable => Self::TryAgain,
            Cause::Other => Self::Denied,
        }
    }

    /// What is told of a credential that was good once, or `otherwise`.
    const fn withdrawn(rejection: Rejection, otherwise: Self) -> Self {
        if matches!(rejection, Rejection::Replaced) {
            Self::Replaced
        } else if rejection.is_withdrawal() {
            Self::Revoked
        } else {
            otherwise
        }
    }

    /// The code of the Close frame (RFC 6455 §7.4); 4000–4999 are the application's own.
    pub const fn code(self) -> u16 {
        match self {
            Self::Denied | Self::Expired | Self::PolicyChanged => 4401,
            Self::Revoked => 4403,
            Self::FirstMessage => 4408,
            Self::Replaced => 4409,
            Self::Idle | Self::ShuttingDown => 1001,
            Self::ProtocolError => 1002,
            Self::TooLarge => 1009,
            Self::TooMany => 4429,
            Self::TryAgain => 1013,
        }
    }

    /// The text of the Close frame.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Denied => "not authenticated",
            Self::Expired => "token expired",
            Self::FirstMessage => "no credential in time",
            Self::Idle => "idle",
            Self::PolicyChanged => "log in again",
            Self::ProtocolError => "protocol error",
            Self::Replaced => "replaced by another login",
            Self::Revoked => "revoked",
            Self::ShuttingDown => "going away",
            Self::TooLarge => "message too large",
            Self::TooMany => "too many connections",
            Self::TryAgain => "try again later",
        }
    }

    /// The word for logs and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::FirstMessage => "first_message",
            Self::Idle => "idle",
            Self::PolicyChanged => "policy_changed",
            Self::ProtocolError => "protocol_error",
            Self::Replaced => "replaced",
            Self::Revoked => "revoked",
            Self::ShuttingDown => "shutting_down",
            Self::TooLarge => "too_large",
            Self::TooMany => "too_many",
            Self::TryAgain => "try_again",
        }
    }
}

/// What a session is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// An HTTP answer that takes long. Nobody expects its client to say anything.
    Answer,
    /// The same, but it never ends by itself: an event stream.
    Stream,
    #[default]
    WebSocket,
}

/// What is known of a session when it begins.
#[derive(Clone, Debug, Default)]
pub struct Opening {
    pub kind: Kind,
    pub route: Arc<str>,
    /// The route's rule for its sessions, as it was then.
    pub rule: Arc<SessionRule>,
    /// The authenticator whose principal leads; `None` on a public route.
    pub authenticator: Option<Arc<str>>,
    pub principal: Option<Arc<Principal>>,
    pub device_type: Option<Arc<str>>,
    /// Stands for user and device type; `None` where nobody is named.
    pub claim_key: Option<ClaimKey>,
    /// What it was admitted by, to be judged again when the configuration changes.
    pub standing: Standing,
    /// When the proof behind it ends; `None` if it has no end of its own.
    pub not_after: Option<UnixTime>,
    /// When its route begins to refuse the likes of it; `None` if it was let in for good.
    pub until: Option<UnixTime>,
}

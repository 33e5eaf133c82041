//! What a route asks of a request beside its credential: that it claims to be nobody else, and that
//! there are not too many like it.

use std::sync::Arc;

use super::Rate;
use crate::credential::Carrier;
use crate::principal::Claim;
use crate::problem::Place;

/// An entry of `match`: what is claimed here has to be what the credential proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRule {
    pub claim: Claim,
    pub place: ClaimPlace,
}

/// Where something is claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimPlace {
    /// A header without prefix or a query parameter.
    Carrier(Carrier),
    /// A `{name}` of the route's path, by its position.
    Path { segment: usize },
}

/// `limit`: how many requests may pass.
#[derive(Clone, Debug)]
pub struct Limit {
    pub rate: Rate,
    pub by: LimitBy,
    pub place: Place,
}

/// Who shares the requests that there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitBy {
    /// Whoever has the same verified app key.
    AppKey,
    /// An IPv4 address, or one IPv6 network of 64 bits.
    ClientIp,
    /// Whoever names the same in a JSON body (RFC 6901).
    Json { pointer: Arc<str> },
    /// Whoever has the same at a `{name}` of the route's path, by its position.
    Path { segment: usize },
    /// The verified user.
    Subject,
}

impl LimitBy {
    /// The word for metrics and texts.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::AppKey => "app_key",
            Self::ClientIp => "client_ip",
            Self::Json { .. } => "json",
            Self::Path { .. } => "path",
            Self::Subject => "subject",
        }
    }
}

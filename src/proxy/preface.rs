//! The header of the PROXY protocol before a connection's first own byte.
//!
//! Only the listener's `trusted_proxies` may send it, and on such a listener nobody else may come:
//! whoever is let in without it would be taken for the load balancer. There is no protocol yet to
//! refuse in, so the connection just ends.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use pingora::prelude::timeout;
use pingora::protocols::Stream;
use tracing::debug;

use crate::proxy::Worker;
use crate::proxy::buffer::Buffer;
use crate::proxy::io::{first_bytes, read_more};
use crate::wire::proxy_protocol::{Origin, parse};

/// Why a connection ended before its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefaceFailure {
    Closed,
    Malformed,
    Timeout,
    /// The peer is none of `trusted_proxies`.
    Untrusted,
}

impl PrefaceFailure {
    pub const ALL: [Self; 4] = [
        Self::Closed,
        Self::Malformed,
        Self::Timeout,
        Self::Untrusted,
    ];

    /// The word for metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Malformed => "malformed",
            Self::Timeout => "timeout",
            Self::Untrusted => "untrusted",
        }
    }
}

/// Takes the header that begins with these bytes away. Gives whom it names, and the first bytes
/// behind it; `None` if it came to nothing, which is counted.
pub(crate) async fn introduce(
    worker: &Worker,
    stream: &mut Stream,
    peer: IpAddr,
    first: (Buffer, usize),
    opened: Instant,
) -> Option<(Origin, (Buffer, usize))> {
    let policy = worker.shared.policy();
    let limits = policy.limits;
    let left = || limits.head_timeout.saturating_sub(opened.elapsed());
    let introduced = if policy.trusts(worker.listener, peer) {
        header(stream, first, left).await
    } else {
        Err(PrefaceFailure::Untrusted)
    };
    let (origin, rest) = match introduced {
        Ok(introduced) => introduced,
        Err(failure) => {
            worker.shared.metrics.preface_failed(failure);
            debug!(%peer, reason = failure.as_str(), "no header of the PROXY protocol");
            return None;
        }
    };
    let first = match rest {
        Some(first) => first,
        None => first_bytes(stream, limits.head_bytes, left()).await?,
    };
    Some((origin, first))
}

/// Reads until the header is whole. Also gives what was read behind it.
async fn header(
    stream: &mut Stream,
    (mut buffer, mut filled): (Buffer, usize),
    left: impl Fn() -> Duration,
) -> Result<(Origin, Option<(Buffer, usize)>), PrefaceFailure> {
    loop {
        let bytes = buffer.get(..filled).unwrap_or_default();
        match parse(bytes).map_err(|_| PrefaceFailure::Malformed)? {
            Some((origin, length)) => {
                buffer.copy_within(length..filled, 0);
                let rest = filled - length;
                return Ok((origin, (rest > 0).then_some((buffer, rest))));
            }
            // There is room: no header is as long as a buffer.
            None => match timeout(left(), read_more(stream, &mut buffer, filled)).await {
                Ok(Ok(n)) if n > 0 => filled += n,
                Ok(_) => return Err(PrefaceFailure::Closed),
                Err(_) => return Err(PrefaceFailure::Timeout),
            },
        }
    }
}

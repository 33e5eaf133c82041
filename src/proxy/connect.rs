//! Opens connections to upstreams: to the address that was chosen, or else to the next one.
//!
//! Nothing has been sent before a connection is there, so going on is safe for every request. All
//! attempts share the upstream's `connect_timeout`: each but the last has half of what is left, so
//! that an address that says nothing does not use up everybody's time.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use pingora::connectors::TransportConnector;
use pingora::prelude::{HttpPeer, timeout};
use pingora::protocols::Stream;

use crate::clock;
use crate::policy::upstream::{Choice, Load, Upstream};
use crate::proxy::keepalive;

/// A connection to one address of an upstream, which counts it for as long as this lives.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) stream: Stream,
    pub(crate) load: Load,
}

/// Why no connection to an upstream could be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("cannot resolve the upstream's host name")]
    Resolve(#[source] io::Error),
    #[error("cannot connect to the upstream: {}", cause(.0))]
    Connect(Box<pingora::Error>),
    #[error("connecting to the upstream takes too long")]
    Timeout,
}

/// What the system says, which is what an operator can do something about.
fn cause(error: &pingora::Error) -> String {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error.root_cause());
    while let Some(one) = cause {
        if let Some(io) = one.downcast_ref::<io::Error>() {
            return io.to_string();
        }
        cause = one.source();
    }
    error.etype().as_str().to_owned()
}

/// Opens a connection to the first address of the choice that can be reached.
pub(crate) async fn connect(
    connector: &TransportConnector,
    upstream: &Upstream,
    choice: Choice<'_>,
) -> Result<Line, ConnectError> {
    // Boxed: connecting is rare, and its state is nine times that of the exchange around it.
    Box::pin(one_after_another(connector, upstream, choice)).await
}

async fn one_after_another(
    connector: &TransportConnector,
    upstream: &Upstream,
    mut choice: Choice<'_>,
) -> Result<Line, ConnectError> {
    let end = Instant::now() + upstream.connect_timeout;
    loop {
        let limit = share(end, choice.is_last());
        let target = choice.target();
        match open(connector, &target.address, limit).await {
            Ok(stream) => {
                target.reached(upstream.health.as_ref());
                let load = choice.settle();
                return Ok(Line { stream, load });
            }
            Err(error) => {
                target.unreachable(&error.to_string(), clock::steady());
                if Instant::now() >= end || !choice.go_on() {
                    return Err(error);
                }
            }
        }
    }
}

/// Opens a connection to an address within this time.
///
/// A host name is resolved every time, so a changed address is used at once and nothing is kept
/// beyond what the system's resolver keeps. Of several addresses that it has, the first that can be
/// reached is taken, in the resolver's order.
pub(crate) async fn open(
    connector: &TransportConnector,
    address: &str,
    limit: Duration,
) -> Result<Stream, ConnectError> {
    let end = Instant::now() + limit;
    let found: Vec<SocketAddr> = match address.parse() {
        Ok(address) => vec![address],
        Err(_) => timeout(limit, tokio::net::lookup_host(address))
            .await
            .map_err(|_| ConnectError::Timeout)?
            .map_err(ConnectError::Resolve)?
            .collect(),
    };
    let mut last = ConnectError::Resolve(io::ErrorKind::NotFound.into());
    let mut rest = found.iter();
    while let Some(address) = rest.next() {
        let mut peer = HttpPeer::new(address, false, String::new());
        peer.options.tcp_keepalive = Some(keepalive::of_upstream());
        let limit = share(end, rest.len() == 0);
        last = match timeout(limit, connector.new_stream(&peer)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => ConnectError::Connect(error),
            Err(_) => ConnectError::Timeout,
        };
    }
    Err(last)
}

/// How long an attempt may take.
fn share(end: Instant, is_last: bool) -> Duration {
    let left = end.saturating_duration_since(Instant::now());
    if is_last { left } else { left / 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_leaves_half_of_the_time_to_the_next() {
        let end = Instant::now() + Duration::from_hours(1);
        let (first, last) = (share(end, false), share(end, true));
        assert!(first <= Duration::from_mins(30) && first > Duration::from_mins(29));
        assert!(last <= Duration::from_hours(1) && last > Duration::from_mins(59));
        assert_eq!(share(Instant::now(), true), Duration::ZERO);
    }
}

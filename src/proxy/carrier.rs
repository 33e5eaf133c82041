//! A second way of carrying a permitted request. Production has none: there it is always the
//! gate's own exchange.
//!
//! The tests put pingora-proxy here, behind the same judgement and with the same outgoing head,
//! and compare what the two make of each request.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::Stream;

use crate::policy::upstream::Upstream;
use crate::proxy::buffer::Leftover;
use crate::proxy::connect::ConnectError;
use crate::proxy::exchange::{Carried, Exchange, Failure, Next};
use crate::wire::head::Version;

/// Carries permitted requests in the exchange's stead.
#[async_trait]
pub trait Carrier: fmt::Debug + Send + Sync {
    /// Brings the request to its upstream and the answer to the client.
    ///
    /// What is left of the client's connection is in `client` again when this ends.
    async fn carry(
        &self,
        client: &mut Stream,
        request: Permitted<'_>,
    ) -> Result<Delivered, Undelivered>;
}

/// Has a carrier do what [`exchange::run`](crate::proxy::exchange::run) does.
pub(crate) async fn carry(
    carrier: &dyn Carrier,
    exchange: Exchange<'_, '_>,
) -> Result<Carried, Failure> {
    let slices = exchange.pieces.slices(exchange.head, exchange.behind);
    let request = Permitted {
        upstream: &exchange.permit.route.upstream,
        version: exchange.version,
        keep_alive: exchange.keep_alive,
        bytes: slices
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .collect(),
        added: &exchange.answer_headers.lines,
        owns_cors: exchange.answer_headers.owns_cors,
        allows_origin: exchange.answer_headers.allows_origin,
    };
    let delivered = carrier.carry(exchange.client, request).await?;
    Ok(delivered.into())
}

/// A permitted request and what its answer is to get.
#[derive(Debug)]
pub struct Permitted<'a> {
    pub upstream: &'a Upstream,
    /// What the client speaks. The head below says HTTP/1.1.
    pub version: Version,
    /// The client wants to go on, and so does the gate.
    pub keep_alive: bool,
    /// The head as it goes out, and everything that was read behind the head that came in.
    pub bytes: Vec<u8>,
    /// The header lines that the gate adds to the answer, each with its CRLF.
    pub added: &'a str,
    /// Cross-origin rules are configured: who may read answers is the gate's to say.
    pub owns_cors: bool,
    /// The page that asks may.
    pub allows_origin: bool,
}

/// An answer that went through.
#[derive(Debug)]
pub struct Delivered {
    pub status: u16,
    /// Bytes of the next request, which may be none yet; `None` if the connection ends here.
    pub rest: Option<Vec<u8>>,
    /// From the request's last step to the answer's head.
    pub upstream_time: Duration,
}

/// Why no answer went through. Unless it was cut, the client has not been answered.
#[derive(Debug)]
pub enum Undelivered {
    ClientBody,
    ClientGone,
    ClientTimeout,
    Connect(Box<pingora::Error>),
    Cut { status: u16 },
    Upstream,
    UpstreamTimeout,
}

impl From<Delivered> for Carried {
    fn from(delivered: Delivered) -> Self {
        Self {
            status: delivered.status,
            next: delivered.rest.map_or(Next::Linger, |rest| {
                Next::Continue(Leftover::copy_of(&rest))
            }),
            upstream_time: delivered.upstream_time,
        }
    }
}

impl From<Undelivered> for Failure {
    fn from(undelivered: Undelivered) -> Self {
        match undelivered {
            Undelivered::ClientBody => Self::ClientBody,
            Undelivered::ClientGone => Self::ClientGone,
            Undelivered::ClientTimeout => Self::ClientTimeout,
            Undelivered::Connect(error) => Self::Connect(ConnectError::Connect(error)),
            Undelivered::Cut { status } => Self::Cut { status },
            Undelivered::Upstream => Self::Upstream("the carrier got no answer"),
            Undelivered::UpstreamTimeout => Self::UpstreamTimeout,
        }
    }
}

//! Requests on a route with `limit`: counted when they are permitted, and before they are forwarded.
//!
//! Where the body says by whom a request is counted, it is read first, up to a size and within the
//! time that a head has. It goes on as it came, byte for byte.

use std::io::IoSlice;
use std::sync::Arc;

use pingora::prelude::timeout;
use pingora::protocols::Stream;
use tokio::io::AsyncReadExt as _;

use crate::clock;
use crate::gate::Lookups;
use crate::gate::denial::{Denial, UnfitBody};
use crate::gate::first_message::Awaited;
use crate::gate::limit;
use crate::gate::permit::Permit;
use crate::policy::limit::Limiter;
use crate::proxy::buffer::Buffer;
use crate::proxy::connection::After;
use crate::proxy::connection::asked::Asked;
use crate::proxy::exchange::Failure;
use crate::proxy::io::{WRITE_STALL, write_all};
use crate::proxy::record::Record;
use crate::wire::body::{Dechunk, Framing, Side};

/// A body that is here as a whole.
struct WholeBody {
    /// As it came, and perhaps the beginning of the next request behind it.
    raw: Vec<u8>,
    /// What it says.
    payload: Vec<u8>,
}

/// Why there is no whole body.
pub(in crate::proxy) enum Unread {
    Failed(Failure),
    /// Longer than what is read.
    TooLarge,
}

impl Asked<'_> {
    /// Forwards the request unless it is one too many.
    pub(super) async fn forward_within(
        &self,
        (limiter, lookups): (&Arc<Limiter>, &Lookups),
        stream: &mut Stream,
        permit: &Permit<'_>,
        record: Record<'_>,
    ) -> After {
        let body;
        let (asked, payload) = if limit::reads_body(limiter) {
            body = match self.whole_body(stream).await {
                Ok(body) => body,
                Err(Unread::Failed(failure)) => {
                    let record = record.admitted(self.policy, permit, lookups);
                    return self.fail(stream, &permit.route, failure, record).await;
                }
                Err(Unread::TooLarge) => {
                    let denial = Denial::UnfitBody(UnfitBody::TooLarge);
                    let record = record.denied(self.policy, &denial, lookups);
                    return self
                        .deny(stream, Some(&permit.route), &denial, record)
                        .await;
                }
            };
            let asked = Asked {
                behind: &body.raw,
                // It has been told to, if it was waiting.
                expects_continue: false,
                ..*self
            };
            (asked, body.payload.as_slice())
        } else {
            (*self, &[][..])
        };
        let counted = limit::admit(self.policy, &self.request, permit, payload, clock::steady());
        match counted {
            Ok(()) => {
                let record = record.admitted(self.policy, permit, lookups);
                asked.forward(stream, permit, record).await
            }
            Err(denial) => {
                self.count_limited(limiter, &permit.route.name, &denial);
                let record = record.denied(self.policy, &denial, lookups);
                asked
                    .deny(stream, Some(&permit.route), &denial, record)
                    .await
            }
        }
    }

    /// Counts a socket that will bring its credential later.
    pub(super) fn count_opening(&self, awaited: &Awaited<'_>) -> Result<(), Denial> {
        let route = &awaited.route;
        let counted = limit::admit_unproven(route, &self.request, clock::steady());
        if let (Err(denial), Some(limiter)) = (&counted, &route.limit) {
            self.count_limited(limiter, &route.name, denial);
        }
        counted
    }

    fn count_limited(&self, limiter: &Limiter, route: &str, denial: &Denial) {
        if let Denial::Limited { .. } = denial {
            let metrics = &self.connection.worker.shared.metrics;
            metrics.limited(route, limiter.by());
        }
    }

    /// Reads the body to its end.
    async fn whole_body(&self, stream: &mut Stream) -> Result<WholeBody, Unread> {
        let mut reading = Reading::new(self.framing)?;
        reading.take(self.behind)?;
        if reading.is_done {
            return Ok(reading.body);
        }
        if self.expects_continue {
            let mut line = [IoSlice::new(b"HTTP/1.1 100 Continue\r\n\r\n")];
            let told = write_all(stream, &mut line, WRITE_STALL).await;
            told.map_err(|_| Unread::Failed(Failure::ClientGone))?;
        }
        let read = async {
            let mut buffer = Buffer::lend(0);
            while !reading.is_done {
                let room = reading.room(buffer.len());
                let room = buffer.get_mut(..room).unwrap_or_default();
                match stream.read(room).await {
                    Ok(0) | Err(_) => return Err(Unread::Failed(Failure::ClientGone)),
                    Ok(n) => reading.take(buffer.get(..n).unwrap_or_default())?,
                }
            }
            Ok(())
        };
        // However slowly its bytes drip.
        match timeout(self.policy.limits.head_timeout, read).await {
            Ok(read) => read.map(|()| reading.body),
            Err(_) => Err(Unread::Failed(Failure::ClientTimeout)),
        }
    }
}

/// A body on its way in.
pub(in crate::proxy) struct Reading {
    end: End,
    body: WholeBody,
    is_done: bool,
}

/// Where it ends.
enum End {
    Length { left: usize },
    Chunked(Dechunk),
}

impl Reading {
    pub(in crate::proxy) fn new(framing: Framing) -> Result<Self, Unread> {
        let end = match framing {
            // A request that announces no body has none.
            Framing::None | Framing::UntilClose => End::Length { left: 0 },
            Framing::Length(length) => End::Length {
                left: usize::try_from(length)
                    .ok()
                    .filter(|length| *length <= limit::MOST_BODY)
                    .ok_or(Unread::TooLarge)?,
            },
            Framing::Chunked => End::Chunked(Dechunk::of(Side::Request)),
        };
        Ok(Self {
            end,
            body: WholeBody {
                raw: Vec::new(),
                payload: Vec::new(),
            },
            is_done: false,
        })
    }

    /// What has come of it.
    pub(in crate::proxy) fn into_payload(self) -> Vec<u8> {
        self.body.payload
    }

    /// How much may be read at once. The end of chunks is where it is found.
    fn room(&self, most: usize) -> usize {
        match &self.end {
            End::Length { left } => most.min(*left),
            End::Chunked(_) => most,
        }
    }

    pub(in crate::proxy) fn take(&mut self, bytes: &[u8]) -> Result<(), Unread> {
        let WholeBody { raw, payload } = &mut self.body;
        match &mut self.end {
            End::Length { left } => {
                let (body, _) = bytes.split_at_checked(*left).unwrap_or((bytes, &[]));
                payload.extend_from_slice(body);
                *left -= body.len();
                self.is_done = *left == 0;
            }
            End::Chunked(chunks) => {
                let malformed = |_| Unread::Failed(Failure::ClientBody);
                let piece = chunks.feed(bytes).map_err(malformed)?;
                for range in piece.payload {
                    payload.extend_from_slice(bytes.get(range).unwrap_or_default());
                }
                // The framing counts, too: a byte may come in a chunk of its own.
                if raw.len() + piece.taken > limit::MOST_BODY {
                    return Err(Unread::TooLarge);
                }
                self.is_done = piece.done;
            }
        }
        raw.extend_from_slice(bytes);
        Ok(())
    }
}

//! One HTTP exchange: a permitted request to the upstream, its answer to the client.
//!
//! Both bodies move at once, so an answer may come before the upload has ended. Every wait has a
//! deadline, memory is bounded by two buffers, and a connection is reused only when both messages
//! on it have ended where their framing says.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use pingora::connectors::TransportConnector;
use pingora::prelude::timeout;
use pingora::protocols::Stream;

use crate::gate::permit::Permit;
use crate::proxy::answer_head::{self, AnswerHead, AnswerLines};
use crate::proxy::buffer::{BUFFER_BYTES, Leftover};
use crate::proxy::connect::{ConnectError, Line, connect};
use crate::proxy::drain::Drain;
use crate::proxy::io::{WRITE_STALL, flush, write_all};
use crate::proxy::pieces::Pieces;
use crate::proxy::pool;
use crate::proxy::pump::{Pump, PumpError};
use crate::proxy::received::Received;
use crate::proxy::tap::{Listen, Tap};
use crate::proxy::tether::{Govern, Tether};
use crate::proxy::watch::Watch;
use crate::wire::body::{Body, Framing, Side, response_framing};
use crate::wire::head::{self, HeadLimits, ResponseHead, Version};

mod attempt;
mod way;

use attempt::{Attempt, attempt};
use way::{Way, cut, unfit_answer, unfit_request};

/// How long an upstream may pause within its answer.
const BODY_STALL: Duration = Duration::from_mins(5);
/// What an answer's head may be; upstreams are trusted more than clients, but not without end.
pub(crate) const ANSWER_LIMITS: HeadLimits = HeadLimits {
    head_bytes: BUFFER_BYTES,
    headers: 256,
    target_bytes: 0,
};

/// One permitted request, ready to go.
pub(crate) struct Exchange<'a, 'p> {
    pub(crate) connector: &'a TransportConnector,
    pub(crate) client: &'a mut Stream,
    pub(crate) permit: &'a Permit<'p>,
    pub(crate) method: &'a str,
    pub(crate) version: Version,
    pub(crate) framing: Framing,
    /// The client waits for `100 Continue`.
    pub(crate) expects_continue: bool,
    /// The client wants to go on, and so do we.
    pub(crate) keep_alive: bool,
    /// The gate may begin to leave while the upstream answers.
    pub(crate) drain: &'a Drain,
    /// The head as it goes out.
    pub(crate) pieces: &'a Pieces,
    /// The head as it came in.
    pub(crate) head: &'a [u8],
    /// What was read behind it.
    pub(crate) behind: &'a [u8],
    /// The header lines that we add to the answer.
    pub(crate) answer_headers: &'a AnswerLines,
    /// What makes a session of it if it stays open.
    pub(crate) govern: &'a dyn Govern,
    /// Who wants to know the answer, if anybody does.
    pub(crate) listener: Option<Arc<dyn Listen>>,
    pub(crate) started: Instant,
}

/// An exchange that reached its answer.
#[derive(Debug)]
pub(crate) struct Carried {
    pub(crate) status: u16,
    pub(crate) next: Next,
    /// From the request's last step to the answer's head.
    pub(crate) upstream_time: Duration,
}

/// What becomes of the client's connection.
#[derive(Debug)]
pub(crate) enum Next {
    /// The next request, of which some bytes may be here already.
    Continue(Leftover),
    /// Close, but read a while: what the client still sends must not reset the answer away.
    Linger,
}

/// Why an exchange did not reach its end.
#[derive(Debug)]
pub(crate) enum Failure {
    Connect(ConnectError),
    /// The upstream closed, failed or spoke nonsense before its answer began.
    Upstream(&'static str),
    /// The upstream did not answer in time.
    UpstreamTimeout,
    /// The client's body is malformed.
    ClientBody,
    /// The client stopped sending its body.
    ClientTimeout,
    /// The client is gone; there is nobody to answer.
    ClientGone,
    /// The gate is, and the answer would have no end.
    Leaving,
    /// The answer had begun and cannot be completed.
    Cut {
        status: u16,
    },
    /// The client's body is longer than the route allows.
    RequestTooLarge,
    /// The answer is longer than the route allows, which shows before its head went on.
    ResponseTooLarge,
    /// One of the two grew too long when the answer had begun.
    Outgrown {
        status: u16,
        message: &'static str,
    },
}

/// Carries the request and its answer.
pub(crate) async fn run(mut exchange: Exchange<'_, '_>) -> Result<Carried, Failure> {
    let upload = Pump::new(Body::new(exchange.framing, Side::Request));
    let mut upload = upload.bounded(exchange.permit.route.sizes.request);
    let body_here = upload.at_hand(exchange.behind).map_err(unfit_request)?;
    let (body, next_request) = exchange
        .behind
        .split_at_checked(body_here)
        .unwrap_or_default();
    let mut watch = Watch::default();
    if !next_request.is_empty() {
        watch.stop();
    }
    let started = exchange.started;
    let (line, answer) = send(&mut exchange, &mut upload, &mut watch, body).await?;
    let upstream_time = started.elapsed();
    let next_request = Leftover::copy_of(next_request);
    relay(
        exchange,
        line,
        &answer,
        upload,
        watch,
        next_request,
        upstream_time,
    )
    .await
}

/// Sends the request and waits for the head of the final answer, on a kept connection first.
async fn send(
    exchange: &mut Exchange<'_, '_>,
    upload: &mut Pump,
    watch: &mut Watch,
    body: &[u8],
) -> Result<(Line, Received), Failure> {
    let permit = exchange.permit;
    let route_upstream = &permit.route.upstream;
    let choice = route_upstream.choose(permit.subject());
    // Repeating a request is safe if it changes nothing, or if it cannot have been understood.
    let repeatable = matches!(
        exchange.method,
        "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE"
    ) || (!exchange.framing.is_empty() && body.is_empty());
    if let Some(mut stream) = pool::reuse(&choice.target().address) {
        match attempt(exchange, &mut stream, upload, watch, body).await {
            Ok(answer) => {
                let load = choice.settle();
                return Ok((Line { stream, load }, answer));
            }
            Err(Attempt::Stale) if repeatable && upload.is_untouched() => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut line = connect(exchange.connector, route_upstream, choice)
        .await
        .map_err(Failure::Connect)?;
    let answer = attempt(exchange, &mut line.stream, upload, watch, body).await?;
    Ok((line, answer))
}

/// Sends the answer on, whole.
async fn relay(
    exchange: Exchange<'_, '_>,
    line: Line,
    answer: &Received,
    mut upload: Pump,
    mut watch: Watch,
    next_request: Leftover,
    upstream_time: Duration,
) -> Result<Carried, Failure> {
    let Exchange {
        client,
        method,
        version,
        keep_alive,
        drain,
        permit,
        answer_headers,
        govern,
        listener,
        started,
        ..
    } = exchange;
    // The address counts the exchange to its end.
    let Line {
        stream: mut upstream,
        load,
    } = line;
    let head = parse(answer.bytes())?;
    let (status, head_len) = (head.status, head.len);
    let framing = response_framing(&head, method)
        .map_err(|_| Failure::Upstream("an answer whose end is in doubt"))?;
    let most = permit.route.sizes.response;
    let way = Way::of(framing, version, most)?;
    let can_go_on = upload.is_done() && way != Way::Dechunking && framing != Framing::UntilClose;
    let keep_alive = keep_alive && can_go_on && !drain.is_leaving();
    let upstream_stays = framing != Framing::UntilClose && answer_head::keeps_alive(&head);
    let pieces = answer_head::rewrite(
        &head,
        AnswerHead {
            version,
            keep_alive,
            chunks: way == Way::Chunking,
            added: answer_headers,
        },
    );

    let mut tether = Tether::new(govern, started);
    tether
        .look_at(&head)
        .map_err(|()| Failure::Upstream("an answer that may not begin any more"))?;
    // As a WebSocket: it is registered already, so it is found here or by whoever ends them all.
    if tether.is_stream() && drain.is_leaving() {
        return Err(Failure::Leaving);
    }
    let tap = listener.and_then(|listener| Tap::of(&head, framing, &listener));
    let mut download = way.pump(framing, most).tapped(tap);
    let behind = answer.bytes().get(head_len..).unwrap_or_default();
    let taken = download.at_hand(behind).map_err(unfit_answer)?;
    // Otherwise it is written by the pump.
    let as_it_is = if way == Way::AsIs { taken } else { 0 };
    let body = behind.get(..as_it_is).unwrap_or_default();
    let upstream_silent = taken == behind.len();
    // If the whole body is here, so is what the client must not know before others do.
    poll_fn(|cx| download.poll_told(cx)).await;
    let mut slices = pieces.slices(answer.bytes(), body);
    write_all(client, &mut slices, WRITE_STALL)
        .await
        .map_err(|_| Failure::Cut { status })?;
    drop(slices);

    let ended = finish(
        client,
        &mut upstream,
        &mut upload,
        &mut download,
        &mut watch,
        &mut tether,
    )
    .await;
    tether.end(ended.is_ok());
    let upload_ended = ended.map_err(|()| cut(status, &upload, &download))?;
    if upstream_stays && upload_ended && upstream_silent && !download.has_leftover() {
        pool::keep(&load.target().address, upstream);
    }
    let next = if keep_alive && upload_ended {
        // The bytes behind the request are in one of three places, wherever its end was found.
        let behind = [next_request, upload.into_leftover(), watch.into_leftover()];
        let next = behind.into_iter().find(|leftover| !leftover.is_empty());
        Next::Continue(next.unwrap_or_default())
    } else {
        Next::Linger
    };
    Ok(Carried {
        status,
        next,
        upstream_time,
    })
}

/// Moves both bodies until the answer is through. Tells whether the upload is as well.
async fn finish(
    client: &mut Stream,
    upstream: &mut Stream,
    upload: &mut Pump,
    download: &mut Pump,
    watch: &mut Watch,
    tether: &mut Tether<'_>,
) -> Result<bool, ()> {
    let mut upload_stopped = false;
    while !download.is_done() {
        if tether.until_long().is_some_and(|left| left.is_zero()) {
            tether.begin()?;
        }
        let before = (upload.progress(), download.progress());
        let limit = if download.waits_for_source() {
            BODY_STALL
        } else {
            WRITE_STALL
        };
        let step = poll_fn(|cx| {
            if upload.is_done() {
                if watch.poll_gone(cx, client, upload).is_ready() {
                    return Poll::Ready(Err(()));
                }
            } else if !upload_stopped {
                // A broken upload does not take the answer away from the client.
                match upload.poll_pump(cx, client, upstream) {
                    // An upstream that reads as it answers would wait for the rest for ever.
                    Poll::Ready(Err(PumpError::TooLarge)) => return Poll::Ready(Err(())),
                    Poll::Ready(Err(_)) => upload_stopped = true,
                    Poll::Ready(Ok(())) | Poll::Pending => {}
                }
            }
            if tether.poll_cut(cx).is_ready() {
                return Poll::Ready(Err(()));
            }
            match download.poll_pump(cx, upstream, client) {
                // Through: where its framing says, or where its connection ends.
                Poll::Ready(result) => Poll::Ready(result.map_err(|_| ()).map(|()| true)),
                Poll::Pending if (upload.progress(), download.progress()) != before => {
                    Poll::Ready(Ok(false))
                }
                Poll::Pending => Poll::Pending,
            }
        });
        let until_long = tether.until_long().filter(|left| *left < limit);
        match timeout(until_long.unwrap_or(limit), step).await {
            Ok(through) => {
                if through? {
                    break;
                }
            }
            // Nobody is late; the answer has become a long one.
            Err(_) if until_long.is_some() => tether.begin()?,
            Err(_) => return Err(()),
        }
    }
    // Over TLS the last bytes may have been taken and not yet sent.
    flush(client, WRITE_STALL).await.map_err(|_| ())?;
    Ok(!upload_stopped && upload.is_done())
}

/// The head was found complete a moment ago.
pub(super) fn parse(bytes: &[u8]) -> Result<ResponseHead<'_>, Failure> {
    match head::response(bytes, &ANSWER_LIMITS) {
        Ok(Some(head)) => Ok(head),
        Ok(None) | Err(_) => Err(Failure::Upstream("a malformed answer")),
    }
}

#[cfg(test)]
mod tests;

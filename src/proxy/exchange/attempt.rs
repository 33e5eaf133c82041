//! One attempt to have a request answered: it is written, its body goes on, and the head of the
//! final answer is read.

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::{Duration, Instant};

use pingora::prelude::timeout;
use pingora::protocols::Stream;

use crate::proxy::exchange::{ANSWER_LIMITS, Exchange, Failure};
use crate::proxy::io::{WRITE_STALL, write_all};
use crate::proxy::pump::{Pump, PumpError};
use crate::proxy::received::Received;
use crate::proxy::watch::Watch;
use crate::wire::head;

/// How long a client may pause within its body.
const UPLOAD_STALL: Duration = Duration::from_mins(1);
/// How long an upstream may take to say `100 Continue` before the gate says it in its stead.
const CONTINUE_AFTER: Duration = Duration::from_secs(1);
/// Interim answers that an upstream may send before the final one.
const MOST_INTERIM: usize = 16;

/// Why an attempt came to nothing.
pub(super) enum Attempt {
    /// Closed without a byte of an answer: the connection may have died while it was kept.
    Stale,
    Failed(Failure),
}

impl From<Attempt> for Failure {
    fn from(attempt: Attempt) -> Self {
        match attempt {
            Attempt::Stale => Self::Upstream("the upstream closed without an answer"),
            Attempt::Failed(failure) => failure,
        }
    }
}

/// Writes the request and reads until the head of the final answer is whole.
pub(super) async fn attempt(
    exchange: &mut Exchange<'_, '_>,
    upstream: &mut Stream,
    upload: &mut Pump,
    watch: &mut Watch,
    body: &[u8],
) -> Result<Received, Attempt> {
    let mut slices = exchange.pieces.slices(exchange.head, body);
    if write_all(upstream, &mut slices, WRITE_STALL).await.is_err() {
        return Err(Attempt::Stale);
    }
    let mut answer = Received::nothing();
    let mut interim = 0;
    let mut asked = None;
    loop {
        if is_final(answer.bytes()) {
            return Ok(answer);
        }
        match head::response(answer.bytes(), &ANSWER_LIMITS) {
            Ok(Some(head)) if head.status == 101 => {
                return Err(Attempt::Failed(Failure::Upstream(
                    "an upgrade that nobody asked for",
                )));
            }
            Ok(Some(head)) if head.status >= 200 => return Ok(answer),
            Ok(Some(head)) => {
                interim += 1;
                if interim > MOST_INTERIM {
                    return Err(Attempt::Failed(Failure::Upstream(
                        "too many interim answers",
                    )));
                }
                let (len, status) = (head.len, head.status);
                if status == 100 && exchange.expects_continue {
                    exchange.tell_to_continue().await?;
                }
                answer.drop_front(len);
            }
            Ok(None) => {
                let waits = exchange.expects_continue && upload.is_untouched();
                let limit = if waits {
                    CONTINUE_AFTER
                } else if upload.is_done() {
                    // From the end of the request on, and however slowly the answer drips.
                    let asked = *asked.get_or_insert_with(Instant::now);
                    let whole = exchange.permit.route.upstream.response_timeout;
                    whole.saturating_sub(asked.elapsed())
                } else {
                    UPLOAD_STALL
                };
                match read_answer(exchange.client, upstream, upload, watch, &mut answer, limit)
                    .await
                {
                    // The upstream knows nothing of `Expect`; the client need not suffer for it.
                    Err(Attempt::Failed(Failure::ClientTimeout | Failure::UpstreamTimeout))
                        if waits =>
                    {
                        exchange.tell_to_continue().await?;
                    }
                    result => result?,
                }
            }
            Err(_) => return Err(Attempt::Failed(Failure::Upstream("a malformed answer"))),
        }
    }
}

/// Whether the head of a final answer seems to be whole: then it is read once, by who relays it.
/// Everything else, be it incomplete, interim or malformed, is read here.
fn is_final(answer: &[u8]) -> bool {
    let class = answer.get("HTTP/1.1 ".len());
    class.is_some_and(|digit| (b'2'..=b'9').contains(digit))
        && memchr::memmem::find(answer, b"\r\n\r\n").is_some()
}

impl Exchange<'_, '_> {
    /// Lets a client that waits send its body (RFC 9110 §10.1.1), once.
    async fn tell_to_continue(&mut self) -> Result<(), Attempt> {
        self.expects_continue = false;
        let mut line = [io::IoSlice::new(b"HTTP/1.1 100 Continue\r\n\r\n")];
        write_all(self.client, &mut line, WRITE_STALL)
            .await
            .map_err(|_| Attempt::Failed(Failure::ClientGone))
    }
}

/// Lets the request's body go on and reads more of the answer, until one of them has moved.
async fn read_answer(
    client: &mut Stream,
    upstream: &mut Stream,
    upload: &mut Pump,
    watch: &mut Watch,
    answer: &mut Received,
    limit: Duration,
) -> Result<(), Attempt> {
    let before = upload.progress();
    let step = poll_fn(|cx| {
        if upload.is_done() {
            if watch.poll_gone(cx, client, upload).is_ready() {
                return Poll::Ready(Err(Attempt::Failed(Failure::ClientGone)));
            }
        } else {
            match upload.poll_pump(cx, client, upstream) {
                Poll::Ready(Err(PumpError::Source)) => {
                    return Poll::Ready(Err(Attempt::Failed(Failure::ClientGone)));
                }
                Poll::Ready(Err(PumpError::Body)) => {
                    return Poll::Ready(Err(Attempt::Failed(Failure::ClientBody)));
                }
                Poll::Ready(Err(PumpError::TooLarge)) => {
                    return Poll::Ready(Err(Attempt::Failed(Failure::RequestTooLarge)));
                }
                // The upstream takes no more, but may have said why.
                Poll::Ready(Err(PumpError::Sink) | Ok(())) | Poll::Pending => {}
            }
        }
        match answer.poll_more(cx, upstream) {
            Poll::Ready(Ok(true)) => Poll::Ready(Ok(())),
            Poll::Ready(_) if answer.is_empty() => Poll::Ready(Err(Attempt::Stale)),
            Poll::Ready(_) => Poll::Ready(Err(Attempt::Failed(Failure::Upstream(
                "the upstream closed in the middle of its answer's head",
            )))),
            Poll::Pending if upload.progress() > before => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        }
    });
    match timeout(limit, step).await {
        Ok(result) => result,
        Err(_) if upload.waits_for_source() => Err(Attempt::Failed(Failure::ClientTimeout)),
        Err(_) => Err(Attempt::Failed(Failure::UpstreamTimeout)),
    }
}

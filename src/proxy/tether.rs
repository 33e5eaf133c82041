//! Answers that stay open are sessions too: event streams at once, others after a while. Such an
//! answer is cut when its credential ends, is revoked, or would no longer be let in.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::clock;
use crate::metrics::OpenSession;
use crate::session::Kind;
use crate::session::registry::Session;
use crate::tunnel::Ending;
use crate::wire::head::ResponseHead;

/// An answer that is open for so long is a session.
const LONG: Duration = Duration::from_secs(30);

/// Makes a session of the request that is being answered.
pub(crate) trait Govern: Sync {
    /// `None` if it would not be let in any more.
    fn begin(&self, kind: Kind) -> Option<Governed>;
}

/// A registered answer.
#[derive(Debug)]
pub(crate) struct Governed {
    pub(crate) session: Session,
    pub(crate) gauge: OpenSession,
}

/// What holds an answer open.
pub(crate) struct Tether<'a> {
    govern: &'a dyn Govern,
    started: Instant,
    governed: Option<Box<Governed>>,
}

impl<'a> Tether<'a> {
    pub(crate) fn new(govern: &'a dyn Govern, started: Instant) -> Self {
        Self {
            govern,
            started,
            governed: None,
        }
    }

    /// An event stream has no end of its own and is governed from its head on (HTML standard,
    /// §9.2).
    pub(crate) fn look_at(&mut self, head: &ResponseHead<'_>) -> Result<(), ()> {
        let is_stream = head.headers.all("content-type").any(|value| {
            let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
            essence
                .trim_ascii()
                .eq_ignore_ascii_case(b"text/event-stream")
        });
        if is_stream {
            self.begin_as(Kind::Stream)
        } else {
            Ok(())
        }
    }

    pub(crate) fn is_stream(&self) -> bool {
        let kind = |governed: &Governed| governed.session.live().opening.kind;
        self.governed.as_deref().map(kind) == Some(Kind::Stream)
    }

    /// How long until the answer is a session; `None` if it is one.
    pub(crate) fn until_long(&self) -> Option<Duration> {
        let left = LONG.saturating_sub(self.started.elapsed());
        self.governed.is_none().then_some(left)
    }

    /// From now on the answer is a session.
    ///
    /// # Errors
    ///
    /// If it would not be let in any more.
    pub(crate) fn begin(&mut self) -> Result<(), ()> {
        self.begin_as(Kind::Answer)
    }

    fn begin_as(&mut self, kind: Kind) -> Result<(), ()> {
        self.governed = Some(Box::new(self.govern.begin(kind).ok_or(())?));
        Ok(())
    }

    /// Ready when the answer must end.
    pub(crate) fn poll_cut(&self, cx: &Context<'_>) -> Poll<()> {
        match &self.governed {
            Some(governed) => governed.session.live().signal.poll_closed(cx).map(|_| ()),
            None => Poll::Pending,
        }
    }

    /// Counts the end.
    pub(crate) fn end(self, is_whole: bool) {
        let Some(governed) = self.governed else {
            return;
        };
        let Governed { session, gauge } = *governed;
        let live = Arc::clone(session.live());
        let ending = match live.signal.reason() {
            Some(reason) => Ending::Gate(reason),
            None if is_whole => Ending::Upstream,
            None => Ending::Client,
        };
        let (received, sent) = live.bytes();
        let age = clock::now().since(live.since);
        gauge.closed(ending.as_str(), age, received, sent);
    }
}

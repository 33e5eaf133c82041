//! Looks at what a client says before the upstream hears it.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;

use crate::session::CloseReason;

/// Who looks at the texts of a client, and at how long a one.
pub struct Inspection {
    /// In bytes; binary and compressed messages pass without a look.
    pub limit: usize,
    /// What becomes of longer texts.
    pub beyond: Beyond,
    pub inspector: Box<dyn Inspector>,
}

/// What becomes of a text that is too long for a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// It ends the session. Whoever may not miss a text needs this: blanks make any text long.
    Close(CloseReason),
    Pass,
}

/// Judges texts, one after the other. May be dropped in the middle of it.
#[async_trait]
pub trait Inspector: Send {
    /// Judges a whole text message of the client, without its masks.
    async fn inspect(&mut self, text: &[u8]) -> Inspected;
}

/// What is to become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inspected {
    /// It goes on to the upstream, as it came.
    Pass,
    /// It was meant for the gate.
    Consume,
    /// It ends the session, and the upstream does not see it.
    Close(CloseReason),
}

/// An inspector at work comes back with the result.
type Work = Pin<Box<dyn Future<Output = (Box<dyn Inspector>, Inspected)> + Send>>;

/// An inspector, at rest or at work.
pub(super) struct Desk {
    resting: Option<Box<dyn Inspector>>,
    work: Option<Work>,
}

impl Desk {
    pub(super) fn new(inspector: Box<dyn Inspector>) -> Self {
        Self {
            resting: Some(inspector),
            work: None,
        }
    }

    /// Gives the inspector a text, which must not be busy.
    pub(super) fn lay(&mut self, text: Vec<u8>) {
        if let Some(mut inspector) = self.resting.take() {
            self.work = Some(Box::pin(async move {
                let inspected = inspector.inspect(&text).await;
                (inspector, inspected)
            }));
        }
    }

    pub(super) const fn is_busy(&self) -> bool {
        self.work.is_some()
    }

    /// Ready with the result, once for each text.
    pub(super) fn poll_inspected(&mut self, cx: &mut Context<'_>) -> Poll<Inspected> {
        let Some(work) = &mut self.work else {
            return Poll::Pending;
        };
        let (inspector, inspected) = ready!(work.as_mut().poll(cx));
        self.resting = Some(inspector);
        self.work = None;
        Poll::Ready(inspected)
    }
}

impl fmt::Debug for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspection")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk")
            .field("is_busy", &self.is_busy())
            .finish()
    }
}

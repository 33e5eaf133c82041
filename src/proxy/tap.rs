//! A copy of an answer's body, taken while the body passes.
//!
//! The bytes go on as they are. Whoever listens is told before the last of them does: a client that
//! has its whole answer may act on it at once. An answer that is too long, or whose end is not there,
//! is told to nobody.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::scheme::learner::Told;
use crate::wire::body::{Dechunk, Framing};
use crate::wire::head::ResponseHead;

/// The longest body that is copied; an answer with a token has less than one of these.
pub(crate) const LONGEST: usize = 16 * 1024;

/// Wants to know answers.
pub(crate) trait Listen: Send + Sync {
    /// Hears a whole body. The answer is held back until the future is ready, which must not be
    /// long.
    fn hear(&self, body: &[u8]) -> Option<Told>;
}

/// A copy in the making.
pub(crate) struct Tap {
    listener: Arc<dyn Listen>,
    /// Finds the payload in chunks.
    chunks: Option<Dechunk>,
    /// `None` once it is of no use any more.
    copy: Option<Vec<u8>>,
    told: Option<Told>,
}

impl Tap {
    /// For the body of an answer whose head this is, if it can be JSON that is worth a look and its
    /// end can be told from a cut.
    pub(crate) fn of(
        head: &ResponseHead<'_>,
        framing: Framing,
        listener: &Arc<dyn Listen>,
    ) -> Option<Box<Self>> {
        let chunks = match framing {
            Framing::Length(length) if usize::try_from(length).is_ok_and(|n| n <= LONGEST) => None,
            Framing::Chunked => Some(Dechunk::new()),
            Framing::None | Framing::Length(_) | Framing::UntilClose => return None,
        };
        (head.status == 200 && is_plain_json(head)).then(|| {
            Box::new(Self {
                listener: Arc::clone(listener),
                chunks,
                copy: Some(Vec::new()),
                told: None,
            })
        })
    }

    /// Sees bytes of the body as they came.
    pub(crate) fn see(&mut self, bytes: &[u8]) {
        let Some(copy) = &mut self.copy else { return };
        match &mut self.chunks {
            None => copy.extend_from_slice(bytes),
            Some(chunks) => match chunks.feed(bytes) {
                Ok(piece) => {
                    for range in piece.payload {
                        copy.extend_from_slice(bytes.get(range).unwrap_or_default());
                    }
                }
                Err(_) => self.copy = None,
            },
        }
        if self.copy.as_ref().is_some_and(|copy| copy.len() > LONGEST) {
            self.copy = None;
        }
    }

    /// The body has ended, where its framing says.
    pub(crate) fn end(&mut self) {
        if let Some(copy) = self.copy.take() {
            self.told = self.listener.hear(&copy);
        }
    }

    /// Ready when the end of the body may go on.
    pub(crate) fn poll_told(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(told) = &mut self.told else {
            return Poll::Ready(());
        };
        let done = told.as_mut().poll(cx);
        if done.is_ready() {
            self.told = None;
        }
        done
    }
}

/// What is copied may be a credential.
impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap").finish_non_exhaustive()
    }
}

/// Whether the body is JSON and nothing is around it.
fn is_plain_json(head: &ResponseHead<'_>) -> bool {
    let is_json = |value: &[u8]| {
        let essence = value.split(|byte| *byte == b';').next();
        let essence = essence.unwrap_or_default().trim_ascii();
        essence.eq_ignore_ascii_case(b"application/json")
    };
    let is_json = matches!(head.headers.single("content-type"), Ok(Some(value)) if is_json(value));
    let mut encodings = head.headers.all("content-encoding");
    is_json && encodings.all(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"identity"))
}

#[cfg(test)]
mod tests;

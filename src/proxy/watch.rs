//! Notices a client that goes away while it waits for its answer.

use std::task::{Context, Poll};

use pingora::protocols::Stream;

use crate::proxy::buffer::{Buffer, Leftover};
use crate::proxy::io::poll_read_at;
use crate::proxy::pump::Pump;

/// Looks at a client's connection while nothing is expected from it.
///
/// Bytes of the next request are kept, and the end of its sending is no end: a client may close
/// its half and still want the answer. Only an error means that it is gone.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    stopped: bool,
    bytes: Leftover,
}

impl Watch {
    /// Bytes of the next request are here already; reading more would mix up their order.
    pub(crate) fn stop(&mut self) {
        self.stopped = true;
    }

    /// Ready when the client is gone. The upload is done; what it has read beyond its end comes
    /// before anything that could be read here.
    pub(crate) fn poll_gone(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Stream,
        upload: &Pump,
    ) -> Poll<()> {
        if self.stopped || upload.has_leftover() {
            return Poll::Pending;
        }
        let mut buffer = Buffer::lend(0);
        match poll_read_at(cx, client, &mut buffer, 0) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(_)) => return Poll::Ready(()),
            Poll::Ready(Ok(n)) => self.bytes = Leftover::new(buffer, 0, n),
        }
        self.stopped = true;
        Poll::Pending
    }

    pub(crate) fn into_leftover(self) -> Leftover {
        self.bytes
    }
}

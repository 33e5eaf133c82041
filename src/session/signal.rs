//! Tells a session's task to close, once, from any thread.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::session::CloseReason;

/// The first reason wins; later ones are ignored.
#[derive(Debug, Default)]
pub struct CloseSignal(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    reason: Option<CloseReason>,
    waker: Option<Waker>,
}

impl CloseSignal {
    /// Asks the session to end. Returns whether this was the first request.
    pub fn close(&self, reason: CloseReason) -> bool {
        let waker = {
            let mut state = self.0.lock();
            if state.reason.is_some() {
                return false;
            }
            state.reason = Some(reason);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Gives the client a text message.
    pub fn say(&self, _text: Arc<str>) {}

    /// Asks the client for a sign of life.
    pub fn ping(&self) {}

    /// Why the session was asked to end, if it was.
    pub fn reason(&self) -> Option<CloseReason> {
        self.0.lock().reason
    }

    /// Ready as soon as the session was asked to end.
    pub fn poll_closed(&self, cx: &Context<'_>) -> Poll<CloseReason> {
        let mut state = self.0.lock();
        if let Some(reason) = state.reason {
            return Poll::Ready(reason);
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            empty => *empty = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

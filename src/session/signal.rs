//! Tells a session's task what to do, from any thread: to end, once, or to say something.

use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::session::CloseReason;

/// What a session was asked to do and has not done yet.
///
/// The first reason to end wins; later ones are ignored. At most one notice and one ping wait: a
/// newer one takes the place of an older one that could not be sent, say because the client does
/// not read.
#[derive(Debug, Default)]
pub struct CloseSignal(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    reason: Option<CloseReason>,
    ping: bool,
    notice: Option<Arc<str>>,
    waker: Option<Waker>,
}

/// What a session is asked to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Close(CloseReason),
    /// A notice or a ping waits for its place.
    Speak,
    Nothing,
}

impl CloseSignal {
    /// Asks the session to end. Returns whether this was the first request.
    pub fn close(&self, reason: CloseReason) -> bool {
        self.ask(|state| {
            let is_first = state.reason.is_none();
            state.reason.get_or_insert(reason);
            is_first
        })
    }

    /// Sends the client a text message of the gate's own, between two of the upstream's.
    pub fn say(&self, text: Arc<str>) {
        self.ask(|state| {
            state.notice = Some(text);
            state.reason.is_none()
        });
    }

    /// Sends the client a Ping frame of the gate's own. Its Pong will not reach the upstream.
    pub fn ping(&self) {
        self.ask(|state| {
            state.ping = true;
            state.reason.is_none()
        });
    }

    /// Why the session was asked to end, if it was.
    pub fn reason(&self) -> Option<CloseReason> {
        self.0.lock().reason
    }

    /// Ready as soon as the session was asked to end.
    pub fn poll_closed(&self, cx: &Context<'_>) -> Poll<CloseReason> {
        match self.asked(cx) {
            Asked::Close(reason) => Poll::Ready(reason),
            Asked::Nothing | Asked::Speak => Poll::Pending,
        }
    }

    /// What there is to do now. Unless it is the end, the task is woken when there is more.
    pub fn asked(&self, cx: &Context<'_>) -> Asked {
        let mut state = self.0.lock();
        if let Some(reason) = state.reason {
            return Asked::Close(reason);
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            empty => *empty = Some(cx.waker().clone()),
        }
        if state.ping || state.notice.is_some() {
            Asked::Speak
        } else {
            Asked::Nothing
        }
    }

    /// Whether there is still something to say.
    pub fn has_more_to_say(&self) -> bool {
        let state = self.0.lock();
        state.ping || state.notice.is_some()
    }

    /// Takes the ping that is to be sent now.
    pub fn take_ping(&self) -> bool {
        mem::take(&mut self.0.lock().ping)
    }

    /// Takes the notice that is to be sent now.
    pub fn take_notice(&self) -> Option<Arc<str>> {
        self.0.lock().notice.take()
    }

    /// Changes what is asked, and wakes the task if that is news for it.
    fn ask(&self, change: impl FnOnce(&mut State) -> bool) -> bool {
        let (is_news, waker) = {
            let mut state = self.0.lock();
            let is_news = change(&mut state);
            (is_news, state.waker.take_if(|_| is_news))
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(signal: &CloseSignal) -> Asked {
        signal.asked(&Context::from_waker(Waker::noop()))
    }

    #[test]
    fn the_first_reason_to_close_wins() {
        let signal = CloseSignal::default();
        assert!(signal.close(CloseReason::Expired));
        assert!(!signal.close(CloseReason::Idle));
        assert_eq!(asked(&signal), Asked::Close(CloseReason::Expired));
    }

    #[test]
    fn a_newer_notice_takes_the_place_of_an_older_one() {
        let signal = CloseSignal::default();
        signal.say(Arc::from("30 seconds left"));
        signal.say(Arc::from("10 seconds left"));
        assert_eq!(asked(&signal), Asked::Speak);
        assert_eq!(signal.take_notice().as_deref(), Some("10 seconds left"));
        assert_eq!(asked(&signal), Asked::Nothing);
    }

    #[test]
    fn pings_that_were_not_sent_are_one() {
        let signal = CloseSignal::default();
        signal.ping();
        signal.ping();
        assert_eq!(asked(&signal), Asked::Speak);
        assert!(signal.take_ping());
        assert!(!signal.has_more_to_say());
    }

    #[test]
    fn the_end_comes_before_everything_else() {
        let signal = CloseSignal::default();
        signal.say(Arc::from("wait"));
        signal.close(CloseReason::Idle);
        signal.ping();
        assert_eq!(asked(&signal), Asked::Close(CloseReason::Idle));
    }
}

//! Leaves a server alone that has failed several times in a row.
//!
//! After that one question in a while is let through, to see whether it is well again; the first
//! answer ends the matter. So an outage is noticed by whoever asks at once, and its end within a
//! pause.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::scheme::http::HttpError;

/// Failures in a row after which a server is left alone.
const FAILURES: u32 = 5;
/// Between two questions to a server that is not well.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// In a row.
    failures: u32,
    /// Nobody asks until then.
    until: Option<Instant>,
}

/// A question that may be asked.
#[derive(Debug)]
pub(super) struct Attempt<'b> {
    breaker: &'b Breaker,
}

impl Breaker {
    /// Lets a question through, or not.
    pub(super) fn attempt(&self, now: Instant) -> Result<Attempt<'_>, HttpError> {
        let mut state = self.state.lock();
        if state.failures >= FAILURES {
            if state.until.is_some_and(|until| now < until) {
                return Err(HttpError::LeftAlone);
            }
            // This one is to find out; if it is never heard of again, so is the next.
            state.until = Some(now + PAUSE);
        }
        Ok(Attempt { breaker: self })
    }
}

impl Attempt<'_> {
    pub(super) fn came_to_an_end(self, failed: bool, now: Instant) {
        let mut state = self.breaker.state.lock();
        if failed {
            state.failures = state.failures.saturating_add(1);
            state.until = Some(now + PAUSE);
        } else {
            *state = State::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_a_while_finds_out_whether_it_is_over() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        let fail = |now| breaker.attempt(now).unwrap().came_to_an_end(true, now);
        for _ in 0..FAILURES {
            fail(start);
        }
        let refused = |now| breaker.attempt(now).is_err();
        assert!(refused(start) && refused(start + PAUSE / 2));
        let later = start + PAUSE;
        let scout = breaker.attempt(later).unwrap();
        assert!(refused(later), "one at a time");
        scout.came_to_an_end(true, later);
        assert!(refused(later + PAUSE / 2));
        // A scout that is never heard of again, such as one whose client has gone away.
        let _ = breaker.attempt(later + PAUSE).unwrap();
        let last = later + PAUSE * 2;
        breaker.attempt(last).unwrap().came_to_an_end(false, last);
        assert!(!refused(last) && !refused(last), "all is well");
    }

    #[test]
    fn an_answer_in_between_begins_the_count_anew() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for round in 0..FAILURES * 3 {
            let failed = round % FAILURES != 0;
            breaker.attempt(now).unwrap().came_to_an_end(failed, now);
        }
        assert!(breaker.attempt(now).is_ok());
    }
}

//! A living session whose proof is asked about again.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::clock::{Steady, UnixTime};
use crate::gate::denial::Denial;
use crate::gate::standing::{Kept, Withdrawable};
use crate::policy::Policy;
use crate::scheme::{Rejection, Verified};
use crate::session::CloseReason;
use crate::session::live::Live;

/// An end that differs by less than this is the same one, measured again.
const SAME_END: Duration = Duration::from_secs(1);

impl Live {
    /// Its proofs that can be withdrawn.
    pub(in crate::session) fn withdrawable(&self) -> SmallVec<[Withdrawable; 1]> {
        self.state.lock().standing.withdrawable()
    }

    /// Its proof by this authenticator, if it can be withdrawn.
    pub(in crate::session) fn withdrawable_by(&self, authenticator: &str) -> Option<Withdrawable> {
        self.state.lock().standing.withdrawable_by(authenticator)
    }

    /// Wipes what was kept to ask this authenticator about.
    pub(in crate::session) fn let_go(&self, authenticator: &str) {
        self.state.lock().standing.let_go(authenticator);
    }

    /// Takes in what was said of its credential. Returns whether it is to be judged by that.
    pub(in crate::session) fn settle(
        &self,
        kept: &Arc<Kept>,
        verdict: Result<Arc<Verified>, Rejection>,
        now: UnixTime,
    ) -> bool {
        self.state.lock().standing.settle(kept, verdict, now)
    }

    /// Judges it by what was said of its credential. Unlike after a change of the policy alone, it
    /// may end later than before, too: its credential was seen again. The answer is whether it ends
    /// earlier.
    ///
    /// # Errors
    ///
    /// Why it would not be let in. It can be renewed no more, and is to be told to close.
    pub(in crate::session) fn judge_anew(
        &self,
        policy: &Policy,
        now: UnixTime,
        steady: Steady,
    ) -> Result<bool, Denial> {
        let mut state = self.state.lock();
        let (end, _) = self.judge(&state, policy, now).inspect_err(|denial| {
            state
                .closing
                .get_or_insert_with(|| (steady, CloseReason::of(denial)));
        })?;
        let is_earlier = match (end, state.end) {
            (Some(new), Some(old)) if new.since(old).max(old.since(new)) < SAME_END => {
                return Ok(false);
            }
            (Some(new), Some(old)) => new < old,
            (Some(_), None) => true,
            (None, _) => false,
        };
        state.end = end;
        Ok(is_earlier)
    }
}

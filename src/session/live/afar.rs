//! A renewal by a credential that another replica has seen, and this one has not.
//!
//! The proofs came without it. Where they rest on the very credential that is kept here, it is asked
//! about as before. A proof that can be withdrawn, and about which nobody can ask, is as good as one
//! in an outage: the session may stand on it for the grace of a living session, and has to be
//! renewed again by then.

use crate::clock::UnixTime;
use crate::policy::Policy;
use crate::session::live::{Live, Renewal};

impl Live {
    /// What the renewal comes to here; `None` where this policy would not let the session in by it.
    pub(in crate::session) fn adapt(
        &self,
        renewal: &Renewal,
        policy: &Policy,
        now: UnixTime,
    ) -> Option<Renewal> {
        let mut renewal = renewal.clone();
        let mut standing = self.state.lock().standing.clone();
        renewal.standing.keep_asking_as(&standing);
        standing.take_over(&renewal.standing);
        standing.judge_again(policy, now).ok()?;
        let graces = renewal.standing.not_asked_about().filter_map(|name| {
            let mut all = policy.authenticators().iter();
            let authenticator = all.find(|one| *one.name == *name)?;
            Some(authenticator.recheck_rule()?.live_grace)
        });
        let grace = graces.min();
        renewal.unwatched_until = grace.map(|grace| now.plus(grace));
        Some(renewal)
    }
}

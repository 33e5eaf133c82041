//! Failed attempts: which of them count, and what is answered when there are too many.
//!
//! Only a bad credential counts (401). Who presents none, or a good one where it does not do, guesses
//! nothing; and an outage is nobody's fault.

use std::net::IpAddr;

use crate::clock::UnixTime;
use crate::gate::denial::Denial;
use crate::gate::extract::Found;
use crate::gate::{Decision, Failed, PerAuthenticator};
use crate::policy::Policy;
use crate::policy::requirement::{Judged, Outcome};
use crate::policy::throttle::Throttle;

/// Counts a decision that was made on behalf of this client.
///
/// A failure that is one too many is not answered by what is wrong with the credential, so that who
/// guesses learns nothing more.
#[must_use]
pub fn count<T>(
    policy: &Policy,
    client: IpAddr,
    decision: Decision<T>,
    now: UnixTime,
) -> Decision<T> {
    let Decision {
        route,
        lookups,
        failed,
        outcome,
    } = decision;
    let outcome = outcome.map_err(|denial| count_denial(policy, client, denial, &failed, now));
    Decision {
        route,
        lookups,
        failed,
        outcome,
    }
}

/// The same of a denial for which nothing had to be judged.
#[must_use]
pub fn count_denial(
    policy: &Policy,
    client: IpAddr,
    denial: Denial,
    failed: &Failed,
    now: UnixTime,
) -> Denial {
    match (&policy.throttle, denial) {
        (Some(throttle), denial @ Denial::Rejected { .. }) => throttle
            .fail(client, failed, now)
            .map_or_else(Denial::Throttled, |()| denial),
        (_, denial) => denial,
    }
}

/// Writes down which credentials are bad. One that several authenticators looked at is one, and not bad
/// if it may be good for one of them.
pub(super) fn note(
    throttle: &Throttle,
    extracted: &PerAuthenticator<'_>,
    judged: &[Judged],
    failed: &mut Failed,
) {
    let may_be_good = |one: &Judged| {
        let mut same = judged
            .iter()
            .filter(|other| other.credential == one.credential);
        same.any(|one| !matches!(one.outcome, Outcome::Rejected(_) | Outcome::Foreign))
    };
    for ((_, found), one) in extracted.iter().zip(judged) {
        if let Found::Present(extracted) = found
            && !may_be_good(one)
        {
            let key = throttle.credential(&extracted.token);
            if !failed.contains(&key) {
                failed.push(key);
            }
        }
    }
}

#[cfg(test)]
mod tests;

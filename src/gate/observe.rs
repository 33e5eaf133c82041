//! Routes that observe: whoever would be refused there is let pass as nobody.
//!
//! What is forgiven is what the gate knows, or cannot tell, about who asks. What it says about the
//! request itself (that it could be read in two ways, comes in plain text, is one too many) holds as
//! ever; and so does a revocation. An operator who has revoked something wants it to be of no use
//! now, and a credential may go on to a backend that knows nothing of that (`pass_unverified`).

use crate::clock::UnixTime;
use crate::gate::denial::Denial;
use crate::policy::Policy;
use crate::policy::authenticator::AuthenticatorId;
use crate::policy::requirement::Outcome;
use crate::policy::route::Route;
use crate::scheme::{Rejection, TokenFacts, token_digest};

/// A refusal that is not carried out.
#[derive(Clone, Debug)]
pub struct Observed {
    /// What the client would be told.
    pub denial: Denial,
    /// From then on it is.
    pub until: UnixTime,
}

/// What came to light about revocations while credentials were judged.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Withdrawals {
    /// Whose credential was revoked here.
    revoked: Option<AuthenticatorId>,
    /// A credential that may be good may have been revoked elsewhere.
    is_unknown: bool,
}

impl Withdrawals {
    /// Notes a credential that was proven, and what is left of it after the revocations.
    pub(super) fn note_proven(&mut self, id: AuthenticatorId, left: &Outcome) {
        match left {
            Outcome::Rejected(_) => self.note_revoked(id),
            Outcome::Unavailable(_) => self.is_unknown = true,
            Outcome::Absent | Outcome::Foreign | Outcome::Throttled(_) | Outcome::Verified(_) => {}
        }
    }

    /// Notes a credential that was not proven. It may have been revoked by name all the same, and if
    /// nobody can tell whether it is good, the revocations have to be known.
    pub(super) fn note_unproven(
        &mut self,
        policy: &Policy,
        id: AuthenticatorId,
        (token, outcome): (&[u8], &Outcome),
        now: UnixTime,
    ) {
        let named = TokenFacts {
            digest: token_digest(token),
            id: None,
            issued_at: None,
        };
        if policy.is_token_revoked(&named, now) {
            self.note_revoked(id);
        }
        let may_be_good = matches!(outcome, Outcome::Throttled(_) | Outcome::Unavailable(_));
        self.is_unknown |= may_be_good && !policy.revocations.is_complete();
    }

    fn note_revoked(&mut self, id: AuthenticatorId) {
        self.revoked.get_or_insert(id);
    }
}

/// The refusal that is not carried out.
///
/// # Errors
///
/// The one that is.
pub(super) fn forgive(
    route: &Route,
    denial: Denial,
    withdrawals: Withdrawals,
    now: UnixTime,
) -> Result<Observed, Denial> {
    let Some(until) = forgiven_until(route, &denial, now) else {
        return Err(denial);
    };
    if let Some(authenticator) = withdrawals.revoked {
        return Err(Denial::Rejected {
            authenticator: Some(authenticator),
            rejection: Rejection::Revoked,
        });
    }
    if withdrawals.is_unknown {
        return Err(denial);
    }
    Ok(Observed { denial, until })
}

/// Until when a refusal of this kind is not carried out; `None` if it is.
pub(super) fn forgiven_until(route: &Route, denial: &Denial, now: UnixTime) -> Option<UnixTime> {
    is_about_who_asks(denial)
        .then(|| route.observing(now))
        .flatten()
}

const fn is_about_who_asks(denial: &Denial) -> bool {
    match denial {
        Denial::Forbidden(_)
        | Denial::NoCredential { .. }
        | Denial::Rejected { .. }
        | Denial::Throttled(_)
        | Denial::Unavailable { .. }
        // A place where nobody's credential would do; behind the gate it may be a good one.
        | Denial::UnknownApp => true,
        Denial::Ambiguous
        | Denial::BadHandshake
        | Denial::Limited { .. }
        | Denial::Method { .. }
        | Denial::NoRoute
        | Denial::TlsRequired
        | Denial::Transport
        | Denial::UnfitBody(_)
        | Denial::UpgradeRequired => false,
    }
}

#[cfg(test)]
mod tests;

//! What a route asks of a request's credentials, and how several verdicts become one decision.
//!
//! This module is the whole of that rule. It sees outcomes only: neither where a credential was
//! found nor how it was proven.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::clock::UnixTime;
use crate::config::document::{self, ClaimRule, Combine};
use crate::credential::Carrier;
use crate::policy::authenticator::AuthenticatorId;
use crate::policy::first_message::FirstMessage;
use crate::policy::throttle::Throttled;
use crate::principal::Principal;
use crate::scheme::{Rejection, Verified};

/// The compiled `require` of a route. Two routes with equal requirements guard alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    Public,
    Credentials {
        combine: Combine,
        /// In file order.
        authenticators: Vec<AuthenticatorId>,
        device_type: Option<DeviceRule>,
        /// `None` where the request itself brings the credentials.
        first_message: Option<FirstMessage>,
        /// What the request claims and the credential has to prove.
        matches: Vec<ClaimRule>,
    },
}

impl Requirement {
    /// The authenticators that it names, in file order.
    pub fn authenticators(&self) -> &[AuthenticatorId] {
        match self {
            Self::Credentials { authenticators, .. } => authenticators,
            Self::Public => &[],
        }
    }

    /// What it asks of the device type.
    pub fn device_rule(&self) -> Option<&DeviceRule> {
        match self {
            Self::Credentials { device_type, .. } => device_type.as_ref(),
            Self::Public => None,
        }
    }

    /// What a request claims and its credential has to prove.
    pub fn matches(&self) -> &[ClaimRule] {
        match self {
            Self::Credentials { matches, .. } => matches,
            Self::Public => &[],
        }
    }

    /// The same of requests that bring their credentials themselves, and prolong what was begun by
    /// others: those have claimed already what they are.
    #[must_use]
    pub fn of_renewals(&self) -> Self {
        let mut require = self.clone();
        if let Self::Credentials {
            first_message,
            matches,
            ..
        } = &mut require
        {
            *first_message = None;
            matches.clear();
        }
        require
    }

    /// How the credentials come, where it is not in the request.
    pub fn first_message(&self) -> Option<&FirstMessage> {
        match self {
            Self::Credentials { first_message, .. } => first_message.as_ref(),
            Self::Public => None,
        }
    }

    /// The device types that may come in; none where the route does not ask for one.
    pub fn device_types(&self) -> impl Iterator<Item = &str> {
        self.device_rule()
            .into_iter()
            .flat_map(|rule| rule.one_of.iter().map(|name| &**name))
    }
}

/// The compiled `device_type` rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRule {
    pub from: Vec<Carrier>,
    pub one_of: Vec<Arc<str>>,
    aliases: Vec<(String, Arc<str>)>,
}

impl DeviceRule {
    pub fn new(document: document::DeviceType) -> Self {
        Self {
            from: document.from,
            one_of: document.one_of,
            aliases: document
                .aliases
                .into_iter()
                .map(|(from, to)| (from, to.value))
                .collect(),
        }
    }

    /// The allowed device type that a claim names, directly or by an alias.
    pub fn resolve(&self, claimed: &[u8]) -> Option<&Arc<str>> {
        self.one_of
            .iter()
            .find(|allowed| allowed.as_bytes() == claimed)
            .or_else(|| {
                self.aliases
                    .iter()
                    .find_map(|(alias, to)| (alias.as_bytes() == claimed).then_some(to))
            })
    }
}

/// What one authenticator made of a request.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// None of its places is filled.
    Absent,
    /// Filled, but not with this kind of credential.
    Foreign,
    Rejected(Rejection),
    /// Nobody was asked, since there have been too many bad ones.
    Throttled(Throttled),
    Verified(Arc<Verified>),
    /// Nobody can tell now.
    Unavailable(Arc<str>),
}

/// One authenticator's outcome, and which credential it was about.
#[derive(Clone, Debug)]
pub struct Judged {
    pub authenticator: AuthenticatorId,
    /// Equal for authenticators that looked at the same credential; they count as one in `any_of`.
    pub credential: usize,
    pub outcome: Outcome,
}

/// The requirement is met.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The authenticator whose principal leads.
    pub authenticator: AuthenticatorId,
    pub principal: Arc<Principal>,
    /// All proofs, in file order.
    pub verified: SmallVec<[(AuthenticatorId, Arc<Verified>); 2]>,
    /// The earliest deadline of all proofs.
    pub not_after: Option<UnixTime>,
}

/// The requirement is not met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmet {
    NoCredential,
    /// Something was sent, but nothing that the route understands.
    Foreign,
    Rejected(AuthenticatorId, Rejection),
    /// Two proofs contradict each other.
    Conflict,
    /// For some time nobody is asked.
    Throttled(Throttled),
    Unavailable(Arc<str>),
}

/// Combines the outcomes, which are in file order.
pub fn combine(combine: Combine, judged: &[Judged]) -> Result<Admitted, Unmet> {
    match combine {
        Combine::AnyOf => any_of(judged),
        Combine::AllOf => all_of(judged),
    }
}

fn any_of(judged: &[Judged]) -> Result<Admitted, Unmet> {
    let settled = |outcome: &Outcome| {
        matches!(
            outcome,
            Outcome::Throttled(_) | Outcome::Verified(_) | Outcome::Unavailable(_)
        )
    };
    // A rejected credential denies even beside a good one. Where several authenticators looked at
    // the same credential, one success suffices, and as long as one cannot tell, nobody knows.
    let rejected = judged.iter().find_map(|one| match one.outcome {
        Outcome::Rejected(rejection)
            if !judged
                .iter()
                .any(|other| other.credential == one.credential && settled(&other.outcome)) =>
        {
            Some(Unmet::Rejected(one.authenticator, rejection))
        }
        Outcome::Absent
        | Outcome::Foreign
        | Outcome::Rejected(_)
        | Outcome::Throttled(_)
        | Outcome::Verified(_)
        | Outcome::Unavailable(_) => None,
    });
    if let Some(unmet) = rejected {
        return Err(unmet);
    }
    let verified: SmallVec<[_; 2]> = verified(judged).collect();
    if let Some((authenticator, first)) = verified.first() {
        // Nobody asked the other proofs to agree; the first is the principal, all are bounds.
        let (authenticator, principal) = (*authenticator, Arc::clone(&first.principal));
        let not_after = earliest(&verified);
        return Ok(Admitted {
            authenticator,
            principal,
            verified,
            not_after,
        });
    }
    Err(unavailable(judged).unwrap_or_else(|| nothing_usable(judged)))
}

fn all_of(judged: &[Judged]) -> Result<Admitted, Unmet> {
    let rejected = judged.iter().find_map(|one| match one.outcome {
        Outcome::Rejected(rejection) => Some(Unmet::Rejected(one.authenticator, rejection)),
        Outcome::Absent
        | Outcome::Foreign
        | Outcome::Throttled(_)
        | Outcome::Verified(_)
        | Outcome::Unavailable(_) => None,
    });
    if let Some(unmet) = rejected {
        return Err(unmet);
    }
    if judged
        .iter()
        .any(|one| matches!(one.outcome, Outcome::Absent | Outcome::Foreign))
    {
        return Err(nothing_usable(judged));
    }
    if let Some(unmet) = unavailable(judged) {
        return Err(unmet);
    }
    let verified: SmallVec<[_; 2]> = verified(judged).collect();
    let authenticator = verified
        .first()
        .map(|(id, _)| *id)
        .ok_or(Unmet::NoCredential)?;
    let principal = merge(&verified)?;
    let not_after = earliest(&verified);
    Ok(Admitted {
        authenticator,
        principal,
        verified,
        not_after,
    })
}

fn verified(judged: &[Judged]) -> impl Iterator<Item = (AuthenticatorId, Arc<Verified>)> {
    judged.iter().filter_map(|one| match &one.outcome {
        Outcome::Verified(verified) => Some((one.authenticator, Arc::clone(verified))),
        Outcome::Absent
        | Outcome::Foreign
        | Outcome::Rejected(_)
        | Outcome::Throttled(_)
        | Outcome::Unavailable(_) => None,
    })
}

fn unavailable(judged: &[Judged]) -> Option<Unmet> {
    judged.iter().find_map(|one| match &one.outcome {
        Outcome::Throttled(throttled) => Some(Unmet::Throttled(*throttled)),
        Outcome::Unavailable(source) => Some(Unmet::Unavailable(Arc::clone(source))),
        Outcome::Absent | Outcome::Foreign | Outcome::Rejected(_) | Outcome::Verified(_) => None,
    })
}

fn nothing_usable(judged: &[Judged]) -> Unmet {
    if judged
        .iter()
        .any(|one| matches!(one.outcome, Outcome::Foreign))
    {
        Unmet::Foreign
    } else {
        Unmet::NoCredential
    }
}

fn earliest(verified: &[(AuthenticatorId, Arc<Verified>)]) -> Option<UnixTime> {
    verified
        .iter()
        .filter_map(|(_, proof)| proof.not_after)
        .min()
}

/// One principal out of several proofs; what two of them know must be the same.
fn merge(verified: &[(AuthenticatorId, Arc<Verified>)]) -> Result<Arc<Principal>, Unmet> {
    if let [(_, only)] = verified {
        return Ok(Arc::clone(&only.principal));
    }
    let field = |pick: fn(&Principal) -> &Option<Arc<str>>| {
        let mut known = verified
            .iter()
            .filter_map(|(_, proof)| pick(&proof.principal).as_ref());
        let first = known.next();
        if known.all(|other| Some(other) == first) {
            Ok(first.cloned())
        } else {
            Err(Unmet::Conflict)
        }
    };
    Ok(Arc::new(Principal {
        subject: field(|principal| &principal.subject)?,
        user_type: field(|principal| &principal.user_type)?,
        device_type: field(|principal| &principal.device_type)?,
        app: field(|principal| &principal.app)?,
    }))
}

#[cfg(test)]
mod tests;

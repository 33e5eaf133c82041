//! What to do about the Secret and the webhook's `caBundle`: a pure decision, made again every few
//! seconds by every replica.
//!
//! There is no leader. Whoever writes says which version it has read, and the API server refuses the
//! second of two; the loser reads again. So whatever is missing, broken, due or changed by somebody
//! else is put right by whoever comes first.
//!
//! The order of an exchange of authorities is what matters: the API server must trust the new one
//! before anybody shows what it has issued, and go on to trust the old one for as long as somebody may
//! still show what that has issued.

use std::time::Duration;

use crate::clock::UnixTime;

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) secret: SecretFacts,
    pub(super) bundle: Bundle,
}

/// What is in the Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SecretFacts {
    Absent,
    /// There is no authority that could issue anything.
    Broken,
    Good {
        /// The one that issues.
        authority: Span,
        has_old_authorities: bool,
        leaf: Leaf,
    },
}

/// The certificate that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaf {
    OfCurrent(Span),
    /// Of an authority before the current one.
    OfOld(Span),
    /// Nobody would trust it, now or for this name; or it is not there.
    Useless,
}

/// A time in which something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: UnixTime,
    pub(super) until: UnixTime,
}

/// What the API server trusts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bundle {
    /// Exactly the authorities of the Secret.
    Agrees,
    Differs,
    /// There is no webhook, so nobody asks.
    NoWebhook,
}

/// What to do now, in this order. Of the steps that write the Secret there is one at most; what comes
/// after it is decided when it is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Make an authority and a certificate where there is no Secret.
    Create,
    /// The same, in the place of what is there.
    Replace,
    /// Show the Secret's certificate.
    Show,
    /// Let the API server trust the Secret's authorities.
    Trust,
    /// Add an authority, which issues from now on.
    AddAuthority,
    /// Issue a certificate.
    IssueLeaf,
    /// Forget the authorities before the current one.
    DropOldAuthorities,
}

/// So long others may take to see a new certificate.
const OTHERS: Duration = Duration::from_hours(2);

/// Decides.
pub(super) fn decide(facts: Facts, now: UnixTime) -> Vec<Step> {
    let (authority, has_old_authorities, leaf) = match facts.secret {
        SecretFacts::Absent => return vec![Step::Create],
        SecretFacts::Broken => return vec![Step::Replace],
        SecretFacts::Good { authority, .. } if now >= authority.until => {
            return vec![Step::Replace];
        }
        SecretFacts::Good {
            authority,
            has_old_authorities,
            leaf,
        } => (authority, has_old_authorities, leaf),
    };
    let mut steps = Vec::new();
    if !matches!(leaf, Leaf::Useless) {
        steps.push(Step::Show);
    }
    if facts.bundle == Bundle::Differs {
        steps.push(Step::Trust);
    }
    let is_settled = facts.bundle != Bundle::Differs;
    steps.extend(match leaf {
        // Nothing could be worse than what is shown now.
        Leaf::Useless => Some(Step::IssueLeaf),
        // Only when the new authority is trusted.
        Leaf::OfOld(_) => is_settled.then_some(Step::IssueLeaf),
        Leaf::OfCurrent(span) if span.is_due(now) => Some(Step::IssueLeaf),
        Leaf::OfCurrent(_) if authority.is_due(now) => is_settled.then_some(Step::AddAuthority),
        Leaf::OfCurrent(span) => {
            let is_over = has_old_authorities && now >= span.from.plus(OTHERS);
            (is_over && is_settled).then_some(Step::DropOldAuthorities)
        }
    });
    steps
}

impl Span {
    /// Two thirds have passed.
    fn is_due(self, now: UnixTime) -> bool {
        now >= self.from.plus(self.until.since(self.from) * 2 / 3)
    }
}

#[cfg(test)]
mod tests;

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
mod tests {
    use super::*;

    fn at(hours: u64) -> UnixTime {
        UnixTime::from_secs(1_800_000_000).plus(Duration::from_hours(hours))
    }

    fn span(from: u64, until: u64) -> Span {
        Span {
            from: at(from),
            until: at(until),
        }
    }

    #[track_caller]
    fn check<const N: usize>(cases: [(&str, SecretFacts, Bundle, &[Step]); N]) {
        for (case, secret, bundle, expected) in cases {
            let found = decide(Facts { secret, bundle }, at(1000));
            assert_eq!(found, expected, "{case}");
        }
    }

    fn good(leaf: Leaf, has_old_authorities: bool) -> SecretFacts {
        let authority = span(0, 30_000);
        SecretFacts::Good {
            authority,
            has_old_authorities,
            leaf,
        }
    }

    /// Of an authority that ends then.
    fn good_until(hour: u64) -> SecretFacts {
        SecretFacts::Good {
            authority: span(0, hour),
            has_old_authorities: false,
            leaf: Leaf::OfCurrent(span(990, 3000)),
        }
    }

    #[test]
    fn what_is_missing_or_broken_is_made() {
        use Step::{Create, Replace, Show, Trust};
        let leaf = Leaf::OfCurrent(span(990, 3000));
        check([
            (
                "nothing is there",
                SecretFacts::Absent,
                Bundle::NoWebhook,
                &[Create],
            ),
            (
                "nothing but a bundle",
                SecretFacts::Absent,
                Bundle::Differs,
                &[Create],
            ),
            (
                "the Secret is broken",
                SecretFacts::Broken,
                Bundle::Agrees,
                &[Replace],
            ),
            (
                "the authority is over",
                good_until(1000),
                Bundle::Agrees,
                &[Replace],
            ),
            ("all is well", good(leaf, false), Bundle::Agrees, &[Show]),
            (
                "no webhook yet",
                good(leaf, false),
                Bundle::NoWebhook,
                &[Show],
            ),
            (
                "the bundle was reset",
                good(leaf, false),
                Bundle::Differs,
                &[Show, Trust],
            ),
        ]);
    }

    #[test]
    fn what_is_due_is_renewed_in_the_right_order() {
        use Step::{AddAuthority, DropOldAuthorities, IssueLeaf, Show, Trust};
        let due = Leaf::OfCurrent(span(0, 1500));
        let old = Leaf::OfOld(span(990, 3000));
        let (new, newer) = (
            Leaf::OfCurrent(span(990, 3000)),
            Leaf::OfCurrent(span(999, 3000)),
        );
        check([
            (
                "the leaf is due",
                good(due, false),
                Bundle::Agrees,
                &[Show, IssueLeaf],
            ),
            (
                "due, whatever the bundle",
                good(due, false),
                Bundle::Differs,
                &[Show, Trust, IssueLeaf],
            ),
            (
                "the leaf is useless",
                good(Leaf::Useless, false),
                Bundle::Differs,
                &[Trust, IssueLeaf],
            ),
            (
                "the authority is due",
                good_until(1500),
                Bundle::Agrees,
                &[Show, AddAuthority],
            ),
            (
                "due, but first things first",
                good_until(1500),
                Bundle::Differs,
                &[Show, Trust],
            ),
            (
                "a new authority is not trusted yet",
                good(old, true),
                Bundle::Differs,
                &[Show, Trust],
            ),
            (
                "it is trusted",
                good(old, true),
                Bundle::Agrees,
                &[Show, IssueLeaf],
            ),
            (
                "others may show the old one",
                good(newer, true),
                Bundle::Agrees,
                &[Show],
            ),
            (
                "nobody does any more",
                good(new, true),
                Bundle::Agrees,
                &[Show, DropOldAuthorities],
            ),
            (
                "not while the bundle is elsewhere",
                good(new, true),
                Bundle::Differs,
                &[Show, Trust],
            ),
        ]);
    }

    /// Whatever happens in between: what is shown is trusted whenever the bundle agrees, and only
    /// one step of a turn writes the Secret.
    #[test]
    fn an_exchange_goes_through_all_steps_and_comes_to_rest() {
        use Step::{AddAuthority, DropOldAuthorities, IssueLeaf, Trust};
        let mut authority = span(0, 1500);
        let (mut leaf, mut has_old, mut bundle) =
            (Leaf::OfCurrent(span(990, 3000)), false, Bundle::Agrees);
        let mut seen = Vec::new();
        for hour in 1000..1010 {
            let secret = SecretFacts::Good {
                authority,
                has_old_authorities: has_old,
                leaf,
            };
            for step in decide(Facts { secret, bundle }, at(hour)) {
                match step {
                    Step::Show => continue,
                    Trust => bundle = Bundle::Agrees,
                    AddAuthority => {
                        authority = span(hour, hour + 30_000);
                        leaf = Leaf::OfOld(span(990, 3000));
                        (has_old, bundle) = (true, Bundle::Differs);
                    }
                    IssueLeaf => leaf = Leaf::OfCurrent(span(hour, hour + 2000)),
                    DropOldAuthorities => (has_old, bundle) = (false, Bundle::Differs),
                    Step::Create | Step::Replace => panic!("{step:?}"),
                }
                seen.push(step);
            }
        }
        assert_eq!(
            seen,
            [AddAuthority, Trust, IssueLeaf, DropOldAuthorities, Trust]
        );
    }
}

//! What `match` and `limit` rest on has to be proven by everybody who comes in.

use std::sync::Arc;

use super::Compiler;
use crate::config::document::{self, Combine, LimitBy, Rate};
use crate::policy::Policy;
use crate::policy::authenticator::Authenticator;
use crate::policy::limit::Limiter;
use crate::policy::requirement::Requirement;
use crate::policy::throttle::Throttle;
use crate::principal::Claim;
use crate::problem::Place;

impl Compiler<'_> {
    /// Who claims to be a user has to prove one.
    pub(super) fn check_matches(
        &mut self,
        require: &Requirement,
        required: &[&Arc<Authenticator>],
        place: &Place,
    ) {
        let mut rules = require.matches().iter();
        if rules.any(|rule| rule.claim == Claim::Subject)
            && !always_proves(require, required, Authenticator::names_subjects)
        {
            self.report(
                place,
                "`match.subject` needs a user, but `require` admits some who name none (app keys \
                 alone)",
            );
        }
    }

    /// What is counted by something verified needs that to be verified, before the limit is asked.
    pub(super) fn check_limit(
        &mut self,
        limit: &document::Limit,
        require: &Requirement,
        required: &[&Arc<Authenticator>],
    ) {
        let (proves, what): (fn(&Authenticator) -> bool, _) = match &limit.by {
            LimitBy::AppKey => (Authenticator::proves_app_keys, "an app key"),
            LimitBy::Subject => (Authenticator::names_subjects, "a user"),
            LimitBy::ClientIp | LimitBy::Json { .. } | LimitBy::Path { .. } => return,
        };
        let by = limit.by.as_str();
        if require.first_message().is_some() {
            self.report(
                &limit.place,
                &format!(
                    "`by: {by}` is not known when the socket opens, since `first_message` brings \
                     it later"
                ),
            );
        } else if !always_proves(require, required, proves) {
            self.report(
                &limit.place,
                &format!(
                    "`by: {by}` needs {what} that was verified, but `require` admits some without"
                ),
            );
        }
    }
}

/// Whether everybody whom the requirement admits has a proof of this kind.
pub(super) fn always_proves(
    require: &Requirement,
    required: &[&Arc<Authenticator>],
    is_of_kind: fn(&Authenticator) -> bool,
) -> bool {
    let mut kinds = required.iter().map(|one| is_of_kind(one));
    match require {
        Requirement::Public => false,
        Requirement::Credentials {
            combine: Combine::AnyOf,
            ..
        } => kinds.all(|is_of_kind| is_of_kind),
        Requirement::Credentials {
            combine: Combine::AllOf,
            ..
        } => kinds.any(|is_of_kind| is_of_kind),
    }
}

/// The limiter of the route that had this name, if its rule is unchanged: who has used up what there
/// is does not get it anew by a reload.
pub(super) fn limiter(
    limit: document::Limit,
    route: &str,
    previous: Option<&Policy>,
) -> Arc<Limiter> {
    let mut routes = previous.iter().flat_map(|policy| policy.routes().all());
    let old = routes.find(|old| *old.name == *route);
    let new = Limiter::new(limit.rate, limit.by);
    match old.and_then(|old| old.limit.as_ref()) {
        Some(old) if old.is_same_as(&new) => Arc::clone(old),
        Some(_) | None => Arc::new(new),
    }
}

/// The failures that were counted so far, if the rule is unchanged: a reload forgives nobody.
pub(in crate::policy) fn throttle(rate: Rate, previous: Option<&Policy>) -> Arc<Throttle> {
    let old = previous.and_then(|policy| policy.throttle.as_ref());
    match old.filter(|old| old.rate() == rate) {
        Some(old) => Arc::clone(old),
        None => Arc::new(Throttle::new(rate)),
    }
}

#[cfg(test)]
mod tests;

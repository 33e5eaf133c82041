//! Upstreams, and whether what their requests are spread by is ever known.

use std::sync::Arc;

use super::Compiler;
use crate::config::document::{
    self, Balance, MessageForm, Requirement as RequirementDocument, Route as RouteDocument,
};
use crate::policy::Policy;
use crate::policy::authenticator::Authenticator;
use crate::policy::upstream::Upstream;

/// The upstreams in file order. An address that stays keeps its health and its counts.
pub(in crate::policy) fn upstreams(
    documents: Vec<document::Upstream>,
    previous: Option<&Policy>,
) -> Vec<Arc<Upstream>> {
    let old = |name: &Arc<str>| {
        let mut old = previous?.upstreams().iter();
        old.find(|old| old.name == *name)
    };
    documents
        .into_iter()
        .map(|document| {
            let old = old(&document.name.value);
            Arc::new(Upstream::new(document, old.map(|old| &**old)))
        })
        .collect()
}

impl Compiler<'_> {
    /// Who has no user goes round the addresses; but somebody has to have one.
    pub(in crate::policy) fn check_balance(
        &mut self,
        upstreams: &[document::Upstream],
        authenticators: &[Arc<Authenticator>],
        routes: &[RouteDocument],
    ) {
        for upstream in upstreams {
            if upstream.balance.value != Balance::HashSubject {
                continue;
            }
            let mut theirs = routes
                .iter()
                .filter(|route| route.upstream.value == upstream.name.value)
                .peekable();
            if theirs.peek().is_some()
                && !theirs.any(|route| may_know_a_user(&route.require, authenticators))
            {
                self.report(
                    &upstream.balance.place,
                    "`hash: subject` needs a user, but no route of this upstream knows one when it \
                     connects (app keys alone, everybody, or a credential that comes later)",
                );
            }
        }
    }
}

/// Whether some request of such a route has a user when its upstream is connected to.
fn may_know_a_user(require: &RequirementDocument, authenticators: &[Arc<Authenticator>]) -> bool {
    match require {
        RequirementDocument::Public => false,
        RequirementDocument::Credentials {
            authenticators: names,
            first_message,
            ..
        } => {
            let comes_later = first_message
                .as_ref()
                .is_some_and(|rule| rule.form == MessageForm::SocketioAuth2);
            // A name that is nobody's was reported by whoever read it.
            let knows = |name: &Arc<str>| {
                let known = authenticators.iter().find(|one| one.name == *name);
                known.is_none_or(|one| one.names_subjects())
            };
            !comes_later && names.iter().any(|name| knows(&name.value))
        }
    }
}

#[cfg(test)]
mod tests;

//! Relates the parts of a document: what only the whole can tell is wrong is found here.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::document::{
    self, CacheLimits, ClaimPlace, Combine, CredentialForm, Mode, OnExposed,
    Requirement as RequirementDocument,
};
use crate::credential::Carrier;
use crate::policy::authenticator::{Authenticator, AuthenticatorId};
use crate::policy::first_message::FirstMessage;
use crate::policy::observe::Observe;
use crate::policy::requirement::{DeviceRule, Requirement};
use crate::policy::rewrite::{HeaderFate, HeaderRules};
use crate::policy::route::{AppInPath, Route};
use crate::policy::tls::Tls;
use crate::policy::upstream::Upstream;
use crate::policy::{Listener, OpenRemote, Policy};
use crate::problem::{Place, Problem};
use crate::scheme::learned::Shared;
use crate::scheme::learner::Learner;

mod asked;

pub(super) use asked::throttle;
use asked::{always_proves, limiter};

/// Compiles elements and writes down what is wrong with them.
pub(super) struct Compiler<'a> {
    /// The headers that the gate itself sets towards the upstream.
    pub(super) ours: HeaderRules,
    /// Those, and the ones that no client may send.
    pub(super) removed: HeaderRules,
    /// Of routes that do not say otherwise.
    pub(super) mode: Mode,
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Compiler<'_> {
    /// A listener whose TLS is unchanged keeps its tickets.
    pub(super) fn listeners(
        &mut self,
        documents: Vec<document::Listener>,
        previous: Option<&Policy>,
    ) -> Vec<Listener> {
        let old: Vec<&Tls> = previous
            .iter()
            .flat_map(|policy| &policy.listeners)
            .filter_map(|listener| listener.tls.as_ref())
            .collect();
        let mut listeners = Vec::with_capacity(documents.len());
        for document in documents {
            let tls = match document.tls.map(|tls| Tls::new(tls, &old)).transpose() {
                Ok(tls) => tls,
                Err(problem) => {
                    self.problems.push(problem);
                    None
                }
            };
            listeners.push(Listener {
                address: document.address,
                tls,
                trusted_proxies: document.trusted_proxies,
                proxy_protocol: document.proxy_protocol,
            });
        }
        listeners
    }

    pub(super) fn upstreams(&mut self, documents: Vec<document::Upstream>) -> Vec<Arc<Upstream>> {
        let mut upstreams = Vec::with_capacity(documents.len());
        for document in documents {
            let place = document.address.place.clone();
            let upstream = Upstream::new(document);
            if upstream.on_exposed == OnExposed::Unready && upstream.loopback_port().is_none() {
                self.report(
                    &place,
                    "expected an address at loopback beside `on_exposed: unready`: where others \
                     listen is not for the gate to see",
                );
            }
            upstreams.push(Arc::new(upstream));
        }
        upstreams
    }

    pub(super) fn authenticators(
        &mut self,
        documents: Vec<document::Authenticator>,
        limits: &CacheLimits,
        previous: Option<&Policy>,
        remote: &dyn OpenRemote,
        shared: Option<&Shared>,
    ) -> Vec<Arc<Authenticator>> {
        let mut compiled = Vec::with_capacity(documents.len());
        for document in documents {
            let place = document.scheme_place.clone();
            for carrier in &document.from {
                self.refuse_removed(carrier, &document.name.place, "headers in `from`");
            }
            let old = previous.and_then(|policy| {
                policy
                    .authenticators()
                    .iter()
                    .find(|old| old.name == document.name.value)
            });
            match Authenticator::new(document, limits, old, remote, shared) {
                Ok(new) => compiled.push(match old {
                    Some(old) if old.is_same_as(&new) => Arc::clone(old),
                    Some(_) | None => Arc::new(new),
                }),
                Err(problem) => self.problems.push(Problem::new(place, problem.to_string())),
            }
        }
        compiled
    }

    /// `None` when a name in it does not resolve; the loader has reported that already.
    pub(super) fn route(
        &mut self,
        document: document::Route,
        authenticators: &[Arc<Authenticator>],
        upstreams: &HashMap<Arc<str>, Arc<Upstream>>,
        previous: Option<&Policy>,
    ) -> Option<Route> {
        self.check_headers(&document);
        let observe = self.observe(&document);
        let resolve = |name: &Arc<str>| {
            authenticators
                .iter()
                .position(|known| known.name == *name)
                .map(AuthenticatorId)
        };
        let mut pass_unverified = document
            .pass_unverified
            .iter()
            .map(|name| resolve(&name.value))
            .collect::<Option<Vec<_>>>()?;
        let taught = taught_by(&document.name, authenticators);
        for id in &taught {
            let learner = authenticators.get(id.0).and_then(|one| one.learner());
            let passes = learner.is_some_and(Learner::passes_unverified);
            if passes && !pass_unverified.contains(id) {
                pass_unverified.push(*id);
            }
        }
        let require = match document.require {
            RequirementDocument::Public => Requirement::Public,
            RequirementDocument::Credentials {
                combine,
                authenticators: names,
                device_type,
                first_message,
                matches,
            } => {
                let ids: Vec<_> = names
                    .iter()
                    .map(|name| resolve(&name.value))
                    .collect::<Option<_>>()?;
                Requirement::Credentials {
                    combine,
                    device_type: device_type.map(DeviceRule::new),
                    first_message: match first_message {
                        Some(document) => {
                            Some(self.first_message(&document, &ids, authenticators)?)
                        }
                        None => None,
                    },
                    authenticators: ids,
                    matches,
                }
            }
        };
        let required: Vec<_> = require
            .authenticators()
            .iter()
            .filter_map(|id| authenticators.get(id.0))
            .collect();
        let is_of_an_app = required.iter().any(|one| one.apps().is_some());
        let learners = taught.iter().filter_map(|id| authenticators.get(id.0));
        let tells_an_app = is_of_an_app || learners.into_iter().any(|one| one.apps().is_some());
        let app_in_path = AppInPath::of(&document.path.value).filter(|_| tells_an_app);
        self.check_credential(&document.credential, &require, &required, &document.place);
        self.check_session(&document.session, &require, &required);
        self.check_matches(&require, &required, &document.place);
        if let Some(limit) = &document.limit {
            self.check_limit(limit, &require, &required);
        }
        let limit = document
            .limit
            .map(|limit| limiter(limit, &document.name, previous));
        Some(Route {
            name: document.name,
            host: document.host,
            pattern: document.path.value.into(),
            methods: document.methods,
            websocket: document.websocket,
            require_tls: document.require_tls,
            limits_credentials: required.iter().any(|one| one.limits_routes()),
            require,
            credential: document.credential,
            pass_unverified,
            set_headers: document.set_headers,
            session: Arc::new(document.session),
            limit,
            sizes: document.sizes,
            renews: None,
            upstream: Arc::clone(upstreams.get(&document.upstream.value)?),
            errors: document.errors,
            app_in_path,
            taught,
            observe,
        })
    }

    /// Until when the route refuses nobody; `None` where it has nobody to refuse, or does so.
    fn observe(&mut self, route: &document::Route) -> Option<Observe> {
        let Mode::Observe { until } = route.mode.as_ref().unwrap_or(&self.mode) else {
            return None;
        };
        let observe = Observe::new(until);
        match &route.require {
            RequirementDocument::Public => None,
            RequirementDocument::Credentials {
                first_message: Some(first_message),
                ..
            } => {
                self.report(
                    &first_message.place,
                    "expected `mode: enforce` on this route: a message cannot go on without the \
                     credential in it, so nobody could pass who is not known",
                );
                None
            }
            RequirementDocument::Credentials { .. } => Some(observe),
        }
    }

    /// Whoever learns needs a route that has the answers.
    pub(super) fn check_lessons(
        &mut self,
        authenticators: &[Arc<Authenticator>],
        places: &HashMap<Arc<str>, Place>,
        routes: &[document::Route],
    ) {
        for authenticator in authenticators {
            let place = places.get(&authenticator.name);
            let Some((learner, place)) = authenticator.learner().zip(place) else {
                continue;
            };
            let route = learner.route();
            // A name that is nobody's was reported by whoever read it.
            let route = routes.iter().find(|one| Some(&one.name) == route);
            let Some(route) = route else { continue };
            if route.websocket {
                self.report(
                    place,
                    "expected a route in `learn` that is no WebSocket: its answers are read",
                );
            } else if learner.needs_app() && AppInPath::of(&route.path.value).is_none() {
                self.report(
                    place,
                    "expected a route in `learn` with `{org}` and `{app}` in its path: they say \
                     whose tokens are given out",
                );
            }
        }
    }

    fn first_message(
        &mut self,
        document: &document::FirstMessage,
        ids: &[AuthenticatorId],
        authenticators: &[Arc<Authenticator>],
    ) -> Option<FirstMessage> {
        let required: Vec<_> = ids
            .iter()
            .filter_map(|id| authenticators.get(id.0))
            .collect();
        FirstMessage::new(document, &required)
            .map_err(|expected| self.report(&document.place, expected))
            .ok()
    }

    /// Each header towards the upstream has one owner.
    fn check_headers(&mut self, route: &document::Route) {
        let place = &route.place;
        for (name, _) in &route.set_headers {
            if self.ours.fate(name) == HeaderFate::Cut {
                self.report(
                    place,
                    "expected headers in `set_headers` that the gate does not set itself, not \
                     those of `identity`, hop-by-hop or forwarding headers",
                );
            }
        }
        if let Some(carrier) = &route.credential.carried_as {
            self.refuse_removed(carrier, place, "a header in `credential.as`");
            let is_set = |name: &str| {
                let mut set = route.set_headers.iter();
                set.any(|(theirs, _)| theirs.eq_ignore_ascii_case(name))
            };
            if carrier.header_name().is_some_and(is_set) {
                self.report(
                    place,
                    "`credential.as` and `set_headers` name the same header",
                );
            }
        }
        if let RequirementDocument::Credentials {
            device_type: Some(rule),
            ..
        } = &route.require
        {
            for carrier in &rule.from {
                self.refuse_removed(carrier, place, "headers in `device_type.from`");
            }
        }
        if let RequirementDocument::Credentials { matches, .. } = &route.require {
            for rule in matches {
                if let ClaimPlace::Carrier(carrier) = &rule.place {
                    self.refuse_removed(carrier, place, "headers in `match`");
                }
            }
        }
    }

    fn check_credential(
        &mut self,
        rule: &document::CredentialRule,
        require: &Requirement,
        required: &[&Arc<Authenticator>],
        place: &Place,
    ) {
        if let Requirement::Credentials {
            combine: Combine::AllOf,
            ..
        } = require
            && required.len() > 1
            && rule.carried_as.is_some()
        {
            self.report(
                place,
                "`credential.as` names one place, but `all_of` verifies several credentials",
            );
        }
        let arrives_nowhere = |authenticator: &&Arc<Authenticator>| {
            let is = |kind: fn(&Carrier) -> bool| authenticator.carriers.iter().any(kind);
            is(Carrier::is_for_the_gate_alone) && !is(|carrier| carrier.header_name().is_some())
        };
        if rule.carried_as.is_none()
            && rule.form != CredentialForm::Strip
            && require.first_message().is_none()
            && required.iter().any(arrives_nowhere)
        {
            self.report(
                place,
                "a credential from a cookie or a subprotocol needs a header in `from`, or \
                 `credential.as`, to arrive in; or `credential: { form: strip }`",
            );
        }
    }

    /// What is counted or prolonged per user needs a user.
    fn check_session(
        &mut self,
        rule: &document::SessionRule,
        require: &Requirement,
        required: &[&Arc<Authenticator>],
    ) {
        let Some(place) = &rule.place else { return };
        let by_message = rule
            .renew
            .as_ref()
            .is_some_and(|renew| renew.pointer.is_some());
        if by_message && require.first_message().is_some() {
            self.report(
                place,
                "`renew.message` is for credentials in the handshake, not beside `first_message`",
            );
        }
        if let Requirement::Credentials {
            combine: Combine::AllOf,
            ..
        } = require
            && by_message
            && required.len() > 1
        {
            self.report(
                place,
                "`renew.message` brings one credential, but `all_of` verifies several",
            );
        }
        if always_proves(require, required, Authenticator::names_subjects) {
            return;
        }
        for (is_there, key) in [
            (rule.per_device.is_some(), "per_device"),
            (rule.renew.is_some(), "renew"),
        ] {
            if is_there {
                self.report(
                    place,
                    &format!(
                        "`{key}` needs a user, but `require` admits some who name none (app keys \
                         alone, or everybody)"
                    ),
                );
            }
        }
    }

    /// A header that no client may send would never arrive.
    fn refuse_removed(&mut self, carrier: &Carrier, place: &Place, what: &str) {
        let name = carrier.header_name();
        if name.is_some_and(|name| self.removed.fate(name) == HeaderFate::Cut) {
            self.report(
                place,
                &format!(
                    "expected {what} that clients may send, not those of `identity`, hop-by-hop \
                     or forwarding headers"
                ),
            );
        }
    }

    fn report(&mut self, place: &Place, message: &str) {
        self.problems.push(Problem::new(place.clone(), message));
    }
}

/// The authenticators that learn from a route's answers.
fn taught_by(route: &Arc<str>, authenticators: &[Arc<Authenticator>]) -> Vec<AuthenticatorId> {
    let learns = |authenticator: &Arc<Authenticator>| {
        let learner = authenticator.learner();
        learner.and_then(|learner| learner.route().cloned()) == Some(Arc::clone(route))
    };
    (0..authenticators.len())
        .filter(|at| authenticators.get(*at).is_some_and(learns))
        .map(AuthenticatorId)
        .collect()
}

//! What becomes of the client's headers and query: which credentials pass, in what form and where.

use std::borrow::Cow;

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use crate::config::document::{CredentialForm, CredentialRule};
use crate::credential::Carrier;
use crate::gate::extract::Extracted;
use crate::gate::permit::{Admission, Permit};
use crate::policy::Policy;
use crate::policy::first_message::Form;
use crate::policy::rewrite::{HeaderFate, HeaderRules};
use crate::proxy::outgoing::Facts;
use crate::proxy::pieces::Pieces;
use crate::request::{Request, cookies, is_alike};
use crate::wire::head::Header;

/// The decisions about one request's headers and query.
pub(super) struct Rewrite<'a, 'r> {
    policy: &'a Policy,
    permit: &'a Permit<'r>,
    admission: Option<&'a Admission<'r>>,
    /// The verified credentials stay where they are.
    in_place: bool,
    /// Those that do not simply stay, each with its place and its form.
    placed: Vec<(&'a Carrier, Vec<u8>)>,
    /// The device type goes out under its configured name instead of the client's alias.
    device: Option<(&'a [Carrier], &'a str)>,
}

impl<'a, 'r> Rewrite<'a, 'r> {
    pub(super) fn new(policy: &'a Policy, permit: &'a Permit<'r>) -> Self {
        let route = &permit.route;
        let admission = permit.admission.as_ref();
        let in_place =
            route.credential.form == CredentialForm::Keep && route.credential.carried_as.is_none();
        let device = route
            .require
            .device_rule()
            .zip(permit.device.as_ref())
            .filter(|(_, claimed)| *claimed.claim.token != *claimed.device_type.as_bytes())
            .map(|(rule, claimed)| (rule.from.as_slice(), &*claimed.device_type));
        Self {
            policy,
            permit,
            admission,
            in_place,
            placed: placed_credentials(policy, &route.credential, admission, in_place),
            device,
        }
    }

    pub(super) fn passes(
        &self,
        header: &Header<'_>,
        request: &Request<'_>,
        facts: Facts<'_>,
    ) -> bool {
        let name = header.name;
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        let is_here = |carrier: &Carrier| carrier.header_name().is_some_and(is);
        let route = &self.permit.route;
        let fate = self.policy.headers.fate(name);
        let is_filled = route.set_headers.iter().any(|(ours, _)| is(ours))
            || route.credential.carried_as.as_ref().is_some_and(is_here);
        let is_ours = is_filled && !(self.fills_nothing() && fate == HeaderFate::Credential)
            || self
                .device
                .is_some_and(|(from, _)| from.iter().any(is_here));
        if is_ours || facts.nominated.iter().any(|nominated| is(nominated)) {
            return false;
        }
        match fate {
            HeaderFate::Cut => facts.trusted && HeaderRules::is_forwarding(name),
            HeaderFate::Credential => self.stays(is_here),
            HeaderFate::Keep if is("sec-websocket-protocol") => !self.offers_otherwise(request),
            // The gate itself reads what is said; it knows no extension.
            HeaderFate::Keep if is("sec-websocket-extensions") => !route.is_read(),
            // An answer is read as it stands.
            HeaderFate::Keep if is("accept-encoding") => route.taught.is_empty(),
            HeaderFate::Keep => true,
        }
    }

    /// Whether no place gets a credential from the gate, since nobody was let in. What a client has
    /// put there is as unverified as anywhere, and may pass as such.
    fn fills_nothing(&self) -> bool {
        self.permit.observed.is_some()
    }

    /// Whether what stands in a carrier of this kind may stay: a verified credential in its own
    /// place, or one that the route waves through unverified.
    fn stays(&self, is_here: impl Fn(&Carrier) -> bool) -> bool {
        let verified = self
            .admission
            .map_or(&[][..], |admission| &admission.credentials);
        let is_verified_here = self.in_place
            && verified.iter().any(|(id, extracted)| {
                self.policy
                    .authenticator(*id)
                    .and_then(|authenticator| authenticator.carriers.get(extracted.carrier?))
                    .is_some_and(&is_here)
            });
        is_verified_here || self.passes_unverified(is_here)
    }

    /// Whether the route waves through what stands in a carrier of this kind.
    fn passes_unverified(&self, is_here: impl Fn(&Carrier) -> bool) -> bool {
        let verified = self
            .admission
            .map_or(&[][..], |admission| &admission.credentials);
        self.permit.route.pass_unverified.iter().any(|id| {
            !verified.iter().any(|(verified, _)| verified == id)
                && self
                    .policy
                    .authenticator(*id)
                    .is_some_and(|authenticator| authenticator.carriers.iter().any(&is_here))
        })
    }

    /// The new value of a `Cookie` header, or `None` for a header that stays as it is.
    pub(super) fn cookies(&self, header: &Header<'_>) -> Option<Vec<u8>> {
        if self.policy.headers.credential_cookies.is_empty()
            || !header.name.eq_ignore_ascii_case("cookie")
        {
            return None;
        }
        cookies::without(header.value, |name| {
            let is_here = |carrier: &Carrier| {
                let cookie = carrier.cookie_name();
                cookie.is_some_and(|cookie| cookie.as_bytes() == name)
            };
            self.policy.headers.is_credential_cookie(name) && !self.passes_unverified(is_here)
        })
    }

    /// The new query, or `None` if it stays as it is.
    pub(super) fn query(&self, request: &Request<'_>) -> Option<Vec<u8>> {
        let mut kept: Vec<u8> = Vec::new();
        let mut changed = false;
        for pair in request.query_pairs() {
            let here = |carrier: &Carrier| {
                let name = carrier.query_name();
                name.is_some_and(|name| name.as_bytes() == &*pair.name)
            };
            // What some server takes for the same parameter goes with it, and never stays.
            let like_here = |carrier: &Carrier| {
                let name = carrier.query_name();
                name.is_some_and(|name| is_alike(&pair.name, name))
            };
            let is_device = self
                .device
                .is_some_and(|(from, _)| from.iter().any(like_here));
            let is_replaced = self
                .permit
                .route
                .credential
                .carried_as
                .as_ref()
                .is_some_and(like_here);
            let is_credential = self.policy.headers.is_credential_query(&pair.name);
            let is_ours = is_replaced && !(self.fills_nothing() && is_credential);
            if is_device || is_ours || is_credential && !self.stays(here) {
                changed = true;
            } else {
                push_pair(
                    &mut kept,
                    request.head.target.as_bytes().get(pair.range.clone())?,
                );
            }
        }
        for (name, value) in self.query_additions() {
            changed = true;
            let name: Cow<'_, str> = percent_encode(name.as_bytes(), NON_ALPHANUMERIC).into();
            let value: Cow<'_, str> = percent_encode(value, NON_ALPHANUMERIC).into();
            push_pair(&mut kept, format!("{name}={value}").as_bytes());
        }
        changed.then_some(kept)
    }

    fn query_additions(&self) -> impl Iterator<Item = (&'a str, &[u8])> {
        let credentials = self
            .placed
            .iter()
            .filter_map(|(carrier, value)| Some((carrier.query_name()?, value.as_slice())));
        let device = self
            .device
            .filter(|(from, _)| from.iter().all(|carrier| carrier.header_name().is_none()))
            .and_then(|(from, device)| Some((from.first()?.query_name()?, device.as_bytes())));
        credentials.chain(device)
    }

    pub(super) fn add_credentials(&self, pieces: &mut Pieces) {
        for (carrier, value) in &self.placed {
            if let Some(name) = carrier.header_name() {
                pieces.add_header(name, value);
            }
        }
        if let Some((from, device_type)) = self.device
            && let Some(name) = from.iter().find_map(Carrier::header_name)
        {
            pieces.add_header(name, device_type.as_bytes());
        }
    }

    /// Whether the upstream is offered other protocols than the client has offered.
    fn offers_otherwise(&self, request: &Request<'_>) -> bool {
        self.is_chosen() || self.offers_credential(request)
    }

    /// Whether the client has been told already which protocol it is.
    fn is_chosen(&self) -> bool {
        let first_message = self.permit.route.require.first_message();
        first_message.is_some_and(|rule| matches!(rule.form, Form::Json { .. }))
    }

    fn offers_credential(&self, request: &Request<'_>) -> bool {
        request
            .head
            .tokens("sec-websocket-protocol")
            .flatten()
            .any(|entry| {
                self.policy
                    .headers
                    .is_credential_subprotocol(entry.as_bytes())
            })
    }

    /// The offered protocols without the entry that carries the token, or the one that is chosen.
    pub(super) fn add_subprotocols(&self, pieces: &mut Pieces, request: &Request<'_>) {
        if !self.offers_otherwise(request) {
            return;
        }
        let others: Vec<&str> = request
            .head
            .tokens("sec-websocket-protocol")
            .flatten()
            .filter(|entry| {
                !self
                    .policy
                    .headers
                    .is_credential_subprotocol(entry.as_bytes())
            })
            .take(if self.is_chosen() { 1 } else { usize::MAX })
            .collect();
        if !others.is_empty() {
            pieces.add_header("Sec-WebSocket-Protocol", others.join(", ").as_bytes());
        }
    }
}

/// The verified credentials that do not simply stay. A place is filled once, by the first in file
/// order, whose principal leads.
fn placed_credentials<'a>(
    policy: &'a Policy,
    rule: &'a CredentialRule,
    admission: Option<&Admission<'_>>,
    in_place: bool,
) -> Vec<(&'a Carrier, Vec<u8>)> {
    let mut placed: Vec<(&Carrier, Vec<u8>)> = Vec::new();
    if rule.form == CredentialForm::Strip {
        return placed;
    }
    for (id, extracted) in admission
        .iter()
        .flat_map(|admission| &admission.credentials)
    {
        let Some(authenticator) = policy.authenticator(*id) else {
            continue;
        };
        let carriers = &authenticator.carriers;
        // `None` when it came in a message, which is not part of the head.
        let origin = extracted.carrier.and_then(|at| carriers.get(at));
        let is_moved = origin.is_some_and(Carrier::is_for_the_gate_alone);
        if in_place && !is_moved {
            continue;
        }
        let place = match &rule.carried_as {
            Some(place) => Some(place),
            // The upstream never sees the cookie or the subprotocol entry.
            None if is_moved => carriers
                .iter()
                .find(|carrier| carrier.header_name().is_some()),
            None => origin,
        };
        if let Some(place) = place
            && !placed.iter().any(|(taken, _)| taken.is_same_place(place))
        {
            placed.push((place, formed(rule.form, origin, extracted)));
        }
    }
    placed
}

/// The credential in the form that the upstream wants.
fn formed(form: CredentialForm, origin: Option<&Carrier>, extracted: &Extracted<'_>) -> Vec<u8> {
    let is_as_in_a_header = origin.is_none_or(|origin| origin.header_name().is_some());
    match form {
        CredentialForm::Bearer => [b"Bearer ".as_slice(), &extracted.token].concat(),
        CredentialForm::Keep if is_as_in_a_header => extracted.written.to_vec(),
        CredentialForm::Bare | CredentialForm::Keep | CredentialForm::Strip => {
            extracted.token.to_vec()
        }
    }
}

fn push_pair(query: &mut Vec<u8>, pair: &[u8]) {
    if !query.is_empty() {
        query.push(b'&');
    }
    query.extend_from_slice(pair);
}

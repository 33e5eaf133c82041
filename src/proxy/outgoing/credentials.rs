//! What becomes of the client's headers and query: which credentials pass, in what form and where.

use std::borrow::Cow;

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use crate::config::document::CredentialForm;
use crate::credential::Carrier;
use crate::gate::extract::Extracted;
use crate::gate::permit::{Admission, Permit};
use crate::policy::Policy;
use crate::policy::rewrite::{HeaderFate, HeaderRules};
use crate::proxy::outgoing::Facts;
use crate::proxy::pieces::Pieces;
use crate::request::Request;
use crate::wire::head::Header;

/// The decisions about one request's headers and query.
pub(super) struct Rewrite<'a, 'r> {
    policy: &'a Policy,
    permit: &'a Permit<'r>,
    admission: Option<&'a Admission<'r>>,
    /// The verified credentials stay where they are.
    in_place: bool,
    /// The device type goes out under its configured name instead of the client's alias.
    device: Option<(&'a [Carrier], &'a str)>,
}

impl<'a, 'r> Rewrite<'a, 'r> {
    pub(super) fn new(policy: &'a Policy, permit: &'a Permit<'r>) -> Self {
        use crate::policy::requirement::Requirement;
        let rule = &permit.route.credential;
        let admission = permit.admission.as_ref();
        let device = match (
            &permit.route.require,
            admission.and_then(|a| a.device.as_ref()),
        ) {
            (
                Requirement::Credentials {
                    device_type: Some(rule),
                    ..
                },
                Some(claimed),
            ) if *claimed.claim.token != *claimed.device_type.as_bytes() => {
                Some((rule.from.as_slice(), &*claimed.device_type))
            }
            _ => None,
        };
        Self {
            policy,
            permit,
            admission,
            in_place: rule.form == CredentialForm::Keep && rule.carried_as.is_none(),
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
        let is_here = |carrier: &Carrier| matches!(carrier, Carrier::Header { name: theirs, .. } if is(theirs));
        let route = &self.permit.route;
        let is_ours = route.set_headers.iter().any(|(ours, _)| is(ours))
            || route.credential.carried_as.as_ref().is_some_and(is_here)
            || self
                .device
                .is_some_and(|(from, _)| from.iter().any(is_here));
        if is_ours || facts.nominated.iter().any(|nominated| is(nominated)) {
            return false;
        }
        match self.policy.headers.fate(name) {
            HeaderFate::Cut => facts.trusted && HeaderRules::is_forwarding(name),
            HeaderFate::Credential => self.stays(is_here),
            HeaderFate::Keep => !(is("sec-websocket-protocol") && self.offers_credential(request)),
        }
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
                    .and_then(|authenticator| authenticator.carriers.get(extracted.carrier))
                    .is_some_and(&is_here)
            });
        is_verified_here
            || self.permit.route.pass_unverified.iter().any(|id| {
                !verified.iter().any(|(verified, _)| verified == id)
                    && self
                        .policy
                        .authenticator(*id)
                        .is_some_and(|authenticator| authenticator.carriers.iter().any(&is_here))
            })
    }

    /// The new query, or `None` if it stays as it is.
    pub(super) fn query(&self, request: &Request<'_>) -> Option<Vec<u8>> {
        let mut kept: Vec<u8> = Vec::new();
        let mut changed = false;
        for pair in request.query_pairs() {
            let here = |carrier: &Carrier| matches!(carrier, Carrier::Query { name } if name.as_bytes() == &*pair.name);
            let is_device = self.device.is_some_and(|(from, _)| from.iter().any(here));
            let is_replaced = self
                .permit
                .route
                .credential
                .carried_as
                .as_ref()
                .is_some_and(here);
            let is_credential = self.policy.headers.is_credential_query(&pair.name);
            if is_device || is_replaced || is_credential && !self.stays(here) {
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
            let value: Cow<'_, str> = percent_encode(&value, NON_ALPHANUMERIC).into();
            push_pair(&mut kept, format!("{name}={value}").as_bytes());
        }
        changed.then_some(kept)
    }

    fn query_additions(&self) -> Vec<(&'a str, Vec<u8>)> {
        let mut additions = Vec::new();
        for (carrier, value) in self.placed_credentials() {
            if let Carrier::Query { name } = carrier {
                additions.push((name.as_str(), value));
            }
        }
        if let Some((from, device_type)) = self.device
            && !from
                .iter()
                .any(|carrier| matches!(carrier, Carrier::Header { .. }))
            && let Some(Carrier::Query { name }) = from.first()
        {
            additions.push((name, device_type.as_bytes().to_vec()));
        }
        additions
    }

    pub(super) fn add_credentials(&self, pieces: &mut Pieces) {
        for (carrier, value) in self.placed_credentials() {
            if let Carrier::Header { name, .. } = carrier {
                pieces.add_header(name, &value);
            }
        }
        let device = self.device.and_then(|(from, device_type)| {
            from.iter().find_map(|carrier| match carrier {
                Carrier::Header { name, .. } => Some((name, device_type)),
                Carrier::Query { .. } | Carrier::Subprotocol { .. } => None,
            })
        });
        if let Some((name, device_type)) = device {
            pieces.add_header(name, device_type.as_bytes());
        }
    }

    /// The verified credentials that do not simply stay, each with its place and its form. A place
    /// is filled once, by the first in file order, whose principal leads.
    fn placed_credentials(&self) -> Vec<(&'a Carrier, Vec<u8>)> {
        let (Some(admission), rule) = (self.admission, &self.permit.route.credential) else {
            return Vec::new();
        };
        let mut placed: Vec<(&Carrier, Vec<u8>)> = Vec::new();
        if rule.form == CredentialForm::Strip {
            return placed;
        }
        for (id, extracted) in &admission.credentials {
            let Some(authenticator) = self.policy.authenticator(*id) else {
                continue;
            };
            let carriers = &authenticator.carriers;
            let Some(origin) = carriers.get(extracted.carrier) else {
                continue;
            };
            let was_subprotocol = matches!(origin, Carrier::Subprotocol { .. });
            if self.in_place && !was_subprotocol {
                continue;
            }
            let place = match &rule.carried_as {
                Some(place) => Some(place),
                // The upstream never sees the subprotocol entry.
                None if was_subprotocol => carriers
                    .iter()
                    .find(|carrier| matches!(carrier, Carrier::Header { .. })),
                None => Some(origin),
            };
            if let Some(place) = place
                && !placed.iter().any(|(taken, _)| taken.is_same_place(place))
            {
                placed.push((place, formed(rule.form, origin, extracted)));
            }
        }
        placed
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

    /// The offered protocols without the entry that carries the token.
    pub(super) fn add_subprotocols(&self, pieces: &mut Pieces, request: &Request<'_>) {
        if !self.offers_credential(request) {
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
            .collect();
        if !others.is_empty() {
            pieces.add_header("Sec-WebSocket-Protocol", others.join(", ").as_bytes());
        }
    }
}

/// The credential in the form that the upstream wants.
fn formed(form: CredentialForm, origin: &Carrier, extracted: &Extracted<'_>) -> Vec<u8> {
    match form {
        CredentialForm::Bearer => [b"Bearer ".as_slice(), &extracted.token].concat(),
        CredentialForm::Keep if matches!(origin, Carrier::Header { .. }) => {
            extracted.written.to_vec()
        }
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

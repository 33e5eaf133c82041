//! The proof that a request may be forwarded. Only [`super::decide`] can make one.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::clock::UnixTime;
use crate::credential::Carrier;
use crate::gate::PerAuthenticator;
use crate::gate::claims::Claims;
use crate::gate::extract::{Extracted, Found};
use crate::gate::observe::Observed;
use crate::policy::Policy;
use crate::policy::authenticator::{Authenticator, AuthenticatorId};
use crate::policy::requirement::Admitted;
use crate::policy::route::Route;
use crate::principal::{ClaimKey, Principal};
use crate::scheme::Verified;

/// Leave to forward one request.
#[derive(Debug)]
pub struct Permit<'r> {
    pub route: Arc<Route>,
    /// The generation of the policy that gave it.
    pub generation: u64,
    /// How many revocations there were before it was given.
    pub epoch: u64,
    /// `None` on a public route, while the credential is still to come, and for whom a route lets
    /// pass that only observes.
    pub admission: Option<Admission<'r>>,
    /// The claimed and checked device type, where the route asks for one.
    pub device: Option<Claimed<'r>>,
    /// Why it would not have been given on a route that does not only observe.
    pub observed: Option<Box<Observed>>,
    /// What the request claims beside that, and the credential has proven.
    pub(super) claims: Claims,
    /// Keeps others from making one.
    _made_by_the_gate: Seal,
}

/// Who is admitted, and by which credentials.
#[derive(Debug)]
pub struct Admission<'r> {
    /// The name of the authenticator whose principal leads.
    pub authenticator: Arc<str>,
    /// Where the subject is known.
    pub realm: Arc<str>,
    pub principal: Arc<Principal>,
    /// When the proof ends.
    pub not_after: Option<UnixTime>,
    /// What was proven, in file order.
    pub(super) verified: SmallVec<[(AuthenticatorId, Arc<Verified>); 2]>,
    /// The verified credentials, in file order: they alone may reach the upstream.
    pub credentials: SmallVec<[(AuthenticatorId, Extracted<'r>); 2]>,
}

impl Admission<'_> {
    /// The id of the app key that was proven, and the authenticator that knows it.
    pub(super) fn app_key<'p>(&'p self, policy: &'p Policy) -> Option<(&'p str, &'p str)> {
        self.verified.iter().find_map(|(id, proof)| {
            let authenticator = policy.authenticator(*id)?;
            let app = proof.principal.app.as_deref();
            let app = app.filter(|_| authenticator.proves_app_keys())?;
            Some((&*authenticator.name, app))
        })
    }

    /// The bytes that this authenticator has verified.
    pub(super) fn credential(&self, authenticator: AuthenticatorId) -> Option<&[u8]> {
        let mut credentials = self.credentials.iter();
        let (_, extracted) = credentials.find(|(id, _)| *id == authenticator)?;
        Some(&extracted.token)
    }
}

/// A device type that passed the route's rule.
#[derive(Clone, Debug)]
pub struct Claimed<'r> {
    /// The configured name; an alias is resolved.
    pub device_type: Arc<str>,
    pub claim: Extracted<'r>,
}

#[derive(Debug)]
struct Seal;

/// Leave to make the handshake of a socket whose credential is still to come, and nothing more: it
/// admits nobody.
#[derive(Debug)]
pub struct Provisional<'r>(Box<Permit<'r>>);

impl<'r> Provisional<'r> {
    pub(super) fn new(policy: &Policy, route: &Arc<Route>, device: Option<Claimed<'r>>) -> Self {
        Self(Box::new(Permit {
            device,
            ..Permit::public(policy, route)
        }))
    }

    /// For the head of the handshake, which says nothing of a principal.
    pub fn for_the_handshake(&self) -> &Permit<'r> {
        &self.0
    }
}

impl<'r> Permit<'r> {
    pub(super) fn public(policy: &Policy, route: &Arc<Route>) -> Self {
        Self {
            route: Arc::clone(route),
            generation: policy.generation,
            epoch: policy.revocations.epoch(),
            admission: None,
            device: None,
            observed: None,
            claims: Claims::default(),
            _made_by_the_gate: Seal,
        }
    }

    /// For whoever would be refused and is not: nobody is admitted, and nothing counts as proven.
    pub(super) fn observed(policy: &Policy, route: &Arc<Route>, observed: Observed) -> Self {
        Self {
            observed: Some(Box::new(observed)),
            ..Self::public(policy, route)
        }
    }

    pub(super) fn new(
        policy: &Policy,
        epoch: u64,
        route: &Arc<Route>,
        admitted: Admitted,
        extracted: PerAuthenticator<'r>,
        device: Option<Claimed<'r>>,
    ) -> Self {
        let Admitted {
            authenticator,
            principal,
            verified,
            not_after,
        } = admitted;
        let is_verified = |id: AuthenticatorId| verified.iter().any(|(known, _)| *known == id);
        let credentials = extracted
            .into_iter()
            .filter(|(id, _)| is_verified(*id))
            .filter_map(|(id, found)| match found {
                Found::Present(extracted) => Some((id, extracted)),
                Found::Absent | Found::OfAnotherPage | Found::Unusable(_) => None,
            })
            .collect();
        let name = policy
            .authenticator(authenticator)
            .map_or_else(|| Arc::from(""), |known| Arc::clone(&known.name));
        Self {
            route: Arc::clone(route),
            generation: policy.generation,
            epoch,
            admission: Some(Admission {
                authenticator: name,
                realm: realm(policy, &verified),
                principal,
                not_after,
                verified,
                credentials,
            }),
            device,
            observed: None,
            claims: Claims::default(),
            _made_by_the_gate: Seal,
        }
    }

    /// Adds what was claimed and has been compared.
    pub(super) fn claiming(self, claims: Claims) -> Self {
        Self { claims, ..self }
    }

    /// The verified user, where there is one.
    pub fn subject(&self) -> Option<&str> {
        self.admission.as_ref()?.principal.subject.as_deref()
    }

    /// Stands for the user and the device type; `None` where nobody is named.
    pub fn claim_key(&self) -> Option<ClaimKey> {
        let admission = self.admission.as_ref()?;
        let principal = &admission.principal;
        Some(ClaimKey::of(
            &admission.realm,
            principal.app.as_deref(),
            principal.user_type.as_deref(),
            principal.subject.as_deref()?,
            self.device_type().map(|device| &**device),
        ))
    }

    /// The position of the first verified credential that is the same as the one at `position`.
    pub(super) fn same_credential(&self, position: usize) -> usize {
        let credentials = self.admission.as_ref().map(|known| &known.credentials[..]);
        let credentials = credentials.unwrap_or_default();
        let ours = credentials.get(position).map(|(_, extracted)| extracted);
        let same =
            |(_, theirs): &(_, Extracted<'_>)| ours.is_some_and(|ours| theirs.is_same_as(ours));
        credentials.iter().position(same).unwrap_or(position)
    }

    /// The place of the verified credential at `position`, whose authenticator this is.
    pub(super) fn carrier<'a>(
        &self,
        position: usize,
        authenticator: &'a Authenticator,
    ) -> Option<&'a Carrier> {
        let (_, extracted) = self.admission.as_ref()?.credentials.get(position)?;
        authenticator.carriers.get(extracted.carrier?)
    }

    /// The device type, where the route asks for one or the credential names one.
    pub fn device_type(&self) -> Option<&Arc<str>> {
        let claimed = self.device.as_ref().map(|device| &device.device_type);
        let principal = self.admission.as_ref().map(|known| &known.principal);
        claimed.or_else(|| principal?.device_type.as_ref())
    }
}

/// The realm of whoever names the subject.
fn realm(policy: &Policy, verified: &[(AuthenticatorId, Arc<Verified>)]) -> Arc<str> {
    let names_subject =
        |(_, proof): &&(AuthenticatorId, Arc<Verified>)| proof.principal.subject.is_some();
    let leading = verified.iter().find(names_subject);
    let Some((id, _)) = leading.or_else(|| verified.first()) else {
        return Arc::from("");
    };
    policy
        .authenticator(*id)
        .map_or_else(|| Arc::from(""), |known| Arc::clone(&known.realm))
}

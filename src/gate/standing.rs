//! What a session was admitted by, and whether another policy would still let it in.
//!
//! A session outlives the request that opened it and the policy that judged it. Its credential is
//! gone by then, or kept for one purpose only ([`Kept`]); what is left of it, the proofs, is judged
//! as the request was: the route chosen anew, the requirement combined anew, each proof upheld by
//! the authenticator of its name, unless whoever made it has withdrawn it.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::clock::UnixTime;
use crate::gate::claims::Claims;
use crate::gate::denial::Denial;
use crate::gate::device::{agrees, refused_device};
use crate::gate::first_message::Entrance;
use crate::gate::permit::Permit;
use crate::gate::{
    check_app, check_constraints, denied, observe, unless_of_another_app, unless_revoked,
};
use crate::policy::Policy;
use crate::policy::authenticator::Authenticator;
use crate::policy::requirement::{self, DeviceRule, Judged, Outcome, Requirement};
use crate::policy::route::Unrouted;
use crate::request::Request;
use crate::scheme::{Rejection, TokenFacts, Verified};

pub mod record;
mod withdrawal;

pub use withdrawal::{Kept, Withdrawable};

/// The ground on which a session stands. It holds no policy.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    method: &'static str,
    /// It is a WebSocket's handshake.
    websocket: bool,
    host: Box<str>,
    path: Box<str>,
    /// It came over TLS.
    secure: bool,
    /// In file order; empty on a public route, and for whom a route let pass that only observed.
    proofs: SmallVec<[Proof; 1]>,
    /// As the request claimed it and the route allowed it.
    device_type: Option<Arc<str>>,
    /// What else the request claimed.
    claims: Claims,
}

/// On what terms a session may stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ground {
    /// When its proofs end.
    pub not_after: Option<UnixTime>,
    /// When its route begins to refuse those who have proven nothing, of whom it is one.
    pub until: Option<UnixTime>,
}

#[derive(Clone, Debug)]
struct Proof {
    authenticator: Arc<str>,
    /// Equal for proofs of the same credential.
    credential: usize,
    verified: Arc<Verified>,
    /// Of a credential that came in a cookie: the origin of the page.
    page: Option<Box<[u8]>>,
    /// Why it holds no more.
    withdrawn: Option<Rejection>,
    /// Where it can be withdrawn.
    kept: Option<Arc<Kept>>,
}

impl Proof {
    /// Whether the authenticator would still look at a cookie from that page.
    fn is_found_by(&self, authenticator: &Authenticator) -> bool {
        let Some(page) = self.page.as_deref() else {
            return true;
        };
        let mut carriers = authenticator.carriers.iter();
        carriers.any(|carrier| carrier.cookie_name().is_some() && carrier.counts_from(Some(page)))
    }
}

impl Standing {
    /// What a permit rests on. The policy is the one that gave the permit.
    pub fn of(permit: &Permit<'_>, policy: &Policy, request: &Request<'_>) -> Self {
        Self::new(permit, policy, &Entrance::of(request), request.origin())
    }

    /// The same of a permit that was given to a message.
    pub fn of_message(permit: &Permit<'_>, policy: &Policy, entrance: &Entrance) -> Self {
        Self::new(permit, policy, entrance, None)
    }

    fn new(
        permit: &Permit<'_>,
        policy: &Policy,
        entrance: &Entrance,
        origin: Option<&[u8]>,
    ) -> Self {
        let admission = permit.admission.as_ref();
        let proofs = admission
            .into_iter()
            .flat_map(|admission| &admission.verified)
            .enumerate()
            .filter_map(|(position, (id, verified))| {
                let authenticator = policy.authenticator(*id)?;
                let carrier = permit.carrier(position, authenticator);
                let is_cookie = carrier.is_some_and(|carrier| carrier.cookie_name().is_some());
                let token = || admission?.credential(*id);
                let kept = authenticator.recheck_rule().and_then(|_| token());
                Some(Proof {
                    authenticator: Arc::clone(&authenticator.name),
                    page: is_cookie.then_some(origin).flatten().map(Box::from),
                    credential: permit.same_credential(position),
                    verified: match kept {
                        Some(_) => withdrawal::without_grace(verified),
                        None => Arc::clone(verified),
                    },
                    withdrawn: None,
                    kept: kept.map(|token| Arc::new(Kept::new(token, &verified.principal))),
                })
            })
            .collect();
        let claimed = permit.device.as_ref();
        Self {
            method: entrance.method,
            websocket: permit.route.websocket,
            host: entrance.host.clone(),
            path: entrance.path.clone(),
            secure: entrance.secure,
            proofs,
            device_type: claimed.map(|device| Arc::clone(&device.device_type)),
            claims: permit.claims.clone(),
        }
    }

    /// The proofs that it rests on.
    pub fn proofs(&self) -> impl Iterator<Item = &Verified> {
        self.proofs.iter().map(|proof| &*proof.verified)
    }

    /// When the first of its proofs ends.
    pub fn end(&self) -> Option<UnixTime> {
        self.proofs().filter_map(|proof| proof.not_after).min()
    }

    /// What its tokens can be named by.
    pub fn tokens(&self) -> SmallVec<[Arc<TokenFacts>; 1]> {
        self.proofs()
            .filter_map(|proof| proof.token.clone())
            .collect()
    }

    /// Rests on the proofs of another from now on; the handshake stays what it was.
    pub fn take_over(&mut self, other: &Self) {
        self.proofs.clone_from(&other.proofs);
        // Each session is asked about in its own time.
        for kept in self
            .proofs
            .iter_mut()
            .filter_map(|proof| proof.kept.as_mut())
        {
            *kept = Arc::new(kept.again());
        }
    }

    /// Judges the handshake again, as if it came now. The answer is when the proofs end.
    ///
    /// That time passes is no part of it: a session may live on after its proofs have ended.
    ///
    /// # Errors
    ///
    /// What the client would be told.
    pub fn judge_again(&self, policy: &Policy, now: UnixTime) -> Result<Option<UnixTime>, Denial> {
        let route = policy
            .routes()
            .choose(&self.host, &self.path, self.method)
            .map_err(|unrouted| match unrouted {
                Unrouted::NoRoute => Denial::NoRoute,
                Unrouted::Method { allow } => Denial::Method { allow },
            })?;
        if route.require_tls && !self.secure {
            return Err(Denial::TlsRequired);
        }
        if route.websocket != self.websocket {
            return Err(Denial::NoRoute);
        }
        let (combine, ids, device_rule) = match &route.require {
            Requirement::Public => return Ok(None),
            Requirement::Credentials {
                combine,
                authenticators,
                device_type,
                first_message: _,
                matches: _,
            } => (*combine, authenticators, device_type.as_ref()),
        };
        let app_in_path = route.app_in_path.map(|place| place.app_key(&self.path));
        let judged: SmallVec<[Judged; 2]> = ids
            .iter()
            .enumerate()
            .filter_map(|(position, &id)| {
                let authenticator = policy.authenticator(id)?;
                let proof = self
                    .proofs
                    .iter()
                    .find(|proof| proof.authenticator == authenticator.name)
                    .filter(|proof| proof.is_found_by(authenticator));
                let outcome = proof.map_or(Outcome::Absent, |proof| {
                    if let Some(rejection) = proof.withdrawn {
                        return Outcome::Rejected(rejection);
                    }
                    let upheld = authenticator.uphold(&proof.verified, as_of(proof, now));
                    let upheld = unless_revoked(policy, upheld, self.device_type.as_deref(), now);
                    unless_of_another_app(upheld, app_in_path.as_deref())
                });
                Some(Judged {
                    authenticator: id,
                    // Those without a proof have a credential of their own: none.
                    credential: proof
                        .map_or(self.proofs.len() + position, |proof| proof.credential),
                    outcome,
                })
            })
            .collect();
        let admitted = requirement::combine(combine, &judged)
            .map_err(|unmet| denied(unmet, combine, &judged, ids))?;
        check_app(policy, route, &self.path)?;
        for (_, proof) in &admitted.verified {
            check_constraints(route, &self.host, proof)?;
        }
        if let Some(rule) = device_rule {
            self.check_device(rule, &admitted)?;
        }
        self.claims.check(route.require.matches(), &admitted)?;
        Ok(admitted.not_after)
    }

    /// As [`Self::judge_again`], and as forgiving as the route is towards those who have proven
    /// nothing. Whoever was known to the upstream has to be known still.
    ///
    /// # Errors
    ///
    /// What the client would be told.
    pub fn uphold(&self, policy: &Policy, now: UnixTime) -> Result<Ground, Denial> {
        match self.judge_again(policy, now) {
            Ok(not_after) => Ok(Ground {
                not_after,
                until: None,
            }),
            Err(denial) => match self.forgiven_until(policy, &denial, now) {
                None => Err(denial),
                until => Ok(Ground {
                    not_after: None,
                    until,
                }),
            },
        }
    }

    fn forgiven_until(&self, policy: &Policy, denial: &Denial, now: UnixTime) -> Option<UnixTime> {
        if !self.proofs.is_empty() {
            return None;
        }
        let route = policy.routes().choose(&self.host, &self.path, self.method);
        observe::forgiven_until(route.ok()?, denial, now)
    }

    fn check_device(
        &self,
        rule: &DeviceRule,
        admitted: &requirement::Admitted,
    ) -> Result<(), Denial> {
        let still = self
            .device_type
            .as_ref()
            .is_some_and(|device| rule.one_of.contains(device) && agrees(rule, device, admitted));
        if still {
            Ok(())
        } else {
            Err(refused_device(rule))
        }
    }
}

/// The moment as of which a proof is judged: its own end is somebody else's business.
fn as_of(proof: &Proof, now: UnixTime) -> UnixTime {
    let before = |end: UnixTime| end.minus(Duration::from_millis(1));
    proof
        .verified
        .not_after
        .map_or(now, |end| now.min(before(end)))
}

#[cfg(test)]
impl Standing {
    /// What a handshake at `target` with these header lines stands on under a policy.
    pub(crate) fn of_handshake(policy: &Policy, target: &str, lines: &str, now: UnixTime) -> Self {
        use crate::gate::{Handshake, decide};
        use crate::request::testing;

        let bytes = testing::bytes(&format!("GET {target} HTTP/1.1\n{lines}"));
        let head = testing::head(&bytes);
        let request = testing::request(&head);
        let deciding = decide(policy, &request, Handshake::Valid, now);
        let permit = testing::block_on(deciding).outcome.unwrap().permit();
        Self::of(&permit, policy, &request)
    }
}

#[cfg(test)]
mod tests;

//! The decision: may this request pass, and as whom?
//!
//! Start reading here. [`decide`] is a straight line: choose the route, find the credentials, have
//! them judged, combine the outcomes as the route requires, check what the route asks of the
//! principal. Where the credentials come in the first message of a socket, the line is interrupted
//! after the route: [`decide`] says so, and [`decide_message`] goes on when the message is there.
//! Where a route only observes, what the line ends in may be forgiven ([`mod@observe`]).
//! It counts and logs nothing and knows neither sockets nor pingora; the caller acts on the
//! [`Decision`].

use std::net::IpAddr;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::clock::UnixTime;
use crate::config::document::Combine;
use crate::credential::{About, Credential};
use crate::policy::Policy;
use crate::policy::authenticator::{AuthenticatorId, Lookup};
use crate::policy::counts::Key;
use crate::policy::requirement::{self, Judged, Outcome, Requirement, Unmet};
use crate::policy::route::{Route, Unrouted};
use crate::policy::throttle::Asker;
use crate::request::Request;
use crate::revocation::Suspect;
use crate::scheme::Rejection;

pub mod claims;
mod client_key;
pub mod denial;
mod device;
pub mod extract;
pub mod first_message;
pub mod limit;
pub mod observe;
pub mod permit;
mod readings;
pub mod standing;
pub mod throttle;

use claims::Claims;
use denial::{Denial, Refusal};
use extract::{Ambiguous, Extracted, Found, Plus};
use first_message::{Awaited, Entrance, Occasion, Presented};
use observe::Withdrawals;
use permit::Permit;

/// Everything that judging a request brought to light.
#[derive(Debug)]
pub struct Decision<T> {
    /// The route, when one was chosen; a denial is answered in its format.
    pub route: Option<Arc<Route>>,
    /// Which authenticators were asked, and whether they had to think.
    pub lookups: Lookups,
    /// The bad credentials, by what their failures are counted.
    pub failed: Failed,
    pub outcome: Result<T, Denial>,
}

/// What a request that is not denied may do.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "it stays on the stack of one request; a box would cost each of them an allocation"
)]
pub enum Ruling<'r> {
    /// The socket may open, and has to bring its credential in its first message.
    FirstMessage(Awaited<'r>),
    /// It may be forwarded.
    Permit(Permit<'r>),
}

/// One entry per authenticator that judged a credential.
pub type Lookups = SmallVec<[(AuthenticatorId, Lookup); 2]>;

/// One entry per bad credential. Empty where nobody counts them.
pub type Failed = SmallVec<[Key; 2]>;

/// What the request says about becoming a WebSocket (RFC 6455 §4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// Asks for it, but not correctly.
    Malformed,
    /// Does not ask for it, or for a version that is not 13.
    NotAsked,
    Valid,
}

/// What is noted on the way to a decision.
#[derive(Debug, Default)]
struct Notes {
    lookups: Lookups,
    failed: Failed,
    withdrawals: Withdrawals,
    /// The outcomes one by one, where somebody asks for them.
    judged: Option<Vec<Judged>>,
}

/// Judges one request under one policy.
pub async fn decide<'r>(
    policy: &Policy,
    request: &Request<'r>,
    handshake: Handshake,
    now: UnixTime,
) -> Decision<Ruling<'r>> {
    let mut notes = Notes::default();
    decide_noting(policy, request, handshake, now, &mut notes).await
}

/// The same, and what each authenticator said of it.
pub async fn explain<'r>(
    policy: &Policy,
    request: &Request<'r>,
    handshake: Handshake,
    now: UnixTime,
) -> (Decision<Ruling<'r>>, Vec<Judged>) {
    let mut notes = Notes {
        judged: Some(Vec::new()),
        ..Notes::default()
    };
    let decision = decide_noting(policy, request, handshake, now, &mut notes).await;
    (decision, notes.judged.unwrap_or_default())
}

async fn decide_noting<'r>(
    policy: &Policy,
    request: &Request<'r>,
    handshake: Handshake,
    now: UnixTime,
    notes: &mut Notes,
) -> Decision<Ruling<'r>> {
    let (host, method) = (request.host_name(), request.head.method);
    let route = match choose(policy, host, request.path, method) {
        Ok(route) => route,
        Err(denial) => return Decision::unrouted(denial),
    };
    let outcome = match judge(policy, &route, request, handshake, now, notes).await {
        Err(denial) => observe::forgive(&route, denial, notes.withdrawals, now)
            .map(|observed| Ruling::Permit(Permit::observed(policy, &route, observed))),
        admitted @ Ok(_) => admitted,
    };
    Decision {
        route: Some(route),
        lookups: std::mem::take(&mut notes.lookups),
        failed: std::mem::take(&mut notes.failed),
        outcome,
    }
}

/// Judges the first message of a socket that [`decide`] has let wait for it. The policy may be a
/// later one: what counts is what holds now.
pub async fn decide_message<'m>(
    policy: &Policy,
    entrance: &'m Entrance,
    presented: Presented<'m>,
    occasion: Occasion,
    now: UnixTime,
) -> Decision<Permit<'m>> {
    let mut notes = Notes::default();
    let route = match choose(policy, &entrance.host, &entrance.path, entrance.method) {
        Ok(route) => route,
        Err(denial) => return Decision::unrouted(denial),
    };
    let brought = check_app(policy, &route, &entrance.path)
        .and_then(|()| first_message::extract(policy, &route, entrance, presented));
    let outcome = match brought {
        Ok(brought) => {
            let by = Occasioned {
                fresh: occasion == Occasion::Again,
                client: entrance.client,
                path: &entrance.path,
            };
            let at = (&route, &*entrance.host);
            admit(policy, at, brought, by, now, &mut notes).await
        }
        Err(denial) => Err(denial),
    };
    Decision {
        route: Some(route),
        lookups: notes.lookups,
        failed: notes.failed,
        outcome,
    }
}

#[cfg(test)]
impl<'r> Ruling<'r> {
    pub(crate) fn permit(self) -> Permit<'r> {
        match self {
            Self::FirstMessage(_) => panic!("the credential is still to come"),
            Self::Permit(permit) => permit,
        }
    }
}

fn choose(policy: &Policy, host: &str, path: &str, method: &str) -> Result<Arc<Route>, Denial> {
    match policy.routes().choose(host, path, method) {
        Ok(route) => Ok(Arc::clone(route)),
        Err(Unrouted::NoRoute) => Err(Denial::NoRoute),
        Err(Unrouted::Method { allow }) => Err(Denial::Method { allow }),
    }
}

impl<T> Decision<T> {
    fn unrouted(denial: Denial) -> Self {
        Self {
            route: None,
            lookups: Lookups::new(),
            failed: Failed::new(),
            outcome: Err(denial),
        }
    }
}

async fn judge<'r>(
    policy: &Policy,
    route: &Arc<Route>,
    request: &Request<'r>,
    handshake: Handshake,
    now: UnixTime,
    notes: &mut Notes,
) -> Result<Ruling<'r>, Denial> {
    if route.require_tls && !request.secure {
        return Err(Denial::TlsRequired);
    }
    let app = check_app(policy, route, request.path);
    if route.observing(now).is_none() {
        app.clone()?;
    }
    if route.websocket {
        match handshake {
            Handshake::Valid => {}
            Handshake::Malformed => return Err(Denial::BadHandshake),
            Handshake::NotAsked => return Err(Denial::UpgradeRequired),
        }
    }
    if readings::has_two_readings(policy, route, request) {
        return Err(Denial::Ambiguous);
    }
    let device = match route.require.device_rule() {
        Some(rule) => device::claim_device(rule, request)?,
        None => None,
    };
    let claims = Claims::read(route.require.matches(), request)?;
    if route.require.first_message().is_some() {
        let stated = (device.as_ref(), claims);
        let awaited = first_message::await_it(policy, route, request, stated)?;
        return Ok(Ruling::FirstMessage(awaited));
    }
    let brought = Brought {
        credentials: extract_all(policy, route.require.authenticators(), request)?,
        device,
        claims,
    };
    // Whoever prolongs a session is not believed because somebody was a moment ago.
    let by = Occasioned {
        fresh: route.renews.is_some(),
        client: request.client,
        path: request.path,
    };
    let at = (route, request.host_name());
    let admitted = admit(policy, at, brought, by, now, notes).await;
    // Where that is forgiven, everything that is not comes first.
    app?;
    let denial = match admitted {
        Ok(permit) => return Ok(Ruling::Permit(permit)),
        Err(denial) => denial,
    };
    // Boxed, so that what is rare does not swell every request's future.
    if client_key::may_explain(policy, route, &denial)
        && Box::pin(client_key::is_shown(policy, route, request, now)).await
    {
        return Err(Denial::Forbidden(Refusal::ClientKey));
    }
    Err(denial)
}

/// What is there to be judged.
struct Brought<'r> {
    credentials: PerAuthenticator<'r>,
    /// The device type as claimed.
    device: Option<Extracted<'r>>,
    claims: Claims,
}

/// For whom something is judged, and whether that is to remember nothing.
#[derive(Clone, Copy)]
struct Occasioned<'a> {
    fresh: bool,
    client: IpAddr,
    path: &'a str,
}

/// Judges what was found, wherever that was.
async fn admit<'r>(
    policy: &Policy,
    (route, host): (&Arc<Route>, &str),
    brought: Brought<'r>,
    Occasioned {
        fresh,
        client,
        path,
    }: Occasioned<'_>,
    now: UnixTime,
    notes: &mut Notes,
) -> Result<Permit<'r>, Denial> {
    let Brought {
        credentials: extracted,
        device: claimed,
        claims,
    } = brought;
    let (combine, ids, device_rule) = match &route.require {
        Requirement::Public => return Ok(Permit::public(policy, route)),
        Requirement::Credentials {
            combine,
            authenticators,
            device_type,
            first_message: _,
            matches: _,
        } => (*combine, authenticators, device_type.as_ref()),
    };
    // Whoever judges before a revocation is in the set must be able to tell that there was one.
    let epoch = policy.revocations.epoch();
    let means = Means {
        fresh,
        device: device::claimed_name(device_rule, claimed.as_ref()),
        asker: policy.asker(client),
        app: route.app_in_path.map(|place| place.app_key(path)),
        user: route.user_in_path(path),
        observing: route.observing(now).is_some(),
    };
    let judged = authenticate_all(policy, &extracted, &means, now, notes).await;
    if let Some(throttle) = &policy.throttle {
        throttle::note(throttle, &extracted, &judged, &mut notes.failed);
    }
    if let Some(outcomes) = &mut notes.judged {
        outcomes.extend(judged.iter().cloned());
    }
    let admitted = requirement::combine(combine, &judged).map_err(|unmet| {
        if unmet == Unmet::NoCredential && is_of_another_page(&extracted) {
            return Denial::Forbidden(Refusal::Origin);
        }
        denied(unmet, combine, &judged, ids)
    })?;
    for (_, proof) in &admitted.verified {
        check_constraints(route, host, proof)?;
    }
    let claimed = match device_rule {
        Some(rule) => Some(device::check_device(rule, claimed, &admitted)?),
        None => None,
    };
    claims.check(route.require.matches(), &admitted)?;
    let permit = Permit::new(policy, epoch, route, admitted, extracted, claimed);
    Ok(permit.claiming(claims))
}

/// What besides a credential itself its judgement depends on.
struct Means<'a> {
    /// A remembered answer of a remote side does not count.
    fresh: bool,
    /// The app key that the path names.
    app: Option<String>,
    /// The user whom the path names.
    user: Option<String>,
    /// The claimed device type, in the route's own words.
    device: Option<&'a str>,
    /// Who asks, where bad credentials are counted.
    asker: Asker<'a>,
    /// What is not proven may pass all the same.
    observing: bool,
}

/// What one authenticator of the requirement found in the request.
pub(crate) type PerAuthenticator<'r> = SmallVec<[(AuthenticatorId, Found<'r>); 2]>;

fn extract_all<'r>(
    policy: &Policy,
    ids: &[AuthenticatorId],
    request: &Request<'r>,
) -> Result<PerAuthenticator<'r>, Denial> {
    ids.iter()
        .filter_map(|&id| Some((id, policy.authenticator(id)?)))
        .map(|(id, authenticator)| {
            extract::credential(&authenticator.carriers, Plus::of(authenticator), request)
                .map(|found| (id, found))
                .map_err(|Ambiguous| Denial::Ambiguous)
        })
        .collect()
}

async fn authenticate_all(
    policy: &Policy,
    extracted: &PerAuthenticator<'_>,
    means: &Means<'_>,
    now: UnixTime,
    notes: &mut Notes,
) -> SmallVec<[Judged; 2]> {
    let mut judged = SmallVec::<[Judged; 2]>::new();
    for (position, (id, found)) in extracted.iter().enumerate() {
        let outcome = match (policy.authenticator(*id), found) {
            (_, Found::Absent | Found::OfAnotherPage) | (None, _) => Outcome::Absent,
            (_, Found::Unusable(rejection)) => Outcome::Rejected(*rejection),
            (Some(authenticator), Found::Present(extracted)) => {
                let credential = Credential::single(&extracted.token).with(About {
                    app: means.app.as_deref(),
                    user: means.user.as_deref(),
                });
                if extracted.token.len() <= policy.limits.credential_bytes
                    && authenticator.recognises(&credential)
                {
                    let (outcome, lookup) = if means.fresh {
                        authenticator
                            .authenticate_anew(&credential, &means.asker, now)
                            .await
                    } else {
                        authenticator
                            .authenticate(&credential, &means.asker, now)
                            .await
                    };
                    notes.lookups.extend(lookup.map(|lookup| (*id, lookup)));
                    let is_proven = matches!(outcome, Outcome::Verified(_));
                    let outcome = unless_revoked(policy, outcome, means.device, now);
                    if means.observing {
                        let withdrawals = &mut notes.withdrawals;
                        if is_proven {
                            withdrawals.note_proven(*id, &outcome);
                        } else {
                            let unproven = (&*extracted.token, &outcome);
                            withdrawals.note_unproven(policy, *id, unproven, now);
                        }
                    }
                    unless_of_another_app(outcome, means.app.as_deref())
                } else {
                    Outcome::Foreign
                }
            }
        };
        let credential = same_credential(extracted, position);
        judged.push(Judged {
            authenticator: *id,
            credential,
            outcome,
        });
    }
    judged
}

/// A revocation beats every proof, remembered or fresh. While it is not known what was revoked,
/// nobody can tell whether a proof counts.
fn unless_revoked(
    policy: &Policy,
    outcome: Outcome,
    device_type: Option<&str>,
    now: UnixTime,
) -> Outcome {
    match outcome {
        Outcome::Verified(verified) => {
            let suspect = Suspect {
                verified: &verified,
                device_type,
            };
            if policy.is_revoked(&suspect, now) {
                Outcome::Rejected(Rejection::Revoked)
            } else if !policy.revocations.is_complete() {
                Outcome::Unavailable(Arc::from("the shared revocations are not known yet"))
            } else {
                Outcome::Verified(verified)
            }
        }
        other @ (Outcome::Absent
        | Outcome::Foreign
        | Outcome::Rejected(_)
        | Outcome::Throttled(_)
        | Outcome::Unavailable(_)) => other,
    }
}

/// A credential of one app is none where the path names another.
fn unless_of_another_app(outcome: Outcome, app_in_path: Option<&str>) -> Outcome {
    match (outcome, app_in_path) {
        (Outcome::Verified(verified), Some(named))
            if verified
                .constraints
                .app_in_path
                .as_deref()
                .is_some_and(|app| app != named) =>
        {
            Outcome::Rejected(Rejection::WrongApp)
        }
        (outcome, _) => outcome,
    }
}

/// Where a path names an app, it is one that somebody has configured.
fn check_app(policy: &Policy, route: &Route, path: &str) -> Result<(), Denial> {
    match &route.app_in_path {
        Some(place) if !policy.knows_app(&place.app_key(path)) => Err(Denial::UnknownApp),
        Some(_) | None => Ok(()),
    }
}

/// The position of the first authenticator that looked at the same credential: at the same place
/// of the request, whatever prefix each took off, or at an equal one.
fn same_credential(extracted: &PerAuthenticator<'_>, position: usize) -> usize {
    let at = |at: usize| match extracted.get(at) {
        Some((_, Found::Present(extracted))) => Some(extracted),
        Some((_, Found::Absent | Found::OfAnotherPage | Found::Unusable(_))) | None => None,
    };
    let Some(ours) = at(position) else {
        return position;
    };
    (0..position)
        .find(|&earlier| at(earlier).is_some_and(|theirs| theirs.is_same_as(ours)))
        .unwrap_or(position)
}

/// Whether some credential would have been there, had another page asked.
fn is_of_another_page(extracted: &PerAuthenticator<'_>) -> bool {
    let mut found = extracted.iter().map(|(_, found)| found);
    found.any(|found| *found == Found::OfAnotherPage)
}

fn denied(unmet: Unmet, combine: Combine, judged: &[Judged], ids: &[AuthenticatorId]) -> Denial {
    // The challenge names what is missing: with `all_of` the first that was not there.
    let missing = judged
        .iter()
        .find(|one| {
            combine == Combine::AllOf && matches!(one.outcome, Outcome::Absent | Outcome::Foreign)
        })
        .map(|one| one.authenticator)
        .or_else(|| ids.first().copied());
    match unmet {
        Unmet::NoCredential => Denial::NoCredential {
            authenticator: missing,
        },
        Unmet::Foreign => Denial::Rejected {
            authenticator: missing,
            rejection: Rejection::Malformed,
        },
        Unmet::Rejected(authenticator, rejection) => Denial::Rejected {
            authenticator: Some(authenticator),
            rejection,
        },
        Unmet::Conflict => Denial::Forbidden(Refusal::Conflict),
        Unmet::Throttled(throttled) => Denial::Throttled(throttled),
        Unmet::Unavailable(source) => Denial::Unavailable { source },
    }
}

fn check_constraints(
    route: &Route,
    host: &str,
    proof: &crate::scheme::Verified,
) -> Result<(), Denial> {
    let constraints = &proof.constraints;
    if !constraints.allow_host(host) {
        return Err(Denial::Forbidden(Refusal::Domain));
    }
    // Whoever may open a session may also prolong it.
    let name = route.renews.as_ref().unwrap_or(&route.name);
    if constraints
        .routes
        .as_ref()
        .is_some_and(|routes| !routes.contains(name))
    {
        return Err(Denial::Forbidden(Refusal::Route));
    }
    if constraints.user_types.as_ref().is_some_and(|allowed| {
        !proof
            .principal
            .user_type
            .as_ref()
            .is_some_and(|t| allowed.contains(t))
    }) {
        return Err(Denial::Forbidden(Refusal::UserType));
    }
    Ok(())
}

#[cfg(test)]
mod tests;

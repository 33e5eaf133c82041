//! The decision: may this request pass, and as whom?
//!
//! Start reading here. [`decide`] is a straight line: choose the route, find the credentials, have
//! them judged, combine the outcomes as the route requires, check what the route asks of the
//! principal. Where the credentials come in the first message of a socket, the line is interrupted
//! after the route: [`decide`] says so, and [`decide_message`] goes on when the message is there.
//! It counts and logs nothing and knows neither sockets nor pingora; the caller acts on the
//! [`Decision`].

use std::net::IpAddr;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::clock::UnixTime;
use crate::config::document::Combine;
use crate::credential::{About, Carrier, Credential};
use crate::policy::Policy;
use crate::policy::authenticator::{AuthenticatorId, Lookup};
use crate::policy::requirement::{self, Admitted, DeviceRule, Judged, Outcome, Requirement, Unmet};
use crate::policy::route::{Route, Unrouted};
use crate::request::Request;
use crate::revocation::Suspect;
use crate::scheme::Rejection;

mod client_key;
pub mod denial;
pub mod extract;
pub mod first_message;
pub mod permit;
pub mod standing;

use denial::{Denial, Refusal};
use extract::{Ambiguous, Extracted, Found, Plus};
use first_message::{Awaited, Entrance, Occasion, Presented};
use permit::{Claimed, Permit};

/// Everything that judging a request brought to light.
#[derive(Debug)]
pub struct Decision<T> {
    /// The route, when one was chosen; a denial is answered in its format.
    pub route: Option<Arc<Route>>,
    /// Which authenticators were asked, and whether they had to think.
    pub lookups: Lookups,
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

/// What the request says about becoming a WebSocket (RFC 6455 §4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// Asks for it, but not correctly.
    Malformed,
    /// Does not ask for it, or for a version that is not 13.
    NotAsked,
    Valid,
}

/// Judges one request under one policy.
pub async fn decide<'r>(
    policy: &Policy,
    request: &Request<'r>,
    handshake: Handshake,
    now: UnixTime,
) -> Decision<Ruling<'r>> {
    let mut lookups = Lookups::new();
    let (host, method) = (request.host_name(), request.head.method);
    let route = match choose(policy, host, request.path, method) {
        Ok(route) => route,
        Err(denial) => return Decision::unrouted(denial),
    };
    let outcome = judge(policy, &route, request, handshake, now, &mut lookups).await;
    Decision {
        route: Some(route),
        lookups,
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
    let mut lookups = Lookups::new();
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
            admit(policy, at, brought, by, now, &mut lookups).await
        }
        Err(denial) => Err(denial),
    };
    Decision {
        route: Some(route),
        lookups,
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
    lookups: &mut Lookups,
) -> Result<Ruling<'r>, Denial> {
    if route.require_tls && !request.secure {
        return Err(Denial::TlsRequired);
    }
    check_app(policy, route, request.path)?;
    if route.websocket {
        match handshake {
            Handshake::Valid => {}
            Handshake::Malformed => return Err(Denial::BadHandshake),
            Handshake::NotAsked => return Err(Denial::UpgradeRequired),
        }
    }
    if has_two_readings(policy, route, request) {
        return Err(Denial::Ambiguous);
    }
    let claimed = match route.require.device_rule() {
        Some(rule) => claim_device(rule, request)?,
        None => None,
    };
    if let Some(awaited) = first_message::awaited(policy, route, request, claimed.as_ref())? {
        return Ok(Ruling::FirstMessage(awaited));
    }
    let extracted = extract_all(policy, route.require.authenticators(), request)?;
    // Whoever prolongs a session is not believed because somebody was a moment ago.
    let by = Occasioned {
        fresh: route.renews.is_some(),
        client: request.client,
        path: request.path,
    };
    let found = (extracted, claimed);
    let at = (route, request.host_name());
    let denial = match admit(policy, at, found, by, now, lookups).await {
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

/// What is there to be judged: credentials, and a claim about the device.
type Brought<'r> = (PerAuthenticator<'r>, Option<Extracted<'r>>);

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
    (extracted, claimed): Brought<'r>,
    Occasioned {
        fresh,
        client,
        path,
    }: Occasioned<'_>,
    now: UnixTime,
    lookups: &mut Lookups,
) -> Result<Permit<'r>, Denial> {
    let (combine, ids, device_rule) = match &route.require {
        Requirement::Public => return Ok(Permit::public(policy, route)),
        Requirement::Credentials {
            combine,
            authenticators,
            device_type,
            first_message: _,
        } => (*combine, authenticators, device_type.as_ref()),
    };
    // Whoever judges before a revocation is in the set must be able to tell that there was one.
    let epoch = policy.revocations.epoch();
    let means = Means {
        fresh,
        device: claimed_name(device_rule, claimed.as_ref()),
        client,
        app: route.app_in_path.map(|place| place.app_key(path)),
        user: route.user_in_path(path),
    };
    let judged = authenticate_all(policy, &extracted, &means, now, lookups).await;
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
        Some(rule) => Some(check_device(rule, claimed, &admitted)?),
        None => None,
    };
    Ok(Permit::new(
        policy, epoch, route, admitted, extracted, claimed,
    ))
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
    /// Who asks, where unknown credentials are counted.
    client: IpAddr,
}

/// The claim in the route's own words, if it is one of them.
fn claimed_name<'a>(
    rule: Option<&'a DeviceRule>,
    claimed: Option<&Extracted<'_>>,
) -> Option<&'a str> {
    rule?.resolve(&claimed?.token).map(|name| &**name)
}

/// Whether a server that reads cookies in another way, or splits the query at `;` too, would see
/// another credential or claim.
///
/// On every route: a credential that was not verified must not arrive in any reading.
fn has_two_readings(policy: &Policy, route: &Route, request: &Request<'_>) -> bool {
    let mut cookies = policy.headers.credential_cookies.iter();
    if cookies.any(|name| request.cookie_ambiguous(name)) {
        return true;
    }
    if !request.query.is_some_and(|query| query.contains(';')) {
        return false;
    }
    let credentials = policy.headers.credential_queries.iter().map(String::as_str);
    let device = route
        .require
        .device_rule()
        .map_or(&[][..], |rule| &rule.from);
    let others = device.iter().chain(&route.credential.carried_as);
    credentials
        .chain(others.filter_map(Carrier::query_name))
        .any(|name| request.query_ambiguous(name.as_bytes()))
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
            let plus = if authenticator.has_plus() {
                Plus::Itself
            } else {
                Plus::Space
            };
            extract::credential(&authenticator.carriers, plus, request)
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
    lookups: &mut Lookups,
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
                            .authenticate_anew(&credential, means.client, now)
                            .await
                    } else {
                        authenticator
                            .authenticate(&credential, means.client, now)
                            .await
                    };
                    lookups.extend(lookup.map(|lookup| (*id, lookup)));
                    let outcome = unless_revoked(policy, outcome, means.device, now);
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
        Unmet::Throttled(retry_after) => Denial::Throttled { retry_after },
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

/// The device type that the request claims, before anything is known about the user.
fn claim_device<'r>(
    rule: &DeviceRule,
    request: &Request<'r>,
) -> Result<Option<Extracted<'r>>, Denial> {
    match extract::credential(&rule.from, Plus::Space, request) {
        Ok(Found::Present(claimed)) => Ok(Some(claimed)),
        Ok(Found::Absent | Found::OfAnotherPage | Found::Unusable(_)) => Ok(None),
        Err(Ambiguous) => Err(Denial::Ambiguous),
    }
}

/// The claim must be there, be allowed, and agree with what every verified credential says.
fn check_device<'r>(
    rule: &DeviceRule,
    claimed: Option<Extracted<'r>>,
    admitted: &Admitted,
) -> Result<Claimed<'r>, Denial> {
    let claimed = allowed_device(rule, claimed)?;
    if !agrees(rule, &claimed.device_type, admitted) {
        return Err(refused_device(rule));
    }
    Ok(claimed)
}

/// The claim must be there and be allowed.
fn allowed_device<'r>(
    rule: &DeviceRule,
    claimed: Option<Extracted<'r>>,
) -> Result<Claimed<'r>, Denial> {
    let allowed = claimed.and_then(|claim| {
        let device_type = Arc::clone(rule.resolve(&claim.token)?);
        Some(Claimed { device_type, claim })
    });
    allowed.ok_or_else(|| refused_device(rule))
}

fn refused_device(rule: &DeviceRule) -> Denial {
    Denial::Forbidden(Refusal::DeviceType {
        allowed: rule.one_of.clone(),
    })
}

/// Whether every proof that names a device type names this one.
fn agrees(rule: &DeviceRule, device_type: &Arc<str>, admitted: &Admitted) -> bool {
    admitted
        .verified
        .iter()
        .filter_map(|(_, proof)| proof.principal.device_type.as_ref())
        .all(|proven| rule.resolve(proven.as_bytes()) == Some(device_type))
}

#[cfg(test)]
mod tests;

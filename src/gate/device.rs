//! The device type: what the request claims, what the route allows, and what the proofs say.

use std::sync::Arc;

use crate::credential::Carrier;
use crate::gate::denial::{Denial, Refusal};
use crate::gate::extract::{self, Ambiguous, Extracted, Found, Plus};
use crate::gate::permit::Claimed;
use crate::policy::requirement::{Admitted, DeviceRule};
use crate::request::Request;

/// The claim in the route's own words, if it is one of them.
pub(super) fn claimed_name<'a>(
    rule: Option<&'a DeviceRule>,
    claimed: Option<&Extracted<'_>>,
) -> Option<&'a str> {
    rule?.resolve(&claimed?.token).map(|name| &**name)
}

/// The device type that the request claims, before anything is known about the user.
pub(super) fn claim_device<'r>(
    rule: &DeviceRule,
    request: &Request<'r>,
) -> Result<Option<Extracted<'r>>, Denial> {
    let mut names = rule.from.iter().filter_map(Carrier::query_name);
    // Of headers, look-alikes are cut.
    if names.any(|name| request.has_query_like(name)) {
        return Err(Denial::Ambiguous);
    }
    match extract::credential(&rule.from, Plus::Space, request) {
        Ok(Found::Present(claimed)) => Ok(Some(claimed)),
        Ok(Found::Absent | Found::OfAnotherPage | Found::Unusable(_)) => Ok(None),
        Err(Ambiguous) => Err(Denial::Ambiguous),
    }
}

/// The claim must be there, be allowed, and agree with what every verified credential says.
pub(super) fn check_device<'r>(
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
pub(super) fn allowed_device<'r>(
    rule: &DeviceRule,
    claimed: Option<Extracted<'r>>,
) -> Result<Claimed<'r>, Denial> {
    let allowed = claimed.and_then(|claim| {
        let device_type = Arc::clone(rule.resolve(&claim.token)?);
        Some(Claimed { device_type, claim })
    });
    allowed.ok_or_else(|| refused_device(rule))
}

pub(super) fn refused_device(rule: &DeviceRule) -> Denial {
    Denial::Forbidden(Refusal::DeviceType {
        allowed: rule.one_of.clone(),
    })
}

/// Whether every proof that names a device type names this one.
pub(super) fn agrees(rule: &DeviceRule, device_type: &Arc<str>, admitted: &Admitted) -> bool {
    admitted
        .verified
        .iter()
        .filter_map(|(_, proof)| proof.principal.device_type.as_ref())
        .all(|proven| rule.resolve(proven.as_bytes()) == Some(device_type))
}

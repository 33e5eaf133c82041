//! Requests in which some servers would see other credentials or claims than the gate.

use crate::config::document::ClaimPlace;
use crate::credential::Carrier;
use crate::policy::Policy;
use crate::policy::route::Route;
use crate::request::Request;

/// Whether a server that reads cookies in another way, or splits the query at `;` too, would see
/// another credential or claim.
///
/// On every route: a credential that was not verified must not arrive in any reading.
pub(super) fn has_two_readings(policy: &Policy, route: &Route, request: &Request<'_>) -> bool {
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
    let matched = route.require.matches().iter();
    let matched = matched.filter_map(|rule| match &rule.place {
        ClaimPlace::Carrier(carrier) => Some(carrier),
        ClaimPlace::Path { .. } => None,
    });
    let others = device
        .iter()
        .chain(&route.credential.carried_as)
        .chain(matched);
    credentials
        .chain(others.filter_map(Carrier::query_name))
        .any(|name| request.query_ambiguous(name))
}

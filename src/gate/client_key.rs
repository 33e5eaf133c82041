//! A key that every client of an app carries, where only a server's own key will do.
//!
//! Such a key is good, and yet opens nothing here. Whoever sends it is told that (403), and not that
//! a key is missing or unknown (401): it would be sent again and again.

use crate::clock::UnixTime;
use crate::credential::{Carrier, Credential};
use crate::gate::denial::Denial;
use crate::gate::extract::{self, Found, Plus};
use crate::policy::Policy;
use crate::policy::authenticator::{Authenticator, AuthenticatorId};
use crate::policy::requirement::Outcome;
use crate::policy::route::Route;
use crate::request::Request;
use crate::scheme::{Rejection, SchemeName};

/// Whether a client key could be why a request was denied: none but a server's key would have done,
/// and none was there or known.
pub(super) fn may_explain(policy: &Policy, route: &Route, denial: &Denial) -> bool {
    let is_about_the_key = matches!(
        denial,
        Denial::NoCredential { .. }
            | Denial::Rejected {
                rejection: Rejection::UnknownKey,
                ..
            }
    );
    let scheme = |id: &AuthenticatorId| policy.authenticator(*id).map(|one| one.scheme());
    let mut required = route.require.authenticators().iter();
    is_about_the_key && required.all(|id| scheme(id) == Some(SchemeName::AppKey))
}

/// Whether the request shows a good client key: in its own place, or in the place of the server's.
pub(super) async fn is_shown(
    policy: &Policy,
    route: &Route,
    request: &Request<'_>,
    now: UnixTime,
) -> bool {
    let all = policy.authenticators().iter();
    let client_keys = all.filter(|one| one.scheme() == SchemeName::ImkitClientKey);
    for client_key in client_keys {
        if shows(policy, client_key, &client_key.carriers, request, now).await {
            return true;
        }
        for id in route.require.authenticators() {
            if let Some(server) = policy.authenticator(*id)
                && shows(policy, client_key, &server.carriers, request, now).await
            {
                return true;
            }
        }
    }
    false
}

/// Whether a key that this authenticator knows stands in one of these places.
async fn shows(
    policy: &Policy,
    client_key: &Authenticator,
    carriers: &[Carrier],
    request: &Request<'_>,
    now: UnixTime,
) -> bool {
    let Ok(Found::Present(extracted)) = extract::credential(carriers, Plus::Space, request) else {
        return false;
    };
    let credential = Credential::single(&extracted.token);
    if extracted.token.len() > policy.limits.credential_bytes || !client_key.recognises(&credential)
    {
        return false;
    }
    let (outcome, _) = client_key
        .authenticate(&credential, &policy.asker(request.client), now)
        .await;
    matches!(outcome, Outcome::Verified(_))
}

//! Tokens are learned from the answers by which a backend gives them out, and forgotten when it
//! refuses one.

use std::net::IpAddr;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tracing::debug;

use crate::clock::UnixTime;
use crate::credential::Credential;
use crate::gate::permit::Permit;
use crate::metrics::learning;
use crate::policy::Policy;
use crate::policy::route::Route;
use crate::proxy::Shared;
use crate::proxy::tap::Listen;
use crate::request::Request;
use crate::scheme::learner::{Lesson, Told};

/// Learns from the answer to one request.
pub(crate) struct Pupil {
    shared: Arc<Shared>,
    policy: Arc<Policy>,
    route: Arc<Route>,
    app: Option<String>,
    client: IpAddr,
    at: UnixTime,
}

impl Pupil {
    /// `None` if the route's answers teach nothing.
    pub(crate) fn of(
        shared: &Arc<Shared>,
        policy: &Arc<Policy>,
        route: &Arc<Route>,
        request: &Request<'_>,
        at: UnixTime,
    ) -> Option<Arc<dyn Listen>> {
        if route.taught.is_empty() {
            return None;
        }
        let app = route.app_in_path.map(|place| place.app_key(request.path));
        Some(Arc::new(Self {
            shared: Arc::clone(shared),
            policy: Arc::clone(policy),
            route: Arc::clone(route),
            app,
            client: request.client,
            at,
        }))
    }
}

impl Listen for Pupil {
    fn hear(&self, body: &[u8]) -> Option<Told> {
        let lesson = Lesson {
            body,
            app: self.app.as_deref(),
            client: self.client,
            at: self.at,
        };
        let mut told = Vec::new();
        for id in &self.route.taught {
            let Some(authenticator) = self.policy.authenticator(*id) else {
                continue;
            };
            let name = &*authenticator.name;
            match authenticator.learn(&lesson) {
                Some(Ok(Some(news))) => {
                    self.shared.metrics.learned(name, learning::LEARNED);
                    told.push(news);
                }
                // A token of the other kind.
                Some(Ok(None)) | None => {}
                Some(Err(lost)) => {
                    self.shared.metrics.learned(name, lost.as_str());
                    debug!(
                        authenticator = name,
                        why = lost.as_str(),
                        "an answer has taught nothing"
                    );
                }
            }
        }
        if told.is_empty() {
            return None;
        }
        Some(Box::pin(join_all(told).map(|_| ())))
    }
}

/// Hears that the upstream has refused what was let in: what is known of its tokens is in doubt.
pub(crate) async fn doubt(shared: &Shared, policy: &Policy, permit: &Permit<'_>, now: UnixTime) {
    for (id, extracted) in permit.admission.iter().flat_map(|known| &known.credentials) {
        let Some(authenticator) = policy.authenticator(*id) else {
            continue;
        };
        if let Some(told) = authenticator.doubt(&Credential::single(&extracted.token), now) {
            let name = &*authenticator.name;
            shared.metrics.learned(name, learning::DOUBTED);
            debug!(
                authenticator = name,
                "a token is forgotten, as the upstream has refused it"
            );
            told.await;
        }
    }
}

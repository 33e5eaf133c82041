//! What an operator should know, even while everything works.

use serde_json::{Value, json};

use crate::clock;
use crate::exposure::{Reach, Sight};
use crate::policy::Policy;
use crate::proxy::Shared;

/// Of routes, authenticators and certificates, in file order, and of what is going on.
pub(super) fn of(shared: &Shared) -> Vec<Value> {
    let policy = shared.policy();
    let now = clock::now();
    let certificates = policy.listeners.iter().filter_map(|listener| {
        let caveat = listener.tls.as_ref()?.caveat(now)?;
        Some(json!({ "listener": listener.address.to_string(), "caveat": caveat }))
    });
    let authenticators = policy.authenticators().iter().filter_map(|authenticator| {
        let caveat = authenticator.caveat()?;
        Some(json!({ "authenticator": &*authenticator.name, "caveat": caveat }))
    });
    let key_sets = policy.authenticators().iter().filter_map(|authenticator| {
        let caveat = authenticator.remote_keys()?.caveat(now)?;
        Some(json!({ "authenticator": &*authenticator.name, "caveat": caveat }))
    });
    let observing = policy.observing(now).map(|(route, until)| {
        let caveat = format!(
            "observes until {until}: whoever would be refused is forwarded without credential"
        );
        json!({ "route": &*route.name, "caveat": caveat })
    });
    let in_grace = shared.registry.rechecks.in_grace();
    let graces = in_grace.iter().map(|(authenticator, sessions)| {
        let caveat = format!(
            "{sessions} living sessions cannot be asked about; each ends when its live_grace is over"
        );
        json!({ "authenticator": &**authenticator, "caveat": caveat })
    });
    of_clock()
        .into_iter()
        .chain(observing)
        .chain(authenticators)
        .chain(key_sets)
        .chain(certificates)
        .chain(graces)
        .chain(of_backends(shared, &policy))
        .chain(of_store(shared))
        .collect()
}

/// What the configuration allows against advice. The log says so when it takes force, which may be
/// long ago.
pub(super) fn warnings(policy: &Policy) -> Vec<Value> {
    let warnings = policy.warnings.iter();
    let shown = warnings
        .map(|warning| json!({ "setting": warning.place.path, "warning": warning.message }));
    shown.collect()
}

/// A build for production has no clock but the system's.
fn of_clock() -> Option<Value> {
    #[cfg(debug_assertions)]
    let caveat = clock::test_clock::caveat()
        .map(|caveat| json!({ "clock": clock::test_clock::VARIABLE, "caveat": caveat }));
    #[cfg(not(debug_assertions))]
    let caveat = None;
    caveat
}

/// Whoever can be reached past the gate, or may be.
fn of_backends(shared: &Shared, policy: &Policy) -> Vec<Value> {
    let sight = shared.exposure.sight();
    let exposed = shared.exposure.of(policy);
    let caveats = exposed.into_iter().filter_map(|(upstream, reach)| {
        let caveat = match (reach, &*sight) {
            // The first look is a matter of moments.
            (Reach::Loopback, _) | (Reach::Unknown, Sight::NotYet | Sight::Beyond(_)) => {
                return None;
            }
            (Reach::Beyond(socket), _) => {
                format!("its port is open beyond loopback, at {socket}: whoever reaches it gets past the gate")
            }
            (Reach::Unknown, Sight::Nothing(reason)) => {
                format!("whether its port is open beyond loopback cannot be told: {reason}")
            }
        };
        Some(json!({ "upstream": &*upstream.name, "caveat": caveat }))
    });
    caveats.collect()
}

fn of_store(shared: &Shared) -> Option<Value> {
    let replicas = shared.replicas.as_ref()?;
    let policy = shared.policy();
    let caveat = if !policy.revocations.is_complete() {
        "what was revoked is not known yet, so nobody is let in where credentials are required"
    } else if !replicas.is_whole() {
        "the shared store is away: places are counted per process, and revocations of other \
         replicas do not arrive"
    } else if policy.believes_the_store() {
        "what replicas learn about tokens is not sealed: whoever can write to the store can make up \
         tokens; set `store.redis.secret`"
    } else {
        return None;
    };
    Some(json!({ "store": "redis", "caveat": caveat }))
}

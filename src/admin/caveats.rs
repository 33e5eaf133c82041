//! What an operator should know, even while everything works.

use serde_json::{Value, json};

use crate::clock;
use crate::policy::Policy;

/// Of certificates and authenticators, in file order.
pub(super) fn of(policy: &Policy) -> Vec<Value> {
    let now = clock::now();
    let certificates = policy.listeners.iter().filter_map(|listener| {
        let caveat = listener.tls.as_ref()?.caveat(now)?;
        Some(json!({ "listener": listener.address.to_string(), "caveat": caveat }))
    });
    let authenticators = policy.authenticators().iter().filter_map(|authenticator| {
        let caveat = authenticator.caveat()?;
        Some(json!({ "authenticator": &*authenticator.name, "caveat": caveat }))
    });
    authenticators.chain(certificates).collect()
}

//! Pods to be judged; nothing runs them.

use serde_json::{Value, json};

/// A chat server as its owners have it today.
pub(crate) fn chat(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "chat"}},
        "spec": spec(),
    })
}

/// The same with the label that asks for the gate, and a configuration for that.
pub(crate) fn labelled(name: &str) -> Value {
    let mut pod = chat(name);
    opt_in(&mut pod["metadata"]);
    pod
}

/// Asks for the gate in the metadata of a pod or of a pod template.
pub(crate) fn opt_in(metadata: &mut Value) {
    metadata["labels"]["imgate.dev/inject"] = json!("enabled");
    metadata["annotations"]["imgate.dev/config"] = json!("chat-gate");
    metadata["annotations"]["imgate.dev/upstream-port"] = json!("8080");
}

pub(crate) fn spec() -> Value {
    json!({
        "initContainers": [{"name": "migrate", "image": "chat.example.com/migrate:1"}],
        "containers": [{
            "name": "chat",
            "image": "chat.example.com/chat:1",
            "env": [{"name": "MODE", "value": "classic"}],
            "ports": [{"containerPort": 8080, "protocol": "TCP"}],
            "volumeMounts": [{"name": "files", "mountPath": "/files"}],
        }],
        "volumes": [{"name": "files", "emptyDir": {}}],
    })
}

/// The gate in a pod: where a native sidecar has its place.
#[track_caller]
pub(crate) fn gate(pod: &Value) -> &Value {
    let gate = &pod["spec"]["initContainers"][0];
    assert_eq!(gate["name"], "imgate", "in {pod:#}");
    gate
}

/// Whether there is a gate anywhere in it.
pub(crate) fn is_gated(pod: &Value) -> bool {
    let containers = ["initContainers", "containers"].map(|list| pod["spec"][list].as_array());
    containers
        .into_iter()
        .flatten()
        .flatten()
        .any(|container| container["name"] == "imgate")
}

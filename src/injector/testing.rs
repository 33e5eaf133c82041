//! What the tests of the injector share.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Add, Injection, Outcome, Situation, Version};
use crate::config::sidecar::{NativeSidecar, Resources, Template};

/// The template of a chart that changes nothing.
pub(super) fn template() -> Template {
    Template {
        image: "ghcr.io/imgate/imgate:0.1.0".to_owned(),
        image_pull_policy: Some("IfNotPresent"),
        native_sidecar: NativeSidecar::Auto,
        port: 9688,
        metrics_port: 9690,
        bind_address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        log_level: None,
        config: Some("gate".to_owned()),
        resources: Resources::default(),
        run_as_user: Some(65_532),
        run_as_group: Some(65_532),
        rewrite_probes: true,
        require_loopback: false,
        drain: Duration::from_secs(15),
        scrape_annotations: false,
        env: Vec::new(),
    }
}

pub(super) fn situation(template: &Template) -> Situation<'_> {
    Situation {
        template,
        kubernetes: Some(Version::new(1, 33)),
    }
}

/// A pod with one container that listens at 8080.
pub(super) fn pod() -> Value {
    json!({
        "metadata": { "annotations": { "imgate.dev/upstream-port": "8080" } },
        "spec": { "containers": [{ "name": "app", "ports": [{ "name": "http", "containerPort": 8080 }] }] },
    })
}

/// The pod with another value at this pointer; its parents have to be there.
pub(super) fn with(mut pod: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = pod.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(list) => list.insert(key.parse().unwrap(), value),
        Value::Object(map) => {
            map.insert(key.replace("~1", "/"), value);
        }
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => {
            panic!("{pointer} has no parent")
        }
    }
    pod
}

pub(super) fn annotated(pod: Value, name: &str, value: &str) -> Value {
    let pointer = format!("/metadata/annotations/imgate.dev~1{name}");
    with(pod, &pointer, value.into())
}

#[track_caller]
pub(super) fn injection(pod: &Value, situation: Situation<'_>) -> Injection {
    match super::inject(pod, situation) {
        Outcome::Injected(injection) => injection,
        other @ (Outcome::Denied(_) | Outcome::Skipped(_)) => panic!("{other:?}"),
    }
}

/// The pod as the API server would have it.
pub(super) fn apply(pod: &Value, patch: &[Add]) -> Value {
    let operations: json_patch::Patch = serde_json::from_value(json!(patch)).unwrap();
    let mut pod = pod.clone();
    json_patch::patch(&mut pod, &operations).unwrap();
    pod
}

/// The pod with the gate in it.
#[track_caller]
pub(super) fn injected(pod: &Value, situation: Situation<'_>) -> Value {
    apply(pod, &injection(pod, situation).patch)
}

//! What holds for any pod.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::testing::{apply, situation, template};
use super::{INJECTED, Outcome, Skip, inject};

/// Whatever a later version of Kubernetes may put somewhere.
fn unknown() -> impl Strategy<Value = Map<String, Value>> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
        Just(json!([])),
        Just(json!({ "a/b": [1, null], "~": {} })),
    ];
    prop::collection::btree_map("x[a-z/~]{1,4}", value, 0..3)
        .prop_map(|map| map.into_iter().collect())
}

fn probe() -> impl Strategy<Value = Value> {
    let handler = prop_oneof![
        (1..9000u16).prop_map(|port| json!({ "httpGet": { "port": port, "path": "/h" } })),
        Just(json!({ "httpGet": { "port": "http" } })),
        Just(json!({ "httpGet": { "port": 80, "host": "example.com" } })),
        Just(json!({ "tcpSocket": { "port": "8080" } })),
        Just(json!({ "grpc": { "port": 9000, "service": null } })),
        Just(json!({ "exec": { "command": ["true"] } })),
        Just(json!({})),
        Just(json!({ "tcpSocket": { "port": "nobody" } })),
    ];
    (handler, unknown()).prop_map(|(handler, unknown)| merged(handler, unknown))
}

fn container(name: String) -> impl Strategy<Value = Value> {
    let maybe = |strategy: BoxedStrategy<Value>| prop::option::of(strategy);
    let kinds = ["livenessProbe", "readinessProbe", "startupProbe"];
    let env = prop_oneof![
        Just(Value::Null),
        Just(json!([])),
        Just(json!([{ "name": "A", "value": "1" }])),
        Just(json!([{ "name": "B", "valueFrom": {} }])),
    ];
    let lifecycle = prop_oneof![
        Just(Value::Null),
        Just(json!({})),
        Just(json!({ "preStop": null })),
        Just(json!({ "preStop": { "httpGet": { "port": 1 } }, "postStart": { "exec": {} } })),
    ];
    (
        prop::collection::vec(maybe(probe().boxed()), 3),
        maybe(env.boxed()),
        maybe(lifecycle.boxed()),
        maybe(Just(json!([{ "name": "http", "containerPort": 8080 }])).boxed()),
        maybe(Just("Always".into()).boxed()),
        unknown(),
    )
        .prop_map(move |(probes, env, lifecycle, ports, restart, unknown)| {
            let mut container = merged(json!({ "name": name }), unknown);
            let probes = kinds.into_iter().zip(probes);
            let others = [
                ("env", env),
                ("lifecycle", lifecycle),
                ("ports", ports),
                ("restartPolicy", restart),
            ];
            for (key, value) in probes.chain(others) {
                if let Some(value) = value {
                    container[key] = value;
                }
            }
            container
        })
}

fn containers(prefix: &'static str, least: usize) -> impl Strategy<Value = Value> {
    (least..4).prop_flat_map(move |count| {
        let one = |index| container(format!("{prefix}-{index}"));
        (0..count)
            .map(one)
            .collect::<Vec<_>>()
            .prop_map(Value::from)
    })
}

fn annotations() -> impl Strategy<Value = Value> {
    let known = prop_oneof![
        Just(("upstream-port", "8080")),
        Just(("upstream-port", "api=1,ws=2")),
        Just(("port", "1000")),
        Just(("secrets", "a,b.c")),
        Just(("native-sidecar", "false")),
        Just(("rewrite-probes", "false")),
        Just(("backend-container", "app-0")),
        Just(("backend-env", "A=1,C=2")),
        Just(("backend-prestop-sleep", "40s")),
        Just(("drain", "1m")),
        Just(("injected", "0.0.0")),
    ];
    let ours = prop::collection::vec(known, 0..6);
    (ours, unknown()).prop_map(|(ours, unknown)| {
        let ours = ours.into_iter();
        let ours = ours.map(|(name, value)| (format!("imgate.dev/{name}"), value.into()));
        let others = unknown.into_iter().map(|(name, _)| (name, "x".into()));
        Value::Object(ours.chain(others).collect())
    })
}

fn pod() -> impl Strategy<Value = Value> {
    let volumes = prop_oneof![
        Just(Value::Null),
        Just(json!([])),
        Just(json!([{ "name": "data" }])),
    ];
    (
        prop::option::of(annotations()),
        containers("app", 1),
        prop::option::of(containers("init", 0)),
        prop::option::of(volumes),
        prop::option::of(0..400u64),
        unknown(),
        unknown(),
    )
        .prop_map(
            |(annotations, containers, inits, volumes, grace, spec, metadata)| {
                let mut spec = merged(json!({ "containers": containers }), spec);
                let optional = [
                    ("initContainers", inits),
                    ("volumes", volumes),
                    ("terminationGracePeriodSeconds", grace.map(Value::from)),
                ];
                for (key, value) in optional {
                    if let Some(value) = value {
                        spec[key] = value;
                    }
                }
                let mut pod = json!({ "spec": spec });
                if let Some(annotations) = annotations {
                    pod["metadata"] = merged(json!({ "annotations": annotations }), metadata);
                }
                pod
            },
        )
}

fn merged(mut value: Value, more: Map<String, Value>) -> Value {
    value.as_object_mut().unwrap().extend(more);
    value
}

/// Checks that `after` is `before` and something of ours.
///
/// Paths are written with `*` for each element of a list.
fn kept(before: &Value, after: &Value, path: &str) -> Result<(), String> {
    match (before, after) {
        (Value::Null, _) if ADDED.contains(&path) => Ok(()),
        (Value::Object(before), Value::Object(after)) if path.ends_with("Probe") => {
            let rest = |probe: &Map<String, Value>| {
                let mut rest = probe.clone();
                for handler in ["httpGet", "tcpSocket", "grpc"] {
                    rest.remove(handler);
                }
                rest
            };
            let is_same = rest(before) == rest(after);
            is_same
                .then_some(())
                .ok_or_else(|| format!("{path} lost something"))
        }
        (Value::Object(before), Value::Object(after)) => {
            let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
            for key in keys {
                let path = format!("{path}/{key}");
                match (before.get(key), after.get(key)) {
                    (Some(before), Some(after)) => kept(before, after, &path)?,
                    (None, Some(_)) if ADDED.contains(&path.as_str()) => {}
                    (_, _) => return Err(format!("{path} appeared or went away")),
                }
            }
            Ok(())
        }
        (Value::Array(before), Value::Array(after)) => {
            let mut after = after.iter();
            let path = format!("{path}/*");
            for one in before {
                let name = one.get("name");
                // Between them may stand what is ours.
                let found = after
                    .find(|other| other.get("name") == name && name.is_some() || *other == one);
                kept(
                    one,
                    found.ok_or_else(|| format!("{path} went away"))?,
                    &path,
                )?;
            }
            Ok(())
        }
        (before, after) if before == after => Ok(()),
        _ if path == "/spec/terminationGracePeriodSeconds" => {
            let is_raised = before.as_u64() < after.as_u64();
            is_raised
                .then_some(())
                .ok_or_else(|| format!("{path} was lowered"))
        }
        _ if path == format!("/metadata/annotations/{INJECTED}") => Ok(()),
        _ => Err(format!("{path} changed")),
    }
}

/// Where the injector puts something.
const ADDED: [&str; 11] = [
    "/metadata",
    "/metadata/annotations",
    "/metadata/annotations/imgate.dev/injected",
    "/spec/containers/*/env",
    "/spec/containers/*/lifecycle",
    "/spec/containers/*/lifecycle/preStop",
    "/spec/initContainers",
    "/spec/terminationGracePeriodSeconds",
    "/spec/volumes",
    "/spec/containers",
    "/spec/containers/*/env/*",
];

proptest! {
    #[test]
    fn a_pod_is_refused_or_comes_out_whole_and_only_once(pod in pod()) {
        let template = template();
        let situation = situation(&template);
        let Outcome::Injected(injection) = inject(&pod, situation) else {
            return Ok(());
        };
        let after = apply(&pod, &injection.patch);
        let outcome = kept(&pod, &after, "");
        prop_assert_eq!(outcome, Ok(()));
        prop_assert_eq!(inject(&after, situation), Outcome::Skipped(Skip::AlreadyInjected));
        let mut by_us = pod;
        super::patch::apply(&mut by_us, injection.patch);
        prop_assert_eq!(by_us, after);
    }

    #[test]
    fn whatever_comes_is_no_reason_to_fall_over(text in ".{0,40}", pod in pod()) {
        let template = template();
        let mut strange = pod;
        for (at, key) in ["spec", "metadata"].into_iter().enumerate() {
            if text.len() % 3 == at {
                strange[key] = text.as_str().into();
            }
        }
        let _ = inject(&strange, situation(&template));
        let value = serde_json::from_str(&text).unwrap_or(Value::Null);
        let _ = inject(&value, situation(&template));
    }
}

/// The check above can fail.
#[test]
fn what_is_lost_is_seen() {
    let before = json!({ "spec": { "containers": [{ "name": "a", "x": 1 }], "y": [1] } });
    for after in [
        json!({ "spec": { "containers": [{ "name": "a" }], "y": [1] } }),
        json!({ "spec": { "containers": [{ "name": "b", "x": 1 }], "y": [1] } }),
        json!({ "spec": { "containers": [{ "name": "a", "x": 1 }], "y": [2] } }),
        json!({ "spec": { "containers": [{ "name": "a", "x": 1 }], "y": [1], "z": 1 } }),
    ] {
        assert!(kept(&before, &after, "").is_err(), "{after}");
    }
}

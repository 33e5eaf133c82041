use serde_json::{Value, json};

use super::super::testing::{annotated, injected, pod, situation, template, with};
use super::super::*;
use super::beside;

#[track_caller]
fn refusal(pod: &Value) -> Refusal {
    let template = template();
    match inject(pod, situation(&template)) {
        Outcome::Denied(refusal) => refusal,
        other @ (Outcome::Injected(_) | Outcome::Skipped(_)) => panic!("{other:?}"),
    }
}

#[track_caller]
fn gate(pod: &Value) -> Value {
    let template = template();
    let pod = injected(pod, situation(&template));
    pod["spec"]["initContainers"][0].clone()
}

/// Cases with their pods, the reason and the beginning of what is said.
#[track_caller]
fn are_refused<const N: usize>(cases: [(&str, Value, Reason, &str); N]) {
    for (case, pod, reason, expected) in cases {
        let refusal = refusal(&pod);
        assert_eq!(refusal.reason, reason, "{case}: {}", refusal.message);
        assert!(
            refusal.message.starts_with(expected),
            "{case}: {}",
            refusal.message
        );
    }
}

#[test]
fn pods_that_the_gate_cannot_guard_are_refused() {
    are_refused([
        (
            "the node's network",
            with(pod(), "/spec/hostNetwork", true.into()),
            Reason::HostNetwork,
            "spec.hostNetwork: expected a pod with a network of its own",
        ),
        (
            "Windows",
            with(pod(), "/spec/os", json!({ "name": "windows" })),
            Reason::Windows,
            "spec.os.name: expected a pod for Linux",
        ),
        (
            "nodes with Windows",
            with(
                pod(),
                "/spec/nodeSelector",
                json!({ "kubernetes.io/os": "windows" }),
            ),
            Reason::Windows,
            "spec.nodeSelector: expected a pod for Linux",
        ),
        (
            "a volume of our name",
            with(
                pod(),
                "/spec/volumes",
                json!([{ "name": "a" }, { "name": "imgate-run" }]),
            ),
            Reason::Volume,
            "spec.volumes[1].name: expected another name",
        ),
        (
            "an unknown annotation",
            annotated(pod(), "prot", "1"),
            Reason::Annotation,
            "annotation `imgate.dev/prot`: unknown, did you mean `imgate.dev/port`?",
        ),
        ("no spec", json!({}), Reason::Pod, "spec: expected a map"),
        (
            "no containers",
            json!({ "spec": { "containers": [] } }),
            Reason::Pod,
            "spec.containers: expected at least one container",
        ),
        (
            "a strange list",
            json!({ "spec": { "containers": ["a"] } }),
            Reason::Pod,
            "spec.containers: expected a list of maps",
        ),
        (
            "a strange map",
            json!({ "metadata": { "annotations": [] }, "spec": { "containers": [{}] } }),
            Reason::Pod,
            "metadata.annotations: expected a map",
        ),
    ]);
    let mut template = template();
    template.config = None;
    let Outcome::Denied(refusal) = inject(&pod(), situation(&template)) else {
        panic!("nobody says which configuration");
    };
    assert_eq!(refusal.reason, Reason::Config);
    assert!(
        refusal
            .message
            .starts_with("annotation `imgate.dev/config`: expected the name")
    );
}

#[test]
fn ports_that_clash_are_refused_by_place() {
    let port = |port: Value| beside(json!({ "name": "b", "ports": [port] }));
    let early = json!([{ "name": "i", "ports": [{ "containerPort": 9688 }] }]);
    let unknown = json!({ "httpGet": { "port": "web" } });
    are_refused([
        (
            "the gate's port",
            port(json!({ "containerPort": 9688 })),
            Reason::Port,
            "spec.containers[1].ports[0].containerPort: expected another port, or another `imgate.dev/port`; the gate listens at 9688",
        ),
        (
            "the metrics port",
            port(json!({ "containerPort": 9690, "protocol": "TCP" })),
            Reason::Port,
            "spec.containers[1].ports[0].containerPort: expected another port, or another `imgate.dev/metrics-port`",
        ),
        (
            "the gate's port at the node",
            port(json!({ "containerPort": 1, "hostPort": 9688 })),
            Reason::Port,
            "spec.containers[1].ports[0].hostPort: expected another port",
        ),
        (
            "the gate's port in an init container",
            with(pod(), "/spec/initContainers", early),
            Reason::Port,
            "spec.initContainers[0].ports[0]",
        ),
        (
            "the name that Services point at",
            port(json!({ "name": "imgate", "containerPort": 1 })),
            Reason::Port,
            "spec.containers[1].ports[0].name: expected another name",
        ),
        (
            "the same port twice",
            annotated(pod(), "port", "9690"),
            Reason::Port,
            "annotations `imgate.dev/port` and `imgate.dev/metrics-port`: expected two different ports, both are 9690",
        ),
        (
            "the gate before itself",
            annotated(pod(), "upstream-port", "9688"),
            Reason::Port,
            "annotation `imgate.dev/upstream-port`: expected the backend's port, 9688 is the gate's own",
        ),
        (
            "a port that nobody declares",
            with(pod(), "/spec/containers/0/livenessProbe", unknown),
            Reason::Probe,
            "spec.containers[0].livenessProbe.httpGet.port: expected a port's number, or the name of a port of this container",
        ),
    ]);
}

#[test]
fn a_backend_that_is_not_clear_is_refused() {
    let other = || beside(json!({ "name": "b" }));
    let env = |value: Value| with(pod(), "/spec/containers/0/env", value);
    let choice = "annotation `imgate.dev/backend-container`: expected the one that is meant by";
    are_refused([
        (
            "a container that is not there",
            annotated(pod(), "backend-container", "b"),
            Reason::Backend,
            "annotation `imgate.dev/backend-container`: expected a container of this pod: `app`",
        ),
        (
            "which of two",
            annotated(other(), "backend-env", "A=1"),
            Reason::Backend,
            choice,
        ),
        (
            "which of two sleeps",
            annotated(other(), "backend-prestop-sleep", "1s"),
            Reason::Backend,
            choice,
        ),
        (
            "a variable with another value",
            annotated(
                env(json!([{ "name": "A", "value": "2" }])),
                "backend-env",
                "A=1",
            ),
            Reason::Backend,
            "spec.containers[0].env: expected no `A`, or one with the value",
        ),
        (
            "a variable from elsewhere",
            annotated(
                env(json!([{ "name": "A", "valueFrom": {} }])),
                "backend-env",
                "A=1",
            ),
            Reason::Backend,
            "spec.containers[0].env: expected no `A`",
        ),
    ]);
    let pod = annotated(pod(), "backend-prestop-sleep", "20s");
    let mut template = template();
    template.native_sidecar = NativeSidecar::Never;
    let old = Situation {
        template: &template,
        kubernetes: Some(Version::new(1, 29)),
    };
    let Outcome::Denied(refusal) = inject(&pod, old) else {
        panic!("nobody sleeps there");
    };
    assert!(
        refusal
            .message
            .contains("expected Kubernetes 1.30 or later"),
        "{}",
        refusal.message
    );
}

#[test]
fn what_is_no_clash_is_none() {
    for (case, port) in [
        (
            "another protocol",
            json!({ "containerPort": 9688, "protocol": "UDP" }),
        ),
        ("another port", json!({ "containerPort": 9689 })),
        (
            "no port at the node",
            json!({ "containerPort": 1, "hostPort": 0 }),
        ),
    ] {
        let pod = with(
            pod(),
            "/spec/containers/1",
            json!({ "name": "b", "ports": [port] }),
        );
        assert_eq!(gate(&pod)["name"], "imgate", "{case}");
    }
}

#[test]
fn several_mistakes_are_one_refusal() {
    let pod = with(
        annotated(pod(), "port", "x"),
        "/spec/hostNetwork",
        true.into(),
    );
    let refusal = refusal(&pod);
    assert_eq!(refusal.reason, Reason::Annotation);
    assert!(
        refusal.message.contains("; spec.hostNetwork"),
        "{}",
        refusal.message
    );
}

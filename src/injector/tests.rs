use serde_json::{Value, json};

use super::testing::{annotated, injected, injection, pod, situation, template, with};
use super::*;

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

fn arguments(gate: &Value) -> String {
    let arguments = gate["args"].as_array().unwrap().iter();
    arguments
        .map(|one| one.as_str().unwrap())
        .collect::<Vec<_>>()
        .join(" ")
}

fn warnings(pod: &Value) -> Vec<String> {
    let template = template();
    injection(pod, situation(&template)).warnings
}

#[test]
fn a_plain_pod_gets_a_native_sidecar_and_nothing_else_changes() {
    let template = template();
    let pod = pod();
    let after = injected(&pod, situation(&template));
    let gate = &after["spec"]["initContainers"][0];
    assert_eq!(gate["name"], "imgate");
    assert_eq!(gate["restartPolicy"], "Always");
    assert_eq!(
        arguments(gate),
        "run --config /etc/imgate/config/imgate.yaml --listen 0.0.0.0:9688 --metrics 0.0.0.0:9690 \
         --admin-socket /run/imgate/admin.sock --drain 15s --upstream 127.0.0.1:8080"
    );
    assert_eq!(gate["startupProbe"]["failureThreshold"], 120);
    assert_eq!(
        gate["startupProbe"]["httpGet"],
        json!({ "path": "/readyz", "port": 9690 })
    );
    assert_eq!(gate.get("env"), None);
    assert_eq!(after["metadata"]["annotations"][INJECTED], VERSION);
    // The default grace period is just enough.
    assert_eq!(after["spec"].get("terminationGracePeriodSeconds"), None);
    let mut rest = after.clone();
    rest["spec"]
        .as_object_mut()
        .unwrap()
        .remove("initContainers");
    rest["spec"].as_object_mut().unwrap().remove("volumes");
    rest["metadata"]["annotations"]
        .as_object_mut()
        .unwrap()
        .remove(INJECTED);
    assert_eq!(rest, pod);
}

#[test]
fn the_gate_is_restricted_and_holds_no_token_of_the_application() {
    let template = template();
    let after = injected(&pod(), situation(&template));
    let gate = &after["spec"]["initContainers"][0];
    assert_eq!(
        gate["securityContext"],
        json!({
            "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532,
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] }, "seccompProfile": { "type": "RuntimeDefault" },
        })
    );
    let token = "/var/run/secrets/kubernetes.io/serviceaccount";
    let mounts = gate["volumeMounts"].as_array().unwrap();
    let mount = mounts
        .iter()
        .find(|mount| mount["mountPath"] == token)
        .unwrap();
    assert_eq!(mount["name"], "imgate-no-token");
    let volumes = after["spec"]["volumes"].as_array().unwrap();
    let volume = volumes
        .iter()
        .find(|volume| volume["name"] == "imgate-no-token")
        .unwrap();
    assert_eq!(volume["emptyDir"], json!({}));
    // OpenShift gives users out itself.
    let mut free = template;
    (free.run_as_user, free.run_as_group) = (None, None);
    let after = injected(&pod(), situation(&free));
    let context = &after["spec"]["initContainers"][0]["securityContext"];
    assert_eq!(
        (context.get("runAsUser"), context.get("runAsGroup")),
        (None, None)
    );
}

#[test]
fn the_cluster_decides_about_native_sidecars_unless_somebody_else_does() {
    let mut template = template();
    for (version, wish, annotation, is_native) in [
        (Some((1, 29)), NativeSidecar::Auto, None, true),
        (Some((1, 28)), NativeSidecar::Auto, None, false),
        (None, NativeSidecar::Auto, None, true),
        (Some((1, 33)), NativeSidecar::Never, None, false),
        (Some((1, 28)), NativeSidecar::Always, None, true),
        (Some((1, 33)), NativeSidecar::Auto, Some("false"), false),
        (Some((1, 33)), NativeSidecar::Never, Some("true"), true),
        (Some((1, 28)), NativeSidecar::Always, Some("auto"), false),
    ] {
        template.native_sidecar = wish;
        let kubernetes = version.map(|(major, minor)| Version::new(major, minor));
        let pod = match annotation {
            Some(value) => annotated(pod(), "native-sidecar", value),
            None => pod(),
        };
        let situation = Situation {
            template: &template,
            kubernetes,
        };
        let found = injection(&pod, situation);
        assert_eq!(
            found.is_native, is_native,
            "{version:?} {wish:?} {annotation:?}"
        );
        let after = testing::apply(&pod, &found.patch);
        let place = if is_native {
            "/spec/initContainers/0"
        } else {
            "/spec/containers/0"
        };
        let gate = after.pointer(place).unwrap();
        assert_eq!(gate["name"], "imgate");
        assert_eq!(gate.get("startupProbe").is_some(), is_native);
        assert_eq!(gate.get("restartPolicy").is_some(), is_native);
    }
    let old = Situation {
        template: &template,
        kubernetes: Some(Version::new(1, 27)),
    };
    assert!(matches!(inject(&pod(), old), Outcome::Denied(_)));
}

#[test]
fn annotations_go_over_the_template() {
    let mut template = template();
    template
        .resources
        .requests
        .insert("cpu".to_owned(), "10m".to_owned());
    template
        .resources
        .requests
        .insert("memory".to_owned(), "32Mi".to_owned());
    template.log_level = Some("info".to_owned());
    template.env = vec![("A".to_owned(), "1".to_owned())];
    let mut pod = annotated(pod(), "upstream-port", "api=8080,ws=19688");
    for (name, value) in [
        ("config", "mine"),
        ("secrets", "keys,tls.v2"),
        ("port", "1111"),
        ("metrics-port", "2222"),
        ("log-level", "debug"),
        ("cpu-request", "50m"),
        ("memory-limit", "64Mi"),
        ("image", "mine:1"),
        ("image-pull-policy", "Never"),
        ("require-loopback", "true"),
        ("drain", "1m"),
    ] {
        pod = annotated(pod, name, value);
    }
    let after = injected(&pod, situation(&template));
    let gate = &after["spec"]["initContainers"][0];
    assert_eq!(
        arguments(gate),
        "run --config /etc/imgate/config/imgate.yaml --listen 0.0.0.0:1111 --metrics 0.0.0.0:2222 \
         --admin-socket /run/imgate/admin.sock --drain 1m --upstream api=127.0.0.1:8080 \
         --upstream ws=127.0.0.1:19688 --require-loopback"
    );
    assert_eq!(
        gate["resources"],
        json!({ "requests": { "cpu": "50m", "memory": "32Mi" }, "limits": { "memory": "64Mi" } })
    );
    assert_eq!(
        (&gate["image"], &gate["imagePullPolicy"]),
        (&json!("mine:1"), &json!("Never"))
    );
    assert_eq!(
        gate["env"],
        json!([{ "name": "IMGATE_LOG", "value": "debug" }, { "name": "A", "value": "1" }])
    );
    assert_eq!(after["spec"]["terminationGracePeriodSeconds"], 75);
    let volumes = after["spec"]["volumes"].as_array().unwrap();
    assert_eq!(
        volumes[0],
        json!({ "name": "imgate-config", "configMap": { "name": "mine" } })
    );
    assert_eq!(
        volumes[1],
        json!({ "name": "imgate-secret-keys", "secret": { "secretName": "keys" } })
    );
    assert_eq!(volumes[2]["secret"]["secretName"], "tls.v2");
    let mounts = gate["volumeMounts"].as_array().unwrap();
    assert_eq!(mounts[2]["mountPath"], "/etc/imgate/secrets/tls.v2");
    assert_eq!(mounts[2]["name"], volumes[2]["name"]);
}

#[test]
fn the_grace_period_is_raised_and_never_lowered() {
    for (grace, drain, sleep, expected) in [
        (None, "15s", None, None),
        (None, "16s", None, Some(31)),
        (None, "15500ms", None, Some(31)),
        (Some(10), "15s", None, Some(30)),
        (Some(300), "15s", None, Some(300)),
        (None, "0s", Some("20s"), None),
        (None, "15s", Some("40s"), Some(45)),
    ] {
        let mut pod = annotated(pod(), "drain", drain);
        if let Some(grace) = grace {
            pod["spec"]["terminationGracePeriodSeconds"] = json!(grace);
        }
        if let Some(sleep) = sleep {
            pod = annotated(pod, "backend-prestop-sleep", sleep);
        }
        let template = template();
        let after = injected(&pod, situation(&template));
        let found = after["spec"]
            .get("terminationGracePeriodSeconds")
            .and_then(Value::as_u64);
        assert_eq!(found, expected, "{grace:?} {drain} {sleep:?}");
    }
}

#[test]
fn ports_for_scraping_are_said_where_nobody_else_does() {
    let mut template = template();
    template.scrape_annotations = true;
    let after = injected(&pod(), situation(&template));
    let annotations = &after["metadata"]["annotations"];
    assert_eq!(annotations["prometheus.io/scrape"], "true");
    assert_eq!(annotations["prometheus.io/port"], "9690");
    assert_eq!(annotations["prometheus.io/path"], "/metrics");
    let pointer = "/metadata/annotations/prometheus.io~1path";
    let own = with(pod(), pointer, "/own".into());
    let after = injected(&own, situation(&template));
    let annotations = &after["metadata"]["annotations"];
    assert_eq!(annotations["prometheus.io/path"], "/own");
    assert_eq!(annotations.get("prometheus.io/port"), None);
}

#[test]
fn the_backend_gets_its_variables_and_its_sleep() {
    let mut pod = annotated(pod(), "backend-env", "BIND_IP=127.0.0.1,PORT=8080");
    pod = annotated(pod, "backend-prestop-sleep", "20s");
    pod["spec"]["containers"][0]["env"] = json!([{ "name": "PORT", "value": "8080" }]);
    let template = template();
    let after = injected(&pod, situation(&template));
    let backend = &after["spec"]["containers"][0];
    assert_eq!(
        backend["env"],
        json!([{ "name": "PORT", "value": "8080" }, { "name": "BIND_IP", "value": "127.0.0.1" }])
    );
    assert_eq!(
        backend["lifecycle"],
        json!({ "preStop": { "sleep": { "seconds": 20 } } })
    );

    // Of several the one that is named, also where the gate comes before it.
    let mut several = annotated(pod, "backend-container", "second");
    several = annotated(several, "native-sidecar", "false");
    let second =
        json!({ "name": "second", "lifecycle": { "preStop": { "exec": {} }, "postStart": {} } });
    several["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(second);
    let after = injected(&several, situation(&template));
    let containers = after["spec"]["containers"].as_array().unwrap();
    assert_eq!(containers[0]["name"], "imgate");
    assert_eq!(containers[1]["env"].as_array().unwrap().len(), 1);
    assert_eq!(containers[2]["env"].as_array().unwrap().len(), 2);
    assert_eq!(
        containers[2]["lifecycle"],
        json!({ "preStop": { "exec": {} }, "postStart": {} })
    );
    let said = injection(&several, situation(&template)).warnings;
    assert!(
        said.iter()
            .any(|text| text.starts_with("second: keeps its own preStop")),
        "{said:?}"
    );
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

fn beside(container: Value) -> Value {
    with(pod(), "/spec/containers/1", container)
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

#[test]
fn some_pods_are_left_alone() {
    let template = template();
    for (case, pod, expected) in [
        (
            "injected",
            injected(&pod(), situation(&template)),
            Skip::AlreadyInjected,
        ),
        (
            "pasted by hand",
            with(pod(), "/spec/containers/1", json!({ "name": "imgate" })),
            Skip::AlreadyInjected,
        ),
        (
            "disabled",
            with(pod(), "/metadata/labels", json!({ LABEL: "disabled" })),
            Skip::Disabled,
        ),
        (
            "mirror",
            with(
                pod(),
                "/metadata/annotations/kubernetes.io~1config.mirror",
                "x".into(),
            ),
            Skip::Mirror,
        ),
    ] {
        assert_eq!(
            inject(&pod, situation(&template)),
            Outcome::Skipped(expected),
            "{case}"
        );
    }
}

#[test]
fn probes_are_asked_through_the_gate() {
    let mut pod = pod();
    let app = &mut pod["spec"]["containers"][0];
    app["livenessProbe"] = json!({
        "httpGet": { "path": "/live?x", "port": "http", "scheme": "HTTPS", "httpHeaders": [{ "name": "A", "value": "b" }] },
        "periodSeconds": 3, "timeoutSeconds": 2, "fieldOfTheFuture": { "a": 1 },
    });
    app["readinessProbe"] = json!({ "tcpSocket": { "port": 8080 }, "failureThreshold": 9 });
    app["startupProbe"] = json!({ "grpc": { "port": 9000, "service": "chat" } });
    let others = json!([
        { "name": "exec", "livenessProbe": { "exec": { "command": ["true"] } } },
        { "name": "host", "livenessProbe": { "httpGet": { "host": "example.com", "port": 80 } } },
        { "name": "text", "livenessProbe": { "tcpSocket": { "port": "5222" } } },
    ]);
    pod["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .extend(others.as_array().unwrap().clone());
    pod["spec"]["initContainers"] = json!([
        { "name": "once" },
        { "name": "helper", "restartPolicy": "Always", "startupProbe": { "tcpSocket": { "port": 1 } } },
    ]);
    let template = template();
    let after = injected(&pod, situation(&template));
    let app = &after["spec"]["containers"][0];
    assert_eq!(
        app["livenessProbe"],
        json!({
            "httpGet": { "path": "/app-health/app/livez", "port": 9690 },
            "periodSeconds": 3, "timeoutSeconds": 2, "fieldOfTheFuture": { "a": 1 },
        })
    );
    assert_eq!(
        app["readinessProbe"],
        json!({ "httpGet": { "path": "/app-health/app/readyz", "port": 9690 }, "failureThreshold": 9 })
    );
    assert_eq!(
        app["startupProbe"],
        json!({ "httpGet": { "path": "/app-health/app/startupz", "port": 9690 } })
    );
    for index in 1..3 {
        assert_eq!(
            after["spec"]["containers"][index],
            pod["spec"]["containers"][index]
        );
    }
    let gate = &after["spec"]["initContainers"][0];
    let variable = &gate["env"][0];
    assert_eq!(variable["name"], "IMGATE_APP_PROBES");
    let probes: Value = serde_json::from_str(variable["value"].as_str().unwrap()).unwrap();
    assert_eq!(
        probes,
        json!({
            "app": {
                "livenessProbe": {
                    "httpGet": { "path": "/live?x", "port": 8080, "scheme": "HTTPS", "httpHeaders": [{ "name": "A", "value": "b" }] },
                    "timeoutSeconds": 2,
                },
                "readinessProbe": { "tcpSocket": { "port": 8080 } },
                "startupProbe": { "grpc": { "port": 9000, "service": "chat" } },
            },
            "text": { "livenessProbe": { "tcpSocket": { "port": 5222 } } },
            "helper": { "startupProbe": { "tcpSocket": { "port": 1 } } },
        })
    );

    // An ordinary gate is not there yet while a helper starts.
    let ordinary = injected(
        &annotated(pod.clone(), "native-sidecar", "false"),
        situation(&template),
    );
    assert_eq!(
        ordinary["spec"]["initContainers"],
        pod["spec"]["initContainers"]
    );
    let without = injected(
        &annotated(pod.clone(), "rewrite-probes", "false"),
        situation(&template),
    );
    assert_eq!(without["spec"]["containers"], pod["spec"]["containers"]);
    assert_eq!(without["spec"]["initContainers"][0].get("env"), None);
}

#[test]
fn what_works_and_is_perhaps_not_meant_so_is_said() {
    let hook = json!({ "name": "b", "lifecycle": { "postStart": { "httpGet": { "port": 1 } } } });
    let host_port = json!({ "name": "b", "ports": [{ "containerPort": 8080, "hostPort": 80 }] });
    let unrelated = json!({ "name": "b", "ports": [{ "containerPort": 8081, "hostPort": 80 }] });
    let host = json!({ "name": "b", "livenessProbe": { "tcpSocket": { "host": "a", "port": 1 } } });
    let mut without_port = pod();
    without_port["metadata"] = json!({});
    let ordinary = annotated(
        with(pod(), "/spec/restartPolicy", "Never".into()),
        "native-sidecar",
        "false",
    );
    for (case, pod, expected) in [
        ("nothing", pod(), None),
        (
            "a hook over HTTP",
            beside(hook),
            Some("b: its postStart hook cannot reach"),
        ),
        (
            "a way around",
            beside(host_port),
            Some("b: port 8080 has a hostPort, which leads around the gate"),
        ),
        ("a way to something else", beside(unrelated), None),
        (
            "a probe of a host",
            beside(host),
            Some("b: its livenessProbe names a host"),
        ),
        (
            "no upstream",
            without_port,
            Some("no `imgate.dev/upstream-port`"),
        ),
        (
            "a job",
            ordinary,
            Some("the gate is an ordinary container here"),
        ),
    ] {
        let warnings = warnings(&pod);
        assert!(
            warnings.iter().all(|text| text.chars().count() <= 120),
            "{case}"
        );
        match expected {
            Some(expected) => assert!(
                warnings.len() == 1 && warnings[0].starts_with(expected),
                "{case}: {warnings:?}"
            ),
            None => assert_eq!(warnings, [""; 0], "{case}"),
        }
    }
    let long = format!("b{}", "-a".repeat(31));
    let long = json!({ "name": long, "lifecycle": { "preStop": { "httpGet": { "port": 1 } } } });
    assert_eq!(warnings(&beside(long))[0].chars().count(), 120);
}

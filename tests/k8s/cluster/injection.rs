use serde_json::{Value, json};

use crate::support::{Release, patiently, pods};

/// Makes a namespace where the pods of one test are.
fn namespace(release: &Release, name: &str, labels: &Value) {
    release.cluster.namespace(name, labels);
}

/// Places the pod in a namespace.
fn within(namespace: &str, mut pod: Value) -> Value {
    pod["metadata"]["namespace"] = json!(namespace);
    pod
}

/// The specification of a pod without what we put into it, and without the random part of a name.
fn without_the_gate(pod: &Value) -> Value {
    let text = pod["spec"].to_string();
    // `kube-api-access-` and five letters: the volume with the token of the account.
    let token = text.split("kube-api-access-").nth(1).map(|rest| &rest[..5]);
    let text = token.map_or_else(|| text.clone(), |token| text.replace(token, "token"));
    let mut spec: Value = serde_json::from_str(&text).unwrap();
    for (list, is_ours) in [
        (
            "initContainers",
            (|name| name == "imgate") as fn(&str) -> bool,
        ),
        ("volumes", |name| name.starts_with("imgate-")),
    ] {
        let list = spec[list].as_array_mut().unwrap();
        list.retain(|item| !is_ours(item["name"].as_str().unwrap()));
    }
    spec
}

#[test]
#[ignore = "make k8s"]
fn a_labelled_pod_gets_the_gate_first_and_keeps_all_else() {
    let release = Release::shared();
    namespace(&release, "labelled", &json!({}));

    let plain = within("labelled", pods::chat("plain"));
    let plain = release.cluster.create(&plain);
    let gated = within("labelled", pods::labelled("gated"));
    let gated = release.cluster.create(&gated);

    assert!(!pods::is_gated(&plain), "{plain:#}");
    let gate = pods::gate(&gated);
    assert_eq!(gate["restartPolicy"], "Always");
    assert_eq!(gate["image"], "ghcr.io/imgate/imgate:0.1.0");
    assert_eq!(gate["args"][0], "run");
    assert_eq!(without_the_gate(&gated), without_the_gate(&plain));
    assert_eq!(gated["metadata"]["labels"]["app"], "chat");
    assert_eq!(
        gated["metadata"]["annotations"]["imgate.dev/injected"],
        "0.1.0"
    );
}

#[test]
#[ignore = "make k8s"]
fn a_namespace_opts_in_and_a_pod_of_it_out() {
    let release = Release::shared();
    namespace(
        &release,
        "opted-in",
        &json!({"imgate.dev/inject": "enabled"}),
    );

    let mut silent = within("opted-in", pods::labelled("silent"));
    silent["metadata"]["labels"] = json!({"app": "chat"});
    let mut refusing = within("opted-in", pods::labelled("refusing"));
    refusing["metadata"]["labels"]["imgate.dev/inject"] = json!("disabled");
    let willing = within("opted-in", pods::labelled("willing"));

    pods::gate(&release.cluster.create(&silent));
    pods::gate(&release.cluster.create(&willing));
    let refusing = release.cluster.create(&refusing);
    assert!(!pods::is_gated(&refusing), "{refusing:#}");
}

#[test]
#[ignore = "make k8s"]
fn the_system_is_left_alone_even_where_it_is_labelled() {
    let release = Release::shared();
    let label = ["label", "--overwrite", "namespace", "kube-system"];
    release
        .cluster
        .run(&[&label[..], &["imgate.dev/inject=enabled"]].concat());

    let pod = within("kube-system", pods::chat("dns"));
    let pod = release.cluster.create(&pod);
    assert!(!pods::is_gated(&pod), "{pod:#}");

    // Who asks for the gate where there is none does not silently go without.
    let pod = within("kube-system", pods::labelled("chat"));
    let said = release.cluster.refusal(&pod);
    assert!(said.contains("has no container imgate"), "{said}");
    release
        .cluster
        .run(&[&label[..], &["imgate.dev/inject-"]].concat());
}

#[test]
#[ignore = "make k8s"]
fn a_dry_run_shows_the_gate_and_stores_nothing() {
    let release = Release::shared();
    namespace(&release, "dry-run", &json!({}));

    let pod = within("dry-run", pods::labelled("pod"));
    pods::gate(&release.cluster.dry_run(&pod).unwrap());

    let stored = ["pod", "pod", "--namespace", "dry-run"];
    assert_eq!(release.cluster.get(&stored), None);
}

#[test]
#[ignore = "make k8s"]
fn a_pod_that_has_the_gate_is_taken_as_it_is() {
    let release = Release::shared();
    namespace(&release, "again", &json!({}));
    let first = within("again", pods::labelled("first"));
    let first = release.cluster.create(&first);

    let second = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "second",
            "namespace": "again",
            "labels": first["metadata"]["labels"],
            "annotations": first["metadata"]["annotations"],
        },
        "spec": first["spec"],
    });
    let second = release.cluster.create(&second);

    assert_eq!(second["spec"], first["spec"]);
    assert_eq!(
        second["metadata"]["annotations"],
        first["metadata"]["annotations"]
    );
}

#[test]
#[ignore = "make k8s"]
fn the_pods_of_a_deployment_get_the_gate_and_the_deployment_does_not() {
    let release = Release::shared();
    namespace(&release, "deployment", &json!({}));
    let mut template = json!({"metadata": {"labels": {"app": "chat"}}, "spec": pods::spec()});
    pods::opt_in(&mut template["metadata"]);

    let deployment = release.cluster.create(&json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "chat", "namespace": "deployment"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "chat"}},
            "template": template,
        },
    }));
    assert!(!pods::is_gated(&deployment["spec"]["template"]));

    let pods = patiently("both pods are there", || {
        let list = ["pods", "--namespace", "deployment"];
        let list = release.cluster.get(&list).unwrap_or_default();
        let pods = list["items"].as_array().cloned().unwrap_or_default();
        if pods.len() == 2 {
            Ok(pods)
        } else {
            Err(list.to_string())
        }
    });
    for pod in &pods {
        pods::gate(pod);
        assert_eq!(pod["metadata"]["ownerReferences"][0]["kind"], "ReplicaSet");
    }
}

#[test]
#[ignore = "make k8s"]
fn the_gate_does_not_hold_the_token_of_the_application() {
    let release = Release::shared();
    namespace(&release, "token", &json!({}));
    let pod = within("token", pods::labelled("pod"));
    let pod = release.cluster.create(&pod);

    let at_the_place = |container: &Value| {
        let mounts = container["volumeMounts"].as_array().unwrap().clone();
        let place = "/var/run/secrets/kubernetes.io/serviceaccount";
        let mut here = mounts.into_iter().filter(|it| it["mountPath"] == place);
        let mount = here.next().expect("something is mounted");
        assert_eq!(here.next(), None);
        mount["name"].as_str().unwrap().to_owned()
    };
    assert_eq!(at_the_place(pods::gate(&pod)), "imgate-no-token");
    let application = at_the_place(&pod["spec"]["containers"][0]);
    assert!(application.starts_with("kube-api-access-"), "{application}");
    for mount in pods::gate(&pod)["volumeMounts"].as_array().unwrap() {
        assert_ne!(mount["name"], json!(application));
    }
}

#[test]
#[ignore = "make k8s"]
fn the_strictest_namespace_takes_the_gate() {
    let release = Release::shared();
    let strict = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    namespace(&release, "restricted", &strict);

    let mut pod = within("restricted", pods::labelled("pod"));
    let refused = release.cluster.refusal(&pod);
    assert!(refused.contains("restricted:latest"), "{refused}");
    assert!(!refused.contains("\"imgate\""), "{refused}");

    let strict = json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": true,
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    for container in ["/spec/initContainers/0", "/spec/containers/0"] {
        pod.pointer_mut(container).unwrap()["securityContext"] = strict.clone();
    }
    pods::gate(&release.cluster.create(&pod));
}

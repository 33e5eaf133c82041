use serde_json::{Value, json};

use crate::support::{Release, patiently, pods};

/// What is said of a labelled pod with this change.
fn refusal(change: impl FnOnce(&mut Value)) -> String {
    let mut pod = pods::labelled("refused");
    change(&mut pod);
    Release::shared().cluster.refusal(&pod)
}

/// The same with this annotation.
fn refusal_with(annotation: &str, value: &str) -> String {
    refusal(|pod| pod["metadata"]["annotations"][annotation] = json!(value))
}

#[test]
#[ignore = "make k8s"]
fn a_malformed_annotation_is_named() {
    let said = refusal_with("imgate.dev/port", "http");
    assert!(said.contains("denied the request"), "{said}");
    assert!(said.contains("imgate.dev/port"), "{said}");
}

#[test]
#[ignore = "make k8s"]
fn an_unknown_annotation_is_named_with_the_nearest_known() {
    let said = refusal_with("imgate.dev/upstream-prot", "8080");
    assert!(said.contains("imgate.dev/upstream-prot"), "{said}");
    assert!(said.contains("imgate.dev/upstream-port"), "{said}");
}

#[test]
#[ignore = "make k8s"]
fn without_a_configuration_there_is_no_gate_and_no_pod() {
    let said = refusal(|pod| {
        let annotations = pod["metadata"]["annotations"].as_object_mut().unwrap();
        annotations.remove("imgate.dev/config");
    });
    assert!(said.contains("imgate.dev/config"), "{said}");
}

#[test]
#[ignore = "make k8s"]
fn the_network_of_the_node_is_no_place_for_a_gate() {
    let said = refusal(|pod| pod["spec"]["hostNetwork"] = json!(true));
    assert!(said.contains("hostNetwork"), "{said}");
}

#[test]
#[ignore = "make k8s"]
fn a_port_that_is_taken_is_named() {
    let said = refusal(|pod| {
        pod["spec"]["containers"][0]["ports"][0]["containerPort"] = json!(9688);
    });
    assert!(said.contains("9688"), "{said}");
}

/// The pods of a Deployment are made by a controller; what it is told, it passes on.
#[test]
#[ignore = "make k8s"]
fn the_replica_set_of_a_refused_pod_says_why() {
    let cluster = Release::shared().cluster;
    cluster.namespace("refused", &json!({}));
    let mut template = json!({"metadata": {"labels": {"app": "chat"}}, "spec": pods::spec()});
    pods::opt_in(&mut template["metadata"]);
    template["metadata"]["annotations"]["imgate.dev/drain"] = json!("soon");
    cluster.create(&json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "chat", "namespace": "refused"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "chat"}}, "template": template},
    }));

    let said = patiently("the controller has been refused", || {
        let set = ["replicaset", "chat", "--namespace", "refused"];
        let set = cluster.get(&set).unwrap_or_default();
        let condition = &set["status"]["conditions"][0]["message"];
        condition
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| set.to_string())
    });
    assert!(said.contains("imgate.dev/drain"), "{said}");
}

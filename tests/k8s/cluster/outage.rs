use serde_json::{Value, json};

use crate::support::{Cluster, Release, patiently, pods};

/// A namespace that has opted in as a whole.
fn opted_in(cluster: &Cluster, name: &str) {
    cluster.namespace(name, &json!({"imgate.dev/inject": "enabled"}));
}

fn within(namespace: &str, mut pod: Value) -> Value {
    pod["metadata"]["namespace"] = json!(namespace);
    pod
}

#[test]
#[ignore = "make k8s"]
fn while_the_injector_is_away_only_those_wait_who_have_opted_in() {
    let mut release = Release::alone();
    let cluster = release.cluster;
    opted_in(cluster, "outage");
    release.stop_injectors();

    let said = cluster.refusal(&pods::labelled("labelled"));
    assert!(said.contains("failed calling webhook"), "{said}");
    assert!(said.contains("connection refused"), "{said}");
    let said = cluster.refusal(&within("outage", pods::chat("by-namespace")));
    assert!(said.contains("failed calling webhook"), "{said}");

    cluster.dry_run(&pods::chat("unlabelled")).unwrap();
    let mut out = within("outage", pods::chat("opted-out"));
    out["metadata"]["labels"]["imgate.dev/inject"] = json!("disabled");
    cluster.dry_run(&out).unwrap();

    release.remove_injectors();
    release.start_injector();
    release.wait_until_it_injects();
}

/// The second lock, by which a webhook may be ignored when it is away.
#[test]
#[ignore = "make k8s"]
fn an_ignored_outage_lets_no_pod_in_without_its_gate() {
    let mut release = Release::alone();
    let cluster = release.cluster;
    opted_in(cluster, "ignored");
    release.helm(
        &["upgrade", "--reset-values"],
        &["injector.webhook.failurePolicy=Ignore"],
    );
    release.stop_injectors();

    let said = patiently("the webhook is ignored", || {
        let said = cluster.refusal(&pods::labelled("labelled"));
        if said.contains("failed calling webhook") {
            Err(said)
        } else {
            Ok(said)
        }
    });
    assert!(
        said.contains("ValidatingAdmissionPolicy 'imgate-injected'"),
        "{said}"
    );
    assert!(said.contains("the pod has opted in"), "{said}");
    assert!(said.contains("has no container imgate"), "{said}");
    let said = cluster.refusal(&within("ignored", pods::chat("by-namespace")));
    assert!(said.contains("the pod's namespace has opted in"), "{said}");

    cluster.dry_run(&pods::chat("unlabelled")).unwrap();
    let mut out = within("ignored", pods::chat("opted-out"));
    out["metadata"]["labels"]["imgate.dev/inject"] = json!("disabled");
    cluster.dry_run(&out).unwrap();

    release.helm(&["upgrade", "--reset-values"], &[]);
    release.remove_injectors();
    release.start_injector();
    release.wait_until_it_injects();
}

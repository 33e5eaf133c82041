use std::collections::HashSet;
use std::fs;
use std::path::Path;

use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::support::release::{INJECTOR, NAME, NAMESPACE, SECRET, chart};
use crate::support::tools::run;
use crate::support::{Cluster, Release, patiently, pods};

#[test]
#[ignore = "make k8s"]
fn an_upgrade_reaches_the_next_pod_and_makes_no_new_authority() {
    let release = Release::alone();
    let state = |release: &Release| {
        let secret = release.get("secret", SECRET).expect("the Secret");
        let webhook = ["mutatingwebhookconfiguration", INJECTOR];
        let webhook = release.cluster.get(&webhook).expect("the webhook");
        let bundle = |entry: usize| webhook["webhooks"][entry]["clientConfig"]["caBundle"].clone();
        (
            secret["metadata"]["uid"].clone(),
            secret["data"].clone(),
            [bundle(0), bundle(1)],
        )
    };
    let before = state(&release);

    release.helm(
        &["upgrade"],
        &["sidecar.port=9700", "sidecar.logLevel=debug"],
    );
    assert_eq!(state(&release), before);
    release.mount_template();

    let pod = patiently("the next pod has the new values", || {
        let pod = release.cluster.dry_run(&pods::labelled("pod"))?;
        let port = &pods::gate(&pod)["ports"][0]["containerPort"];
        if port == 9700 {
            Ok(pod)
        } else {
            Err(pod.to_string())
        }
    });
    let log = json!({"name": "IMGATE_LOG", "value": "debug"});
    let environment = pods::gate(&pod)["env"].as_array().unwrap();
    assert!(environment.contains(&log), "{environment:?}");

    release.helm(&["upgrade", "--reset-values"], &[]);
    release.mount_template();
    patiently("the old values are back", || {
        let pod = release.cluster.dry_run(&pods::labelled("pod"))?;
        let port = &pods::gate(&pod)["ports"][0]["containerPort"];
        if port == 9688 {
            Ok(())
        } else {
            Err(pod.to_string())
        }
    });
    assert_eq!(state(&release), before);
}

/// Everything in the cluster that has our name, but for the namespace, which is the user's.
fn ours(cluster: &Cluster) -> Vec<String> {
    let kinds = ["api-resources", "--verbs", "list", "--output", "name"];
    let kinds = cluster.run(&kinds);
    let kinds = kinds.lines().filter(|kind| !kind.starts_with("events"));
    let kinds = kinds.collect::<Vec<_>>().join(",");
    let all = ["get", &kinds, "--all-namespaces", "--output", "name"];
    let all = cluster.run(&[&all[..], &["--ignore-not-found"]].concat());
    let all = all.lines().filter(|name| name.contains(NAME));
    all.filter(|name| *name != format!("namespace/{NAMESPACE}"))
        .map(str::to_owned)
        .collect()
}

#[test]
#[ignore = "make k8s"]
fn nothing_is_left_of_a_release_that_is_uninstalled() {
    let release = Release::alone();
    let cluster = release.cluster;
    let there = ours(cluster);
    for expected in [
        format!("secret/{SECRET}"),
        format!("mutatingwebhookconfiguration.admissionregistration.k8s.io/{INJECTOR}"),
        format!("clusterrole.rbac.authorization.k8s.io/{INJECTOR}"),
        "validatingadmissionpolicy.admissionregistration.k8s.io/imgate-injected".to_owned(),
    ] {
        assert!(there.contains(&expected), "no {expected} in {there:#?}");
    }

    // Its injectors are still there for a while, as pods that end are.
    Release::uninstall(cluster);

    patiently("nothing of it is left", || {
        let left = ours(cluster);
        left.is_empty()
            .then_some(())
            .ok_or_else(|| format!("{left:#?}"))
    });
    // Neither is its effect.
    let pod = cluster.dry_run(&pods::labelled("pod")).unwrap();
    assert!(!pods::is_gated(&pod), "{pod:#}");
    release.forget();
}

/// Everything that the chart renders with these values, but what the API server has no type for.
fn rendered(cluster: &Cluster, values: &Path) -> Value {
    let mut command = cluster.helm();
    command.args(["template", "other"]).arg(chart());
    command.args([
        "--namespace",
        "rendered",
        "--kube-version",
        "1.36.4",
        "--values",
    ]);
    let text = run(command.arg(values));
    let documents = serde_yaml::Deserializer::from_str(&text);
    let documents = documents.map(|document| Value::deserialize(document).expect("YAML"));
    let foreign = ["monitoring.coreos.com", "cert-manager.io"];
    let items = documents.filter(|document| {
        let version = document["apiVersion"].as_str();
        version.is_some_and(|version| foreign.iter().all(|it| !version.starts_with(it)))
    });
    json!({"apiVersion": "v1", "kind": "List", "items": items.collect::<Vec<_>>()})
}

#[test]
#[ignore = "make k8s"]
fn the_api_server_accepts_all_that_the_chart_renders() {
    let release = Release::shared();
    let cluster = release.cluster;
    let mut namespaces = HashSet::new();
    let mut count = 0;
    for entry in fs::read_dir(chart().join("ci")).unwrap() {
        let list = rendered(cluster, &entry.unwrap().path());
        let items = list["items"].as_array().unwrap();
        assert!(!items.is_empty());
        for name in items
            .iter()
            .filter_map(|item| item["metadata"]["namespace"].as_str())
        {
            if namespaces.insert(name.to_owned()) {
                cluster.namespace(name, &json!({}));
            }
        }
        cluster.submit(&["create", "--dry-run=server"], &list);
        count += 1;
    }
    assert!(count > 3, "{count} files in ci/");
}

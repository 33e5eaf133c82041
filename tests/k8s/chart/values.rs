//! What may be in values, and where they are written down.

use serde_yaml::Value;

use super::{read, refusal, render, set, walk};

/// Every value that has a default, as `injector.replicaCount`.
fn defaults() -> Vec<String> {
    let values: Value = serde_yaml::from_str(&read("values.yaml")).unwrap();
    let mut leaves = Vec::new();
    walk(&values, "", &mut |path, value| {
        let is_inner = value.as_mapping().is_some_and(|map| !map.is_empty());
        if !is_inner && !path.contains("[]") {
            leaves.push(path.trim_start_matches('.').to_owned());
        }
    });
    assert!(leaves.len() > 100, "{}", leaves.len());
    leaves
}

#[test]
fn a_value_that_is_not_known_is_refused_by_name() {
    for place in [
        "",
        "injector.",
        "injector.image.",
        "injector.ports.",
        "injector.webhook.",
        "injector.tls.",
        "injector.tls.certManager.",
        "injector.tls.certManager.issuerRef.",
        "injector.serviceAccount.",
        "injector.rbac.",
        "injector.podDisruptionBudget.",
        "injector.networkPolicy.",
        "injector.service.",
        "injector.resources.",
        "sidecar.",
        "sidecar.image.",
        "sidecar.resources.",
        "validatingAdmissionPolicy.",
        "gatedPods.",
        "gatedPods.networkPolicy.",
        "gate.",
        "gate.image.",
        "gate.service.",
        "gate.serviceAccount.",
        "gate.podDisruptionBudget.",
        "gate.networkPolicy.",
        "metrics.",
        "metrics.podMonitor.",
        "metrics.serviceMonitor.",
        "metrics.prometheusRule.",
        "metrics.dashboards.",
        "tests.",
        "configTemplates[0].",
        "secretTemplates[0].",
        "imagePullSecrets[0].",
    ] {
        let said = refusal("1.33", &set(&[&format!("{place}unheardOf=1")]));
        assert!(said.contains("unheardOf"), "{place}: {said}");
    }
}

#[test]
fn a_value_of_another_type_is_refused_by_its_place() {
    for (assignment, place) in [
        ("injector.replicaCount=many", "/injector/replicaCount"),
        ("injector.replicaCount=-1", "/injector/replicaCount"),
        ("injector.enabled=maybe", "/injector/enabled"),
        (
            "injector.webhook.failurePolicy=Open",
            "/injector/webhook/failurePolicy",
        ),
        (
            "injector.webhook.timeoutSeconds=31",
            "/injector/webhook/timeoutSeconds",
        ),
        ("injector.tls.source=helm", "/injector/tls/source"),
        ("injector.image.digest=latest", "/injector/image/digest"),
        ("sidecar.port=99999", "/sidecar/port"),
        ("sidecar.drain=15", "/sidecar/drain"),
        ("sidecar.drain=long", "/sidecar/drain"),
        ("sidecar.runAsUser=0", "/sidecar/runAsUser"),
        ("sidecar.nativeSidecar=perhaps", "/sidecar/nativeSidecar"),
        ("sidecar.bindAddress=everywhere", "/sidecar/bindAddress"),
        (
            "validatingAdmissionPolicy.enabled=perhaps",
            "/validatingAdmissionPolicy/enabled",
        ),
        ("gate.config=text", "/gate/config"),
        ("gate.secrets=chat-keys", "/gate/secrets"),
        ("gate.secrets={Not_A_Name}", "/gate/secrets/0"),
        ("gate.service.type=ExternalName", "/gate/service/type"),
        (
            "metrics.prometheusRule.disabled={Everything}",
            "/metrics/prometheusRule/disabled/0",
        ),
        ("configTemplates[0].name=a", "/configTemplates/0"),
    ] {
        let said = refusal("1.33", &set(&[assignment]));
        assert!(said.contains(place), "{assignment}: {said}");
    }
}

#[test]
fn what_contradicts_itself_is_refused_with_a_sentence() {
    for (assignments, sentence) in [
        (
            vec!["injector.tls.source=existingSecret"],
            "injector.tls.existingSecret is required",
        ),
        (
            vec![
                "injector.tls.source=existingSecret",
                "injector.tls.existingSecret=a",
            ],
            "injector.tls.caBundle is required",
        ),
        (
            vec!["injector.tls.existingSecret=a"],
            "count only with injector.tls.source=existingSecret, and it is self",
        ),
        (vec!["gate.enabled=true"], "gate.enabled needs gate.config"),
        (
            vec![
                "gate.enabled=true",
                "gate.existingConfigMap=a",
                "gate.config.errors=json",
            ],
            "exclude each other",
        ),
    ] {
        let said = refusal("1.33", &set(&assignments));
        assert!(said.contains(sentence), "{assignments:?}: {said}");
    }
}

/// Nothing that the cluster would need an operator for, nobody's namespace but its own.
#[test]
fn what_is_not_asked_for_is_not_there() {
    let names: Vec<_> = render("1.33", &[]).iter().map(super::name_of).collect();
    let expected = [
        "ClusterRole /im-imgate-injector",
        "ClusterRoleBinding /im-imgate-injector",
        "ConfigMap imgate-system/im-imgate-sidecar",
        "Deployment imgate-system/im-imgate-injector",
        "MutatingWebhookConfiguration /im-imgate-injector",
        "Pod imgate-system/im-imgate-injector-test",
        "PodDisruptionBudget imgate-system/im-imgate-injector",
        "Role imgate-system/im-imgate-injector",
        "RoleBinding imgate-system/im-imgate-injector",
        "Service imgate-system/im-imgate-injector",
        "ServiceAccount imgate-system/im-imgate-injector",
        "ValidatingAdmissionPolicy /im-imgate-injected",
        "ValidatingAdmissionPolicyBinding /im-imgate-injected",
    ];
    assert_eq!(names, expected);
    assert!(render("1.33", &set(&["injector.enabled=false"])).is_empty());
}

/// The names in backquotes, with `a.{b,c}` as two.
fn documented() -> Vec<String> {
    let text = read("README.md");
    let mut names = Vec::new();
    for quoted in text.split('`').skip(1).step_by(2) {
        match quoted.split_once('{').zip(quoted.split_once('}')) {
            Some(((before, _), (inner, after))) => {
                let inner = inner.split_once('{').map_or(inner, |(_, inner)| inner);
                let each = inner.split(',');
                names.extend(each.map(|one| format!("{before}{}{after}", one.trim())));
            }
            None => names.push(quoted.to_owned()),
        }
    }
    names
}

#[test]
fn every_value_is_in_the_readme() {
    let documented = documented();
    for value in defaults() {
        let mut place = value.as_str();
        let found = loop {
            if documented.iter().any(|name| name == place) {
                break true;
            }
            match place.rsplit_once('.') {
                // A heading alone tells nobody what `injector.enabled` is.
                Some((outer, _)) if outer.contains('.') => place = outer,
                Some(_) | None => break false,
            }
        };
        assert!(found, "`{value}` in the README of the chart");
    }
}

//! What keeps a pod from running without its gate.

use serde_yaml::Value;

use super::{VERSIONS, files, items, of_file, of_kind, refusal, render, set, strings, the};

/// How a selector judges a set of labels; what it does not use is not known here.
fn selects(selector: &Value, labels: &[(&str, &str)]) -> bool {
    let value_of = |key: &str| labels.iter().find(|(name, _)| *name == key);
    let wanted = selector["matchLabels"].as_mapping();
    let all_there = wanted.into_iter().flatten().all(|(key, value)| {
        let found = value_of(key.as_str().unwrap());
        found.is_some_and(|(_, found)| Some(*found) == value.as_str())
    });
    let expressions = selector["matchExpressions"].as_sequence();
    let none_excluded = expressions.into_iter().flatten().all(|expression| {
        assert_eq!(expression["operator"], "NotIn");
        let found = value_of(expression["key"].as_str().unwrap());
        found.is_none_or(|(_, found)| !strings(&expression["values"]).contains(found))
    });
    all_there && none_excluded
}

/// Which entries of the webhook are asked about a pod with this label, in a namespace with that one.
fn asked(webhook: &Value, namespace: &str, of_namespace: &str, of_pod: &str) -> Vec<String> {
    let label = |value| {
        Some(("imgate.dev/inject", value)).filter(|(_, value): &(&str, &str)| !value.is_empty())
    };
    let mut namespace = vec![("kubernetes.io/metadata.name", namespace)];
    namespace.extend(label(of_namespace));
    let pod: Vec<_> = label(of_pod).into_iter().collect();
    let entries = items(&webhook["webhooks"]).iter();
    let entries = entries.filter(|entry| {
        selects(&entry["namespaceSelector"], &namespace) && selects(&entry["objectSelector"], &pod)
    });
    entries
        .map(|entry| entry["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn who_has_opted_in_is_asked_about_once_and_nobody_else() {
    let objects = render("1.33", &[]);
    let webhook = the(&objects, "MutatingWebhookConfiguration");
    let (by_pod, by_namespace) = ("pod.inject.imgate.dev", "namespace.inject.imgate.dev");
    for (namespace, of_namespace, of_pod, expected) in [
        ("chat", "", "", None),
        ("chat", "", "enabled", Some(by_pod)),
        ("chat", "", "disabled", None),
        ("chat", "", "something", None),
        ("chat", "enabled", "", Some(by_namespace)),
        ("chat", "enabled", "enabled", Some(by_pod)),
        ("chat", "enabled", "disabled", None),
        ("chat", "disabled", "enabled", Some(by_pod)),
        ("imgate-system", "", "enabled", Some(by_pod)),
        ("kube-system", "", "enabled", None),
        ("kube-system", "enabled", "", None),
        ("kube-public", "enabled", "enabled", None),
    ] {
        assert_eq!(
            asked(webhook, namespace, of_namespace, of_pod),
            Vec::from_iter(expected),
            "namespace {namespace} ({of_namespace}), pod ({of_pod})"
        );
    }
}

/// With its namespace opted in, an injector that waits for an injector would never start.
#[test]
fn our_own_pods_wait_for_no_injector() {
    for file in files("ci") {
        let objects = render("1.33", &of_file(&file));
        let webhooks = of_kind(&objects, "MutatingWebhookConfiguration");
        for object in of_kind(&objects, "Deployment") {
            let labels = &object["spec"]["template"]["metadata"]["labels"];
            assert_eq!(labels["imgate.dev/inject"], "disabled", "{object:?}");
        }
        for pod in of_kind(&objects, "Pod") {
            let label = pod["metadata"]["labels"]["imgate.dev/inject"].as_str();
            for webhook in &webhooks {
                let asked = asked(webhook, "imgate-system", "enabled", label.unwrap());
                assert!(asked.is_empty(), "{asked:?}");
            }
        }
    }
}

#[test]
fn an_outage_of_the_webhook_refuses() {
    let objects = render("1.36", &[]);
    for entry in items(&the(&objects, "MutatingWebhookConfiguration")["webhooks"]) {
        assert_eq!(entry["failurePolicy"], "Fail");
        assert_eq!(entry["timeoutSeconds"], 5);
        assert_eq!(entry["reinvocationPolicy"], "IfNeeded");
        assert_eq!(entry["sideEffects"], "None");
        assert_eq!(entry["matchPolicy"], "Equivalent");
        assert_eq!(entry["rules"][0]["operations"], Value::from(vec!["CREATE"]));
        assert_eq!(entry["rules"][0]["scope"], "Namespaced");
    }
}

/// Optional fields (`.?`) in expressions are newer than 1.29.
#[test]
fn conditions_are_understood_by_every_version() {
    for version in VERSIONS {
        let objects = render(version, &[]);
        for entry in items(&the(&objects, "MutatingWebhookConfiguration")["webhooks"]) {
            let conditions = items(&entry["matchConditions"]);
            assert!(!conditions.is_empty());
            for condition in conditions {
                let expression = condition["expression"].as_str().unwrap();
                assert!(!expression.contains(".?"), "{expression}");
            }
        }
    }
}

/// An entry that is in the manifest would be set back by every upgrade.
#[test]
fn the_bundle_belongs_to_who_makes_the_certificate() {
    let file = |name: &str| {
        let mut files = files("ci").into_iter();
        of_file(&files.find(|file| file.ends_with(name)).unwrap())
    };
    for (arguments, annotated, given) in [
        (file("default-values.yaml"), false, false),
        (file("certmanager-values.yaml"), true, false),
        (file("existing-secret-values.yaml"), false, true),
    ] {
        let objects = render("1.33", &arguments);
        let webhook = the(&objects, "MutatingWebhookConfiguration");
        let by_cert_manager = &webhook["metadata"]["annotations"]["cert-manager.io/inject-ca-from"];
        assert_eq!(!by_cert_manager.is_null(), annotated, "{arguments:?}");
        if annotated {
            assert_eq!(by_cert_manager, "imgate-system/im-imgate-injector-tls");
        }
        for entry in items(&webhook["webhooks"]) {
            let bundle = &entry["clientConfig"]["caBundle"];
            assert_eq!(!bundle.is_null(), given, "{arguments:?}");
            assert!(bundle.as_str().is_none_or(|pem| pem.starts_with("LS0tLS1")));
        }
    }
}

#[test]
fn the_second_lock_is_there_where_the_cluster_has_it() {
    for (version, value, expected) in [
        ("1.29", "auto", false),
        ("1.30", "auto", true),
        ("1.36", "auto", true),
        ("1.36", "true", true),
        ("1.36", "false", false),
    ] {
        let value = format!("validatingAdmissionPolicy.enabled={value}");
        let objects = render(version, &set(&[&value]));
        let policies = of_kind(&objects, "ValidatingAdmissionPolicy");
        let bindings = of_kind(&objects, "ValidatingAdmissionPolicyBinding");
        assert_eq!(policies.len(), usize::from(expected), "{version} {value}");
        assert_eq!(bindings.len(), policies.len(), "{version} {value}");
        for (policy, binding) in policies.iter().zip(bindings) {
            assert_eq!(policy["metadata"]["name"], "im-imgate-injected");
            assert_eq!(policy["metadata"]["name"], binding["spec"]["policyName"]);
            assert_eq!(policy["spec"]["failurePolicy"], "Fail");
            assert_eq!(strings(&binding["spec"]["validationActions"]), ["Deny"]);
        }
    }
    let said = refusal("1.29", &set(&["validatingAdmissionPolicy.enabled=true"]));
    assert!(
        said.contains("set it to auto or false"),
        "it says what to do: {said}"
    );
}

/// `Ignore` by itself would start chat servers without their gate.
#[test]
fn an_open_door_is_refused() {
    let ignore = "injector.webhook.failurePolicy=Ignore";
    render("1.33", &set(&[ignore]));
    for (version, more) in [
        ("1.29", "injector.enabled=true"),
        ("1.33", "validatingAdmissionPolicy.enabled=false"),
        ("1.33", "validatingAdmissionPolicy.validationActions={Warn}"),
    ] {
        let said = refusal(version, &set(&[ignore, more]));
        assert!(said.contains("failurePolicy=Ignore"), "{more}: {said}");
    }
}

/// A network policy sees the port of the pod: what is not the gate's is closed.
#[test]
fn gated_pods_are_closed_but_for_the_gate() {
    let more = [
        "gatedPods.networkPolicy.enabled=true",
        "gatedPods.networkPolicy.namespaces={chat,support}",
        "sidecar.port=9700",
    ];
    let objects = render("1.33", &set(&more));
    let policies = of_kind(&objects, "NetworkPolicy");
    assert_eq!(policies.len(), 2);
    for policy in policies {
        let spec = &policy["spec"];
        assert_eq!(
            spec["podSelector"]["matchLabels"]["imgate.dev/inject"],
            "enabled"
        );
        assert_eq!(strings(&spec["policyTypes"]), ["Ingress"]);
        let rules = items(&spec["ingress"]).iter();
        let ports = rules.flat_map(|rule| items(&rule["ports"]));
        let ports: Vec<_> = ports.map(|port| port["port"].as_u64().unwrap()).collect();
        assert_eq!(ports, [9700, 9690]);
    }
    // A map of values is merged with the defaults: an empty one would still ask for the label.
    let all = "gatedPods.networkPolicy.podSelector.matchLabels=null";
    for policy in of_kind(
        &render("1.33", &set(&[more[0], more[1], all])),
        "NetworkPolicy",
    ) {
        let selector = policy["spec"]["podSelector"].as_mapping();
        assert!(selector.is_some_and(serde_yaml::Mapping::is_empty));
    }
}

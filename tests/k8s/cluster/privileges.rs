use crate::support::Release;
use crate::support::release::{INJECTOR, NAMESPACE, SECRET};

/// Whether the injector's account may do this, as the API server sees it.
fn may(words: &[&str]) -> bool {
    let release = Release::shared();
    let account = format!("system:serviceaccount:{NAMESPACE}:{INJECTOR}");
    let question = [&["auth", "can-i", "--as", &account, "--quiet"], words].concat();
    release.cluster.attempt(&question).is_ok()
}

#[test]
#[ignore = "make k8s"]
fn the_injector_may_keep_its_certificates_and_enter_their_authority() {
    let secret = format!("secret/{SECRET}");
    let webhook = format!("mutatingwebhookconfiguration/{INJECTOR}");
    let deployment = format!("deployment/{INJECTOR}");
    for words in [
        &["get", &secret, "--namespace", NAMESPACE][..],
        &["update", &secret, "--namespace", NAMESPACE],
        &["create", "secrets", "--namespace", NAMESPACE],
        &["get", &deployment, "--namespace", NAMESPACE],
        &["get", &webhook],
        &["patch", &webhook],
    ] {
        assert!(may(words), "{words:?}");
    }
}

#[test]
#[ignore = "make k8s"]
fn the_injector_may_do_nothing_else() {
    let secret = format!("secret/{SECRET}");
    let webhook = format!("mutatingwebhookconfiguration/{INJECTOR}");
    let deployment = format!("deployment/{INJECTOR}");
    for words in [
        // Secrets: others of its namespace, those of others, all at once.
        &["get", "secret/other", "--namespace", NAMESPACE][..],
        &["update", "secret/other", "--namespace", NAMESPACE],
        &["list", "secrets", "--namespace", NAMESPACE],
        &["watch", "secrets", "--namespace", NAMESPACE],
        &["delete", &secret, "--namespace", NAMESPACE],
        &["get", &secret, "--namespace", "kube-system"],
        &["create", "secrets", "--namespace", "kube-system"],
        &["list", "secrets", "--all-namespaces"],
        // Webhooks: others, new ones, all at once.
        &["get", "mutatingwebhookconfiguration/other"],
        &["patch", "mutatingwebhookconfiguration/other"],
        &["list", "mutatingwebhookconfigurations"],
        &["create", "mutatingwebhookconfigurations"],
        &["delete", &webhook],
        &["patch", "validatingwebhookconfigurations"],
        &["patch", "validatingadmissionpolicies"],
        // What it judges it does not touch.
        &["get", "pods", "--all-namespaces"],
        &["create", "pods", "--namespace", NAMESPACE],
        &["get", "configmaps", "--namespace", NAMESPACE],
        &["patch", &deployment, "--namespace", NAMESPACE],
        &["list", "deployments", "--namespace", NAMESPACE],
        // Ways to more.
        &[
            "create",
            "serviceaccounts",
            "--subresource",
            "token",
            "--namespace",
            NAMESPACE,
        ],
        &["bind", "clusterroles"],
        &["escalate", "clusterroles"],
        &["impersonate", "users"],
        &["*", "*"],
    ] {
        assert!(!may(words), "{words:?}");
    }
}

//! Ports, rights and lives of what runs.

use serde_yaml::Value;

use super::{files, items, name_of, named, of_file, of_kind, render, set, strings, the, walk};

/// The pods that an object makes, and itself if it is one.
fn pod_spec(object: &Value) -> Option<&Value> {
    match object["kind"].as_str()? {
        "Deployment" => Some(&object["spec"]["template"]["spec"]),
        "Pod" => Some(&object["spec"]),
        _ => None,
    }
}

/// Every pod of every ci file, with a name for messages.
fn pods() -> Vec<(String, Value)> {
    let mut pods = Vec::new();
    for file in files("ci") {
        let objects = render("1.33", &of_file(&file));
        for object in &objects {
            if let Some(spec) = pod_spec(object) {
                let name = format!("{} of {}", name_of(object), file.display());
                pods.push((name, spec.clone()));
            }
        }
    }
    assert!(pods.len() > 10);
    pods
}

#[test]
fn pods_pass_as_restricted() {
    for (name, spec) in pods() {
        let whole = &spec["securityContext"];
        assert_eq!(whole["runAsNonRoot"], true, "{name}");
        assert_eq!(whole["seccompProfile"]["type"], "RuntimeDefault", "{name}");
        for container in items(&spec["containers"]) {
            let context = &container["securityContext"];
            assert_eq!(context["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(context["readOnlyRootFilesystem"], true, "{name}");
            assert_eq!(strings(&context["capabilities"]["drop"]), ["ALL"], "{name}");
            for limit in ["requests", "limits"] {
                let resources = &container["resources"][limit];
                assert!(resources["memory"].is_string(), "{name}: {limit}");
            }
        }
    }
}

#[test]
fn a_user_of_openshifts_choice_is_possible() {
    let file = files("ci").into_iter();
    let mut file = file.filter(|file| file.ends_with("openshift-values.yaml"));
    let objects = render("1.33", &of_file(&file.next().unwrap()));
    for object in &objects {
        walk(object, "", &mut |path, value| {
            let is_user = path.ends_with(".runAsUser") || path.ends_with(".runAsGroup");
            assert!(!is_user || value.is_null(), "{}: {path}", name_of(object));
        });
    }
    let template = named(&objects, "ConfigMap", "im-imgate-sidecar");
    let template = template["data"]["sidecar.yaml"].as_str().unwrap();
    // Said, as what is left out means the default.
    assert!(template.contains("runAsUser: null"), "{template}");
    assert!(template.contains("runAsGroup: null"), "{template}");
}

/// Helm 4 applies on the server's side, where these are keys of a list.
#[test]
fn every_port_says_its_protocol() {
    for file in files("ci") {
        for object in render("1.33", &of_file(&file)) {
            walk(&object, "", &mut |path, value| {
                let is_port = path.ends_with("ports[]") && value.is_mapping();
                let says = value["protocol"].is_string();
                assert!(!is_port || says, "{}: {path}", name_of(&object));
            });
        }
    }
}

/// What is mounted by itself never changes.
#[test]
fn nothing_is_mounted_by_itself() {
    for (name, spec) in pods() {
        walk(&spec, "", &mut |path, _| {
            assert!(!path.contains("subPath"), "{name}: {path}");
        });
    }
}

#[test]
fn only_the_injector_holds_a_token() {
    for (name, spec) in pods() {
        let containers = items(&spec["containers"]);
        let is_injector = containers[0]["name"] == "injector";
        assert_eq!(spec["automountServiceAccountToken"], is_injector, "{name}");
    }
}

#[test]
fn the_injector_may_touch_what_is_its_own() {
    let objects = render("1.33", &[]);
    let mut rules = Vec::new();
    for role in ["Role", "ClusterRole"] {
        rules.extend(items(&the(&objects, role)["rules"]).iter().map(|rule| {
            let verbs = strings(&rule["verbs"]).join(" ");
            let names = strings(&rule["resourceNames"]).join(" ");
            let resources = strings(&rule["resources"]).join(" ");
            format!("{role}: {verbs} {resources} {names}")
        }));
    }
    let expected = [
        "Role: get update secrets im-imgate-injector-tls",
        "Role: create secrets ",
        "Role: get deployments im-imgate-injector",
        "ClusterRole: get patch mutatingwebhookconfigurations im-imgate-injector",
    ];
    assert_eq!(rules, expected);
    let others = ["injector.tls.source=certManager"];
    let objects = render("1.33", &set(&others));
    for kind in ["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"] {
        assert!(of_kind(&objects, kind).is_empty(), "{kind} without need");
    }
}

/// The names that the injector is told are those of the objects.
#[test]
fn the_injector_is_told_the_names_of_its_objects() {
    let objects = render("1.33", &[]);
    let injector = the(&objects, "Deployment");
    let arguments = strings(&pod_spec(injector).unwrap()["containers"][0]["args"]);
    for (flag, kind) in [
        ("--service", "Service"),
        ("--webhook", "MutatingWebhookConfiguration"),
        ("--owner-deployment", "Deployment"),
    ] {
        let name = the(&objects, kind)["metadata"]["name"].as_str().unwrap();
        let told = format!("{flag}={name}");
        assert!(arguments.contains(&&*told), "{told} in {arguments:?}");
    }
    let webhook = the(&objects, "MutatingWebhookConfiguration");
    let service = &webhook["webhooks"][0]["clientConfig"]["service"];
    assert_eq!(service["name"], "im-imgate-injector");
    assert_eq!(service["path"], "/inject");
}

/// The gate's own sidecar and the stand-alone gate are two renderings of one thing.
#[test]
fn a_gate_that_stands_alone_runs_as_in_pods() {
    let file = files("ci").into_iter();
    let mut file = file.filter(|file| file.ends_with("gate-standalone-values.yaml"));
    let objects = render("1.33", &of_file(&file.next().unwrap()));
    let spec = pod_spec(the(&objects, "Deployment")).unwrap();
    let gate = &spec["containers"][0];
    assert_eq!(gate["name"], "imgate");
    let ports = items(&gate["ports"]).iter();
    let ports: Vec<_> = ports.map(|port| port["name"].as_str().unwrap()).collect();
    assert_eq!(ports, ["imgate", "imgate-metrics"]);
    assert_eq!(
        strings(&gate["lifecycle"]["preStop"]["exec"]["command"]).join(" "),
        "imgate drain --config /etc/imgate/config/imgate.yaml --admin-socket /run/imgate/admin.sock"
    );
    // 10 s lame duck as its configuration says, 60 s drain, and 10 s for the rest.
    assert_eq!(spec["terminationGracePeriodSeconds"], 80);
    let service = named(&objects, "Service", "im-imgate-gate");
    let ports = items(&service["spec"]["ports"]);
    assert_eq!(ports.len(), 1, "metrics are not where clients come in");
    assert_eq!(ports[0]["targetPort"], "imgate");
}

/// A rollout ends every socket: it happens only to those who ask for it.
#[test]
fn a_changed_configuration_restarts_nothing_unless_asked_to() {
    let file = files("ci").into_iter();
    let mut file = file.filter(|file| file.ends_with("gate-rollout-values.yaml"));
    let file = of_file(&file.next().unwrap());
    let change = ["gate.config.cache.max_age=30s"];
    for (hot_reload, restarts) in [("true", false), ("false", true)] {
        let hot_reload = format!("gate.hotReload={hot_reload}");
        let before = [file.clone(), set(&[&hot_reload])].concat();
        let after = [before.clone(), set(&change)].concat();
        let [before, after] = [before, after].map(|arguments| render("1.33", &arguments));
        let same = the(&before, "Deployment") == the(&after, "Deployment");
        assert_eq!(!same, restarts, "{hot_reload}");
        assert_ne!(the(&before, "ConfigMap"), the(&after, "ConfigMap"));
    }
}

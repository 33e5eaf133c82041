//! The manifest for those without the injector.

use serde::Deserialize as _;
use serde_json::Value;

use super::{check, read};
use crate::support::tools::{run_with, tool};

const FILE: &str = "examples/kubernetes/sidecar.yaml";

fn documents() -> Vec<Value> {
    serde_yaml::Deserializer::from_str(&read(FILE))
        .map(|document| Value::deserialize(document).unwrap())
        .collect()
}

#[track_caller]
fn of_kind(kind: &str) -> Value {
    let mut found = documents().into_iter().filter(|one| one["kind"] == kind);
    found.next().expect(kind)
}

#[test]
fn every_version_of_kubernetes_takes_it() {
    for version in ["1.29", "1.33", "1.36"] {
        let mut validate = tool("kubernetes-validate");
        validate.args(["--strict", "-k", version, "-"]);
        run_with(&mut validate, &read(FILE));
    }
}

#[test]
fn its_configuration_is_good() {
    let configuration = of_kind("ConfigMap");
    check(
        configuration["data"]["imgate.yaml"].as_str().unwrap(),
        "/etc/imgate/secrets",
        &["im-keys/partner-a"],
    );
}

#[test]
fn its_parts_fit_together() {
    let pod = &of_kind("Deployment")["spec"]["template"];
    let gate = &pod["spec"]["initContainers"][0];
    assert_eq!(gate["name"], "imgate");
    let image = format!("ghcr.io/imgate/imgate:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(gate["image"], image.as_str());
    let ports: Vec<_> = gate["ports"].as_array().unwrap().iter().collect();
    let named = |name: &str| ports.iter().find(|port| port["name"] == name).unwrap();
    assert_eq!(named("imgate")["containerPort"], 9688);
    assert_eq!(
        of_kind("Service")["spec"]["ports"][0]["targetPort"],
        "imgate"
    );
    let scraped = &pod["metadata"]["annotations"]["prometheus.io/port"];
    assert_eq!(
        scraped,
        &named("imgate-metrics")["containerPort"].to_string()
    );
    // Each volume that is mounted is there, as is each Secret and ConfigMap that a volume names.
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    for mount in gate["volumeMounts"].as_array().unwrap() {
        let volume = volumes
            .iter()
            .find(|volume| volume["name"] == mount["name"]);
        let volume = volume.unwrap_or_else(|| panic!("{mount}"));
        if let Some(name) = volume["configMap"].get("name") {
            assert_eq!(&of_kind("ConfigMap")["metadata"]["name"], name);
        }
        if let Some(name) = volume["secret"].get("secretName") {
            assert_eq!(&of_kind("Secret")["metadata"]["name"], name);
        }
        assert!(
            mount.get("subPath").is_none(),
            "a subPath never changes: {mount}"
        );
    }
}

#[test]
fn the_readme_shows_it() {
    let readme = read("README.md");
    let shown = format!("```yaml\n{}```\n", read(FILE));
    assert!(readme.contains(&shown), "README.md has {FILE} as it is");
}

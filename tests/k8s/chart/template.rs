//! What the chart says is put into pods, as the injector reads it.

use std::fs;
use std::process::Command;

use serde_yaml::Value;

use super::super::support::tools::run_with;
use super::{files, of_file, of_kind, render};

const POD: &str = "
apiVersion: v1
kind: Pod
metadata:
  name: im
  labels: { imgate.dev/inject: enabled }
  annotations: { imgate.dev/config: chat-gate }
spec:
  containers: [{ name: im, image: im:1 }]
";

/// What the chart says is put into pods is what the injector puts into them.
#[test]
fn the_injector_accepts_every_template() {
    for file in files("ci") {
        let objects = render("1.33", &of_file(&file));
        let maps = of_kind(&objects, "ConfigMap");
        let is_template = |map: &&&Value| !map["data"]["sidecar.yaml"].is_null();
        let Some(template) = maps.iter().find(is_template) else {
            continue;
        };
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sidecar.yaml");
        let text = template["data"]["sidecar.yaml"].as_str().unwrap();
        fs::write(&path, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_imgate-injector"));
        command.arg("inject").arg("--template").arg(path);
        command.args(["--namespace", "chat", "--kubernetes", "1.33"]);
        let injected: Value = serde_yaml::from_str(&run_with(&mut command, POD)).unwrap();
        let gate = &injected["spec"]["initContainers"][0];
        assert_eq!(gate["name"], "imgate", "{}", file.display());
        let said: Value = serde_yaml::from_str(text).unwrap();
        assert_eq!(gate["image"], said["image"], "{}", file.display());
        assert_eq!(gate["resources"], said["resources"], "{}", file.display());
        let ports = [&gate["ports"][0], &gate["ports"][1]].map(|port| &port["containerPort"]);
        assert_eq!(ports, [&said["port"], &said["metricsPort"]]);
        let user = &gate["securityContext"]["runAsUser"];
        assert_eq!(user, &said["runAsUser"], "{}", file.display());
    }
}

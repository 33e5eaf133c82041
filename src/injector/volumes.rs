//! What is mounted into the gate.

use serde_json::{Value, json};

use super::object;
use super::objections::{Objections, Reason};
use super::pod::Pod;
use super::settings::Settings;
use crate::config::sidecar;
use crate::secret::Digest;

/// Where the `ConfigMap` is.
pub(super) const CONFIG: &str = "/etc/imgate/config";
/// Where each Secret has a directory of its name.
const SECRETS: &str = "/etc/imgate/secrets";
/// Where the gate can write: its socket, in memory.
const RUN: &str = "/run/imgate";
/// Whoever may ask the gate to drain is in the pod.
pub(super) const ADMIN_SOCKET: &str = "/run/imgate/admin.sock";
/// The API server mounts the pod's own token here unless something else is mounted already.
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Volumes, each with its mount.
#[derive(Debug)]
pub(super) struct Volumes(Vec<(Value, Value)>);

impl Volumes {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Value> {
        self.0.iter().map(|(volume, _)| volume)
    }

    pub(super) fn mounts(&self) -> Value {
        self.0.iter().map(|(_, mount)| mount.clone()).collect()
    }
}

/// The volumes that the gate needs. Missing objects keep the pod from starting, which is right.
pub(super) fn of(pod: &Pod<'_>, settings: &Settings<'_>, objections: &mut Objections) -> Volumes {
    let mut volumes = vec![volume(
        "imgate-config",
        "configMap",
        &json!({ "name": settings.config }),
        CONFIG,
        true,
    )];
    for secret in &settings.secrets {
        let mount = format!("{SECRETS}/{secret}");
        let source = json!({ "secretName": secret });
        volumes.push(volume(
            &secret_volume(secret),
            "secret",
            &source,
            &mount,
            true,
        ));
    }
    let memory = json!({ "medium": "Memory", "sizeLimit": "1Mi" });
    volumes.push(volume("imgate-run", "emptyDir", &memory, RUN, false));
    // The application's rights in the cluster are not the gate's.
    volumes.push(volume(
        "imgate-no-token",
        "emptyDir",
        &json!({}),
        TOKEN,
        true,
    ));
    let names: Vec<_> = volumes
        .iter()
        .map(|(volume, _)| volume.get("name"))
        .collect();
    for (index, theirs) in pod.volumes().iter().enumerate() {
        if names.contains(&theirs.get("name")) {
            let message = format!(
                "spec.volumes[{index}].name: expected another name, the gate's has this one"
            );
            objections.add(Reason::Volume, message);
        }
    }
    Volumes(volumes)
}

fn volume(name: &str, kind: &str, source: &Value, at: &str, is_read_only: bool) -> (Value, Value) {
    let mount = object([
        ("name", Some(name.into())),
        ("mountPath", Some(at.into())),
        ("readOnly", is_read_only.then_some(true.into())),
    ]);
    (json!({ "name": name, kind: source }), mount)
}

/// Names of volumes are shorter than those of Secrets and have no dots.
fn secret_volume(secret: &str) -> String {
    let name = format!("imgate-secret-{secret}");
    if sidecar::is_label(&name) {
        return name;
    }
    let digest = Digest::of(secret.as_bytes()).to_hex();
    format!("imgate-secret-{}", digest.get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_volume_of_a_secret_has_a_name_of_its_own_that_is_allowed() {
        assert_eq!(secret_volume("keys"), "imgate-secret-keys");
        let long = "a".repeat(60);
        for secret in ["a.b", &long] {
            let name = secret_volume(secret);
            assert!(sidecar::is_label(&name), "{name}");
            assert_ne!(name, secret_volume(&format!("{secret}.c")));
        }
    }
}

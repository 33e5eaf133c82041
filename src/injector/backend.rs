//! What changes in the backend's own container: where it binds, and that it waits before it ends.

use serde_json::{Value, json};

use super::Warnings;
use super::objections::{Objections, Reason};
use super::patch::Patch;
use super::pod::{Container, Pod};
use super::settings::Settings;
use super::version::Version;

pub(super) fn change(
    pod: &Pod<'_>,
    settings: &Settings<'_>,
    patch: &mut Patch<'_>,
    objections: &mut Objections,
    warnings: &mut Warnings,
) {
    let Some(backend) = choose(pod, settings, objections) else {
        return;
    };
    for (name, value) in &settings.backend_env {
        set_variable(&backend, name, value, patch, objections);
    }
    if let Some(seconds) = settings.backend_prestop_sleep {
        let since = Version::new(1, 30);
        if settings.kubernetes.is_some_and(|version| version < since) {
            objections.annotation(
                "backend-prestop-sleep",
                "expected Kubernetes 1.30 or later, which can sleep before a container ends",
            );
        }
        sleep_first(&backend, seconds, patch, warnings);
    }
}

/// The container that the annotations about the backend mean; `None` where there are no such
/// annotations, or after an objection.
fn choose<'a>(
    pod: &Pod<'a>,
    settings: &Settings<'_>,
    objections: &mut Objections,
) -> Option<Container<'a>> {
    let names = || {
        let names: Vec<String> = pod
            .containers()
            .map(|one| format!("`{}`", one.name()))
            .collect();
        names.join(", ")
    };
    if let Some(wanted) = &settings.backend_container {
        let found = pod.containers().find(|one| one.name() == wanted);
        if found.is_none() {
            objections.add(
                Reason::Backend,
                format!(
                    "annotation `imgate.dev/backend-container`: expected a container of this pod: {}",
                    names()
                ),
            );
        }
        return found;
    }
    if settings.backend_env.is_empty() && settings.backend_prestop_sleep.is_none() {
        return None;
    }
    let mut containers = pod.containers();
    let first = containers.next();
    if containers.next().is_some() {
        objections.add(
            Reason::Backend,
            format!(
                "annotation `imgate.dev/backend-container`: expected the one that is meant by \
                 `imgate.dev/backend-env` and `imgate.dev/backend-prestop-sleep`, of {}",
                names()
            ),
        );
        return None;
    }
    first
}

fn set_variable(
    backend: &Container<'_>,
    name: &str,
    value: &str,
    patch: &mut Patch<'_>,
    objections: &mut Objections,
) {
    // The last one counts where a name stands twice.
    let theirs = backend
        .env()
        .iter()
        .rfind(|one| one.get("name").and_then(Value::as_str) == Some(name));
    match theirs {
        Some(theirs) if theirs.get("value").and_then(Value::as_str) == Some(value) => {}
        Some(_) => objections.add(
            Reason::Backend,
            format!(
                "{backend}.env: expected no `{name}`, or one with the value of the annotation \
                 `imgate.dev/backend-env`"
            ),
        ),
        None => patch.append(
            &format!("{}/env", backend.pointer()),
            json!({ "name": name, "value": value }),
        ),
    }
}

fn sleep_first(
    backend: &Container<'_>,
    seconds: u64,
    patch: &mut Patch<'_>,
    warnings: &mut Warnings,
) {
    let theirs = backend.value.pointer("/lifecycle/preStop");
    if theirs.is_some_and(|hook| !hook.is_null()) {
        let name = backend.name();
        warnings.add(format!(
            "{name}: keeps its own preStop hook, `imgate.dev/backend-prestop-sleep` is not used"
        ));
        return;
    }
    patch.put(
        &format!("{}/lifecycle", backend.pointer()),
        "preStop",
        json!({ "sleep": { "seconds": seconds } }),
    );
}

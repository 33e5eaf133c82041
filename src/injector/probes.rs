//! The application's probes, asked through the gate.
//!
//! The kubelet dials the pod's address, where a backend that listens on loopback does not answer. So
//! each of its probes becomes one of the gate's health listener, which asks the original question on
//! loopback. The kubelet's own times and thresholds stay as they are.
//!
//! A probe is replaced as a whole, by an `add` of the member that is there: RFC 6902, section 4.1 lets
//! `add` replace it, and a probe may have one handler only, so that the old one has to go in the same
//! step. Nothing is lost: what else stands in the probe, known to us or not, is copied.

use serde_json::{Map, Value, json};

use super::objections::{Objections, Reason};
use super::patch::Patch;
use super::pod::{Container, Pod};
use super::settings::Settings;
use super::{Warnings, http_get};

/// Kinds of probes, and what the gate calls them.
const KINDS: [(&str, &str); 3] = [
    ("livenessProbe", "livez"),
    ("readinessProbe", "readyz"),
    ("startupProbe", "startupz"),
];

/// What a probe may ask over the network.
const HANDLERS: [&str; 3] = ["grpc", "httpGet", "tcpSocket"];

/// What the gate has to know of a handler.
const HTTP_MEMBERS: [&str; 3] = ["httpHeaders", "path", "scheme"];

/// Rewrites probes, and gives what they were: by container, then by kind.
pub(super) fn rewrite(
    pod: &Pod<'_>,
    settings: &Settings<'_>,
    patch: &mut Patch<'_>,
    objections: &mut Objections,
    warnings: &mut Warnings,
) -> Map<String, Value> {
    let mut rewritten = Map::new();
    for container in pod.all_containers() {
        warn_of_hooks(&container, warnings);
        // An ordinary gate starts after all init containers, which would wait for it.
        let is_asked = settings.is_native || !container.is_init();
        if !settings.rewrite_probes || !container.keeps_running() || !is_asked {
            continue;
        }
        let mut probes = Map::new();
        for (kind, place) in KINDS {
            let Some(found) = container.value.get(kind).and_then(Value::as_object) else {
                continue;
            };
            let Some(original) = original(&container, kind, found, objections, warnings) else {
                continue;
            };
            probes.insert(kind.to_owned(), Value::Object(original));
            let mut ours = found.clone();
            for handler in HANDLERS {
                ours.remove(handler);
            }
            let target = format!("/app-health/{}/{place}", container.name());
            ours.insert(
                "httpGet".to_owned(),
                http_get(&target, settings.metrics_port),
            );
            patch.put(&container.pointer(), kind, Value::Object(ours));
        }
        if !probes.is_empty() {
            rewritten.insert(container.name().to_owned(), Value::Object(probes));
        }
    }
    rewritten
}

/// The question as the gate will ask it; `None` where the kubelet goes on to ask it.
fn original(
    container: &Container<'_>,
    kind: &str,
    probe: &Map<String, Value>,
    objections: &mut Objections,
    warnings: &mut Warnings,
) -> Option<Map<String, Value>> {
    let (handler, target) = HANDLERS
        .iter()
        .find_map(|handler| Some((*handler, probe.get(*handler)?.as_object()?)))?;
    let host = target.get("host").and_then(Value::as_str);
    if host.is_some_and(|host| !host.is_empty()) {
        let name = container.name();
        warnings.add(format!(
            "{name}: its {kind} names a host, and is not rewritten"
        ));
        return None;
    }
    let place = format!("{container}.{kind}.{handler}.port");
    let port = match target.get("port") {
        Some(Value::String(name)) => by_name(container, name),
        Some(Value::Number(number)) => number.as_u64().and_then(|port| u16::try_from(port).ok()),
        Some(Value::Array(_) | Value::Bool(_) | Value::Null | Value::Object(_)) | None => None,
    };
    let Some(port) = port.filter(|port| *port != 0) else {
        objections.add(
            Reason::Probe,
            format!("{place}: expected a port's number, or the name of a port of this container"),
        );
        return None;
    };
    let mut question = Map::new();
    question.insert("port".to_owned(), port.into());
    let members: &[&str] = match handler {
        "grpc" => &["service"],
        "httpGet" => &HTTP_MEMBERS,
        _ => &[],
    };
    for member in members {
        if let Some(value) = target.get(*member).filter(|value| !value.is_null()) {
            question.insert((*member).to_owned(), value.clone());
        }
    }
    let mut original = Map::new();
    original.insert(handler.to_owned(), Value::Object(question));
    if let Some(seconds) = probe.get("timeoutSeconds").filter(|value| !value.is_null()) {
        original.insert("timeoutSeconds".to_owned(), seconds.clone());
    }
    Some(original)
}

/// A port that the container declares, as the kubelet looks for it.
fn by_name(container: &Container<'_>, name: &str) -> Option<u16> {
    // A number in quotes is a number (IntOrString).
    if let Ok(port) = name.parse() {
        return Some(port);
    }
    let declared = container
        .ports()
        .iter()
        .find(|port| port.get("name").and_then(Value::as_str) == Some(name))?;
    let number = declared.get("containerPort")?.as_u64()?;
    u16::try_from(number).ok()
}

/// Hooks are asked at the pod's address, too, and nobody can ask them in the kubelet's place.
fn warn_of_hooks(container: &Container<'_>, warnings: &mut Warnings) {
    for hook in ["postStart", "preStop"] {
        let pointer = format!("/lifecycle/{hook}");
        for handler in ["httpGet", "tcpSocket"] {
            let handler = container.value.pointer(&format!("{pointer}/{handler}"));
            if handler.is_some_and(|handler| !handler.is_null()) {
                let name = container.name();
                warnings.add(format!(
                    "{name}: its {hook} hook cannot reach a server that listens on loopback only"
                ));
            }
        }
    }
}

/// As the gate takes it from its environment.
pub(super) fn variable(probes: &Map<String, Value>) -> Option<Value> {
    if probes.is_empty() {
        return None;
    }
    let text = Value::Object(probes.clone()).to_string();
    Some(json!({ "name": "IMGATE_APP_PROBES", "value": text }))
}

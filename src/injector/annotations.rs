//! What a pod asks for in its annotations.
//!
//! An annotation of ours that nobody knows is refused, and so is a value that cannot be read: the
//! pod would otherwise run with another gate than its author believes. Values are never repeated;
//! somebody may have put a secret there.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::objections::Objections;
use super::pod::Pod;
use super::{INJECTED, PREFIX};
use crate::config;
use crate::config::sidecar::{self, NativeSidecar};

/// What the annotations say; `None` and empty is what they do not say.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Wishes {
    pub(super) config: Option<String>,
    pub(super) secrets: Vec<String>,
    pub(super) port: Option<u16>,
    pub(super) metrics_port: Option<u16>,
    pub(super) upstreams: Vec<Upstream>,
    pub(super) log_level: Option<String>,
    pub(super) requests: BTreeMap<&'static str, String>,
    pub(super) limits: BTreeMap<&'static str, String>,
    pub(super) image: Option<String>,
    pub(super) image_pull_policy: Option<&'static str>,
    pub(super) native_sidecar: Option<NativeSidecar>,
    pub(super) rewrite_probes: Option<bool>,
    pub(super) backend_env: Vec<(String, String)>,
    pub(super) backend_container: Option<String>,
    /// In seconds.
    pub(super) backend_prestop_sleep: Option<u64>,
    pub(super) require_loopback: Option<bool>,
    pub(super) drain: Option<Duration>,
}

/// Where an upstream listens in the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Upstream {
    /// `None` is the only one that the configuration has.
    pub(super) name: Option<String>,
    pub(super) port: u16,
}

/// Without the prefix.
const KNOWN: [&str; 20] = [
    "backend-container",
    "backend-env",
    "backend-prestop-sleep",
    "config",
    "cpu-limit",
    "cpu-request",
    "drain",
    "image",
    "image-pull-policy",
    "injected",
    "log-level",
    "memory-limit",
    "memory-request",
    "metrics-port",
    "native-sidecar",
    "port",
    "require-loopback",
    "rewrite-probes",
    "secrets",
    "upstream-port",
];

/// Reads all annotations of ours.
pub(super) fn read(pod: &Pod<'_>, objections: &mut Objections) -> Wishes {
    let mut wishes = Wishes::default();
    for (name, value) in pod.annotations() {
        let Some(key) = name.strip_prefix(PREFIX) else {
            continue;
        };
        if name == INJECTED {
            // It says what was, and is written anew.
            continue;
        }
        if !KNOWN.contains(&key) {
            objections.annotation(shown(key), &unknown(key));
            continue;
        }
        let read = match value {
            Value::String(text) => wishes.read(key, text.trim()),
            Value::Array(_)
            | Value::Bool(_)
            | Value::Null
            | Value::Number(_)
            | Value::Object(_) => Err("expected a string, put the value in quotes"),
        };
        if let Err(expected) = read {
            objections.annotation(key, expected);
        }
    }
    wishes
}

fn unknown(key: &str) -> String {
    if key == "inject" {
        return "is a label of the pod, not an annotation".to_owned();
    }
    if let Some(nearest) = sidecar::nearest(key, &KNOWN) {
        format!("unknown, did you mean `imgate.dev/{nearest}`?")
    } else {
        let known = KNOWN.map(|name| format!("`{name}`"));
        format!("unknown, expected one of {}", known.join(", "))
    }
}

/// The API server has looked at names; a file may have any.
fn shown(key: &str) -> &str {
    let is_plain = (1..=63).contains(&key.len())
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if is_plain { key } else { "?" }
}

impl Wishes {
    /// Reads one value, or says what was expected.
    fn read(&mut self, key: &str, text: &str) -> Result<(), &'static str> {
        match key {
            "backend-container" => {
                let name = accept(text, sidecar::is_label, "expected a container's name")?;
                self.backend_container = Some(name);
            }
            "backend-env" => self.backend_env = variables(text)?,
            "backend-prestop-sleep" => self.backend_prestop_sleep = Some(sleep(text)?),
            "config" => self.config = Some(object_name(text)?),
            "cpu-limit" => self.limit("cpu", text)?,
            "cpu-request" => self.request("cpu", text)?,
            "drain" => self.drain = Some(drain(text)?),
            "image" => {
                let expected = "expected an image such as `ghcr.io/imgate/imgate:0.1.0`";
                self.image = Some(accept(text, sidecar::is_image, expected)?);
            }
            "image-pull-policy" => self.image_pull_policy = Some(pull_policy(text)?),
            "log-level" => {
                let expected =
                    "expected a level such as `info`, or directives such as `info,imgate=debug`";
                self.log_level = Some(accept(text, sidecar::is_log_level, expected)?);
            }
            "memory-limit" => self.limit("memory", text)?,
            "memory-request" => self.request("memory", text)?,
            "metrics-port" => self.metrics_port = Some(port(text)?),
            "native-sidecar" => self.native_sidecar = Some(native_sidecar(text)?),
            "port" => self.port = Some(port(text)?),
            "require-loopback" => self.require_loopback = Some(boolean(text)?),
            "rewrite-probes" => self.rewrite_probes = Some(boolean(text)?),
            "secrets" => self.secrets = secrets(text)?,
            "upstream-port" => self.upstreams = upstreams(text)?,
            _ => return Err("unknown"),
        }
        Ok(())
    }

    fn request(&mut self, resource: &'static str, text: &str) -> Result<(), &'static str> {
        self.requests.insert(resource, quantity(text)?);
        Ok(())
    }

    fn limit(&mut self, resource: &'static str, text: &str) -> Result<(), &'static str> {
        self.limits.insert(resource, quantity(text)?);
        Ok(())
    }
}

fn accept(
    text: &str,
    is_good: impl FnOnce(&str) -> bool,
    expected: &'static str,
) -> Result<String, &'static str> {
    is_good(text).then(|| text.to_owned()).ok_or(expected)
}

fn boolean(text: &str) -> Result<bool, &'static str> {
    text.parse().map_err(|_| "expected `true` or `false`")
}

fn native_sidecar(text: &str) -> Result<NativeSidecar, &'static str> {
    match text {
        "auto" => Ok(NativeSidecar::Auto),
        "true" => Ok(NativeSidecar::Always),
        "false" => Ok(NativeSidecar::Never),
        _ => Err("expected `auto`, `true` or `false`"),
    }
}

fn pull_policy(text: &str) -> Result<&'static str, &'static str> {
    let mut known = sidecar::PULL_POLICIES.into_iter();
    known
        .find(|policy| *policy == text)
        .ok_or("expected `Always`, `IfNotPresent` or `Never`")
}

fn quantity(text: &str) -> Result<String, &'static str> {
    let expected = "expected a quantity such as `50m`, `0.5` or `64Mi`";
    accept(text, sidecar::is_quantity, expected)
}

fn object_name(text: &str) -> Result<String, &'static str> {
    accept(
        text,
        sidecar::is_object_name,
        "expected the name of a ConfigMap",
    )
}

fn secrets(text: &str) -> Result<Vec<String>, &'static str> {
    let expected = "expected the names of Secrets, separated by commas, each once";
    let mut names: Vec<String> = Vec::new();
    for name in text.split(',').map(str::trim) {
        if !sidecar::is_object_name(name) || names.iter().any(|other| other == name) {
            return Err(expected);
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn port(text: &str) -> Result<u16, &'static str> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|port| is_number && *port != 0);
    port.ok_or("expected a port, a number from 1 to 65535")
}

fn upstreams(text: &str) -> Result<Vec<Upstream>, &'static str> {
    const EXPECTED: &str = "expected a port such as `8080`, or the ports of upstreams by their \
         names, such as `api=8080,ws=19688`";
    if let Ok(port) = port(text) {
        return Ok(vec![Upstream { name: None, port }]);
    }
    let mut upstreams: Vec<Upstream> = Vec::new();
    for entry in text.split(',') {
        let (name, number) = entry.split_once('=').ok_or(EXPECTED)?;
        let (name, port) = (name.trim(), port(number.trim()).map_err(|_| EXPECTED)?);
        let is_name = (1..=64).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
        let name = Some(name.to_owned());
        if !is_name || upstreams.iter().any(|other| other.name == name) {
            return Err(EXPECTED);
        }
        upstreams.push(Upstream { name, port });
    }
    Ok(upstreams)
}

fn variables(text: &str) -> Result<Vec<(String, String)>, &'static str> {
    const EXPECTED: &str = "expected variables such as `BIND_IP=127.0.0.1,PORT=8080`, each once";
    let mut variables: Vec<(String, String)> = Vec::new();
    for entry in text.split(',') {
        let (name, value) = entry.split_once('=').ok_or(EXPECTED)?;
        let name = name.trim();
        if !sidecar::is_variable(name) || variables.iter().any(|(other, _)| other == name) {
            return Err(EXPECTED);
        }
        variables.push((name.to_owned(), value.to_owned()));
    }
    Ok(variables)
}

fn drain(text: &str) -> Result<Duration, &'static str> {
    config::duration(text)
        .filter(|time| *time <= sidecar::LONGEST_DRAIN)
        .ok_or("expected a duration such as `15s` or `2m`, of 24h at most")
}

/// The kubelet sleeps for whole seconds.
fn sleep(text: &str) -> Result<u64, &'static str> {
    config::duration(text)
        .filter(|time| time.subsec_nanos() == 0 && *time <= sidecar::LONGEST_DRAIN)
        .map(|time| time.as_secs())
        .filter(|seconds| *seconds > 0)
        .ok_or("expected a duration of whole seconds such as `20s`, from 1s to 24h")
}

#[cfg(test)]
mod tests;

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
    match sidecar::nearest(key, &KNOWN) {
        Some(nearest) => format!("unknown, did you mean `imgate.dev/{nearest}`?"),
        None => {
            let known = KNOWN.map(|name| format!("`{name}`"));
            format!("unknown, expected one of {}", known.join(", "))
        }
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
    let known = sidecar::PULL_POLICIES.into_iter();
    known
        .filter(|policy| *policy == text)
        .last()
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
mod tests {
    use serde_json::json;

    use super::*;

    fn wishes(annotations: &Value) -> Result<Wishes, String> {
        let pod = json!({
            "metadata": { "annotations": annotations },
            "spec": { "containers": [{ "name": "app" }] },
        });
        let mut objections = Objections::default();
        let wishes = read(&Pod::read(&pod).unwrap(), &mut objections);
        match objections.refusal() {
            Some(refusal) => Err(refusal.message),
            None => Ok(wishes),
        }
    }

    #[test]
    fn everything_can_be_asked_for() {
        let wishes = wishes(&json!({
            "imgate.dev/config": "gate",
            "imgate.dev/secrets": "keys, more.keys",
            "imgate.dev/port": "1",
            "imgate.dev/metrics-port": "2",
            "imgate.dev/upstream-port": "api=8080, ws=19688",
            "imgate.dev/log-level": "debug",
            "imgate.dev/cpu-request": "50m",
            "imgate.dev/cpu-limit": "1",
            "imgate.dev/memory-request": "32Mi",
            "imgate.dev/memory-limit": "64Mi",
            "imgate.dev/image": "other/imgate:1",
            "imgate.dev/image-pull-policy": "Always",
            "imgate.dev/native-sidecar": "false",
            "imgate.dev/rewrite-probes": "false",
            "imgate.dev/backend-env": "BIND_IP=127.0.0.1,OPTIONS=a=b c",
            "imgate.dev/backend-container": "app",
            "imgate.dev/backend-prestop-sleep": "1m",
            "imgate.dev/require-loopback": "true",
            "imgate.dev/drain": "500ms",
            "imgate.dev/injected": "0.0.1",
            "another.dev/port": "nobody looks at it",
        }))
        .unwrap();
        let upstream = |name: &str, port| Upstream {
            name: Some(name.to_owned()),
            port,
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = Wishes {
            config: Some("gate".to_owned()),
            secrets: vec!["keys".to_owned(), "more.keys".to_owned()],
            port: Some(1),
            metrics_port: Some(2),
            upstreams: vec![upstream("api", 8080), upstream("ws", 19_688)],
            log_level: Some("debug".to_owned()),
            requests: [("cpu", "50m".to_owned()), ("memory", "32Mi".to_owned())].into(),
            limits: [("cpu", "1".to_owned()), ("memory", "64Mi".to_owned())].into(),
            image: Some("other/imgate:1".to_owned()),
            image_pull_policy: Some("Always"),
            native_sidecar: Some(NativeSidecar::Never),
            rewrite_probes: Some(false),
            backend_env: vec![pair("BIND_IP", "127.0.0.1"), pair("OPTIONS", "a=b c")],
            backend_container: Some("app".to_owned()),
            backend_prestop_sleep: Some(60),
            require_loopback: Some(true),
            drain: Some(Duration::from_millis(500)),
        };
        assert_eq!(wishes, expected);
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_name_and_not_repeated() {
        for (name, values, expected) in [
            (
                "port",
                &["", "0", "65536", "-1", "+1", "http", "0x1"][..],
                "expected a port",
            ),
            ("metrics-port", &["secret"], "expected a port"),
            (
                "upstream-port",
                &[
                    "secret",
                    "a=",
                    "a=0",
                    "=1",
                    "8080,9090",
                    "8080,a=1",
                    "a=1,a=2",
                    "a b=1",
                ],
                "expected a port such as `8080`, or",
            ),
            (
                "config",
                &["", "Secret", "a/b"],
                "expected the name of a ConfigMap",
            ),
            (
                "secrets",
                &["", "a,", "a,a", "Secret"],
                "expected the names of Secrets",
            ),
            ("log-level", &["secret", "[a]=info"], "expected a level"),
            ("cpu-limit", &["secret", "-1"], "expected a quantity"),
            ("memory-request", &["secret"], "expected a quantity"),
            ("image", &["", "a secret"], "expected an image"),
            (
                "image-pull-policy",
                &["always"],
                "expected `Always`, `IfNotPresent` or `Never`",
            ),
            (
                "native-sidecar",
                &["yes", "True"],
                "expected `auto`, `true` or `false`",
            ),
            ("rewrite-probes", &["1", ""], "expected `true` or `false`"),
            (
                "require-loopback",
                &["secret"],
                "expected `true` or `false`",
            ),
            (
                "backend-env",
                &["secret", "=secret", "A=1,A=2", "A=1,,B=2", "1A=secret"],
                "expected variables",
            ),
            (
                "backend-container",
                &["", "Secret"],
                "expected a container's name",
            ),
            (
                "backend-prestop-sleep",
                &["20", "0s", "500ms", "25h"],
                "expected a duration of whole seconds",
            ),
            (
                "drain",
                &["15", "secret", "25h"],
                "expected a duration such as",
            ),
        ] {
            for value in values {
                let name = format!("imgate.dev/{name}");
                let problem = wishes(&json!({ &name: value })).unwrap_err();
                let start = format!("annotation `{name}`: {expected}");
                assert!(problem.starts_with(&start), "{name} {value}: {problem}");
                assert!(!problem.to_lowercase().contains("secret,"), "{problem}");
            }
        }
    }

    #[test]
    fn what_nobody_knows_is_refused_with_the_nearest_that_is_known() {
        for (name, expected) in [
            ("imgate.dev/prot", "did you mean `imgate.dev/port`?"),
            (
                "imgate.dev/cpu-limits",
                "did you mean `imgate.dev/cpu-limit`?",
            ),
            (
                "imgate.dev/upstream_port",
                "did you mean `imgate.dev/upstream-port`?",
            ),
            (
                "imgate.dev/colour",
                "unknown, expected one of `backend-container`, ",
            ),
            (
                "imgate.dev/inject",
                "is a label of the pod, not an annotation",
            ),
            ("imgate.dev/", "annotation `imgate.dev/?`: unknown"),
        ] {
            let problem = wishes(&json!({ name: "x" })).unwrap_err();
            assert!(problem.contains(expected), "{name}: {problem}");
        }
    }

    #[test]
    fn all_mistakes_come_to_light_at_once() {
        let problem = wishes(&json!({
            "imgate.dev/port": "x",
            "imgate.dev/config": 7,
            "imgate.dev/drains": "1s",
        }));
        assert_eq!(
            problem.unwrap_err(),
            "annotation `imgate.dev/config`: expected a string, put the value in quotes; \
             annotation `imgate.dev/drains`: unknown, did you mean `imgate.dev/drain`?; \
             annotation `imgate.dev/port`: expected a port, a number from 1 to 65535"
        );
    }
}

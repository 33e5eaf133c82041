//! The injected container.

use serde_json::{Map, Value, json};

use super::ports::{METRICS, TRAFFIC};
use super::settings::Settings;
use super::volumes::{ADMIN_SOCKET, CONFIG, Volumes};
use super::{CONTAINER, http_get, object, probes};
use crate::config::sidecar;

/// How long the gate may take to start, in seconds; the application waits for it.
const START: u32 = 120;

pub(super) fn gate(
    settings: &Settings<'_>,
    volumes: &Volumes,
    probes: &Map<String, Value>,
) -> Value {
    let probe = |path: &str, times: [u32; 3]| {
        let [period, timeout, failures] = times;
        json!({
            "httpGet": http_get(path, settings.metrics_port),
            "periodSeconds": period,
            "timeoutSeconds": timeout,
            "failureThreshold": failures,
        })
    };
    object([
        ("name", Some(CONTAINER.into())),
        ("image", Some(settings.image.as_str().into())),
        (
            "imagePullPolicy",
            settings.image_pull_policy.map(Into::into),
        ),
        ("args", Some(arguments(settings).into())),
        ("restartPolicy", settings.is_native.then(|| "Always".into())),
        (
            "ports",
            Some(json!([
                { "name": TRAFFIC, "containerPort": settings.port, "protocol": "TCP" },
                { "name": METRICS, "containerPort": settings.metrics_port, "protocol": "TCP" },
            ])),
        ),
        ("env", environment(settings, probes)),
        ("resources", resources(settings)),
        ("volumeMounts", Some(volumes.mounts())),
        // With an ordinary container nobody waits for the start, so readiness says it all.
        (
            "startupProbe",
            settings.is_native.then(|| probe("/readyz", [1, 1, START])),
        ),
        ("livenessProbe", Some(probe("/livez", [10, 2, 3]))),
        ("readinessProbe", Some(probe("/readyz", [5, 2, 2]))),
        (
            "lifecycle",
            // A configuration with an `admin` of its own keeps that.
            Some(
                json!({ "preStop": { "exec": { "command": ["imgate", "drain", "--config",
                format!("{CONFIG}/imgate.yaml"), "--admin-socket", ADMIN_SOCKET] } } }),
            ),
        ),
        // What is wrong with a configuration then stands in the pod's status.
        (
            "terminationMessagePolicy",
            Some("FallbackToLogsOnError".into()),
        ),
        ("securityContext", Some(security(settings))),
    ])
}

fn arguments(settings: &Settings<'_>) -> Vec<String> {
    let mut arguments = vec![
        "run".to_owned(),
        "--config".to_owned(),
        format!("{CONFIG}/imgate.yaml"),
        "--listen".to_owned(),
        settings.address(settings.port).to_string(),
        "--metrics".to_owned(),
        settings.address(settings.metrics_port).to_string(),
        "--admin-socket".to_owned(),
        ADMIN_SOCKET.to_owned(),
        "--drain".to_owned(),
        sidecar::format_duration(settings.drain),
    ];
    for upstream in &settings.upstreams {
        let port = upstream.port;
        arguments.push("--upstream".to_owned());
        arguments.push(match &upstream.name {
            Some(name) => format!("{name}=127.0.0.1:{port}"),
            None => format!("127.0.0.1:{port}"),
        });
    }
    if settings.require_loopback {
        arguments.push("--require-loopback".to_owned());
    }
    arguments
}

fn environment(settings: &Settings<'_>, probes: &Map<String, Value>) -> Option<Value> {
    let plain = |name: &str, value: &str| json!({ "name": name, "value": value });
    let mut variables = Vec::new();
    if let Some(level) = &settings.log_level {
        variables.push(plain("IMGATE_LOG", level));
    }
    let env = &settings.template.env;
    variables.extend(env.iter().map(|(name, value)| plain(name, value)));
    variables.extend(probes::variable(probes));
    (!variables.is_empty()).then_some(Value::Array(variables))
}

fn resources(settings: &Settings<'_>) -> Option<Value> {
    let resources = &settings.resources;
    let amounts = |amounts: &std::collections::BTreeMap<String, String>| {
        (!amounts.is_empty()).then(|| json!(amounts))
    };
    let resources = object([
        ("requests", amounts(&resources.requests)),
        ("limits", amounts(&resources.limits)),
    ]);
    resources
        .as_object()
        .is_some_and(|resources| !resources.is_empty())
        .then_some(resources)
}

/// What Pod Security calls `restricted`. At the container, since the pod is somebody else's.
fn security(settings: &Settings<'_>) -> Value {
    let template = settings.template;
    object([
        ("runAsNonRoot", Some(true.into())),
        ("runAsUser", template.run_as_user.map(Into::into)),
        ("runAsGroup", template.run_as_group.map(Into::into)),
        ("allowPrivilegeEscalation", Some(false.into())),
        ("readOnlyRootFilesystem", Some(true.into())),
        ("capabilities", Some(json!({ "drop": ["ALL"] }))),
        ("seccompProfile", Some(json!({ "type": "RuntimeDefault" }))),
    ])
}

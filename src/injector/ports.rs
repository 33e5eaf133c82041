//! Ports in the pod, where all containers share one network.
//!
//! A name counts as much as a number: a Service that points at `imgate` takes the first port of that
//! name, and would otherwise send its clients around the gate.

use serde_json::Value;

use super::Warnings;
use super::objections::{Objections, Reason};
use super::pod::Pod;
use super::settings::Settings;

/// The port that Services point at.
pub(super) const TRAFFIC: &str = "imgate";
/// Health and metrics.
pub(super) const METRICS: &str = "imgate-metrics";

pub(super) fn check(pod: &Pod<'_>, settings: &Settings<'_>, objections: &mut Objections) {
    let (port, metrics_port) = (settings.port, settings.metrics_port);
    if port == metrics_port {
        objections.add(
            Reason::Port,
            format!(
                "annotations `imgate.dev/port` and `imgate.dev/metrics-port`: expected two \
                 different ports, both are {port}"
            ),
        );
    }
    for upstream in &settings.upstreams {
        if [port, metrics_port].contains(&upstream.port) {
            objections.add(
                Reason::Port,
                format!(
                    "annotation `imgate.dev/upstream-port`: expected the backend's port, {} is the \
                     gate's own",
                    upstream.port
                ),
            );
        }
    }
    for container in pod.all_containers() {
        for (index, theirs) in container.ports().iter().enumerate() {
            let place = format!("{container}.ports[{index}]");
            let name = theirs.get("name").and_then(Value::as_str);
            if name.is_some_and(|name| [TRAFFIC, METRICS].contains(&name)) {
                objections.add(
                    Reason::Port,
                    format!("{place}.name: expected another name, the gate's port has this one"),
                );
            }
            if !is_tcp(theirs) {
                continue;
            }
            for field in ["containerPort", "hostPort"] {
                let number = number(theirs, field);
                let annotation = match number {
                    Some(number) if number == port => "port",
                    Some(number) if number == metrics_port => "metrics-port",
                    Some(_) | None => continue,
                };
                objections.add(
                    Reason::Port,
                    format!(
                        "{place}.{field}: expected another port, or another `imgate.dev/{annotation}`; \
                         the gate listens at {}",
                        number.unwrap_or_default()
                    ),
                );
            }
        }
    }
}

/// What works, and is perhaps not meant so.
pub(super) fn warn(pod: &Pod<'_>, settings: &Settings<'_>, warnings: &mut Warnings) {
    if settings.upstreams.is_empty() {
        warnings.add(
            "no `imgate.dev/upstream-port`: upstreams are where the configuration says".to_owned(),
        );
    }
    for container in pod.all_containers() {
        for theirs in container.ports() {
            let Some(port) = number(theirs, "containerPort") else {
                continue;
            };
            let is_backend = settings.upstreams.is_empty()
                || settings
                    .upstreams
                    .iter()
                    .any(|upstream| upstream.port == port);
            if is_backend && is_tcp(theirs) && number(theirs, "hostPort").is_some() {
                let name = container.name();
                warnings.add(format!(
                    "{name}: port {port} has a hostPort, which leads around the gate"
                ));
            }
        }
    }
}

fn is_tcp(port: &Value) -> bool {
    port.get("protocol")
        .and_then(Value::as_str)
        .is_none_or(|protocol| protocol == "TCP")
}

/// A port's number; 0 is none.
fn number(port: &Value, field: &str) -> Option<u16> {
    let number = port.get(field)?.as_u64()?;
    u16::try_from(number).ok().filter(|number| *number != 0)
}

//! What the gate of one pod is like: its annotations over the template.

use std::net::SocketAddr;
use std::time::Duration;

use super::annotations::{Upstream, Wishes};
use super::objections::{Objections, Reason};
use super::{Situation, Version, is_native};
use crate::config::sidecar::{Resources, Template};

/// Everything decided.
#[derive(Clone, Debug)]
pub(super) struct Settings<'a> {
    pub(super) template: &'a Template,
    pub(super) kubernetes: Option<Version>,
    /// Empty where there is none, which was objected to.
    pub(super) config: String,
    pub(super) secrets: Vec<String>,
    pub(super) port: u16,
    pub(super) metrics_port: u16,
    pub(super) upstreams: Vec<Upstream>,
    pub(super) log_level: Option<String>,
    pub(super) resources: Resources,
    pub(super) image: String,
    pub(super) image_pull_policy: Option<&'static str>,
    pub(super) is_native: bool,
    pub(super) rewrite_probes: bool,
    pub(super) backend_env: Vec<(String, String)>,
    pub(super) backend_container: Option<String>,
    pub(super) backend_prestop_sleep: Option<u64>,
    pub(super) require_loopback: bool,
    pub(super) drain: Duration,
}

impl<'a> Settings<'a> {
    pub(super) fn of(
        situation: Situation<'a>,
        wishes: Wishes,
        objections: &mut Objections,
    ) -> Self {
        let Situation {
            template,
            kubernetes,
        } = situation;
        let config = wishes.config.or_else(|| template.config.clone());
        if config.is_none() {
            objections.add(
                Reason::Config,
                "annotation `imgate.dev/config`: expected the name of a ConfigMap with the key \
                 `imgate.yaml`, the injector's template names none",
            );
        }
        let mut resources = template.resources.clone();
        for (into, from) in [
            (&mut resources.requests, wishes.requests),
            (&mut resources.limits, wishes.limits),
        ] {
            into.extend(
                from.into_iter()
                    .map(|(name, value)| (name.to_owned(), value)),
            );
        }
        let native = wishes.native_sidecar.unwrap_or(template.native_sidecar);
        Self {
            template,
            kubernetes,
            config: config.unwrap_or_default(),
            secrets: wishes.secrets,
            port: wishes.port.unwrap_or(template.port),
            metrics_port: wishes.metrics_port.unwrap_or(template.metrics_port),
            upstreams: wishes.upstreams,
            log_level: wishes.log_level.or_else(|| template.log_level.clone()),
            resources,
            image: wishes.image.unwrap_or_else(|| template.image.clone()),
            image_pull_policy: wishes.image_pull_policy.or(template.image_pull_policy),
            is_native: is_native(native, kubernetes, objections),
            rewrite_probes: wishes.rewrite_probes.unwrap_or(template.rewrite_probes),
            backend_env: wishes.backend_env,
            backend_container: wishes.backend_container,
            backend_prestop_sleep: wishes.backend_prestop_sleep,
            require_loopback: wishes.require_loopback.unwrap_or(template.require_loopback),
            drain: wishes.drain.unwrap_or(template.drain),
        }
    }

    /// Where the gate listens with this port.
    pub(super) fn address(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.template.bind_address, port)
    }
}

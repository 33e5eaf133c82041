//! The injector: a Kubernetes webhook that puts the gate into pods.
//!
//! The core is a pure function, [`inject`]: a pod as raw JSON and a template in, a patch out, or why
//! there is none. It reads only what it knows and writes only what it adds, so that fields of later
//! versions of Kubernetes come through unharmed. Around it stand the review that the API server sends
//! ([`review`]), the HTTPS server, the certificates, and the commands.

use serde_json::{Map, Value, json};

use crate::config::sidecar::{NativeSidecar, Template};

mod annotations;
mod authority;
mod backend;
mod certificate;
pub mod cli;
mod cluster;
mod container;
mod files;
mod grace;
mod manifest;
mod metrics;
mod objections;
mod pace;
mod patch;
mod ping;
mod pod;
mod ports;
mod probes;
mod review;
mod run;
mod server;
mod settings;
mod state;
mod upkeep;
mod version;
mod volumes;
mod webhook;

use objections::Objections;
use patch::Patch;
use pod::Pod;
use settings::Settings;

pub use objections::{Reason, Refusal};
pub use patch::Add;
pub use version::{NotAVersion, Version};

/// The domain of our labels and annotations, as a prefix.
pub const PREFIX: &str = "imgate.dev/";
/// The name of the injected container; a pod that has one is left alone.
pub const CONTAINER: &str = "imgate";
/// The label that asks for the gate, or with `disabled` for none.
pub const LABEL: &str = "imgate.dev/inject";
/// The annotation that says which version was injected.
pub const INJECTED: &str = "imgate.dev/injected";

/// What a pod is made of besides itself.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    pub template: &'a Template,
    /// Of the cluster; where it is not known, one of today is assumed.
    pub kubernetes: Option<Version>,
}

/// What becomes of a pod.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Denied(Refusal),
    Injected(Injection),
    Skipped(Skip),
}

/// How the gate comes into a pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Injection {
    pub patch: Vec<Add>,
    /// For whoever creates the pod, of 120 characters at most.
    pub warnings: Vec<String>,
    pub is_native: bool,
}

/// Why a pod is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    AlreadyInjected,
    Disabled,
    /// The kubelet's picture of a pod that is no object of the API.
    Mirror,
    NotACreation,
    NotAPod,
}

impl Skip {
    pub const ALL: [Self; 5] = [
        Self::AlreadyInjected,
        Self::Disabled,
        Self::Mirror,
        Self::NotACreation,
        Self::NotAPod,
    ];

    /// The word for metrics and the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AlreadyInjected => "already_injected",
            Self::Disabled => "disabled",
            Self::Mirror => "mirror",
            Self::NotACreation => "not_a_creation",
            Self::NotAPod => "not_a_pod",
        }
    }
}

/// Decides what becomes of a pod, or of a pod's template, which looks the same.
///
/// Applying the patch and asking again gives [`Skip::AlreadyInjected`]: the API server does ask
/// again when another webhook has changed the pod.
pub fn inject(object: &Value, situation: Situation<'_>) -> Outcome {
    let pod = match Pod::read(object) {
        Ok(pod) => pod,
        Err(refusal) => return Outcome::Denied(refusal),
    };
    if let Some(skip) = skip(&pod) {
        return Outcome::Skipped(skip);
    }
    let mut objections = Objections::default();
    let wishes = annotations::read(&pod, &mut objections);
    let settings = Settings::of(situation, wishes, &mut objections);
    refuse_foreign_ground(&pod, &mut objections);
    ports::check(&pod, &settings, &mut objections);
    let volumes = volumes::of(&pod, &settings, &mut objections);

    let mut warnings = Warnings::default();
    let mut patch = Patch::of(object);
    // What belongs to containers that are there comes first: an insertion would move them.
    backend::change(&pod, &settings, &mut patch, &mut objections, &mut warnings);
    let probes = probes::rewrite(&pod, &settings, &mut patch, &mut objections, &mut warnings);
    if let Some(refusal) = objections.refusal() {
        return Outcome::Denied(refusal);
    }
    annotate(&pod, &settings, &mut patch);
    grace::raise(&pod, &settings, &mut patch);
    for volume in volumes.iter() {
        patch.append("/spec/volumes", volume.clone());
    }
    let list = if settings.is_native {
        "/spec/initContainers"
    } else {
        "/spec/containers"
    };
    patch.insert_first(list, container::gate(&settings, &volumes, &probes));
    ports::warn(&pod, &settings, &mut warnings);
    if !settings.is_native && pod.ends_by_itself() {
        warnings.add(
            "the gate is an ordinary container here, so this pod will not end by itself".to_owned(),
        );
    }
    Outcome::Injected(Injection {
        patch: patch.into_adds(),
        warnings: warnings.0,
        is_native: settings.is_native,
    })
}

fn skip(pod: &Pod<'_>) -> Option<Skip> {
    if pod.all_containers().any(|one| one.name() == CONTAINER) {
        return Some(Skip::AlreadyInjected);
    }
    if pod.label(LABEL) == Some("disabled") {
        return Some(Skip::Disabled);
    }
    pod.annotation("kubernetes.io/config.mirror")
        .map(|_| Skip::Mirror)
}

/// Where the gate could not protect anything, or not run.
fn refuse_foreign_ground(pod: &Pod<'_>, objections: &mut Objections) {
    if pod.spec.get("hostNetwork") == Some(&Value::Bool(true)) {
        objections.add(
            Reason::HostNetwork,
            "spec.hostNetwork: expected a pod with a network of its own; here 127.0.0.1 is the \
             node's, and everything on the node would reach the backend without the gate",
        );
    }
    let system = pod.spec.pointer("/os/name").and_then(Value::as_str);
    let selected = pod
        .spec
        .pointer("/nodeSelector/kubernetes.io~1os")
        .and_then(Value::as_str);
    if system == Some("windows") || selected == Some("windows") {
        let place = if system.is_some() {
            "spec.os.name"
        } else {
            "spec.nodeSelector"
        };
        objections.add(
            Reason::Windows,
            format!("{place}: expected a pod for Linux, the gate runs on nothing else"),
        );
    }
}

fn annotate(pod: &Pod<'_>, settings: &Settings<'_>, patch: &mut Patch<'_>) {
    patch.put("/metadata/annotations", INJECTED, VERSION.into());
    // All three or none: a port without the application's own path would be another question.
    let is_scraped = SCRAPE.iter().any(|name| pod.annotation(name).is_some());
    if settings.template.scrape_annotations && !is_scraped {
        let values = ["true", &settings.metrics_port.to_string(), "/metrics"];
        for (name, value) in SCRAPE.iter().zip(values) {
            patch.put("/metadata/annotations", name, value.into());
        }
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

const SCRAPE: [&str; 3] = [
    "prometheus.io/scrape",
    "prometheus.io/port",
    "prometheus.io/path",
];

/// What to tell whoever creates a pod.
#[derive(Debug, Default)]
struct Warnings(Vec<String>);

impl Warnings {
    /// Longer ones would be cut by the API server, or make it drop others.
    const MOST: usize = 120;

    fn add(&mut self, mut text: String) {
        if text.chars().count() > Self::MOST {
            text = text.chars().take(Self::MOST - 1).chain(['…']).collect();
        }
        self.0.push(text);
    }
}

/// Whether the gate is to be a native sidecar.
fn is_native(
    wish: NativeSidecar,
    kubernetes: Option<Version>,
    objections: &mut Objections,
) -> bool {
    match wish {
        NativeSidecar::Always => {
            // Before, the field is unknown, and the gate would be waited for until it ends: never.
            if kubernetes.is_some_and(|version| version < Version::new(1, 28)) {
                objections.add(
                    Reason::Annotation,
                    "native sidecars: expected Kubernetes 1.29 or later, or \
                     `imgate.dev/native-sidecar: \"false\"`",
                );
            }
            true
        }
        NativeSidecar::Auto => kubernetes.is_none_or(|version| version >= Version::new(1, 29)),
        NativeSidecar::Never => false,
    }
}

/// An object of these members, without those that are not there.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let members = members
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(members.collect::<Map<_, _>>())
}

/// A container that answers this over HTTP at a port of its own.
fn http_get(path: &str, port: u16) -> Value {
    json!({ "path": path, "port": port })
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

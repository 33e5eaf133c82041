//! A pod as it came, looked at without a type: what is not asked for is not even seen.

use std::fmt;

use serde_json::Value;

use super::objections::{Reason, Refusal};

/// A pod, or the pod in a workload's template.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pod<'a> {
    object: &'a Value,
    pub(super) spec: &'a Value,
}

/// One container, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Container<'a> {
    list: List,
    index: usize,
    pub(super) value: &'a Value,
}

/// The lists of containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Containers,
    InitContainers,
}

impl<'a> Pod<'a> {
    /// What the API server sends has this form; a file may have any.
    pub(super) fn read(object: &'a Value) -> Result<Self, Refusal> {
        let refusal = |message: &str| Refusal {
            reason: Reason::Pod,
            message: message.to_owned(),
        };
        let spec = object.get("spec").filter(|spec| spec.is_object());
        let spec = spec.ok_or_else(|| refusal("spec: expected a map"))?;
        let pod = Self { object, spec };
        if pod.containers().next().is_none() {
            return Err(refusal("spec.containers: expected at least one container"));
        }
        for list in ["containers", "initContainers", "volumes"] {
            let elements = match spec.get(list) {
                Some(Value::Array(elements)) => elements.as_slice(),
                Some(Value::Null) | None => &[],
                Some(_) => return Err(refusal(&format!("spec.{list}: expected a list"))),
            };
            if !elements.iter().all(Value::is_object) {
                return Err(refusal(&format!("spec.{list}: expected a list of maps")));
            }
        }
        for map in ["labels", "annotations"] {
            let is_map = object
                .pointer(&format!("/metadata/{map}"))
                .is_none_or(|value| value.is_object() || value.is_null());
            if !is_map {
                return Err(refusal(&format!("metadata.{map}: expected a map")));
            }
        }
        Ok(pod)
    }

    pub(super) fn label(&self, name: &str) -> Option<&'a str> {
        self.object
            .get("metadata")?
            .get("labels")?
            .get(name)?
            .as_str()
    }

    pub(super) fn annotation(&self, name: &str) -> Option<&'a Value> {
        self.object.get("metadata")?.get("annotations")?.get(name)
    }

    /// In the order of their names.
    pub(super) fn annotations(&self) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
        let annotations = self.object.pointer("/metadata/annotations");
        let annotations = annotations.and_then(Value::as_object);
        annotations
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.as_str(), value))
    }

    pub(super) fn containers(&self) -> impl Iterator<Item = Container<'a>> + use<'a> {
        self.list(List::Containers)
    }

    pub(super) fn init_containers(&self) -> impl Iterator<Item = Container<'a>> + use<'a> {
        self.list(List::InitContainers)
    }

    pub(super) fn all_containers(&self) -> impl Iterator<Item = Container<'a>> + use<'a> {
        self.containers().chain(self.init_containers())
    }

    pub(super) fn volumes(&self) -> &'a [Value] {
        elements(self.spec, "volumes")
    }

    /// Whether the pod is over when its containers are.
    pub(super) fn ends_by_itself(&self) -> bool {
        self.spec
            .get("restartPolicy")
            .and_then(Value::as_str)
            .is_some_and(|policy| policy != "Always")
    }

    fn list(&self, list: List) -> impl Iterator<Item = Container<'a>> + use<'a> {
        let elements = elements(self.spec, list.as_str());
        elements
            .iter()
            .enumerate()
            .map(move |(index, value)| Container { list, index, value })
    }
}

impl<'a> Container<'a> {
    pub(super) fn name(&self) -> &'a str {
        self.value
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub(super) fn ports(&self) -> &'a [Value] {
        elements(self.value, "ports")
    }

    pub(super) fn env(&self) -> &'a [Value] {
        elements(self.value, "env")
    }

    pub(super) fn is_init(&self) -> bool {
        self.list == List::InitContainers
    }

    /// Whether it runs for as long as the pod does.
    pub(super) fn keeps_running(&self) -> bool {
        !self.is_init() || self.value.get("restartPolicy").and_then(Value::as_str) == Some("Always")
    }

    /// The container as a patch names it.
    pub(super) fn pointer(&self) -> String {
        format!("/spec/{}/{}", self.list.as_str(), self.index)
    }
}

/// The container as a problem names it.
impl fmt::Display for Container<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spec.{}[{}]", self.list.as_str(), self.index)
    }
}

impl List {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Containers => "containers",
            Self::InitContainers => "initContainers",
        }
    }
}

/// The elements of a list that may be absent.
pub(super) fn elements<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

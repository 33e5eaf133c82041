//! Why a pod cannot have the gate: all of it at once, since each round costs a rollout.

/// A text for whoever creates the pod, and a word for the metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    pub message: String,
}

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Unknown, or its value is malformed.
    Annotation,
    /// It is not clear which container is the backend, or that has what it should get.
    Backend,
    /// Nobody says which configuration the gate has.
    Config,
    HostNetwork,
    /// This is no pod that Kubernetes would take.
    Pod,
    Port,
    Probe,
    Volume,
    Windows,
}

impl Reason {
    pub const ALL: [Self; 9] = [
        Self::Annotation,
        Self::Backend,
        Self::Config,
        Self::HostNetwork,
        Self::Pod,
        Self::Port,
        Self::Probe,
        Self::Volume,
        Self::Windows,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Annotation => "annotation",
            Self::Backend => "backend",
            Self::Config => "config",
            Self::HostNetwork => "host_network",
            Self::Pod => "pod",
            Self::Port => "port",
            Self::Probe => "probe",
            Self::Volume => "volume",
            Self::Windows => "windows",
        }
    }
}

/// Collects.
#[derive(Debug, Default)]
pub(super) struct Objections(Vec<(Reason, String)>);

impl Objections {
    pub(super) fn add(&mut self, reason: Reason, message: impl Into<String>) {
        self.0.push((reason, message.into()));
    }

    /// What an annotation should have been.
    pub(super) fn annotation(&mut self, name: &str, expected: &str) {
        self.add(
            Reason::Annotation,
            format!("annotation `imgate.dev/{name}`: {expected}"),
        );
    }

    /// All of them as one, under the first one's reason.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        let (reason, _) = self.0.first()?;
        let messages: Vec<&str> = self.0.iter().map(|(_, message)| message.as_str()).collect();
        Some(Refusal {
            reason: *reason,
            message: messages.join("; "),
        })
    }
}

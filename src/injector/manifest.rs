//! Manifests as files have them: several documents, workloads around pods.

use serde_json::Value;

use super::{Outcome, Situation, inject, patch};

mod yaml;

/// What came of one file.
#[derive(Debug, Default)]
pub(super) struct Injected {
    /// All documents, in their order.
    pub(super) text: String,
    /// For whoever asked, with the object that each is about.
    pub(super) notes: Vec<String>,
    /// Objects that cannot have the gate. With any of them the text is of no use.
    pub(super) refusals: Vec<String>,
}

/// The file is no YAML.
#[derive(Debug, thiserror::Error)]
#[error("document {document}: not valid YAML")]
pub(super) struct NotYaml {
    document: usize,
}

/// Injects the gate into all pods of a file.
pub(super) fn inject_all(
    text: &str,
    namespace: Option<&str>,
    situation: Situation<'_>,
) -> Result<Injected, NotYaml> {
    let mut injected = Injected::default();
    let mut is_first = true;
    for mut document in yaml::read(text)? {
        visit(&mut document, namespace, situation, &mut injected);
        if !std::mem::take(&mut is_first) {
            injected.text.push_str("---\n");
        }
        yaml::write(&document, &mut injected.text);
    }
    Ok(injected)
}

fn visit(
    object: &mut Value,
    namespace: Option<&str>,
    situation: Situation<'_>,
    injected: &mut Injected,
) {
    let kind = object.get("kind").and_then(Value::as_str);
    let kind = kind.unwrap_or_default().to_owned();
    if kind == "List"
        && let Some(items) = object.get_mut("items").and_then(Value::as_array_mut)
    {
        for item in items {
            visit(item, namespace, situation, injected);
        }
        return;
    }
    let Some(pointer) = pod_of(&kind) else {
        return;
    };
    let name = name(object, namespace);
    let Some(pod) = object.pointer_mut(pointer) else {
        let place = pointer.trim_start_matches('/').replace('/', ".");
        injected
            .refusals
            .push(format!("{name}: {place}: expected a pod"));
        return;
    };
    match inject(pod, situation) {
        Outcome::Denied(refusal) => injected
            .refusals
            .push(format!("{name}: {}", refusal.message)),
        Outcome::Injected(injection) => {
            patch::apply(pod, injection.patch);
            let notes = injection.warnings.into_iter();
            injected
                .notes
                .extend(notes.map(|text| format!("{name}: {text}")));
        }
        Outcome::Skipped(skip) => {
            let why = skip.as_str().replace('_', " ");
            injected.notes.push(format!("{name}: left as it is: {why}"));
        }
    }
}

/// Where an object of this kind has its pod.
fn pod_of(kind: &str) -> Option<&'static str> {
    match kind {
        "Pod" => Some(""),
        "DaemonSet"
        | "Deployment"
        | "Job"
        | "ReplicaSet"
        | "ReplicationController"
        | "StatefulSet" => Some("/spec/template"),
        "CronJob" => Some("/spec/jobTemplate/spec/template"),
        _ => None,
    }
}

/// Such as `chat/Deployment/im`.
fn name(object: &Value, namespace: Option<&str>) -> String {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str);
    let namespace = text("/metadata/namespace").or(namespace);
    let name = text("/metadata/name").or_else(|| text("/metadata/generateName"));
    let parts = [namespace, text("/kind"), name];
    parts.into_iter().flatten().collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{situation, template};
    use super::*;

    fn injected(text: &str) -> Injected {
        let template = template();
        inject_all(text, Some("chat"), situation(&template)).unwrap()
    }

    #[test]
    fn every_kind_of_workload_has_its_pod_somewhere() {
        let pod = "metadata: {annotations: {imgate.dev/upstream-port: '1'}}, spec: {containers: [{name: app}]}";
        for (kind, text) in [
            ("Pod", format!("{{kind: Pod, {pod}}}")),
            (
                "Deployment",
                format!("{{kind: Deployment, spec: {{template: {{{pod}}}}}}}"),
            ),
            (
                "CronJob",
                format!(
                    "{{kind: CronJob, spec: {{jobTemplate: {{spec: {{template: {{{pod}}}}}}}}}}}"
                ),
            ),
            (
                "List",
                format!("{{kind: List, items: [{{kind: Pod, {pod}}}]}}"),
            ),
        ] {
            let injected = injected(&text);
            assert!(
                injected.text.contains("--admin-socket"),
                "{kind}: {}",
                injected.text
            );
            assert_eq!(
                (injected.notes, injected.refusals),
                (vec![], vec![]),
                "{kind}"
            );
        }
    }

    #[test]
    fn other_documents_pass_and_what_is_said_names_its_object() {
        let injected = injected(
            "kind: Service\nspec: {ports: [{port: 80}]}\n---\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: app}]}\n\
             ---\nkind: Pod\nmetadata: {name: b, namespace: other}\nspec: {hostNetwork: true, containers: [{name: app}]}\n\
             ---\nkind: Deployment\nmetadata: {name: c}\n---\nkind: Pod\nmetadata: {name: d}\nspec: {containers: [{name: imgate}]}\n",
        );
        assert!(
            injected
                .text
                .starts_with("kind: Service\nspec:\n  ports:\n  - port: 80\n---\n"),
            "{}",
            injected.text
        );
        assert_eq!(injected.text.matches("---\n").count(), 4);
        assert!(
            injected.notes[0].starts_with("chat/Pod/a: no `imgate.dev/upstream-port`"),
            "{:?}",
            injected.notes
        );
        assert_eq!(
            injected.notes[1],
            "chat/Pod/d: left as it is: already injected"
        );
        assert!(
            injected.refusals[0].starts_with("other/Pod/b: spec.hostNetwork"),
            "{:?}",
            injected.refusals
        );
        assert_eq!(
            injected.refusals[1],
            "chat/Deployment/c: spec.template: expected a pod"
        );
    }

    #[test]
    fn what_is_no_yaml_is_refused_by_its_document() {
        let template = template();
        let error = inject_all("a: 1\n---\nb: [", None, situation(&template)).unwrap_err();
        assert_eq!(error.to_string(), "document 2: not valid YAML");
    }
}

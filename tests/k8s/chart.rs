//! The chart in `helm/imgate`: what it renders, what it refuses, and what Prometheus makes of its rules.
//!
//! Nothing here needs a cluster: Helm renders for three versions of Kubernetes, and what comes out is
//! judged by their schemas, by the gate, and by promtool.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use serde_yaml::Value;

use super::support::tools::{output, run, text, tool};

/// The configurations in rendered ConfigMaps, as the gate reads them.
mod configurations;
/// What keeps a pod from running without its gate.
mod locks;
/// Alerts, dashboards and monitors.
mod monitoring;
/// What the chart says is put into pods, as the injector reads it.
mod template;
/// What may be in values, and where they are written down.
mod values;
/// Ports, rights and lives of what runs.
mod workloads;

/// The oldest, one in between, and the newest.
const VERSIONS: [&str; 3] = ["1.29", "1.33", "1.36"];
/// What other projects define. Kubernetes' schemas know nothing of it.
const FOREIGN: [&str; 2] = ["cert-manager.io/", "monitoring.coreos.com/"];
const RELEASE: &str = "im";
const NAMESPACE: &str = "imgate-system";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn chart() -> PathBuf {
    root().join("helm/imgate")
}

/// A file of the chart.
#[track_caller]
fn read(path: &str) -> String {
    let path = chart().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Files below a directory of the chart, sorted.
fn files(directory: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(chart().join(directory)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    assert!(!files.is_empty(), "{directory} is not empty");
    files
}

/// The arguments of `helm template` for a file of values.
fn of_file(file: &Path) -> Vec<String> {
    vec!["--values".to_owned(), file.display().to_string()]
}

fn set(assignments: &[&str]) -> Vec<String> {
    let pairs = assignments.iter().flat_map(|one| ["--set", one]);
    pairs.map(str::to_owned).collect()
}

fn template(helm: &str, version: &str, arguments: &[String]) -> std::process::Command {
    let mut command = tool(helm);
    command.args(["template", RELEASE]).arg(chart());
    command.args(["--namespace", NAMESPACE, "--kube-version"]);
    command.arg(format!("{version}.0")).args(arguments);
    command
}

/// What Helm makes of these values for a cluster of this version.
#[track_caller]
fn render(version: &str, arguments: &[String]) -> Vec<Value> {
    documents(&run(&mut template("helm", version, arguments)))
}

/// What Helm says of values that it does not take.
#[track_caller]
fn refusal(version: &str, arguments: &[String]) -> String {
    let refused = output(&mut template("helm", version, arguments));
    let said = text(&refused);
    assert!(!refused.status.success(), "refused: {said}");
    said
}

/// The objects of a manifest, in the order of their names.
#[track_caller]
fn documents(manifest: &str) -> Vec<Value> {
    let documents = serde_yaml::Deserializer::from_str(manifest);
    let documents = documents.map(|document| Value::deserialize(document).expect("YAML"));
    let mut objects: Vec<_> = documents.filter(|object| !object.is_null()).collect();
    objects.sort_by_key(name_of);
    objects
}

/// `Kind namespace/name`.
fn name_of(object: &Value) -> String {
    let metadata = &object["metadata"];
    let namespace = metadata["namespace"].as_str().unwrap_or_default();
    let name = metadata["name"].as_str().unwrap_or_default();
    format!("{} {namespace}/{name}", kind(object))
}

fn kind(object: &Value) -> &str {
    object["kind"].as_str().unwrap_or_default()
}

fn of_kind<'a>(objects: &'a [Value], wanted: &str) -> Vec<&'a Value> {
    let found = objects.iter().filter(|object| kind(object) == wanted);
    found.collect()
}

/// The one object of this kind.
#[track_caller]
fn the<'a>(objects: &'a [Value], wanted: &str) -> &'a Value {
    let found = of_kind(objects, wanted);
    assert_eq!(found.len(), 1, "one {wanted}");
    found[0]
}

/// The object of this kind and name.
#[track_caller]
fn named<'a>(objects: &'a [Value], wanted: &str, name: &str) -> &'a Value {
    let mut found = of_kind(objects, wanted).into_iter();
    let found = found.find(|object| object["metadata"]["name"].as_str() == Some(name));
    found.unwrap_or_else(|| panic!("a {wanted} {name}"))
}

#[track_caller]
fn items(list: &Value) -> &[Value] {
    list.as_sequence().expect("a list")
}

fn strings(list: &Value) -> Vec<&str> {
    let items = list.as_sequence().into_iter().flatten();
    items.filter_map(Value::as_str).collect()
}

/// Walks all that is in a value, with the path to it.
fn walk(value: &Value, path: &str, visit: &mut dyn FnMut(&str, &Value)) {
    visit(path, value);
    for (key, inner) in value.as_mapping().into_iter().flatten() {
        walk(
            inner,
            &format!("{path}.{}", key.as_str().unwrap_or("?")),
            visit,
        );
    }
    for inner in value.as_sequence().into_iter().flatten() {
        walk(inner, &format!("{path}[]"), visit);
    }
}

#[test]
fn there_is_one_chart() {
    let mut charts = Vec::new();
    let mut directories = vec![root().join("helm")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.ends_with("Chart.yaml") {
                charts.push(path);
            }
        }
    }
    assert_eq!(charts, [chart().join("Chart.yaml")]);
    let chart: Value = serde_yaml::from_str(&read("Chart.yaml")).unwrap();
    for key in ["version", "appVersion"] {
        assert_eq!(chart[key], env!("CARGO_PKG_VERSION"), "{key} of Chart.yaml");
    }
}

#[test]
fn both_helms_lint_it_without_a_warning() {
    for helm in ["helm", "helm3"] {
        for file in files("ci") {
            let mut command = tool(helm);
            command.args(["lint", "--strict"]).arg(chart());
            let said = run(command.args(of_file(&file)));
            assert!(!said.contains("[WARNING]"), "{}: {said}", file.display());
        }
    }
}

#[test]
fn both_helms_render_the_same() {
    for file in files("ci") {
        let [four, three] = ["helm", "helm3"].map(|helm| {
            let manifest = run(&mut template(helm, "1.33", &of_file(&file)));
            documents(&manifest)
        });
        assert_eq!(three, four, "{}", file.display());
    }
}

/// Kubernetes' own schemas, which know every key: a misspelt one is an error.
#[test]
fn every_ci_file_fits_the_schemas_of_every_version() {
    for version in VERSIONS {
        let directory = tempfile::tempdir().unwrap();
        let mut command = tool("kubernetes-validate");
        command.args(["--kubernetes-version", version, "--strict"]);
        for file in files("ci") {
            let mut objects = render(version, &of_file(&file));
            objects.retain(|object| {
                let group = object["apiVersion"].as_str().unwrap_or_default();
                !FOREIGN.iter().any(|foreign| group.starts_with(foreign))
            });
            let manifest = directory.path().join(file.file_name().unwrap());
            let texts = objects
                .iter()
                .map(|one| serde_yaml::to_string(one).unwrap());
            fs::write(&manifest, texts.collect::<Vec<_>>().join("---\n")).unwrap();
            command.arg(manifest);
        }
        let said = output(&mut command);
        let text = text(&said);
        assert!(said.status.success(), "{version}: {text}");
        assert!(!text.contains("find schema"), "{version}: {text}");
    }
}

/// `helm lint` says nothing about an older cluster; an install does.
#[test]
fn clusters_without_native_sidecars_are_refused() {
    let said = refusal("1.28", &[]);
    assert!(said.contains(">=1.29.0-0"), "{said}");
}

//! Names of metrics: those that there are, and those that an expression asks for.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::root;

/// What kube-state-metrics, Prometheus itself and the process collector bring.
const OF_OTHERS: [&str; 11] = [
    "kube_pod_container_info",
    "kube_pod_container_status_restarts_total",
    "kube_pod_init_container_info",
    "kube_pod_init_container_status_restarts_total",
    "kube_pod_labels",
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "up",
];
/// What registers families in the sources; the name follows.
const MAKERS: [&str; 6] = [
    "counter(",
    "counters(",
    "gauge(",
    "gauges(",
    "histograms(",
    "Opts::new(",
];
/// Words of `PromQL` that are no metric.
const WORDS: [&str; 16] = [
    "absent",
    "and",
    "bool",
    "count",
    "histogram_quantile",
    "increase",
    "inf",
    "max",
    "min",
    "or",
    "rate",
    "sum",
    "time",
    "unless",
    "vector",
    "avg",
];
/// Before a list of labels.
const BEFORE_LABELS: [&str; 6] = [
    "by",
    "group_left",
    "group_right",
    "ignoring",
    "on",
    "without",
];

/// All that can be asked for.
pub(super) fn known() -> BTreeSet<String> {
    let mut known: BTreeSet<_> = OF_OTHERS.iter().map(|name| (*name).to_owned()).collect();
    let mut sources = vec![root().join("src/metrics.rs")];
    for directory in ["src/metrics", "src/injector"] {
        add_sources(&root().join(directory), &mut sources);
    }
    for source in sources {
        let text = fs::read_to_string(&source).unwrap();
        for maker in MAKERS {
            for name in text.split(maker).skip(1).filter_map(literal) {
                let name = format!("imgate_{}", name.trim_start_matches("imgate_"));
                if maker == "histograms(" || name.ends_with("_seconds") {
                    known.extend(["bucket", "sum", "count"].map(|part| format!("{name}_{part}")));
                }
                known.insert(name);
            }
        }
    }
    assert!(known.contains("imgate_http_requests_total"), "{known:?}");
    known
}

fn add_sources(directory: &Path, sources: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            add_sources(&path, sources);
        } else {
            sources.push(path);
        }
    }
}

/// The string that a text begins with, behind blanks.
fn literal(text: &str) -> Option<&str> {
    let (name, _) = text.trim_start().strip_prefix('"')?.split_once('"')?;
    Some(name)
}

/// The metrics that an expression asks for.
pub(super) fn of(expression: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let (_, behind) = rest.split_at(first.len_utf8());
        rest = match first {
            '{' => after(rest, '}'),
            '[' => after(rest, ']'),
            '"' => after(behind, '"'),
            _ if first.is_ascii_digit() => {
                behind.trim_start_matches(|letter: char| letter.is_alphanumeric() || letter == '.')
            }
            _ if first.is_alphabetic() => {
                let end =
                    rest.find(|letter: char| !letter.is_alphanumeric() && !"_:".contains(letter));
                let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
                if BEFORE_LABELS.contains(&word) {
                    after(behind, ')')
                } else {
                    if !WORDS.contains(&word) {
                        names.push(word.to_owned());
                    }
                    behind
                }
            }
            _ => behind,
        };
    }
    names
}

/// What follows the first of these.
fn after(text: &str, end: char) -> &str {
    text.split_once(end).map_or("", |(_, rest)| rest)
}

#[test]
fn names_are_found_in_expressions() {
    let expression = "sum by (a, le) (rate(x_total{r=\"deny\", y=~\"b_c.*\"}[5m])) / \
        on (pod) ns:e:rate5m > 14.4 * 0.001 and time() - z < 7 * 86400";
    assert_eq!(of(expression), ["x_total", "ns:e:rate5m", "z"]);
}

//! Alerts, dashboards and monitors.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use serde_yaml::Value;

use super::super::support::tools::{run, tool};
use super::{chart, files, items, named, of_kind, read, render, set, the, walk};

mod names;

/// The rules of the chart's files, and of all of them the groups.
fn rules() -> Vec<Value> {
    let mut rules = Vec::new();
    for file in files("rules") {
        let file: Value = serde_yaml::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        for group in items(&file["groups"]) {
            rules.extend(items(&group["rules"]).iter().cloned());
        }
    }
    rules
}

/// Those of them that are alerts.
fn alerts() -> Vec<Value> {
    let mut alerts = rules();
    alerts.retain(|rule| rule["alert"].is_string());
    assert!(alerts.len() > 20);
    alerts
}

/// What a dashboard asks of Prometheus: the panels' expressions, and what its variables are made from.
fn questions(dashboard: &Value) -> (Vec<String>, Vec<String>) {
    let (mut expressions, mut variables) = (Vec::new(), Vec::new());
    walk(dashboard, "", &mut |path, value| {
        if let Some(text) = value.as_str() {
            if path.ends_with("targets[].expr") {
                expressions.push(text.to_owned());
            } else if path.ends_with("templating.list[].query.query") {
                variables.push(text.to_owned());
            }
        }
    });
    assert!(!expressions.is_empty() && !variables.is_empty());
    (expressions, variables)
}

fn dashboards() -> Vec<Value> {
    let files = files("dashboards").into_iter();
    let texts = files.map(|file| fs::read_to_string(file).unwrap());
    texts
        .map(|text| serde_json::from_str(&text).unwrap())
        .collect()
}

#[test]
fn promtool_accepts_the_rules() {
    for file in files("rules") {
        run(tool("promtool").args(["check", "rules"]).arg(file));
    }
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    for file in files("rules/tests") {
        run(tool("promtool").args(["test", "rules"]).arg(file));
    }
}

/// A rule without a test of both is not tested.
#[test]
fn every_alert_is_seen_firing_and_quiet() {
    let (mut firing, mut quiet) = (BTreeSet::new(), BTreeSet::new());
    for file in files("rules/tests") {
        let file: Value = serde_yaml::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        for test in items(&file["tests"]) {
            for case in test["alert_rule_test"].as_sequence().into_iter().flatten() {
                let fires = !items(&case["exp_alerts"]).is_empty();
                let seen = if fires { &mut firing } else { &mut quiet };
                seen.insert(case["alertname"].as_str().unwrap().to_owned());
            }
        }
    }
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap();
        assert!(firing.contains(name), "{name} is seen firing");
        assert!(quiet.contains(name), "{name} is seen quiet");
    }
}

#[test]
fn every_alert_says_how_bad_it_is_since_when_and_what_to_do() {
    let runbooks = read("RUNBOOKS.md");
    let headings: Vec<_> = runbooks
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    let mut names = Vec::new();
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap().to_owned();
        assert!(alert["for"].is_string(), "{name} waits");
        let severity = alert["labels"]["severity"].as_str().unwrap();
        assert!(
            ["critical", "warning", "info"].contains(&severity),
            "{name}"
        );
        for annotation in ["summary", "description", "runbook_url"] {
            assert!(
                alert["annotations"][annotation].is_string(),
                "{name}: {annotation}"
            );
        }
        let runbook = alert["annotations"]["runbook_url"].as_str().unwrap();
        let anchor = format!("/helm/imgate/RUNBOOKS.md#{}", name.to_lowercase());
        assert!(runbook.ends_with(&anchor), "{name}: {runbook}");
        assert!(headings.contains(&&*name), "{name} in RUNBOOKS.md");
        names.push(name);
    }
    assert_eq!(headings, names, "as many runbooks as alerts, in one order");
}

/// What is asked for is there: in the sources of the binaries, in the recording rules, or known of others.
#[test]
fn rules_and_dashboards_ask_for_metrics_that_exist() {
    let recorded: Vec<_> = rules()
        .iter()
        .filter_map(|rule| rule["record"].as_str().map(str::to_owned))
        .collect();
    let known = names::known();
    let mut expressions: Vec<_> = rules()
        .iter()
        .map(|rule| rule["expr"].as_str().unwrap().to_owned())
        .collect();
    for dashboard in dashboards() {
        let (panels, variables) = questions(&dashboard);
        expressions.extend(panels);
        let inner = variables.iter().filter_map(|query| {
            let query = query.strip_prefix("label_values(")?;
            query.rsplit_once(',').map(|(inner, _)| inner.to_owned())
        });
        expressions.extend(inner);
    }
    let mut asked = BTreeSet::new();
    for expression in &expressions {
        for name in names::of(expression) {
            let is_there = known.contains(&name) || recorded.contains(&name);
            assert!(is_there, "`{name}` in: {expression}");
            asked.insert(name);
        }
    }
    for name in recorded {
        assert!(
            name.split(':').count() == 3,
            "{name} is level:metric:operations"
        );
    }
    assert!(asked.len() > 50, "{asked:?}");
}

/// Grafana's variables stand for something that parses.
#[test]
fn the_expressions_of_dashboards_parse() {
    let directory = tempfile::tempdir().unwrap();
    let mut text = String::from("groups:\n  - name: dashboards\n    rules:\n");
    let mut uids = BTreeSet::new();
    for dashboard in dashboards() {
        assert!(uids.insert(dashboard["uid"].as_str().unwrap().to_owned()));
        for expression in questions(&dashboard).0 {
            let expression = expression.replace("$__rate_interval", "5m");
            assert!(!expression.contains("${"), "{expression}");
            let expression = expression.replace('$', "");
            let count = text.lines().count();
            let record = format!("      - {{ record: 'r{count}', expr: '{expression}' }}");
            writeln!(text, "{record}").unwrap();
        }
        walk(&dashboard, "", &mut |path, value| {
            if path.ends_with("panels[].datasource.uid") {
                assert_eq!(value, "${datasource}", "{path}");
            }
        });
    }
    let path = directory.path().join("dashboards.yaml");
    fs::write(&path, text).unwrap();
    run(tool("promtool").args(["check", "rules"]).arg(path));
}

/// What promtool has tested is what is installed, with `{{ $labels }}` as it was.
#[test]
fn what_is_installed_is_what_was_tested() {
    let on = [
        "metrics.prometheusRule.enabled=true",
        "metrics.dashboards.enabled=true",
    ];
    let objects = render("1.33", &set(&on));
    let mut installed = items(&the(&objects, "PrometheusRule")["spec"]["groups"]).to_vec();
    let mut tested = Vec::new();
    for file in ["recording", "gate", "injector"] {
        let file: Value = serde_yaml::from_str(&read(&format!("rules/{file}.yaml"))).unwrap();
        tested.extend(items(&file["groups"]).iter().cloned());
    }
    assert_eq!(installed, tested);
    for name in ["fleet", "pod"] {
        let map = named(
            &objects,
            "ConfigMap",
            &format!("im-imgate-dashboard-{name}"),
        );
        let text = map["data"][format!("imgate-{name}.json").as_str()].as_str();
        let file = fs::read_to_string(chart().join(format!("dashboards/{name}.json"))).unwrap();
        assert_eq!(text.unwrap().trim(), file.trim());
        assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
    }

    let changed = [
        on[0],
        "metrics.prometheusRule.disabled={ImgateBackendExposed}",
        "metrics.prometheusRule.additionalRuleLabels.team=chat",
        "metrics.prometheusRule.runbookUrl=https://runbooks.example.com/",
        "injector.enabled=false",
        "gate.enabled=true",
        "gate.existingConfigMap=a",
    ];
    let objects = render("1.33", &set(&changed));
    installed = items(&the(&objects, "PrometheusRule")["spec"]["groups"]).to_vec();
    assert_eq!(
        installed.len(),
        tested.len() - 1,
        "nothing about the injector"
    );
    for rule in installed.iter().flat_map(|group| items(&group["rules"])) {
        let Some(name) = rule["alert"].as_str() else {
            continue;
        };
        assert_ne!(name, "ImgateBackendExposed");
        assert_eq!(rule["labels"]["team"], "chat");
        let runbook = format!("https://runbooks.example.com/#{}", name.to_lowercase());
        assert_eq!(rule["annotations"]["runbook_url"], runbook.as_str());
    }
}

/// A gate that both monitors knew would be counted twice.
#[test]
fn a_gate_is_scraped_once() {
    let on = [
        "gate.enabled=true",
        "gate.existingConfigMap=a",
        "metrics.podMonitor.enabled=true",
        "metrics.serviceMonitor.enabled=true",
    ];
    let objects = render("1.33", &set(&on));
    let pods = &the(&objects, "PodMonitor")["spec"];
    let excluded = &pods["selector"]["matchExpressions"][0];
    assert_eq!(excluded["key"], "imgate.dev/inject");
    assert_eq!(excluded["values"][0], "disabled");
    assert_eq!(pods["podMetricsEndpoints"][0]["port"], "imgate-metrics");
    let services = of_kind(&objects, "Service");
    for monitor in of_kind(&objects, "ServiceMonitor") {
        let selector = monitor["spec"]["selector"]["matchLabels"].as_mapping();
        let selected = services.iter().filter(|service| {
            let labels = &service["metadata"]["labels"];
            let mut wanted = selector.unwrap().iter();
            wanted.all(|(key, value)| labels.get(key) == Some(value))
        });
        let selected: Vec<_> = selected.collect();
        assert_eq!(selected.len(), 1, "{}", super::name_of(monitor));
        let port = &monitor["spec"]["endpoints"][0]["port"];
        let ports = items(&selected[0]["spec"]["ports"]);
        assert!(ports.iter().any(|one| &one["name"] == port), "{port:?}");
    }
}

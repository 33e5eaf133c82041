//! That routes refuse nobody is said wherever an operator may look.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::super::support::eventually;
use super::super::support::gate::binary;
use super::super::support::mint::now;
use super::{Scene, observing};

const LOUD: &str = "these routes OBSERVE";

/// How often it was said, of routes that are so many.
fn warnings(log: &str, routes: usize) -> usize {
    let lines = log.lines().filter(|line| line.contains(LOUD));
    let those = lines.filter(|line| line.matches(" until ").count() == routes);
    those
        .filter(|line| line.contains("\"level\":\"WARN\""))
        .count()
}

#[test]
fn log_readiness_and_metrics_name_the_routes_and_the_end() {
    let scene = Scene::new();
    let until = imgate::clock::UnixTime::from_secs(now() + 3600);
    let gate = scene
        .gate(&format!("mode: observe\nuntil: {until}"))
        .start();
    eventually("it is said at the start", || {
        (warnings(&gate.output(), 9) == 1).then_some(())
    });
    assert!(gate.output().contains(&format!("ws until {until}")));
    let caveats = gate.status()["caveats"].clone();
    let of = |route: &str| {
        let caveats = caveats.as_array().unwrap().iter();
        caveats.filter(|one| one["route"] == route).count()
    };
    assert_eq!([of("ws"), of("keys"), of("strict")], [1, 1, 0], "{caveats}");
    assert!(
        caveats
            .to_string()
            .contains(&format!("observes until {until}")),
        "{caveats}"
    );
    let metrics = gate.metrics();
    let gauge = |name: &str, route: &str| metrics.value(name, &[("route", route)]);
    assert!((gauge("imgate_observing", "ws") - 1.0).abs() < 0.1);
    assert!(gauge("imgate_observing", "strict").abs() < 0.1);
    let end = "imgate_observing_until_timestamp_seconds{route=\"ws\"}";
    let end = format!("{end} {}", until.as_secs());
    assert!(metrics.text.contains(&end), "{}", metrics.text);
    // Again after a reload, also if nothing of this has changed.
    gate.reload_and_wait(&scene.policy(&format!("mode: observe\nuntil: {until}")));
    eventually("it is said again", || {
        (warnings(&gate.output(), 9) == 2).then_some(())
    });
    let one = scene.policy("").replace(
        "require: { any_of: [guessed] },",
        &format!("require: {{ any_of: [guessed] }}, mode: observe, until: {until},"),
    );
    gate.reload_and_wait(&one);
    eventually("it is said of one", || {
        (warnings(&gate.output(), 1) == 1).then_some(())
    });
    gate.reload_and_wait(&scene.policy(""));
    eventually("and that it is over", || {
        gate.output()
            .contains("no route observes any more")
            .then_some(())
    });
    assert!(!gate.metrics().text.contains("imgate_observing{"));
}

#[test]
fn an_end_that_is_past_loads_enforces_and_warns() {
    let scene = Scene::new();
    let gate = scene.gate(&observing(-60)).start();
    assert_eq!(gate.get("/keys", "").status(), 401);
    let log = gate.output();
    assert!(
        log.contains("until: is over: everything is enforced"),
        "{log}"
    );
    assert!(!log.contains(LOUD), "{log}");
}

/// Runs a command beside a configuration that observes so long.
fn run(seconds: i64, arguments: &[&str], input: &str) -> (Option<i32>, String) {
    let scene = Scene::new();
    let directory = tempfile::tempdir().unwrap();
    let frame = format!(
        "listeners: [{{ address: 127.0.0.1:9688 }}]\nupstreams: {{ api: {{ address: \"{}\" }}, ws: {{ \
         address: 127.0.0.1:1 }} }}\n",
        scene.backend.address()
    );
    let policy = scene.policy(&observing(seconds));
    fs::write(directory.path().join("imgate.yaml"), frame + &policy).unwrap();
    fs::write(directory.path().join("revoked.yaml"), "[]\n").unwrap();
    let mut child = Command::new(binary())
        .args(arguments)
        .current_dir(directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn check_names_the_routes_and_warns_of_an_end_that_is_past_or_far() {
    let day = 24 * 3600;
    for (days, observes, warning) in [
        (1, true, None),
        (89, true, None),
        (91, true, Some("until: is more than 90 days away")),
        (-1, false, Some("until: is over")),
    ] {
        let (code, said) = run(days * day, &["check"], "");
        assert_eq!(code, Some(0), "{said}");
        let of = |route: &str| {
            let line = said
                .lines()
                .find(|line| line.starts_with(&format!("route {route} ")));
            line.unwrap().contains("OBSERVES until 20")
        };
        assert_eq!([of("ws"), of("keys")], [observes; 2], "{said}");
        assert!(!of("strict"), "{said}");
        let warnings = said.lines().filter(|line| line.contains(": until: is "));
        assert_eq!(warnings.count(), usize::from(warning.is_some()), "{said}");
        assert!(
            warning.is_none_or(|warning| said.contains(warning)),
            "{said}"
        );
    }
}

#[test]
fn explain_tells_the_refusal_and_that_it_is_not_carried_out() {
    let asked = "GET /member?userId=7 HTTP/1.1\nHost: im\nAuthorization: Bearer canary\n";
    let (code, said) = run(3600, &["explain"], asked);
    assert_eq!(code, Some(1), "{said}");
    for expected in [
        "verdict    refused: 401 malformed (",
        "observed   forwarded all the same, without credential: the route observes until 20",
        "removed    header Authorization",
    ] {
        assert!(said.contains(expected), "{expected} in:\n{said}");
    }
    assert!(!said.contains("canary"), "{said}");
    let (code, said) = run(-60, &["explain"], asked);
    assert_eq!(code, Some(1));
    assert!(!said.contains("observed "), "{said}");
    let (_, said) = run(3600, &["explain", "--json"], asked);
    // What configurations warn of stands before it.
    let told: serde_json::Value = serde_json::from_str(&said[said.find("{\n").unwrap()..]).unwrap();
    assert!(
        told["observed_until"]
            .as_i64()
            .is_some_and(|until| until > now()),
        "{told}"
    );
    assert_eq!(told["admitted"], false);
}

use std::fs;

use super::*;

fn template(text: &str) -> Result<Template, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sidecar.yaml");
    fs::write(&path, text).unwrap();
    read(&path).outcome.map_err(|error| {
        let prefix = format!("{}/", directory.path().display());
        error.to_string().replace(&prefix, "")
    })
}

#[test]
fn what_is_not_said_has_a_default() {
    let least = template("image: imgate").unwrap();
    assert_eq!((least.port, least.metrics_port), (9688, 9690));
    assert_eq!(least.native_sidecar, NativeSidecar::Auto);
    assert_eq!(least.bind_address.to_string(), "0.0.0.0");
    assert_eq!(
        (least.run_as_user, least.run_as_group),
        (Some(65_532), Some(65_532))
    );
    assert_eq!(least.drain, Duration::from_secs(15));
    assert!(least.rewrite_probes && !least.require_loopback && !least.scrape_annotations);
    let empty = "{image: imgate, port: null, config: , logLevel: '', resources: {}, env: [],
        imagePullPolicy: '', nativeSidecar: null, resources: {limits: null}}";
    let empty = empty.replace("resources: {}, ", "");
    assert_eq!(template(&empty).unwrap(), least);
}

#[test]
fn everything_can_be_said() {
    let all = template(
        "
image: ghcr.io/imgate/imgate:0.1.0@sha256:0123
imagePullPolicy: IfNotPresent
nativeSidecar: false
port: 1
metricsPort: 2
bindAddress: '::'
logLevel: info,imgate=debug
config: gate.v2
resources: { requests: { cpu: 50m, memory: 64Mi }, limits: { cpu: 1, memory: '1e9' } }
runAsUser: null
runAsGroup: 7
rewriteProbes: false
requireLoopback: true
drain: 1m
scrapeAnnotations: true
env: [{ name: A_1, value: 'x,y' }]
",
    )
    .unwrap();
    assert_eq!(all.native_sidecar, NativeSidecar::Never);
    assert_eq!((all.run_as_user, all.run_as_group), (None, Some(7)));
    assert_eq!(all.resources.limits["cpu"], "1");
    assert_eq!(all.resources.requests["memory"], "64Mi");
    assert_eq!(all.drain, Duration::from_mins(1));
    assert_eq!(all.env, [("A_1".to_owned(), "x,y".to_owned())]);
    assert!(!all.rewrite_probes && all.require_loopback && all.scrape_annotations);
}

#[test]
fn mistakes_are_named_by_path_and_line_and_never_quoted() {
    for (text, expected) in [
        ("port: 1", "sidecar.yaml:1: missing key `image`"),
        ("image: a\nimages: b", "unknown key, did you mean `image`?"),
        (
            "image: a b",
            "sidecar.yaml:1: image: expected an image such as",
        ),
        (
            "image: a\nport: 0",
            "sidecar.yaml:2: port: expected a whole number from 1 to 65535",
        ),
        ("image: a\nport: 9690", "expected two different ports"),
        (
            "image: a\nnativeSidecar: maybe",
            "nativeSidecar: expected `auto`, `true` or `false`",
        ),
        (
            "image: a\nimagePullPolicy: always",
            "imagePullPolicy: unknown word, did you mean `Always`?",
        ),
        (
            "image: a\nrunAsUser: 0",
            "runAsUser: expected a whole number from 1",
        ),
        (
            "image: a\nresources: {limits: {cpu: lots}}",
            "resources.limits.cpu: expected a quantity",
        ),
        ("image: a\ndrain: 15", "drain: expected a duration"),
        ("image: a\nlogLevel: loud", "logLevel: expected a level"),
        (
            "image: a\nconfig: Gate",
            "config: expected a name of lower case letters",
        ),
        (
            "image: a\nenv: [{name: IMGATE_LOG, value: x}]",
            "env[0]: the injector sets this variable",
        ),
        (
            "image: a\nenv: [{name: A, value: x}, {name: A, value: y}]",
            "env[1]: this variable is already",
        ),
        ("image: a\nimage: b", "this key is already set above"),
        ("- image", "expected a map"),
    ] {
        let problem = template(text).unwrap_err();
        assert!(problem.contains(expected), "{text}: {problem}");
        assert!(
            !problem.contains("lots") && !problem.contains("loud"),
            "{problem}"
        );
    }
}

#[test]
fn a_template_that_is_not_there_is_known_by_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sidecar.yaml");
    let reading = read(&path);
    assert!(matches!(reading.outcome, Err(LoadError::Unreadable { .. })));
    assert!(reading.files[0].is_current());
    fs::write(&path, "image: a").unwrap();
    assert!(!reading.files[0].is_current());
}

#[test]
fn notations_of_kubernetes() {
    for (text, expected) in [
        ("1", true),
        ("0.5", true),
        (".5", true),
        ("5.", true),
        ("50m", true),
        ("64Mi", true),
        ("1e3", true),
        ("1E-3", true),
        ("12E", true),
        ("100n", true),
        ("", false),
        ("m", false),
        ("-1", false),
        ("1 ", false),
        ("64MB", false),
        ("1.2.3", false),
        ("1e", false),
        ("64mi", false),
        ("half", false),
        (".", false),
    ] {
        assert_eq!(is_quantity(text), expected, "{text}");
    }
    for (text, expected) in [
        ("gate", true),
        ("a.b-c.9", true),
        ("", false),
        ("Gate", false),
        ("-a", false),
        ("a-", false),
        ("a..b", false),
        ("a/b", false),
        (&"a".repeat(64), false),
    ] {
        assert_eq!(is_object_name(text), expected, "{text}");
    }
    for (text, expected) in [
        ("A", true),
        ("_a1", true),
        ("1a", false),
        ("", false),
        ("a-b", false),
        ("a=b", false),
    ] {
        assert_eq!(is_variable(text), expected, "{text}");
    }
    for (text, expected) in [
        ("info", true),
        ("DEBUG", true),
        ("info,imgate::proxy=trace", true),
        ("", false),
        ("loud", false),
        ("info,", false),
        ("info,imgate", false),
        ("[{x=1}]=info", false),
    ] {
        assert_eq!(is_log_level(text), expected, "{text}");
    }
}

use serde_json::json;

use super::*;

fn wishes(annotations: &Value) -> Result<Wishes, String> {
    let pod = json!({
        "metadata": { "annotations": annotations },
        "spec": { "containers": [{ "name": "app" }] },
    });
    let mut objections = Objections::default();
    let wishes = read(&Pod::read(&pod).unwrap(), &mut objections);
    match objections.refusal() {
        Some(refusal) => Err(refusal.message),
        None => Ok(wishes),
    }
}

#[test]
fn everything_can_be_asked_for() {
    let wishes = wishes(&json!({
        "imgate.dev/config": "gate",
        "imgate.dev/secrets": "keys, more.keys",
        "imgate.dev/port": "1",
        "imgate.dev/metrics-port": "2",
        "imgate.dev/upstream-port": "api=8080, ws=19688",
        "imgate.dev/log-level": "debug",
        "imgate.dev/cpu-request": "50m",
        "imgate.dev/cpu-limit": "1",
        "imgate.dev/memory-request": "32Mi",
        "imgate.dev/memory-limit": "64Mi",
        "imgate.dev/image": "other/imgate:1",
        "imgate.dev/image-pull-policy": "Always",
        "imgate.dev/native-sidecar": "false",
        "imgate.dev/rewrite-probes": "false",
        "imgate.dev/backend-env": "BIND_IP=127.0.0.1,OPTIONS=a=b c",
        "imgate.dev/backend-container": "app",
        "imgate.dev/backend-prestop-sleep": "1m",
        "imgate.dev/require-loopback": "true",
        "imgate.dev/drain": "500ms",
        "imgate.dev/injected": "0.0.1",
        "another.dev/port": "nobody looks at it",
    }))
    .unwrap();
    let upstream = |name: &str, port| Upstream {
        name: Some(name.to_owned()),
        port,
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let expected = Wishes {
        config: Some("gate".to_owned()),
        secrets: vec!["keys".to_owned(), "more.keys".to_owned()],
        port: Some(1),
        metrics_port: Some(2),
        upstreams: vec![upstream("api", 8080), upstream("ws", 19_688)],
        log_level: Some("debug".to_owned()),
        requests: [("cpu", "50m".to_owned()), ("memory", "32Mi".to_owned())].into(),
        limits: [("cpu", "1".to_owned()), ("memory", "64Mi".to_owned())].into(),
        image: Some("other/imgate:1".to_owned()),
        image_pull_policy: Some("Always"),
        native_sidecar: Some(NativeSidecar::Never),
        rewrite_probes: Some(false),
        backend_env: vec![pair("BIND_IP", "127.0.0.1"), pair("OPTIONS", "a=b c")],
        backend_container: Some("app".to_owned()),
        backend_prestop_sleep: Some(60),
        require_loopback: Some(true),
        drain: Some(Duration::from_millis(500)),
    };
    assert_eq!(wishes, expected);
}

#[test]
fn what_cannot_be_read_is_refused_by_name_and_not_repeated() {
    for (name, values, expected) in [
        (
            "port",
            &["", "0", "65536", "-1", "+1", "http", "0x1"][..],
            "expected a port",
        ),
        ("metrics-port", &["secret"], "expected a port"),
        (
            "upstream-port",
            &[
                "secret",
                "a=",
                "a=0",
                "=1",
                "8080,9090",
                "8080,a=1",
                "a=1,a=2",
                "a b=1",
            ],
            "expected a port such as `8080`, or",
        ),
        (
            "config",
            &["", "Secret", "a/b"],
            "expected the name of a ConfigMap",
        ),
        (
            "secrets",
            &["", "a,", "a,a", "Secret"],
            "expected the names of Secrets",
        ),
        ("log-level", &["secret", "[a]=info"], "expected a level"),
        ("cpu-limit", &["secret", "-1"], "expected a quantity"),
        ("memory-request", &["secret"], "expected a quantity"),
        ("image", &["", "a secret"], "expected an image"),
        (
            "image-pull-policy",
            &["always"],
            "expected `Always`, `IfNotPresent` or `Never`",
        ),
        (
            "native-sidecar",
            &["yes", "True"],
            "expected `auto`, `true` or `false`",
        ),
        ("rewrite-probes", &["1", ""], "expected `true` or `false`"),
        (
            "require-loopback",
            &["secret"],
            "expected `true` or `false`",
        ),
        (
            "backend-env",
            &["secret", "=secret", "A=1,A=2", "A=1,,B=2", "1A=secret"],
            "expected variables",
        ),
        (
            "backend-container",
            &["", "Secret"],
            "expected a container's name",
        ),
        (
            "backend-prestop-sleep",
            &["20", "0s", "500ms", "25h"],
            "expected a duration of whole seconds",
        ),
        (
            "drain",
            &["15", "secret", "25h"],
            "expected a duration such as",
        ),
    ] {
        for value in values {
            let name = format!("imgate.dev/{name}");
            let problem = wishes(&json!({ &name: value })).unwrap_err();
            let start = format!("annotation `{name}`: {expected}");
            assert!(problem.starts_with(&start), "{name} {value}: {problem}");
            assert!(!problem.to_lowercase().contains("secret,"), "{problem}");
        }
    }
}

#[test]
fn what_nobody_knows_is_refused_with_the_nearest_that_is_known() {
    for (name, expected) in [
        ("imgate.dev/prot", "did you mean `imgate.dev/port`?"),
        (
            "imgate.dev/cpu-limits",
            "did you mean `imgate.dev/cpu-limit`?",
        ),
        (
            "imgate.dev/upstream_port",
            "did you mean `imgate.dev/upstream-port`?",
        ),
        (
            "imgate.dev/colour",
            "unknown, expected one of `backend-container`, ",
        ),
        (
            "imgate.dev/inject",
            "is a label of the pod, not an annotation",
        ),
        ("imgate.dev/", "annotation `imgate.dev/?`: unknown"),
    ] {
        let problem = wishes(&json!({ name: "x" })).unwrap_err();
        assert!(problem.contains(expected), "{name}: {problem}");
    }
}

#[test]
fn all_mistakes_come_to_light_at_once() {
    let problem = wishes(&json!({
        "imgate.dev/port": "x",
        "imgate.dev/config": 7,
        "imgate.dev/drains": "1s",
    }));
    assert_eq!(
        problem.unwrap_err(),
        "annotation `imgate.dev/config`: expected a string, put the value in quotes; \
         annotation `imgate.dev/drains`: unknown, did you mean `imgate.dev/drain`?; \
         annotation `imgate.dev/port`: expected a port, a number from 1 to 65535"
    );
}

use super::*;

#[track_caller]
fn mistake(text: &str) -> String {
    AppHealth::parse(text).unwrap_err().to_string()
}

#[test]
fn probes_are_those_of_kubernetes() {
    let text = r#"{
        "chat": {
            "livenessProbe": {
                "httpGet": {"path": "/h", "port": 8080, "scheme": "HTTP", "httpHeaders": [{"name": "A", "value": "b"}]},
                "timeoutSeconds": 3, "periodSeconds": 10, "failureThreshold": 3, "successThreshold": 1,
                "initialDelaySeconds": 5, "terminationGracePeriodSeconds": 30
            },
            "readinessProbe": {"tcpSocket": {"port": 8080}},
            "startupProbe": {"grpc": {"port": 9000, "service": "x"}, "timeoutSeconds": 0}
        },
        "push": {"livenessProbe": {"httpGet": {"port": 1, "host": ""}}, "startupProbe": null}
    }"#;
    let health = AppHealth::parse(text).unwrap();
    assert_eq!(health.probes.len(), 4);
    let timeout = |container: &str, kind| {
        let probe = &health.probes[&(container.into(), kind)];
        probe.definition.timeout.as_secs()
    };
    assert_eq!(timeout("chat", Kind::Liveness), 3);
    assert_eq!(timeout("chat", Kind::Readiness), 1);
    assert_eq!(timeout("chat", Kind::Startup), 1);
    assert_eq!(timeout("push", Kind::Liveness), 1);
    assert!(AppHealth::parse("{}").unwrap().is_empty());
    assert!(!format!("{health:?}").contains("\"b\""));
}

#[test]
fn a_get_has_the_headers_that_the_kubelet_would_send() {
    let headers = |list: &str| {
        let text = format!(
            r#"{{"a": {{"livenessProbe": {{"httpGet": {{"port": 1, "httpHeaders": {list}}}}}}}}}"#
        );
        let mut health = AppHealth::parse(&text).unwrap();
        let probe = health.probes.remove(&("a".into(), Kind::Liveness)).unwrap();
        let Action::Http(get) = probe.definition.action else {
            panic!("a GET");
        };
        let mut headers: Vec<String> = get
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        headers.extend(
            get.host
                .map(|host| format!("host: {}", host.to_str().unwrap())),
        );
        headers
    };
    assert_eq!(
        headers("[]"),
        ["user-agent: kube-probe/imgate", "accept: */*"]
    );
    assert_eq!(
        headers(
            r#"[{"name": "accept", "value": ""}, {"name": "User-Agent", "value": "me"}, {"name": "A", "value": "1"}, {"name": "a", "value": "2"}]"#
        ),
        ["user-agent: me", "a: 1", "a: 2"]
    );
    assert_eq!(
        headers(
            r#"[{"name": "Host", "value": "im.example.com"}, {"name": "Content-Length", "value": "5"}, {"name": "Connection", "value": "upgrade"}]"#
        ),
        [
            "user-agent: kube-probe/imgate",
            "accept: */*",
            "host: im.example.com"
        ]
    );
}

#[test]
fn paths_may_be_what_kubernetes_takes() {
    for (path, expected) in [
        ("/health", "/health"),
        ("health", "/health"),
        ("", "/"),
        ("/health?deep=1#top", "/health?deep=1"),
        ("?deep=1", "/?deep=1"),
        ("/a b/ü", "/a%20b/%C3%BC"),
        ("/a\r\nX: y", "/a%0D%0AX:%20y"),
    ] {
        let target = definition::target(path).unwrap();
        assert_eq!(target.as_str(), expected, "{path}");
    }
}

#[test]
fn whatever_is_wrong_has_its_place_and_shows_no_value() {
    let probe = |probe: &str| format!(r#"{{"chat": {{"livenessProbe": {probe}}}}}"#);
    let get = |get: &str| probe(&format!(r#"{{"httpGet": {get}}}"#));
    for (case, text, expected) in [
        ("nothing", String::new(), "expected a JSON object"),
        ("no JSON", "{canary".to_owned(), "expected a JSON object"),
        ("a list", "[]".to_owned(), "expected a JSON object"),
        (
            "a container twice",
            r#"{"a": {}, "a": {}}"#.to_owned(),
            "names nothing twice",
        ),
        (
            "no name",
            r#"{"CANARY": {}}"#.to_owned(),
            "expected names of containers",
        ),
        (
            "a path for a name",
            r#"{"canary/x": {}}"#.to_owned(),
            "expected names of containers",
        ),
        (
            "another key",
            r#"{"chat": {"canary": {}}}"#.to_owned(),
            "chat: expected `livenessProbe`",
        ),
        (
            "a text",
            r#"{"chat": "canary"}"#.to_owned(),
            "chat: expected an object",
        ),
        (
            "no action",
            probe("{}"),
            "chat.livenessProbe: expected exactly one of",
        ),
        (
            "two actions",
            probe(r#"{"httpGet": {"port": 1}, "tcpSocket": {"port": 1}}"#),
            "expected exactly one of",
        ),
        (
            "a command",
            probe(r#"{"exec": {"command": ["canary"]}}"#),
            "chat.livenessProbe: expected the keys of a probe",
        ),
        (
            "no port",
            get("{}"),
            "chat.livenessProbe.httpGet.port: expected a port",
        ),
        (
            "a name of a port",
            get(r#"{"port": "canary"}"#),
            "httpGet.port: expected a port as a number",
        ),
        (
            "port 0",
            get(r#"{"port": 0}"#),
            "httpGet.port: expected a port",
        ),
        (
            "a large port",
            get(r#"{"port": 65536}"#),
            "httpGet.port: expected a port",
        ),
        (
            "a negative port",
            get(r#"{"port": -1}"#),
            "httpGet.port: expected a port",
        ),
        (
            "another host",
            get(r#"{"port": 1, "host": "canary.example"}"#),
            "httpGet.host: expected no host",
        ),
        (
            "another host of a socket",
            probe(r#"{"tcpSocket": {"port": 1, "host": "canary"}}"#),
            "tcpSocket.host: expected no host",
        ),
        (
            "another scheme",
            get(r#"{"port": 1, "scheme": "canary"}"#),
            "httpGet.scheme: expected `HTTP` or `HTTPS`",
        ),
        (
            "a path that is none",
            get(r#"{"port": 1, "path": 7}"#),
            "httpGet.path: expected a text",
        ),
        (
            "a header without name",
            get(r#"{"port": 1, "httpHeaders": [{"value": "canary"}]}"#),
            "httpGet.httpHeaders[0].name: expected",
        ),
        (
            "a header with a bad name",
            get(r#"{"port": 1, "httpHeaders": [{"name": "can ary", "value": ""}]}"#),
            "httpHeaders[0].name: expected the name of a header",
        ),
        (
            "a header with two lines",
            get(r#"{"port": 1, "httpHeaders": [{"name": "A", "value": "canary\r\nB: c"}]}"#),
            "httpHeaders[0].value: expected the value",
        ),
        (
            "headers that are no list",
            get(r#"{"port": 1, "httpHeaders": {}}"#),
            "httpGet.httpHeaders: expected a list",
        ),
        (
            "a time that is none",
            probe(r#"{"tcpSocket": {"port": 1}, "timeoutSeconds": "canary"}"#),
            "timeoutSeconds: expected a number",
        ),
        (
            "a negative time",
            probe(r#"{"tcpSocket": {"port": 1}, "timeoutSeconds": -1}"#),
            "timeoutSeconds: expected a number",
        ),
        (
            "a service that is none",
            probe(r#"{"grpc": {"port": 1, "service": 7}}"#),
            "grpc.service: expected a text",
        ),
    ] {
        let message = mistake(&text);
        assert!(
            message.starts_with("`IMGATE_APP_PROBES`: "),
            "{case}: {message}"
        );
        assert!(message.contains(expected), "{case}: {message}");
        assert!(
            !message.to_lowercase().contains("canary"),
            "{case}: {message}"
        );
    }
}

#[tokio::test]
async fn only_exact_paths_are_asked() {
    let health =
        AppHealth::parse(r#"{"chat": {"readinessProbe": {"tcpSocket": {"port": 1}}}}"#).unwrap();
    assert!(health.ask("/app-health/chat/readyz").await.is_some());
    for path in [
        "/app-health/chat/livez",
        "/app-health/other/readyz",
        "/app-health/chat/readyz/",
        "/app-health/chat//readyz",
        "/app-health//chat/readyz",
        "/app-health/chat/READYZ",
        "/app-health/chat%2freadyz",
        "/app-health/chat",
        "/app-health/",
        "/app-healthchat/readyz",
    ] {
        assert!(health.ask(path).await.is_none(), "{path}");
    }
}

use std::fs;

use super::*;
use crate::config;

const TEXT: &str = "
listeners: [{ address: 127.0.0.1:9688 }, { address: 127.0.0.1:9689 }]
metrics: { address: 127.0.0.1:9690 }
upstreams:
  api: { address: 10.0.0.1:8080 }
  ws: { address: localhost:19688, on_exposed: warn }
routes: [{ match: { path: /** }, require: public, upstream: api }]
";

/// A document as it was written, and with the overrides.
fn load(text: &str, overrides: &Overrides) -> Loaded {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("imgate.yaml");
    fs::write(&path, text).unwrap();
    let mut loaded = config::load(&path).unwrap();
    overrides.apply(&mut loaded);
    loaded
}

fn upstream(text: &str) -> UpstreamAddress {
    text.parse().unwrap()
}

fn at(text: &str) -> Option<SocketAddr> {
    Some(listen_address(text).unwrap())
}

#[test]
fn each_takes_the_place_of_what_is_written() {
    let overrides = Overrides {
        listen: at("0.0.0.0:80"),
        metrics: at("0.0.0.0:81"),
        admin_socket: Some(socket_path("run/admin.sock").unwrap()),
        upstreams: vec![upstream("api=127.0.0.1:1"), upstream("ws=im.internal:2")],
        drain: Some(drain("90s").unwrap()),
        require_loopback: true,
    };
    let Loaded { document, problems } = load(TEXT, &overrides);
    assert_eq!(problems, []);
    let listeners: Vec<_> = document.listeners.iter().map(|one| one.address).collect();
    assert_eq!(
        listeners,
        [at("0.0.0.0:80"), at("127.0.0.1:9689")].map(Option::unwrap)
    );
    assert_eq!(document.metrics, at("0.0.0.0:81"));
    let admin = document.admin.unwrap().place;
    assert_eq!(admin, AdminPlace::Unix("run/admin.sock".into()));
    let upstreams: Vec<_> = document
        .upstreams
        .iter()
        .map(|one| (one.address.value.as_str(), one.on_exposed))
        .collect();
    let expected = [
        ("127.0.0.1:1", OnExposed::Unready),
        ("im.internal:2", OnExposed::Warn),
    ];
    assert_eq!(upstreams, expected, "the address that is in force counts");
    let seconds = Duration::from_secs;
    assert_eq!(document.shutdown.drain, seconds(90));
    assert_eq!(document.shutdown.deadline, seconds(5 + 90 + 5));
}

#[test]
fn nothing_changes_unless_said() {
    let Loaded { document, problems } = load(TEXT, &Overrides::default());
    assert_eq!(problems, []);
    assert_eq!(document.listeners[0].address.port(), 9688);
    assert_eq!(document.metrics, at("127.0.0.1:9690"));
    assert!(document.admin.is_none());
    assert_eq!(document.upstreams[1].on_exposed, OnExposed::Warn);
    assert_eq!(document.shutdown.deadline, Duration::from_secs(25));
}

#[test]
fn an_admin_that_is_configured_stays_and_so_does_a_longer_deadline() {
    let overrides = Overrides {
        admin_socket: Some("/run/other.sock".into()),
        drain: Some(Duration::from_secs(1)),
        ..Overrides::default()
    };
    let text = format!("{TEXT}admin: {{ unix: /run/own.sock }}\n");
    let Loaded { document, problems } = load(&text, &overrides);
    assert_eq!(problems, []);
    let admin = document.admin.unwrap().place;
    assert_eq!(admin, AdminPlace::Unix("/run/own.sock".into()));
    assert_eq!(document.shutdown.drain, Duration::from_secs(1));
    assert_eq!(document.shutdown.deadline, Duration::from_secs(25));
}

#[test]
fn what_does_not_fit_is_told_of_its_flag() {
    let listen = |address| Overrides {
        listen: at(address),
        ..Overrides::default()
    };
    let metrics = |address| Overrides {
        metrics: at(address),
        ..Overrides::default()
    };
    let upstreams = |texts: &[&str]| Overrides {
        upstreams: texts.iter().map(|text| upstream(text)).collect(),
        ..Overrides::default()
    };
    let same = "a listener, `metrics` or `admin` has the same address";
    for (case, overrides, expected) in [
        ("another listener", listen("127.0.0.1:9689"), format!("--listen: {same}")),
        ("the metrics", listen("127.0.0.1:9690"), format!("--listen: {same}")),
        ("the first listener", metrics("127.0.0.1:9688"), format!("--metrics: {same}")),
        ("the second listener", metrics("127.0.0.1:9689"), format!("--metrics: {same}")),
        (
            "both flags",
            Overrides {
                metrics: at("0.0.0.0:1"),
                ..listen("0.0.0.0:1")
            },
            format!("--metrics: {same}"),
        ),
        (
            "a misspelt name",
            upstreams(&["apy=127.0.0.1:1"]),
            "--upstream: unknown upstream, did you mean `api`? expected `api` or `ws`".to_owned(),
        ),
        (
            "no name",
            upstreams(&["127.0.0.1:1"]),
            "--upstream: expected `NAME=ADDRESS` with one of `api` or `ws`: there are several upstreams"
                .to_owned(),
        ),
        (
            "a name twice",
            upstreams(&["api=127.0.0.1:1", "api=127.0.0.1:2"]),
            "--upstream: expected one address for each upstream".to_owned(),
        ),
    ] {
        let problems = load(TEXT, &overrides).problems;
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems, [expected], "{case}");
    }
    // Port 0 is another port each time.
    let overrides = Overrides {
        metrics: at("127.0.0.1:0"),
        ..listen("127.0.0.1:0")
    };
    assert_eq!(load(TEXT, &overrides).problems, []);
}

#[test]
fn a_document_with_mistakes_has_no_others() {
    let broken = TEXT.replace("api: { address: 10.0.0.1:8080 }", "api: {}");
    let overrides = Overrides {
        upstreams: vec![upstream("api=127.0.0.1:1")],
        ..Overrides::default()
    };
    let problems = load(&broken, &overrides).problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].to_string().contains("address"), "{problems:?}");
}

#[test]
fn values_of_flags_are_read_as_in_a_configuration() {
    for (text, is_right) in [
        ("127.0.0.1:8080", true),
        ("api=127.0.0.1:8080", true),
        ("api=[::1]:8080", true),
        ("api=im.internal:8080", true),
        ("=127.0.0.1:8080", false),
        ("two words=127.0.0.1:8080", false),
        ("api=127.0.0.1", false),
        ("api=127.0.0.1:0", false),
        ("api=http://127.0.0.1:8080", false),
        ("", false),
    ] {
        assert_eq!(text.parse::<UpstreamAddress>().is_ok(), is_right, "{text}");
    }
    assert!(drain("24h").is_ok() && drain("0s").is_ok());
    assert!(drain("25h").is_err() && drain("15").is_err());
    assert!(listen_address("9688").is_err() && listen_address("im:9688").is_err());
    assert!(socket_path("").is_err() && socket_path("/run/").is_err());
    assert!(socket_path(&"x".repeat(108)).is_err());
}

//! `imgate explain`: the same verdicts as those of a running gate, and no secret.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::support::gate::binary;
use super::support::mint::{SA_TOKEN_SECRET, sa_token};
use super::support::net;
use super::support::redis::Redis;

const ADMITTED: i32 = 0;
const REFUSED: i32 = 1;
const BAD_INPUT: i32 = 64;

const POLICY: &str = "
listeners: [{ address: 127.0.0.1:9688, trusted_proxies: [10.0.0.0/8] }]
upstreams: { im: { address: 127.0.0.1:19688 } }
authenticators:
  keys: { from: [{ header: X-App-Key }], app_key: { keys: [{ id: partner, secret: { value: canary-key } }] } }
  users:
    from: [{ header: token, prefix: Bearer }]
    sa_token:
      secret: { value: \"$SECRET\" }
      user_types: [im_user]
      sessions: { redis: { address: \"$REDIS\", key: \"login:{token}\" } }
routes:
  - { name: partners, match: { path: /openapi/** }, require: { any_of: [keys] }, upstream: im }
  - { name: users, match: { path: /api/** }, require: { any_of: [users] }, upstream: im }
store: { redis: { address: \"$REDIS\", prefix: \"imgate:\" } }
";

/// Runs `imgate explain` with this on its standard input.
fn explain(redis: SocketAddr, arguments: &[&str], request: &str) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let policy = POLICY
        .replace("$SECRET", SA_TOKEN_SECRET)
        .replace("$REDIS", &redis.to_string());
    fs::write(directory.path().join("imgate.yaml"), policy).unwrap();
    run(directory.path(), arguments, request)
}

fn run(directory: &Path, arguments: &[&str], request: &str) -> Output {
    let mut child = Command::new(binary())
        .arg("explain")
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Whoever finds its configuration missing does not read.
    let _ = stdin.write_all(request.as_bytes());
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn text(output: &Output) -> String {
    let streams = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(streams).unwrap()
}

#[test]
fn a_request_from_an_editor_is_explained_in_words() {
    let nobody = net::free_address();
    let request = "GET /openapi/x HTTP/1.1\nHost: im\nX-App-Key: canary-key\nX-Auth-App-Id: me\n";
    let output = explain(nobody, &[], request);
    let told = text(&output);
    assert_eq!(output.status.code(), Some(ADMITTED), "{told}");
    for line in [
        "client     127.0.0.1, in plain text",
        "route      partners (/openapi/**) -> im (127.0.0.1:19688)",
        "credential keys (app_key): verified, app partner, from header X-App-Key",
        "verdict    admitted: goes to the upstream",
        "removed    header X-Auth-App-Id",
        "added      header X-Auth-App-Id: partner",
    ] {
        assert!(told.lines().any(|known| known == line), "{line} in\n{told}");
    }
    assert!(!told.contains("canary"), "{told}");

    let output = explain(nobody, &[], &request.replace("canary-key", "canary-other"));
    let told = text(&output);
    assert_eq!(output.status.code(), Some(REFUSED), "{told}");
    let line = "verdict    refused: 401 unknown_key (the key is not known)";
    assert!(told.lines().any(|known| known == line), "{told}");
    assert!(
        told.contains("keys (app_key): rejected, unknown_key"),
        "{told}"
    );
    assert!(!told.contains("canary"), "{told}");
}

#[test]
fn whoever_proves_remotely_is_asked_and_nothing_is_written() {
    let redis = Redis::start();
    let token = sa_token("im_user:7");
    let request = format!(
        "GET /api/x HTTP/1.1\r\nHost: im\r\ntoken: Bearer {token}\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
    );
    let arguments = ["--json", "--from", "10.1.2.3", "--tls"];
    let told = |expected: i32| {
        let output = explain(redis.address(), &arguments, &request);
        let told = text(&output);
        assert_eq!(output.status.code(), Some(expected), "{told}");
        assert!(!told.contains(&token), "{told}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let gone = told(REFUSED);
    assert_eq!(gone["status"], 401);
    assert_eq!(gone["reason"], "expired");
    assert_eq!(gone["authenticators"][0]["verdict"], "rejected");
    redis.set(&format!("login:{token}"), "im_user:7", 600_000);
    let good = told(ADMITTED);
    assert_eq!(good["admitted_as"]["subject"], "7");
    assert_eq!(good["admitted_as"]["user_type"], "im_user");
    assert_eq!(good["client"], "192.0.2.1");
    assert_eq!(good["secure"], true);
    assert!(
        good["notes"]
            .as_array()
            .is_some_and(|notes| !notes.is_empty())
    );
    let keys: i64 = redis.run(&["DBSIZE"]);
    assert_eq!(keys, 1, "nothing of the gate's own");
}

#[test]
fn an_outage_is_told_as_one() {
    let request = format!(
        "GET /api/x HTTP/1.1\nHost: im\ntoken: {}\n\n",
        sa_token("im_user:7")
    );
    let output = explain(net::free_address(), &["--json"], &request);
    assert_eq!(output.status.code(), Some(REFUSED));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["status"], 503, "{told}");
    assert_eq!(told["authenticators"][0]["verdict"], "unavailable");
}

#[test]
fn what_cannot_be_judged_at_all_is_a_mistake_of_the_caller() {
    let nobody = net::free_address();
    let good = "GET /openapi/x HTTP/1.1\nHost: im\n\n";
    for (case, arguments, request) in [
        ("no request", &[][..], ""),
        ("no such listener", &["--listener", "1"][..], good),
        ("no address", &["--from", "somewhere"][..], good),
        ("no configuration", &["-c", "nowhere.yaml"][..], good),
    ] {
        let output = explain(nobody, arguments, request);
        assert_eq!(
            output.status.code(),
            Some(BAD_INPUT),
            "{case}: {}",
            text(&output)
        );
    }
    // As it is, what an editor writes is no HTTP.
    let output = explain(nobody, &["--raw", "--json"], good);
    assert_eq!(output.status.code(), Some(REFUSED));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["reason"], "syntax", "{told}");
}

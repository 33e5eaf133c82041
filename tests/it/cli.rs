//! The command line: what it prints and how it exits.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use aws_lc_rs::digest;
use tempfile::TempDir;

use super::support::command::{imgate, printed};
use super::support::gate::binary;
use super::support::idp::{Idp, Mood};
use super::support::mint::{SA_TOKEN_SECRET, sa_token};
use super::support::process::{Process, Signal};
use super::support::recorder::Recorder;
use super::support::redis::Redis;
use super::support::{eventually, net};

const DONE: i32 = 0;
const FAILED: i32 = 1;
const BAD_INPUT: i32 = 64;

/// A whole configuration, with the listener at `address`.
fn configuration(address: impl std::fmt::Display) -> String {
    format!(
        "
listeners: [{{ address: \"{address}\" }}]
upstreams: {{ im: {{ address: 127.0.0.1:19688 }} }}
authenticators:
  keys: {{ from: [{{ header: X-App-Key }}], app_key: {{ keys: [{{ id: demo, secret: {{ value: canary-key }} }}] }} }}
routes:
  - {{ name: partners, match: {{ path: /openapi/** }}, require: {{ any_of: [keys] }}, upstream: im }}
  - {{ name: liveness, match: {{ path: /health }}, require: public, upstream: im }}
"
    )
}

fn directory_with(path: &str, contents: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, contents).unwrap();
    directory
}

#[test]
fn schema_prints_what_an_editor_can_read() {
    let output = imgate(Path::new("."), &["schema"]);
    assert_eq!(output.status.code(), Some(DONE));
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(schema["properties"]["routes"].is_object());
}

#[test]
fn check_summarises_a_good_configuration() {
    let directory = directory_with("imgate.yaml", &configuration("127.0.0.1:9688"));
    let output = imgate(directory.path(), &["check", "-c", "imgate.yaml"]);
    let text = printed(&output);
    assert_eq!(output.status.code(), Some(DONE), "{text}");
    for expected in ["partners", "/openapi/**", "liveness", "/health", "keys"] {
        assert!(text.contains(expected), "{expected} in:\n{text}");
    }
    assert!(!text.contains("canary-key"), "{text}");
}

#[test]
fn check_reports_all_problems_with_their_lines_and_never_a_value() {
    let broken = configuration("127.0.0.1:9688")
        .replace("any_of: [keys]", "any_of: [kesy]")
        .replace(
            "require: public, upstream: im",
            "require: public, upstream: canary-upstream",
        );
    let directory = directory_with("imgate.yaml", &broken);
    let output = imgate(directory.path(), &["check", "-c", "imgate.yaml"]);
    let text = printed(&output);
    assert_eq!(output.status.code(), Some(BAD_INPUT), "{text}");
    for expected in [
        "imgate.yaml:7",
        "imgate.yaml:8",
        "any_of",
        "upstream",
        "keys",
    ] {
        assert!(text.contains(expected), "{expected} in:\n{text}");
    }
    assert!(!text.contains("canary"), "{text}");
}

#[test]
fn bad_input_is_64() {
    let directory = directory_with("syntax.yaml", "listeners: [");
    for arguments in [
        &["check", "-c", "syntax.yaml"][..],
        &["check", "-c", "missing.yaml"],
        &["run", "-c", "syntax.yaml"],
        &["run", "-c", "missing.yaml"],
        &["run", "--no-such-flag"],
        &["no-such-command"],
        &[],
    ] {
        let output = imgate(directory.path(), arguments);
        assert_eq!(
            output.status.code(),
            Some(BAD_INPUT),
            "{arguments:?}: {}",
            printed(&output)
        );
    }
    let output = imgate(directory.path(), &["run", "-c", "missing.yaml"]);
    assert!(
        printed(&output).contains("missing.yaml"),
        "{}",
        printed(&output)
    );
}

#[test]
fn help_and_version_are_no_failures() {
    let directory = tempfile::tempdir().unwrap();
    for (argument, expected) in [
        ("--help", "check"),
        ("--version", env!("CARGO_PKG_VERSION")),
    ] {
        let output = imgate(directory.path(), &[argument]);
        assert_eq!(output.status.code(), Some(DONE), "{argument}");
        assert!(
            printed(&output).contains(expected),
            "{argument}: {}",
            printed(&output)
        );
    }
}

#[test]
fn a_port_in_use_is_1_and_is_named() {
    let taken = net::listen();
    let address = taken.local_addr().unwrap();
    let directory = directory_with("imgate.yaml", &configuration(address));
    let mut gate = Process::start(
        Command::new(binary())
            .args(["run", "-c", "imgate.yaml"])
            .current_dir(directory.path()),
    );
    assert_eq!(gate.exit_code(), Some(FAILED), "{}", gate.output());
    eventually("the port is named", || {
        gate.output()
            .contains(&address.port().to_string())
            .then_some(())
    });
}

#[test]
fn run_finds_its_configuration() {
    for path in ["imgate.yaml", "conf/imgate.yaml"] {
        let address = net::free_address();
        let directory = directory_with(path, &configuration(address));
        let mut gate = Process::start(
            Command::new(binary())
                .arg("run")
                .current_dir(directory.path()),
        );
        eventually("the gate listens", || {
            if let Some(status) = gate.has_ended() {
                panic!("./{path}: ended with {status}: {}", gate.output());
            }
            std::net::TcpStream::connect(address).ok()
        });
        gate.signal(Signal::Int);
        assert_eq!(gate.exit_code(), Some(DONE), "./{path}");
    }
}

#[test]
fn run_without_any_configuration_says_where_it_looked() {
    let directory = tempfile::tempdir().unwrap();
    let output = imgate(directory.path(), &["run"]);
    let text = printed(&output);
    assert_eq!(output.status.code(), Some(BAD_INPUT), "{text}");
    assert!(
        text.contains("conf/imgate.yaml") && text.contains("/etc/imgate/imgate.yaml"),
        "{text}"
    );
}

#[test]
fn a_new_key_comes_with_the_digest_for_the_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    for _ in 0..2 {
        let output = imgate(directory.path(), &["key", "new"]);
        assert_eq!(output.status.code(), Some(DONE), "{}", printed(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        let key = text
            .split_whitespace()
            .find(|word| word.len() >= 32 && text.contains(&sha256_hex(word)))
            .unwrap_or_else(|| panic!("a key and its digest: {text}"));
        seen.push(key.to_owned());
    }
    assert_ne!(seen[0], seen[1]);
}

fn sha256_hex(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    digest
        .as_ref()
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

#[test]
fn a_minted_token_is_a_token_and_can_be_taken_apart() {
    let directory = directory_with("secret", SA_TOKEN_SECRET);
    let user = [
        "--user",
        "7",
        "--user-type",
        "im_user",
        "--secret-file",
        "secret",
    ];
    let output = imgate(
        directory.path(),
        &[&["token", "mint", "sa_token"], &user[..]].concat(),
    );
    assert_eq!(output.status.code(), Some(DONE), "{}", printed(&output));
    let minted = String::from_utf8(output.stdout).unwrap();
    assert_eq!(minted.trim().split('.').count(), 3, "{minted}");

    for token in [minted.trim(), &sa_token("im_user:7")] {
        let output = inspect(directory.path(), token);
        let text = printed(&output);
        assert_eq!(output.status.code(), Some(DONE), "{text}");
        assert!(
            text.contains("im_user:7") && text.contains("HS256"),
            "{text}"
        );
    }
    assert_eq!(
        inspect(directory.path(), "no token").status.code(),
        Some(BAD_INPUT)
    );
}

/// Hands the token over on the standard input, where no process list shows it.
fn inspect(directory: &Path, token: &str) -> Output {
    let mut child = Command::new(binary())
        .args(["token", "inspect", "-"])
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(token.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn check_live_asks_whether_the_upstreams_are_there() {
    let upstream = net::listen();
    let there = upstream.local_addr().unwrap();
    let configuration = configuration("127.0.0.1:0").replace("127.0.0.1:19688", &there.to_string());
    let directory = directory_with("imgate.yaml", &configuration);
    let output = imgate(directory.path(), &["check", "--live"]);
    assert_eq!(output.status.code(), Some(DONE), "{}", printed(&output));
    assert!(printed(&output).contains("live: upstream im"));
    drop(upstream);
    let output = imgate(directory.path(), &["check", "--live"]);
    assert_eq!(output.status.code(), Some(FAILED), "{}", printed(&output));
}

#[test]
fn check_live_asks_whether_the_store_takes_what_is_written() {
    let (redis, upstream) = (Redis::start(), net::listen());
    let upstream = upstream.local_addr().unwrap();
    let configuration = configuration("127.0.0.1:0")
        .replace("127.0.0.1:19688", &upstream.to_string())
        + &format!(
            "\nstore: {{ redis: {{ address: \"{}\" }} }}\n",
            redis.address()
        );
    let directory = directory_with("imgate.yaml", &configuration);
    let check = || imgate(directory.path(), &["check", "--live"]);
    let output = check();
    assert_eq!(output.status.code(), Some(DONE), "{}", printed(&output));
    assert!(printed(&output).contains("live: store"));
    // A replica of Redis that only reads would lose every revocation.
    redis.run::<String>(&["REPLICAOF", "127.0.0.1", "1"]);
    let output = check();
    assert_eq!(output.status.code(), Some(FAILED), "{}", printed(&output));
    assert!(printed(&output).contains("live: store"));
}

/// Where the demo can have its three ports of 127.0.0.1; of these tests only its own are there, each
/// from another port on.
pub(crate) fn demo_port(from: u16) -> u16 {
    let is_free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    (from..from + 1000)
        .find(|port| [0, 2, 10_000].iter().all(|offset| is_free(port + offset)))
        .unwrap()
}

#[test]
fn the_demo_shows_what_it_promises() {
    let port = demo_port(21_000);
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["demo", "--once", "--fast", "--port", &port.to_string()];
    let output = imgate(directory.path(), &arguments);
    let text = printed(&output);
    assert_eq!(output.status.code(), Some(DONE), "{text}");
    assert!(text.contains("All 10 steps went as expected"), "{text}");
}

#[test]
fn check_live_asks_identity_providers_for_keys_and_about_a_token() {
    let upstream = net::listen();
    let idp = Idp::in_mood(Mood::Knows(Vec::new()));
    let there = upstream.local_addr().unwrap();
    let configuration = configuration("127.0.0.1:0").replace(
        "routes:\n",
        &format!(
            "  member: {{ from: [{{ header: token }}], jwt: {{ jwks: {{ url: \"http://{0}/jwks\" }}, \
             issuer: any, audience: any }} }}\n\
             \x20 opaque: {{ from: [{{ header: token }}], introspection: {{ url: \"http://{0}/\" }} }}\n\
             routes:\n",
            idp.address()
        ),
    );
    let configuration = configuration.replace("127.0.0.1:19688", &there.to_string());
    let directory = directory_with("imgate.yaml", &configuration);
    let output = imgate(directory.path(), &["check", "--live"]);
    let text = printed(&output);
    assert_eq!(output.status.code(), Some(FAILED), "{text}");
    assert!(
        text.contains("live: authenticator opaque answers"),
        "{text}"
    );
    assert!(
        text.contains("live: authenticator member: the answer is no JSON Web Key Set"),
        "{text}"
    );
    idp.is_now(Mood::Away);
    let output = imgate(directory.path(), &["check", "--live"]);
    let text = printed(&output);
    assert!(
        text.contains("live: authenticator opaque: the server cannot be reached"),
        "{text}"
    );
}

#[test]
fn ping_tells_by_its_exit_code_whether_the_answer_is_200() {
    let nobody = net::free_address();
    let cases = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", DONE),
        ("HTTP/1.1 204 No Content\r\n\r\n", FAILED),
        (
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 8\r\n\r\ndraining",
            FAILED,
        ),
        ("SSH-2.0-OpenSSH\r\n", FAILED),
    ];
    let directory = tempfile::tempdir().unwrap();
    for (answer, code) in cases {
        let server = Recorder::answering(answer);
        let url = format!("http://{}/readyz?verbose", server.address());
        let output = imgate(directory.path(), &["ping", &url]);
        let said = printed(&output);
        assert_eq!(output.status.code(), Some(code), "{answer}: {said}");
        assert_eq!(said.is_empty(), code == DONE, "{said}");
        assert_eq!(server.only().head.target(), "/readyz?verbose");
    }
    for (url, code) in [
        (format!("http://{nobody}/"), FAILED),
        ("https://127.0.0.1/".to_owned(), BAD_INPUT),
        ("/readyz".to_owned(), BAD_INPUT),
    ] {
        let output = imgate(directory.path(), &["ping", &url]);
        assert_eq!(output.status.code(), Some(code), "{url}");
    }
}

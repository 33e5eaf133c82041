//! Commands that end by themselves.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use tempfile::TempDir;

use super::webhook::Webhook;
use super::{TEMPLATE, binary};

/// A command with a template, and this on its standard input.
fn run_in(directory: &TempDir, arguments: &[&str], input: &str) -> Output {
    let template = directory.path().join("sidecar.yaml");
    if !template.exists() {
        fs::write(&template, TEMPLATE).unwrap();
    }
    run(directory.path(), arguments, input)
}

fn run(directory: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(binary())
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // It may not want to read all of it, or write before it has.
    let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    output
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

const POD: &str = "kind: Pod\nmetadata: { name: im }\nspec: { containers: [{ name: app }] }\n";

#[test]
fn a_manifest_goes_in_and_comes_out_with_the_gate() {
    let directory = tempfile::tempdir().unwrap();
    let inject = [
        "inject",
        "--template",
        "sidecar.yaml",
        "--namespace",
        "chat",
    ];
    let output = run_in(&directory, &inject, POD);
    assert!(output.status.success());
    assert!(
        text(&output.stdout).contains("initContainers:\n  - args:\n    - run\n"),
        "{}",
        text(&output.stdout)
    );
    assert!(text(&output.stderr).starts_with("chat/Pod/im: no `imgate.dev/upstream-port`"));

    let old = [&inject[..], &["--kubernetes", "1.28"]].concat();
    let output = run_in(&directory, &old, POD);
    assert!(
        !text(&output.stdout).contains("initContainers"),
        "{}",
        text(&output.stdout)
    );
    // What it has written is left as it is.
    let again = run_in(&directory, &inject, text(&output.stdout));
    assert_eq!(text(&again.stdout), text(&output.stdout));
    assert_eq!(
        text(&again.stderr),
        "chat/Pod/im: left as it is: already injected\n"
    );
}

#[test]
fn a_refusal_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let input = format!(
        "{POD}---\n{}",
        POD.replace("spec: {", "spec: { hostNetwork: true,")
    );
    let output = run_in(
        &directory,
        &["inject", "--template", "sidecar.yaml"],
        &input,
    );
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "");
    assert!(
        text(&output.stderr).contains("Pod/im: spec.hostNetwork: expected"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn mistakes_of_the_caller_end_with_64() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(
        directory.path().join("broken.yaml"),
        "image: a\nport: secret\n",
    )
    .unwrap();
    for (arguments, input, expected) in [
        (
            &["inject", "--template", "broken.yaml"][..],
            POD,
            "broken.yaml:2: port: expected a whole number",
        ),
        (
            &["inject", "--template", "nowhere.yaml"],
            POD,
            "cannot read `nowhere.yaml`",
        ),
        (
            &["inject", "--template", "sidecar.yaml"],
            "a: [",
            "standard input: document 1: not valid YAML",
        ),
        (&["inject"], POD, "--template"),
        (
            &[
                "run",
                "--template",
                "broken.yaml",
                "--certificates",
                "files",
                "--certificate-directory",
                ".",
            ],
            "",
            "broken.yaml:2: port",
        ),
        (
            &[
                "run",
                "--template",
                "sidecar.yaml",
                "--certificates",
                "self",
            ],
            "",
            "--namespace",
        ),
        (&["ping", "::"], "", "<URL>"),
    ] {
        let output = run_in(&directory, arguments, input);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        let said = text(&output.stderr);
        assert!(
            said.contains(expected) && !said.contains("secret\n"),
            "{arguments:?}: {said}"
        );
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let arguments = [
        "run",
        "--template",
        "sidecar.yaml",
        "--certificates",
        "files",
        "--certificate-directory",
        ".",
        "--kubernetes",
        "1.33",
        "--health",
        "127.0.0.1:0",
        "--listen",
        &address,
    ];
    let output = run_in(&directory, &arguments, "");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).starts_with(&format!("cannot listen on {address}: ")),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_ping_succeeds_when_the_answer_is_200() {
    let webhook = Webhook::start();
    let directory = tempfile::tempdir().unwrap();
    let url = |path: &str| format!("http://{}{path}", webhook.health());
    for (url, expected) in [
        (url("/livez"), Some(0)),
        (url("/readyz"), Some(0)),
        (url("/nothing"), Some(1)),
        ("https://127.0.0.1/".to_owned(), Some(1)),
        ("http://127.0.0.1:1/".to_owned(), Some(1)),
    ] {
        let output = run(directory.path(), &["ping", &url], "");
        assert_eq!(
            output.status.code(),
            expected,
            "{url}: {}",
            text(&output.stderr)
        );
        assert_eq!(output.stderr.is_empty(), expected == Some(0), "{url}");
    }
}

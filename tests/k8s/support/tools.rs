//! The programs that `scripts/setup-k8s.sh` has fetched.

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Where the programs are: `IMGATE_K8S_TOOLS`, `target/k8s-tools` unless set.
pub(crate) fn directory() -> PathBuf {
    env::var_os("IMGATE_K8S_TOOLS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/k8s-tools"),
        PathBuf::from,
    )
}

/// A program by its name: the one that was fetched, or the one that is installed (`podman`).
pub(crate) fn tool(name: &str) -> Command {
    let fetched = directory().join("bin").join(name);
    if fetched.exists() {
        return Command::new(fetched);
    }
    Command::new(installed(name).unwrap_or_else(|| {
        panic!("there is no `{name}`: `scripts/setup-k8s.sh` fetches it (`full` for some)")
    }))
}

/// A program of the system, if it is there. Servers' are beyond the path of those who are not root.
pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = [PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")];
    let mut places = env::split_paths(&path).chain(usual);
    places.find_map(|directory| Some(directory.join(name)).filter(|program| program.is_file()))
}

/// Runs the command to its end.
#[track_caller]
pub(crate) fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null());
    let output = command.output();
    output.unwrap_or_else(|error| panic!("cannot start {:?}: {error}", command.get_program()))
}

/// The same, with this on its standard input.
#[track_caller]
pub(crate) fn output_of(command: &mut Command, input: &str) -> Output {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {:?}: {error}", command.get_program()));
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // Who refuses the input early closes the pipe.
        scope.spawn(move || stdin.write_all(input.as_bytes()));
        child.wait_with_output().unwrap()
    })
}

/// What the command prints. It has to succeed.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> String {
    let output = output(command);
    succeeded(command, output)
}

/// The same, with this on its standard input.
#[track_caller]
pub(crate) fn run_with(command: &mut Command, input: &str) -> String {
    let output = output_of(command, input);
    succeeded(command, output)
}

#[track_caller]
fn succeeded(command: &Command, output: Output) -> String {
    assert!(
        output.status.success(),
        "{command:?} ends with {}\n{}",
        output.status,
        text(&output)
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Both streams.
pub(crate) fn text(output: &Output) -> String {
    let stdout = String::from_utf8_lossy(&output.stdout);
    stdout.into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn the_fetched_programs_are_what_the_script_says() {
    let version = |name: &str, arguments: &[&str]| run(tool(name).args(arguments));
    assert!(version("helm", &["version", "--short"]).starts_with("v4."));
    assert!(version("helm3", &["version", "--short"]).starts_with("v3."));
    assert!(version("kubectl", &["version", "--client"]).contains("v1.36."));
    assert!(version("promtool", &["--version"]).contains("promtool, version 2."));
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {}\n";
    run_with(tool("kubernetes-validate").args(["--strict", "-"]), map);
}

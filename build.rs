//! Tells the binary which source and which compiler it is made of.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=IMGATE_REVISION");
    println!("cargo::rerun-if-changed=build.rs");
    // Not `.git/HEAD`: in a worktree `.git` is a file, and what is not there would be rebuilt always.
    if let Some(head) = output("git", &["rev-parse", "--git-path", "HEAD"]) {
        println!("cargo::rerun-if-changed={head}");
    }
    let revision = env::var("IMGATE_REVISION")
        .ok()
        .or_else(|| output("git", &["rev-parse", "--short=12", "HEAD"]));
    let compiler = env::var("RUSTC")
        .ok()
        .and_then(|rustc| output(&rustc, &["--version"]));
    // Outside a checkout (a source archive, an image build) the revision is unknown.
    let known = |value: Option<String>| value.unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=IMGATE_REVISION={}", known(revision));
    println!("cargo::rustc-env=IMGATE_RUSTC={}", known(compiler));
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next()?.trim();
    (output.status.success() && !line.is_empty()).then(|| line.to_owned())
}

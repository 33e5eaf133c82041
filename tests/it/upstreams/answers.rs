//! What the commands say of several addresses.

use std::process::Command;

use super::super::support::gate::{addresses_key, binary};
use super::super::support::{Recorder, net};
use super::policy;

#[test]
fn check_asks_every_address() {
    let (good, nobody) = (Recorder::ok(), net::free_address());
    let addresses = [good.address(), nobody];
    let directory = tempfile::tempdir().unwrap();
    let configuration = format!(
        "listeners: [{{ address: \"127.0.0.1:9688\" }}]\nupstreams: {{ im: {{ {} }} }}\n{}",
        addresses_key(&addresses),
        policy()
    );
    std::fs::write(directory.path().join("imgate.yaml"), configuration).unwrap();
    let check = |arguments: &[&str]| {
        let mut command = Command::new(binary());
        command.args(["check", "-c", "imgate.yaml"]).args(arguments);
        let output = command.current_dir(directory.path()).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let (code, text) = check(&[]);
    assert_eq!(code, Some(0), "{text}");
    let place = format!("-> im ({}, {nobody}; round_robin)", good.address());
    assert!(text.contains(&place), "{text}");
    let (code, text) = check(&["--live"]);
    assert_eq!(code, Some(1), "{text}");
    for line in [
        format!("live: upstream im ({}) answers", good.address()),
        format!("live: upstream im ({nobody}): Connection refused"),
    ] {
        assert!(text.contains(&line), "{line} in\n{text}");
    }
}

//! The compose file, as text, and as the reference implementation of the specification reads it.

use std::process::Command;

use serde_json::Value;

use super::{check, read, root};
use crate::support::tools::{run, tool};

const FILE: &str = "packaging/compose/compose.yaml";

#[test]
fn the_configuration_beside_it_is_good() {
    check(
        &read("packaging/compose/config/imgate.yaml"),
        "/run/secrets",
        &["partner-a"],
    );
}

#[test]
fn the_gate_has_the_servers_network_and_no_right_of_its_own() {
    let file: Value = serde_yaml::from_str(&read(FILE)).unwrap();
    let gate = &file["services"]["imgate"];
    assert_eq!(gate["network_mode"], "service:im");
    assert_eq!(gate["read_only"], true);
    assert_eq!(gate["cap_drop"][0], "ALL");
    let image = format!("ghcr.io/imgate/imgate:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(gate["image"], image.as_str());

    // A gate by itself: the command of the health check is one that the binary has.
    let check: Vec<_> = gate["healthcheck"]["test"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    let ["CMD", "/usr/local/bin/imgate", arguments @ ..] = check.as_slice() else {
        panic!("{check:?}");
    };
    // Nobody is at this address: a failure that says so, and no mistake in the arguments.
    let asked = Command::new(env!("CARGO_BIN_EXE_imgate"))
        .args(arguments.iter().map(|word| word.replace("9690", "1")))
        .output()
        .unwrap();
    assert_eq!(asked.status.code(), Some(1), "{asked:?}");
}

#[test]
fn it_is_by_the_specification() {
    run(tool("check-jsonschema")
        .args(["--builtin-schema", "vendor.compose-spec"])
        .arg(root().join(FILE)));
}

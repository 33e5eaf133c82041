//! The unit, as systemd reads it.

use std::fs;
use std::process::Command;

use super::{check, read};
use crate::support::tools::{installed, run};

/// Of 100, in which less is better; `systemd-analyze security` calls up to 20 "OK".
const MOST_EXPOSURE: u32 = 15;

#[test]
fn the_configuration_beside_the_unit_is_good() {
    check(
        &read("packaging/systemd/imgate.yaml"),
        "/run/credentials/imgate.service",
        &["partner-a"],
    );
}

#[test]
fn every_credential_that_the_configuration_reads_is_loaded_by_the_unit() {
    let unit = read("packaging/systemd/imgate.service");
    let configuration = read("packaging/systemd/imgate.yaml");
    let read: Vec<_> = configuration
        .split("/run/credentials/imgate.service/")
        .skip(1)
        .map(|rest| rest.split([' ', '}']).next().unwrap())
        .collect();
    assert_eq!(read, ["partner-a"]);
    assert!(unit.contains("\nLoadCredential=partner-a:/etc/imgate/secrets/partner-a\n"));
}

#[test]
fn systemd_understands_the_unit_and_finds_it_well_shut_in() {
    let Some(systemd_analyze) = installed("systemd-analyze") else {
        eprintln!("skipped: there is no systemd-analyze here");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let unit = directory.path().join("imgate.service");
    // It wants to see the programs.
    let text = read("packaging/systemd/imgate.service")
        .replace("/usr/local/bin/imgate", env!("CARGO_BIN_EXE_imgate"));
    fs::write(&unit, text).unwrap();

    let verified = Command::new(&systemd_analyze)
        .args(["verify", "--man=no"])
        .arg(&unit)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&verified.stderr);
    // It speaks of every unit that it comes by.
    let ours: Vec<_> = said
        .lines()
        .filter(|line| line.contains("imgate"))
        .collect();
    assert!(verified.status.success() && ours.is_empty(), "{said}");

    run(Command::new(&systemd_analyze)
        .args(["security", "--offline=true", "--no-pager"])
        .arg(format!("--threshold={MOST_EXPOSURE}"))
        .arg(&unit));
}

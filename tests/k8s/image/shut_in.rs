//! What the systemd unit forbids, the gate does not need.
//!
//! There is no systemd in a container, but what it makes of `SystemCallFilter=`, `MemoryDenyWriteExecute=` and
//! `RestrictAddressFamilies=` is a seccomp filter, which runc sets as well.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::engine::Engine;
use super::running::{configuration, mounted, start, status};
use crate::support::recorder::{Exchange, Recorder};
use crate::support::tools::{installed, run};

/// Of `libc`.
const AF_UNIX: u32 = 1;
const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;
const EPERM: u32 = 1;
const PROT_WRITE: u32 = 2;
const PROT_EXEC: u32 = 4;

#[test]
#[ignore = "make k8s"]
fn the_units_filter_of_system_calls_leaves_all_that_the_gate_needs() {
    let Some(systemd_analyze) = installed("systemd-analyze") else {
        eprintln!("skipped: there is no systemd-analyze here");
        return;
    };
    let engine = Engine::with_image();
    let profile = engine.path("seccomp.json");
    fs::write(&profile, filter(&systemd_analyze).to_string()).unwrap();
    let _volume = mounted(&engine, &configuration("first-key"));
    let option = format!("seccomp={}", profile.display());
    let gate = start(&engine, &["--security-opt", &option]);
    let _backend = Recorder::on(gate.network().listen(8080), Exchange::ok);

    assert_eq!(status(&gate, ""), 401);
    assert_eq!(status(&gate, "X-App-Key: first-key\r\n"), 200);
    // The configuration warns of its key; nothing else is wrong.
    let warnings = gate.log();
    let warnings: Vec<_> = warnings
        .lines()
        .filter(|line| line.contains("\"WARN\"") && !line.contains("\"configuration\""))
        .collect();
    assert!(warnings.is_empty(), "{warnings:#?}");
    gate.stop(60);
    assert_eq!(gate.exit_code(), 0);
}

fn filter(systemd_analyze: &Path) -> Value {
    let unit = include_str!("../../../packaging/systemd/imgate.service");
    let mut allowed = BTreeSet::new();
    for setting in unit
        .lines()
        .filter_map(|line| line.strip_prefix("SystemCallFilter="))
    {
        if let Some(group) = setting.strip_prefix('~') {
            for call in calls(systemd_analyze, group) {
                allowed.remove(&call);
            }
        } else {
            allowed.extend(calls(systemd_analyze, setting));
        }
    }
    assert!(allowed.len() > 150, "{allowed:?}");
    assert!(unit.contains("\nMemoryDenyWriteExecute=yes\n"));
    assert!(unit.contains("\nRestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX\n"));
    for call in ["mmap", "mprotect", "socket"] {
        assert!(allowed.remove(call), "{call}");
    }
    let mut rules = vec![json!({ "names": allowed, "action": "SCMP_ACT_ALLOW" })];
    let mut rule = |call: &str, argument: Value| {
        rules.push(json!({ "names": [call], "action": "SCMP_ACT_ALLOW", "args": [argument] }));
    };
    let without =
        |bit: u32| json!({ "index": 2, "op": "SCMP_CMP_MASKED_EQ", "value": bit, "valueTwo": 0 });
    rule("mprotect", without(PROT_EXEC));
    rule("mmap", without(PROT_EXEC));
    rule("mmap", without(PROT_WRITE));
    for family in [AF_UNIX, AF_INET, AF_INET6] {
        rule(
            "socket",
            json!({ "index": 0, "op": "SCMP_CMP_EQ", "value": family }),
        );
    }
    json!({ "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": EPERM, "syscalls": rules })
}

/// The calls of a group and of the groups in it.
fn calls(systemd_analyze: &Path, group: &str) -> Vec<String> {
    let text = run(Command::new(systemd_analyze).args(["syscall-filter", group]));
    let mut calls = Vec::new();
    for name in text.lines().skip(1).map(str::trim) {
        if name.starts_with('@') {
            calls.extend(self::calls(systemd_analyze, name));
        } else if !name.is_empty() && !name.starts_with('#') {
            calls.push(name.to_owned());
        }
    }
    calls
}

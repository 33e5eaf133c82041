//! How a change is noticed: by the watch, by the poll where no watch can hear it, by SIGHUP alone.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use super::super::support::process::Signal;
use super::super::support::wait::pause;
use super::super::support::{Gate, Recorder, eventually};
use super::{gate, opens, policy, watched};

/// Nothing happens in a directory that is watched when one further up is replaced.
#[test]
fn the_poll_finds_what_no_watched_directory_sees() {
    let gate = gate(&policy("{ poll: 1s }", "a/b/c/d/key"))
        .file("a/b/c/d/key", "key-1")
        .file("a/new/c/d/key", "key-2")
        .start();
    assert!(opens(&gate, "key-1"));
    fs::rename(gate.path("a/b"), gate.path("a/old")).unwrap();
    fs::rename(gate.path("a/new"), gate.path("a/b")).unwrap();
    eventually("the poll", || opens(&gate, "key-2").then_some(()));
    gate.replace_file("a/b/c/d/key", "key-3");
    eventually("the new directory", || opens(&gate, "key-3").then_some(()));
}

#[test]
fn without_the_watch_only_a_signal_counts() {
    let off = policy("{ watch: false, poll: 1s, debounce: 10ms }", "key");
    let gate = gate(&off).file("key", "key-1").start();
    let active = || gate.metrics().value("imgate_config_watch_active", &[]);
    assert!(active() < 0.5);
    assert_eq!(watched(&gate), 0);
    gate.replace_file("key", "key-2");
    pause(Duration::from_millis(2500));
    assert!(!opens(&gate, "key-2"));
    gate.signal(Signal::Hup);
    eventually("the signal", || opens(&gate, "key-2").then_some(()));

    // It is part of the configuration like everything else.
    gate.reload(&policy("{}", "key"));
    gate.wait_for_metric("imgate_config_watch_active", &[], |value| value > 0.5);
    gate.replace_file("key", "key-3");
    eventually("the watch", || opens(&gate, "key-3").then_some(()));
    gate.replace_policy(&off);
    gate.wait_for_metric("imgate_config_watch_active", &[], |value| value < 0.5);
    assert_eq!(watched(&gate), 0);
}

/// The system refuses the watch for want of descriptors: files are compared instead, and the watch
/// is tried again.
#[test]
fn the_poll_stands_in_for_a_watch_that_cannot_be_had() {
    let on = policy("{ poll: 1s }", "key");
    let backend = Recorder::ok();
    let gate = Gate::with(&policy("{ watch: false }", "key"))
        .file("key", "key-1")
        .upstream("im", backend.address())
        .start();
    // This connection stays, and so does the one behind it; new ones would take descriptors.
    let mut client = gate.client();
    let mut is_open = |key: &str| {
        let answer = client.get("/openapi/x", &format!("X-App-Key: {key}\r\n"));
        answer.status() == 200
    };
    let is_active = || gate.metrics().value("imgate_config_watch_active", &[]) > 0.5;
    assert!(is_open("key-1"));
    // Enough to read files with. A watch needs one more.
    let limit = eventually("connections that were closed are gone", || {
        let limit = descriptor(&gate, 2);
        pause(Duration::from_millis(100));
        (descriptor(&gate, 2) == limit).then_some(limit)
    });
    limit_files(&gate, limit);
    gate.reload(&on);
    eventually("the signal", || {
        (said(&gate, "files cannot be watched") > 0).then_some(())
    });
    for key in ["key-2", "key-3"] {
        gate.replace_file("key", key);
        eventually("the poll", || is_open(key).then_some(()));
    }
    assert!(!is_active());
    assert_eq!(watched(&gate), 0);
    assert_eq!(said(&gate, "files cannot be watched"), 1, "once is enough");

    limit_files(&gate, 1024);
    eventually("it is tried again", || is_active().then_some(()));
    assert_eq!(watched(&gate), 1);
    eventually("it says so", || {
        (said(&gate, "files are watched again") == 1).then_some(())
    });
}

fn said(gate: &Gate, what: &str) -> usize {
    gate.output().matches(what).count()
}

/// The lowest number below which so many descriptors are free. Those of the kernel's own tables are
/// not counted: the gate looks into them every now and then, for as long as they are.
fn descriptor(gate: &Gate, free: usize) -> u64 {
    let open: Vec<u64> = fs::read_dir(format!("/proc/{}/fd", gate.pid()))
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| fs::read_link(entry.path()).is_ok_and(|file| !file.starts_with("/proc")))
        .map(|entry| entry.file_name().to_str().unwrap().parse().unwrap())
        .collect();
    let mut unused = (0..).filter(|number| !open.contains(number));
    unused.nth(free - 1).unwrap() + 1
}

fn limit_files(gate: &Gate, most: u64) {
    let pid = Pid::from_raw(gate.pid().cast_signed());
    let limit = Rlimit {
        current: Some(most),
        maximum: getrlimit(Resource::Nofile).maximum,
    };
    prlimit(pid, Resource::Nofile, limit).unwrap();
}

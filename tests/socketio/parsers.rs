//! What Socket.IO's own parsers take for an `auth2` event, the gate must not overlook.

use std::fs::{self, File};

use imgate::wire::socketio::{FromClient, from_client, may_be_auth2};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use super::super::support::process::Process;
use super::super::support::wait::eventually_within;
use super::{PATIENCE, lines, node};

/// So many texts are made up.
const TEXTS: usize = 4_000;

/// Texts that have something of an `auth2` event.
fn texts() -> impl Strategy<Value = String> {
    let part = |parts: &[&'static str]| prop::sample::select(parts.to_vec());
    let packet = part(&[
        "42", "45", "43", "40", "4", "2", "421", "4251-", "451-", "450-", "452-",
    ]);
    let namespace = part(&[
        "",
        "",
        "",
        "/,",
        "/admin,",
        "/a[\"x\"],",
        "/a?b=[\"auth2\",",
        "/",
    ]);
    let ack = part(&[
        "",
        "",
        "0",
        "1",
        "17",
        "007",
        "99999999999999999999",
        "-1",
        "1.5",
        " 1",
        "1-",
    ]);
    let name = part(&[
        "\"auth2\"",
        "\"auth2\"",
        "\"\\u0061uth2\"",
        "\"auth\\u0032\"",
        "\"AUTH2\"",
        "\"auth2 \"",
        "\"conf\"",
        "[\"auth2\"]",
        "2",
        "auth2",
        "\"auth2",
    ]);
    let rest = part(&[
        ",\"t\",{}]",
        ",\"t\",{\"CLIENT_KEY\":\"k\",\"Authorization\":\"t\"}]",
        ",{\"_placeholder\":true,\"num\":0}]",
        "]",
        ", \"t\" , {} ] ",
        ",\"t\",{}",
        "",
    ]);
    let blank = || part(&["", "", "", " ", "\n", "\t\r\n", "\u{a0}"]);
    (packet, namespace, ack, (blank(), blank()), name, rest).prop_map(
        |(packet, namespace, ack, (before, behind), name, rest)| {
            format!("{packet}{namespace}{ack}{before}[{behind}{name}{rest}")
        },
    )
}

#[test]
fn whatever_they_take_for_auth2_is_one() {
    let mut runner = TestRunner::deterministic();
    let mut all: Vec<String> = (0..TEXTS)
        .map(|_| texts().new_tree(&mut runner).unwrap().current())
        .collect();
    all.extend(seeds());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("texts");
    let asked: Vec<String> = all
        .iter()
        .map(|text| Value::from(text.as_str()).to_string())
        .collect();
    fs::write(&path, asked.join("\n")).unwrap();
    let mut process = Process::start_with_input(&mut node("parser.js"), File::open(&path).unwrap());
    eventually_within(PATIENCE, "the parsers end", || process.has_ended());
    let answers = lines(&process);
    assert_eq!(answers.len(), all.len());
    let mut events = 0;
    for (text, packet) in all.iter().zip(answers) {
        let is_auth2 = packet["data"][0] == "auth2";
        events += usize::from(is_auth2);
        assert!(!is_auth2 || may_be_auth2(text.as_bytes()), "{text}");
        // And what the gate itself reads is what they read.
        if let Ok(FromClient::Auth2 { ack, credentials }) = from_client(text.as_bytes()) {
            assert!(is_auth2 && packet["nsp"] == "/", "{text}: {packet}");
            let number = ack.map(|ack| ack.to_string());
            let theirs = packet["id"].as_u64().map(|id| id.to_string());
            assert_eq!(number, theirs, "{text}");
            if let Ok(event) = credentials {
                let token = packet["data"][1].as_str().map(str::as_bytes);
                assert_eq!(token, Some(event.token.expose()), "{text}");
            }
        }
    }
    assert!(events > TEXTS / 20, "{events} of them are events");
}

/// Those of the fuzz target that are texts.
fn seeds() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/corpus/socketio");
    let files = fs::read_dir(folder).unwrap();
    files
        .filter_map(|file| String::from_utf8(fs::read(file.unwrap().path()).unwrap()).ok())
        .collect()
}

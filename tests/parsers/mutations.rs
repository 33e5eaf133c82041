//! No panic, and no memory that is kept, whatever the bytes.

use std::fs;

use crate::corpora::seeds;
use crate::mutator::Mutator;
use crate::targets;

/// So many inputs for each target; `make soak` asks for 100 000.
fn inputs() -> usize {
    let asked = std::env::var("IMGATE_TEST_MUTANTS").ok();
    asked.map_or(10_000, |count| count.parse().expect("a number"))
}

/// What the process holds, in KiB. Other tests run in it as well.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.unwrap().parse().unwrap()
}

/// A leak of 1 KiB an input would be 100 MiB at the end of a soak.
const MOST_GROWTH: usize = 48 * 1024;

fn spoil(target: &str, corpora: &[&str], run: fn(&[u8])) {
    let seeds: Vec<_> = corpora
        .iter()
        .flat_map(|corpus| seeds(corpus))
        .map(|(_, bytes)| bytes)
        .collect();
    let mut mutator = Mutator::new(1);
    let inputs = inputs();
    let mut before = 0;
    for number in 0..inputs {
        if number == inputs / 10 {
            before = resident();
        }
        let input = mutator.spoil(&seeds);
        let outcome = std::panic::catch_unwind(|| run(&input));
        assert!(outcome.is_ok(), "{target}: {}", input.escape_ascii());
    }
    let growth = resident().saturating_sub(before);
    println!("{target}: {inputs} inputs, {growth} KiB more");
    assert!(growth < MOST_GROWTH, "{target} keeps {growth} KiB");
}

/// Spoils the seeds of the target itself.
fn spoil_seeds(target: &str, run: fn(&[u8])) {
    spoil(target, &[target], run);
}

#[test]
fn heads() {
    let requests = ["head_request", "request_readers"];
    let responses = ["head_response", "response_readers"];
    spoil("head_request", &requests, targets::head_request);
    spoil("head_response", &responses, targets::head_response);
}

#[test]
fn bodies() {
    spoil_seeds("body", targets::body);
    spoil_seeds("json_name", targets::json_name);
}

#[test]
fn readers_beside_others() {
    let requests = ["head_request", "request_readers"];
    let responses = ["head_response", "response_readers"];
    spoil("request_readers", &requests, targets::request_readers);
    spoil("response_readers", &responses, targets::response_readers);
    spoil("body_readers", &["body"], targets::body_readers);
}

#[test]
fn sockets() {
    spoil_seeds("frames", targets::frames);
    spoil_seeds("messages", targets::messages);
    spoil_seeds("socketio", targets::socketio);
    spoil_seeds("socket_table", targets::socket_table);
}

#[test]
fn credentials() {
    spoil_seeds("easemob_dynamic", targets::easemob_dynamic);
    spoil_seeds("easemob_token", targets::easemob_token);
    spoil_seeds("imkit_client_key", targets::imkit_client_key);
    spoil_seeds("introspection", targets::introspection);
    spoil_seeds("jwks", targets::jwks);
    spoil_seeds("token_answer", targets::token_answer);
    spoil_seeds("zego_token04", targets::zego_token04);
}

#[test]
fn policies() {
    spoil_seeds("routes", targets::routes);
    let configurations = ["../../config", "../../../conf"];
    spoil("configuration", &configurations, targets::configuration);
}

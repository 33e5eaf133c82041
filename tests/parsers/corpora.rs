use std::fs;
use std::path::Path;

use crate::{targets, tokens};

/// Runs every file in the corpus of a target.
fn run(target: &str, run: fn(&[u8])) {
    let seeds = seeds(target);
    for (name, bytes) in &seeds {
        println!("{name}");
        run(bytes);
    }
    assert!(seeds.len() >= 10, "{target} has {} seeds", seeds.len());
}

/// The files of a corpus, with their names.
pub(crate) fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/corpus")
        .join(target);
    let mut seeds: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect();
    seeds.sort();
    seeds
}

#[test]
fn seeds_of_head_request() {
    run("head_request", targets::head_request);
    run("request_readers", targets::head_request);
}

#[test]
fn seeds_of_head_response() {
    run("head_response", targets::head_response);
    run("response_readers", targets::head_response);
}

#[test]
fn seeds_of_body() {
    run("body", targets::body);
}

#[test]
fn seeds_of_configuration() {
    run("../../config", targets::configuration);
    run("../../../conf", targets::configuration);
    // Found by libFuzzer: a next line (NEL) is a break for one of the two readers.
    targets::configuration("# a\u{85}listeners: \u{85}: [".as_bytes());
}

#[test]
fn seeds_of_frames() {
    run("frames", targets::frames);
}

#[test]
fn seeds_of_routes() {
    run("routes", targets::routes);
}

#[test]
fn seeds_of_answers_about_keys_and_tokens() {
    run("jwks", targets::jwks);
    run("introspection", targets::introspection);
}

#[test]
fn seeds_of_messages() {
    run("messages", targets::messages);
}

#[test]
fn seeds_of_easemob_token() {
    run("easemob_token", targets::easemob_token);
}

#[test]
fn seeds_of_token_answer() {
    run("token_answer", targets::token_answer);
}

#[test]
fn seeds_of_socketio() {
    run("socketio", targets::socketio);
}

#[test]
fn seeds_of_socket_table() {
    run("socket_table", targets::socket_table);
}

#[test]
fn seeds_of_imkit_client_key() {
    run("imkit_client_key", targets::imkit_client_key);
}

#[test]
fn seeds_of_json_name() {
    run("json_name", targets::json_name);
}

#[test]
fn seeds_of_request_readers() {
    run("head_request", targets::request_readers);
    run("request_readers", targets::request_readers);
}

#[test]
fn seeds_of_response_readers() {
    run("head_response", targets::response_readers);
    run("response_readers", targets::response_readers);
}

#[test]
fn seeds_of_body_readers() {
    run("body", targets::body_readers);
}

#[test]
fn seeds_of_easemob_dynamic() {
    run("easemob_dynamic", targets::easemob_dynamic);
}

#[test]
fn seeds_of_zego_token04() {
    run("zego_token04", targets::zego_token04);
}

/// If nothing were let in any more, nothing would be compared.
#[test]
fn some_seeds_are_tokens_that_are_let_in() {
    let let_in = |target: &str, is_let_in: fn(&[u8]) -> bool| {
        let seeds = seeds(target).into_iter();
        seeds.filter(|(_, bytes)| is_let_in(bytes)).count()
    };
    assert!(let_in("easemob_dynamic", tokens::easemob_dynamic) >= 5);
    assert!(let_in("zego_token04", tokens::zego_token04) >= 5);
}

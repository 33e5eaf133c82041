use std::fs;
use std::path::Path;

use crate::{targets, tokens};

/// Runs every file in the corpus of a target.
fn run(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/corpus")
        .join(target);
    let mut seeds = 0;
    for file in fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        println!("{}", path.display());
        run(&fs::read(&path).unwrap());
        seeds += 1;
    }
    assert!(seeds >= 10, "{} holds {seeds} seeds", folder.display());
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
    let seeds = |target: &str, is_let_in: fn(&[u8]) -> bool| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fuzz/corpus")
            .join(target);
        let files = fs::read_dir(folder).unwrap();
        files
            .filter(|file| is_let_in(&fs::read(file.as_ref().unwrap().path()).unwrap()))
            .count()
    };
    assert!(seeds("easemob_dynamic", tokens::easemob_dynamic) >= 5);
    assert!(seeds("zego_token04", tokens::zego_token04) >= 5);
}

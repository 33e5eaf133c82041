//! One function for each fuzz target: what it does with its input.

use super::{credentials, invariants, issued, policies, readers, tokens};

pub(crate) fn head_request(bytes: &[u8]) {
    invariants::request(bytes);
}

pub(crate) fn head_response(bytes: &[u8]) {
    invariants::response(bytes);
}

pub(crate) fn body(bytes: &[u8]) {
    invariants::body(bytes);
}

pub(crate) fn configuration(bytes: &[u8]) {
    policies::configuration(bytes);
}

pub(crate) fn frames(bytes: &[u8]) {
    invariants::frames(bytes);
}

pub(crate) fn routes(bytes: &[u8]) {
    policies::routes(bytes);
}

pub(crate) fn introspection(bytes: &[u8]) {
    imgate::scheme::introspection::exercise(bytes);
}

pub(crate) fn jwks(bytes: &[u8]) {
    imgate::scheme::jwt::exercise_jwks(bytes);
}

pub(crate) fn messages(bytes: &[u8]) {
    invariants::messages(bytes);
}

pub(crate) fn easemob_token(bytes: &[u8]) {
    issued::easemob_token(bytes);
}

pub(crate) fn token_answer(bytes: &[u8]) {
    issued::token_answer(bytes);
}

pub(crate) fn socketio(bytes: &[u8]) {
    credentials::socketio(bytes);
}

pub(crate) fn imkit_client_key(bytes: &[u8]) {
    credentials::imkit_client_key(bytes);
}

pub(crate) fn socket_table(bytes: &[u8]) {
    invariants::socket_table(bytes);
}

pub(crate) fn json_name(bytes: &[u8]) {
    invariants::json_name(bytes);
}

pub(crate) fn request_readers(bytes: &[u8]) {
    agree(readers::request(bytes), bytes);
}

pub(crate) fn response_readers(bytes: &[u8]) {
    for method in ["GET", "HEAD"] {
        agree(readers::response(bytes, method), bytes);
    }
}

pub(crate) fn body_readers(bytes: &[u8]) {
    for compared in readers::body(bytes) {
        agree(compared, bytes);
    }
}

pub(crate) fn easemob_dynamic(bytes: &[u8]) {
    tokens::easemob_dynamic(bytes);
}

pub(crate) fn zego_token04(bytes: &[u8]) {
    tokens::zego_token04(bytes);
}

fn agree(compared: readers::Compared, bytes: &[u8]) {
    if let Err(difference) = compared {
        panic!("{difference}\n{}", bytes.escape_ascii());
    }
}

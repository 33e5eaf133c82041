//! One function for each fuzz target: what it does with its input.

use super::{invariants, readers};

pub(crate) fn head_request(bytes: &[u8]) {
    invariants::request(bytes);
}

pub(crate) fn head_response(bytes: &[u8]) {
    invariants::response(bytes);
}

pub(crate) fn body(bytes: &[u8]) {
    invariants::body(bytes);
}

pub(crate) fn messages(bytes: &[u8]) {
    invariants::messages(bytes);
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

fn agree(compared: readers::Compared, bytes: &[u8]) {
    if let Err(difference) = compared {
        panic!("{difference}\n{}", bytes.escape_ascii());
    }
}

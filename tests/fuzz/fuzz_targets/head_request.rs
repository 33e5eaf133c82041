//! A head of a request is its lines, however it comes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| imgate_fuzz::head_request(data));

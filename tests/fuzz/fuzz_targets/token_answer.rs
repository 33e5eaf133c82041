//! What is learned from an answer is said in it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| imgate_fuzz::token_answer(data));

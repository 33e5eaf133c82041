//! What is read in a token of Easemob's is there.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| imgate_fuzz::easemob_token(data));

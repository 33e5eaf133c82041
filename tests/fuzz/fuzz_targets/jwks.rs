//! Whatever a server sends for its keys, what is read of it can only verify.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| imgate_fuzz::jwks(data));

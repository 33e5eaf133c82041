//! No bytes are a client key of IMKIT but those that are listed or signed.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| imgate_fuzz::imkit_client_key(data));

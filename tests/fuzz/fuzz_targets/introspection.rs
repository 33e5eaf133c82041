//! Whatever a server answers about a token, only a clear yes admits.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| imgate_fuzz::introspection(data));

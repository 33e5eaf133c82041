//! A chunked body that is accepted, pingora and llhttp read alike.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| imgate_fuzz::body_readers(data));

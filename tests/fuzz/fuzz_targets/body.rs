//! A chunked body has one end, one payload and one fault, however it comes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| imgate_fuzz::body(data));

//! Whatever is written in a configuration, it loads or says where it does not.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| imgate_fuzz::configuration(data));

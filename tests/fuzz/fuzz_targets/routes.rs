//! The table of routes chooses what comes out when all patterns are looked at one by one.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| imgate_fuzz::routes(data));
